//! Stores to test, and short ways to use them.

use crate::guests;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use pys3local::backend::{Backend, BackendOptions, DirGrant, Grants, PluginConfig, open};
use pys3local_core::model::{Bucket, ByteStream, ETag, ObjectKey, PartNumber};
use pys3local_core::service::memory::MemoryStore;
use pys3local_core::service::ports::{
    PartOptions, PutOptions, Receipt, RowTrust, Store, StoreError, StoredObject, StoredPart,
    Verdict,
};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// A store with an empty bucket.
pub(crate) struct Rig {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bucket: Bucket,
    /// Everything that it keeps is below this directory; `None` keeps all in memory.
    dir: Option<TempDir>,
    backend: Option<Backend>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(backend) = &self.backend {
            backend.shutdown();
        }
    }
}

pub(crate) async fn memory() -> Rig {
    let store = Arc::new(MemoryStore::new(RowTrust::Check));
    Rig {
        store,
        bucket: Bucket::Root,
        dir: None,
        backend: None,
    }
    .with_bucket()
    .await
}

pub(crate) async fn local_objects() -> Rig {
    local("objects", false).await.with_bucket().await
}

pub(crate) async fn local_plain() -> Rig {
    local("plain", false).await.with_bucket().await
}

pub(crate) async fn local_single_bucket() -> Rig {
    local("plain", true).await
}

async fn local(layout: &str, single_bucket: bool) -> Rig {
    let dir = directory();
    let path = dir.path().join("data");
    let setting = |name: &str, value: String| (name.to_owned(), value);
    let settings = [
        setting("path", path.display().to_string()),
        setting("layout", layout.into()),
    ];
    let config = PluginConfig {
        kind: "local".into(),
        settings: settings.into(),
        ..PluginConfig::default()
    };
    plugin(dir, config, single_bucket).await
}

pub(crate) async fn wrapper() -> Rig {
    let dir = directory();
    let grants = Grants {
        dirs: vec![grant(&dir.path().join("data"))],
        ..Grants::default()
    };
    let config = PluginConfig {
        kind: "wrapper".into(),
        component: Some(guests::component("wrapper")),
        grants,
        ..PluginConfig::default()
    };
    plugin(dir, config, false).await.with_bucket().await
}

/// A directory that a plugin sees as its root.
pub(crate) fn grant(host: &Path) -> DirGrant {
    DirGrant {
        guest: "/".into(),
        host: host.into(),
        writable: true,
    }
}

/// A directory with an empty `data`, on a disk and not in memory.
pub(crate) fn directory() -> TempDir {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    dir
}

/// Compiled plugins are kept from one test to the next.
pub(crate) fn options(dir: &TempDir) -> BackendOptions {
    BackendOptions {
        compile_cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")),
        spool: dir.path().join("spool"),
        ..BackendOptions::default()
    }
}

async fn plugin(dir: TempDir, config: PluginConfig, single_bucket: bool) -> Rig {
    let options = BackendOptions {
        single_bucket,
        ..options(&dir)
    };
    let backend = open(config, options).await.unwrap();
    let store = Arc::clone(&backend.store);
    Rig {
        store,
        bucket: Bucket::Root,
        dir: Some(dir),
        backend: Some(backend),
    }
}

impl Rig {
    async fn with_bucket(mut self) -> Self {
        let name = "contract".parse().unwrap();
        self.store.create_bucket(&name).await.unwrap();
        self.bucket = Bucket::Named(name);
        self
    }

    /// Whether bodies go to a disk.
    pub(crate) fn has_disk(&self) -> bool {
        self.dir.is_some()
    }

    /// Files that the store has on its disk, whatever they are.
    pub(crate) fn files(&self) -> usize {
        fn count(dir: &Path) -> usize {
            let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
            let each = entries.map(|entry| {
                if entry.file_type().unwrap().is_dir() {
                    count(&entry.path())
                } else {
                    1
                }
            });
            each.sum()
        }
        self.dir.as_ref().map_or(0, |dir| count(dir.path()))
    }

    pub(crate) async fn put(&self, name: &str, data: impl Into<Bytes>) -> StoredObject {
        let data = data.into();
        let (size, verdict) = (data.len() as u64, accepted(data.len() as u64));
        let put = self.put_stream(name, size, body(data), verdict).await;
        put.unwrap_or_else(|error| panic!("put {name:?}: {error}"))
    }

