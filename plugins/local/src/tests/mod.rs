//! The plugin's logic on a real directory.

mod buckets;
mod deep;
mod links;
mod listing;
mod neighbours;
mod objects;
mod parts;

use crate::native::{Body, NativeDir};
use crate::settings::{Layout, Settings};
use crate::{Error, Info, Local, Page, Query, Receipt};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use tempfile::TempDir;

/// Bytes of a test.
pub(super) enum Bytes {
    Memory(Vec<u8>),
    /// Some bytes, and then the connection breaks.
    Broken(Vec<u8>),
    File(Arc<File>, u64),
}

impl Body for Bytes {
    async fn store(self, file: Arc<File>, offset: u64) -> io::Result<u64> {
        let broken = matches!(self, Self::Broken(_));
        let data = self.read()?;
        file.write_all_at(&data, offset)?;
        if broken {
            Err(io::Error::other("cut off"))
        } else {
            Ok(data.len() as u64)
        }
    }

    fn load(file: Arc<File>, offset: u64) -> Self {
        Self::File(file, offset)
    }
}

impl Bytes {
    pub(super) fn read(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Memory(data) | Self::Broken(data) => Ok(data),
            Self::File(file, offset) => {
                let length = file.metadata()?.len().saturating_sub(offset);
                let mut data = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                file.read_exact_at(&mut data, offset)?;
                Ok(data)
            }
        }
    }
}

/// Nothing natively ever waits.
pub(super) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the native file system waits"),
    }
}

/// A storage in a directory of its own.
pub(super) struct Store {
    pub(super) local: Local<NativeDir<Bytes>>,
    root: Arc<TempDir>,
}

impl Store {
    /// One bucket, `""`.
    pub(super) fn single() -> Self {
        Self::open(
            Arc::new(tempfile::tempdir().unwrap()),
            Layout::Objects,
            true,
        )
    }

    /// A bucket `bucket`; syncs.
    pub(super) fn buckets(layout: Layout) -> Self {
        let store = Self::open(Arc::new(tempfile::tempdir().unwrap()), layout, false);
        now(store.local.create_bucket("bucket")).unwrap();
        store
    }

    fn open(root: Arc<TempDir>, layout: Layout, single_bucket: bool) -> Self {
        static INSTANCE: AtomicU32 = AtomicU32::new(0);
        let instance = format!("test-{}", INSTANCE.fetch_add(1, Ordering::Relaxed));
        let settings = Settings {
            layout,
            single_bucket,
            durable: !single_bucket,
            instance,
        };
        Self {
            local: Local::new(NativeDir::open(root.path()).unwrap(), settings),
            root,
        }
    }

    /// Another instance on the same directory.
    pub(super) fn again(&self) -> Self {
        let settings = &self.local.settings;
        Self::open(self.root.clone(), settings.layout, settings.single_bucket)
    }

    pub(super) fn bucket(&self) -> &'static str {
        if self.local.settings.single_bucket {
            ""
        } else {
            "bucket"
        }
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub(super) fn put(&self, key: &str, data: &[u8]) -> Info {
        self.try_put(key, data)
            .unwrap_or_else(|error| panic!("{key:?}: {error:?}"))
    }

    pub(super) fn try_put(&self, key: &str, data: &[u8]) -> Result<Info, Error> {
        let receipt = Receipt {
            size: data.len() as u64,
        };
        let body = Bytes::Memory(data.to_vec());
        now(self
            .local
            .put(self.bucket(), key, body, async { Ok(receipt) }))
    }

    pub(super) fn get(&self, key: &str) -> Result<Vec<u8>, Error> {
        let object = now(self.local.get(self.bucket(), key, None, true))?;
        // Both ways of opening agree.
        let unknown = now(self.local.get(self.bucket(), key, None, false))?;
        let stat = now(self.local.stat(self.bucket(), key))?;
        assert_eq!((&object.info, &object.info), (&unknown.info, &stat));
        Ok(object.body.read().unwrap())
    }

    pub(super) fn delete(&self, key: &str) {
        now(self.local.delete(self.bucket(), key)).unwrap();
    }

    pub(super) fn list(&self, query: &Query) -> Page {
        now(self.local.list(self.bucket(), query)).unwrap()
    }

    /// Every key, in pages of `limit`.
    pub(super) fn keys(&self, limit: usize) -> Vec<String> {
        let mut query = Query {
            prefix: String::new(),
            after: None,
            shallow: false,
            limit,
        };
        let mut keys = Vec::new();
        loop {
            let page = self.list(&query);
            keys.extend(page.entries.into_iter().map(|entry| entry.key));
            if !page.more {
                return keys;
            }
            query.after = keys.last().cloned();
        }
    }

    /// Every file and directory but the private ones.
    pub(super) fn tree(&self) -> Vec<String> {
        fn walk(dir: &Path, above: &str, found: &mut Vec<String>) {
            for entry in dir.read_dir().unwrap().map(Result::unwrap) {
                let name = format!("{above}{}", entry.file_name().to_str().unwrap());
                if entry.file_type().unwrap().is_dir() && name != ".pys3local" {
                    found.push(format!("{name}/"));
                    walk(&entry.path(), &format!("{name}/"), found);
                } else if name != ".pys3local" {
                    found.push(name);
                }
            }
        }
        let mut found = Vec::new();
        walk(self.root.path(), "", &mut found);
        found.sort();
        found
    }

    /// What is left of temporary files and uploads.
    pub(super) fn leftovers(&self) -> usize {
        ["tmp", "uploads"]
            .iter()
            .filter_map(|dir| self.path(".pys3local").join(dir).read_dir().ok())
            .map(Iterator::count)
            .sum()
    }
}
