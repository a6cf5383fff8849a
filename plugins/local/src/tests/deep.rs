//! Deep paths. What they cost is counted in names that the system has to look up.

use super::*;
use crate::disk::{Dir, Fault, Kind, Stat};
use crate::native::NativeFile;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicUsize;

/// A directory whose system counts.
struct Counted {
    dir: NativeDir<Bytes>,
    names: Arc<AtomicUsize>,
}

impl Counted {
    fn count(&self, path: &str) {
        let names = path.split('/').count();
        self.names.fetch_add(names, Ordering::Relaxed);
    }
}

impl Dir for Counted {
    type File = NativeFile<Bytes>;
    type Body = Bytes;

    async fn open_dir(&self, path: &str) -> Result<Self, Fault> {
        self.count(path);
        let dir = self.dir.open_dir(path).await?;
        let names = self.names.clone();
        Ok(Self { dir, names })
    }
    async fn open(&self, path: &str) -> Result<Self::File, Fault> {
        self.count(path);
        self.dir.open(path).await
    }
    async fn open_to_write(&self, path: &str) -> Result<Self::File, Fault> {
        self.count(path);
        self.dir.open_to_write(path).await
    }
    async fn create(&self, path: &str) -> Result<Self::File, Fault> {
        self.count(path);
        self.dir.create(path).await
    }
    async fn stat(&self, path: &str) -> Result<Stat, Fault> {
        self.count(path);
        self.dir.stat(path).await
    }
    async fn lstat(&self, path: &str) -> Result<Stat, Fault> {
        self.count(path);
        self.dir.lstat(path).await
    }
    async fn stat_self(&self) -> Result<Stat, Fault> {
        self.dir.stat_self().await
    }
    async fn make_dir(&self, path: &str) -> Result<(), Fault> {
        self.count(path);
        self.dir.make_dir(path).await
    }
    async fn remove_dir(&self, path: &str) -> Result<(), Fault> {
        self.count(path);
        self.dir.remove_dir(path).await
    }
    async fn remove_file(&self, path: &str) -> Result<(), Fault> {
        self.count(path);
        self.dir.remove_file(path).await
    }
    async fn rename(&self, from: &str, to_dir: &Self, to: &str) -> Result<(), Fault> {
        self.count(from);
        self.count(to);
        self.dir.rename(from, &to_dir.dir, to).await
    }
    async fn sync(&self) -> Result<(), Fault> {
        self.dir.sync().await
    }
    async fn read(&self, each: impl FnMut(&str, Kind) -> ControlFlow<()>) -> Result<(), Fault> {
        self.dir.read(each).await
    }
    async fn pause() {}
    /// It stands still: what is remembered for seconds is remembered on a slow disk, too.
    fn now() -> i64 {
        1_700_000_000_000_000_000
    }
    fn warn(message: &str) {
        NativeDir::<Bytes>::warn(message);
    }
}

/// How many names are looked up for each call on a key with so many slashes, and for the deletion
/// of a bucket that has as many empty directories in each other.
fn names_of(depth: usize) -> Vec<(&'static str, usize)> {
    let root = tempfile::tempdir().unwrap();
    let names = Arc::new(AtomicUsize::new(0));
    let dir = Counted {
        dir: NativeDir::open(root.path()).unwrap(),
        names: names.clone(),
    };
    let settings = Settings {
        layout: Layout::Plain,
        single_bucket: false,
        durable: true,
        instance: "deep".into(),
    };
    let local = Local::new(dir, settings);
    let key = "/".repeat(depth);
    let taken = |what| (what, names.swap(0, Ordering::Relaxed));
    let mut costs = Vec::new();
    now(local.create_bucket("bucket")).unwrap();
    taken("");
    let receipt = async { Ok(Receipt { size: 1 }) };
    now(local.put("bucket", &key, Bytes::Memory(vec![1]), receipt)).unwrap();
    costs.push(taken("put"));
    now(local.get("bucket", &key, None, false)).unwrap();
    costs.push(taken("get"));
    let query = Query {
        prefix: "/".repeat(depth - 1),
        after: None,
        shallow: true,
        limit: 10,
    };
    assert_eq!(
        now(local.list("bucket", &query)).unwrap().prefixes,
        [key.as_str()]
    );
    costs.push(taken("list"));
    now(local.delete("bucket", &key)).unwrap();
    costs.push(taken("delete"));
    let left = root.path().join("bucket").read_dir().unwrap();
    assert_eq!(left.count(), 0, "directories stay behind");

    let mut path = String::from("bucket");
    for _ in 0..depth {
        path.push_str("/d");
        now(local.tree.make_dir(&path)).unwrap();
    }
    taken("");
    now(local.delete_bucket("bucket")).unwrap();
    costs.push(taken("delete bucket"));
    assert!(!root.path().join("bucket").exists());
    costs
}

#[test]
fn a_path_that_is_twice_as_deep_takes_twice_the_look_ups() {
    for ((what, less), (_, more)) in names_of(512).into_iter().zip(names_of(1024)) {
        assert!(more < 3 * less, "{what}: {less}, {more}");
    }
}

#[test]
fn a_bucket_of_directories_that_no_path_reaches_is_deleted() {
    let store = Store::buckets(Layout::Plain);
    let mut path = String::from("bucket");
    for _ in 0..1000 {
        path.push('/');
        path.push_str(&"d".repeat(20));
        now(store.local.tree.make_dir(&path)).unwrap();
    }
    now(store.local.delete_bucket("bucket")).unwrap();
    assert_eq!(store.tree(), [""; 0]);
}