    pub(crate) async fn put_stream(
        &self,
        name: &str,
        size: u64,
        body: ByteStream,
        verdict: Verdict,
    ) -> Result<StoredObject, StoreError> {
        let options = PutOptions::default();
        self.store
            .put(&self.bucket, &key(name), size, options, body, verdict)
            .await
    }

    /// Reads an object, or a range of it. The body must not break.
    pub(crate) async fn get(
        &self,
        name: &str,
        range: Option<Range<u64>>,
    ) -> Result<(StoredObject, Bytes), StoreError> {
        let (info, body) = self
            .store
            .get(&self.bucket, &key(name), range, None)
            .await?;
        Ok((info, collect(body).await.unwrap()))
    }

    pub(crate) async fn bytes(&self, name: &str) -> Bytes {
        let (info, bytes) = self.get(name, None).await.unwrap();
        assert_eq!(info.size, bytes.len() as u64, "{name:?}");
        bytes
    }

    pub(crate) async fn stat(&self, name: &str) -> Result<StoredObject, StoreError> {
        self.store.stat(&self.bucket, &key(name), None).await
    }

    pub(crate) async fn begin(&self, name: &str) -> String {
        let (key, options) = (key(name), PutOptions::default());
        let begun = self.store.begin_upload(&self.bucket, &key, options).await;
        begun.unwrap()
    }

    /// Sends one part as the service does.
    pub(crate) async fn part(
        &self,
        (name, upload): (&str, &str),
        number: u32,
        data: impl Into<Bytes>,
        offset: Option<u64>,
    ) -> Result<StoredPart, StoreError> {
        let (data, number) = (data.into(), PartNumber::new(number).unwrap());
        let size = data.len() as u64;
        let options = PartOptions {
            number,
            size,
            offset,
        };
        let sent = self
            .store
            .put_part(&self.bucket, &key(name), upload, options, body(data))
            .await;
        sent.map(|token| StoredPart {
            number,
            size,
            token,
        })
    }

    pub(crate) async fn complete(
        &self,
        (name, upload): (&str, &str),
        parts: &[StoredPart],
    ) -> Result<StoredObject, StoreError> {
        let receipt = receipt(parts.iter().map(|part| part.size).sum());
        self.store
            .complete_upload(
                &self.bucket,
                &key(name),
                upload,
                parts.to_vec(),
                None,
                receipt,
            )
            .await
    }

    pub(crate) async fn abort(&self, (name, upload): (&str, &str)) -> Result<(), StoreError> {
        self.store
            .abort_upload(&self.bucket, &key(name), upload)
            .await
    }
}

pub(crate) fn key(name: &str) -> ObjectKey {
    name.parse().unwrap()
}

/// What the service says about a body without fault. The digest is not the store's to check.
pub(crate) fn receipt(size: u64) -> Receipt {
    Receipt {
        size,
        md5: Some([7; 16]),
        etag: ETag::Md5([7; 16]),
        content_type: None,
    }
}

pub(crate) fn accepted(size: u64) -> Verdict {
    let (sender, verdict) = oneshot::channel();
    sender.send(receipt(size)).unwrap();
    verdict
}

/// Bytes in pieces of odd sizes.
pub(crate) fn body(mut data: Bytes) -> ByteStream {
    let mut size = 1;
    let pieces = std::iter::from_fn(move || {
        size = size * 5 % 70_001;
        let piece = data.split_to(size.min(data.len()));
        (!piece.is_empty()).then_some(Ok(piece))
    });
    stream::iter(pieces).boxed()
}

/// `size` bytes of one value, made as they are read.
pub(crate) fn filled(value: u8, size: u64) -> ByteStream {
    let piece = Bytes::from(vec![value; 64 * 1024]);
    let step = piece.len() as u64;
    let pieces = (0..size.div_ceil(step)).map(move |index| {
        let length = (size - index * step).min(step);
        Ok(piece.slice(..usize::try_from(length).unwrap()))
    });
    stream::iter(pieces).boxed()
}

pub(crate) async fn collect(body: ByteStream) -> io::Result<Bytes> {
    let pieces: Vec<Bytes> = body.try_collect().await?;
    Ok(pieces.concat().into())
}
