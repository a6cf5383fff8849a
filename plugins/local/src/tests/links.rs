use super::*;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};

#[test]
fn a_key_below_the_name_of_a_link_to_a_directory_is_an_object_of_its_own() {
    for (store, bucket) in [
        (Store::single(), ""),
        (Store::buckets(Layout::Plain), "bucket/"),
    ] {
        let link = store.path(&format!("{bucket}current"));
        store.put("2026/dump", b"other");
        symlink("2026", &link).unwrap();
        assert_eq!(store.get("current/dump"), Err(Error::NoSuchKey));
        assert_eq!(store.keys(10), ["2026/dump"]);

        store.put("current/dump", b"new");
        store.put("current/dump", b"newer");
        store.put("current/deep/dump", b"deep");
        let keys = ["2026/dump", "current/deep/dump", "current/dump"];
        assert_eq!(store.keys(10), keys);
        assert_eq!(store.get("current/dump").unwrap(), b"newer");
        assert_eq!(store.get("2026/dump").unwrap(), b"other");

        store.delete("current/dump");
        store.delete("current/deep/dump");
        assert_eq!(store.get("current/dump"), Err(Error::NoSuchKey));
        assert_eq!(store.keys(10), ["2026/dump"]);
        store.delete("current/dump");
        assert_eq!(store.get("2026/dump").unwrap(), b"other");
        assert!(link.is_symlink());
    }
}

#[test]
fn a_key_with_the_name_of_a_link_to_a_directory_leaves_the_link_alone() {
    let store = Store::single();
    store.put("dir/file", b"other");
    symlink("dir", store.path("link")).unwrap();
    store.put("link", b"object");
    assert_eq!(store.get("link").unwrap(), b"object");
    assert_eq!(store.keys(10), ["dir/file", "link"]);
    store.delete("link");
    assert_eq!(store.get("link"), Err(Error::NoSuchKey));
    store.delete("link");
    assert!(store.path("link").is_symlink());
    assert_eq!(store.tree(), ["dir/", "dir/file", "link"]);
}

#[test]
fn a_link_that_takes_the_place_of_a_directory_is_noticed_by_the_next_gateway() {
    let store = Store::single();
    store.put("dir/file", b"object");
    fs::rename(store.path("dir"), store.path("moved")).unwrap();
    symlink("moved", store.path("dir")).unwrap();
    let again = store.again();
    assert_eq!(again.get("dir/file"), Err(Error::NoSuchKey));
    again.put("dir/file", b"new");
    assert_eq!(again.get("moved/file").unwrap(), b"object");
    assert_eq!(again.get("dir/file").unwrap(), b"new");
}

#[test]
fn pipes_are_left_alone() {
    let store = Store::single();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, store.path("pipe"), mode).unwrap();
    store.delete("pipe");
    store.put("pipe", b"object");
    assert_eq!(store.get("pipe").unwrap(), b"object");
    assert_eq!(store.keys(10), ["pipe"]);
    store.delete("pipe");
    assert_eq!(store.keys(10), [""; 0]);
    let kind = fs::metadata(store.path("pipe")).unwrap().file_type();
    assert!(kind.is_fifo());
}

#[test]
fn a_file_behind_a_broken_link_takes_its_place() {
    let store = Store::single();
    symlink("nowhere", store.path("link")).unwrap();
    store.put("link", b"object");
    assert_eq!(store.tree(), ["link"]);
    assert!(!store.path("link").is_symlink());
}

#[test]
fn a_link_to_a_bucket_is_no_bucket() {
    for (layout, link, target) in [
        (Layout::Plain, "link", "bucket"),
        (Layout::Objects, "link", "bucket"),
        (Layout::Objects, "dir/objects", "../bucket/objects"),
    ] {
        let store = Store::buckets(layout);
        store.put("key", b"object");
        if let Some((dir, _)) = link.split_once('/') {
            fs::create_dir(store.path(dir)).unwrap();
        }
        symlink(target, store.path(link)).unwrap();
        let tree = store.tree();
        let name = link.split('/').next().unwrap();
        let local = &store.local;
        let buckets = now(local.list_buckets()).unwrap();
        let names: Vec<_> = buckets.iter().map(|bucket| bucket.name.as_str()).collect();
        assert_eq!(names, ["bucket"]);

        let missing = || Err(Error::NoSuchBucket);
        assert_eq!(now(local.stat_bucket(name)).map(drop), missing());
        assert_eq!(now(local.stat(name, "key")).map(drop), missing());
        assert_eq!(now(local.get(name, "key", None, true)).map(drop), missing());
        assert_eq!(now(local.delete(name, "key")), missing());
        assert_eq!(now(local.delete_bucket(name)), missing());
        assert_eq!(now(local.begin(name)).map(drop), missing());
        let query = Query {
            prefix: String::new(),
            after: None,
            shallow: false,
            limit: 1,
        };
        assert_eq!(now(local.list(name, &query)).map(drop), missing());
        let receipt = || Receipt { size: 6 };
        let body = Bytes::Memory(b"object".to_vec());
        let put = now(local.put(name, "new", body, async { Ok(receipt()) }));
        assert_eq!(put.map(drop), missing());
        let version = now(local.stat("bucket", "key")).unwrap().version;
        for (from, to) in [("bucket", name), (name, "bucket")] {
            let copied = now(local.copy((from, "key"), &version, (to, "new"), receipt()));
            assert_eq!(copied.map(drop), missing());
        }
        let made = now(local.create_bucket(name));
        assert!(matches!(made, Err(Error::InvalidName(_))), "{made:?}");
        assert_eq!(store.tree(), tree);
        assert_eq!(store.get("key").unwrap(), b"object");
    }
}
