//! A store to check, and short ways to use it.

use crate::model::{Bucket, BucketName, ByteStream, ETag, ObjectKey, PartNumber};
use crate::service::ports::{
    PartOptions, PutOptions, Receipt, Store, StoreError, StoreListQuery, StoredObject, StoredPart,
    Verdict,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A store with an empty bucket of our own.
pub struct Rig {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The bucket.
    pub bucket: Bucket,
    /// Starts the names of all buckets that a fact makes.
    tag: String,
    /// Bytes of a body that is called large.
    pub large: u64,
    /// Where the store keeps everything that it has, if that is a directory of this machine.
    dir: Option<PathBuf>,
}

impl Rig {
    /// A rig over a store in default-bucket mode, whose root must be empty.
    pub fn single(store: Arc<dyn Store>, dir: Option<&Path>) -> Self {
        Self {
            store,
            bucket: Bucket::Root,
            tag: String::new(),
            large: if dir.is_some() { 300 << 20 } else { 8 << 20 },
            dir: dir.map(Into::into),
        }
    }

    /// A rig with a bucket named `tag`, which it makes. Nothing of the store is touched but
    /// buckets whose names start with `tag`.
    pub async fn with_bucket(
        store: Arc<dyn Store>,
        dir: Option<&Path>,
        tag: &str,
    ) -> Result<Self, StoreError> {
        let mut rig = Self::single(store, dir);
        rig.tag = tag.to_owned();
        let name = rig.bucket_name("");
        rig.store.create_bucket(&name).await?;
        rig.bucket = Bucket::Named(name);
        Ok(rig)
    }

    /// The name of one of our buckets; the first one's is `""`.
    pub(super) fn bucket_name(&self, rest: &str) -> BucketName {
        format!("{}{rest}", self.tag).parse().unwrap()
    }

    /// Our buckets that are there, sorted.
    pub(super) async fn bucket_names(&self) -> Vec<BucketName> {
        let found = self.store.list_buckets().await.unwrap().into_iter();
        let mut names: Vec<BucketName> = found.map(|bucket| bucket.name).collect();
        names.retain(|name| name.as_str().starts_with(&self.tag));
        names.sort();
        names
    }

    /// Deletes our objects and buckets.
    pub async fn clear(&self) -> Result<(), StoreError> {
        if let Bucket::Root = self.bucket {
            return self.clear_bucket(&Bucket::Root).await;
        }
        for name in self.bucket_names().await {
            self.clear_bucket(&Bucket::Named(name.clone())).await?;
            self.store.delete_bucket(&name).await?;
        }
        Ok(())
    }

    async fn clear_bucket(&self, bucket: &Bucket) -> Result<(), StoreError> {
        loop {
            let query = StoreListQuery {
                prefix: String::new(),
                after: None,
                shallow: false,
                limit: 1000,
            };
            let page = self.store.list(bucket, query).await?;
            if page.entries.is_empty() {
                return Ok(());
            }
            let keys = page.entries.into_iter().map(|(key, _)| (key, None));
            for deleted in self.store.delete_many(bucket, keys.collect()).await? {
                deleted?;
            }
        }
    }

    /// Files that the store has on its disk, whatever they are.
    pub(super) fn files(&self) -> usize {
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
        self.dir.as_deref().map_or(0, count)
    }

    pub(super) async fn put(&self, name: &str, data: impl Into<Bytes>) -> StoredObject {
        let data = data.into();
        let (size, verdict) = (data.len() as u64, accepted(data.len() as u64));
        let put = self.put_stream(name, size, body(data), verdict).await;
        put.unwrap_or_else(|error| panic!("put {name:?}: {error}"))
    }

    pub(super) async fn put_stream(
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
    pub(super) async fn get(
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

    pub(super) async fn bytes(&self, name: &str) -> Bytes {
        let (info, bytes) = self.get(name, None).await.unwrap();
        assert_eq!(info.size, bytes.len() as u64, "{name:?}");
        bytes
    }

    pub(super) async fn stat(&self, name: &str) -> Result<StoredObject, StoreError> {
        self.store.stat(&self.bucket, &key(name), None).await
    }

    pub(super) async fn begin(&self, name: &str) -> String {
        let (key, options) = (key(name), PutOptions::default());
        let begun = self.store.begin_upload(&self.bucket, &key, options).await;
        begun.unwrap()
    }

    /// Sends one part as the service does.
    pub(super) async fn part(
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

    pub(super) async fn complete(
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

    pub(super) async fn abort(&self, (name, upload): (&str, &str)) -> Result<(), StoreError> {
        self.store
            .abort_upload(&self.bucket, &key(name), upload)
            .await
    }
}

/// The key of this name.
pub fn key(name: &str) -> ObjectKey {
    name.parse().unwrap()
}

/// What the service says about a body without fault. The digest is not the store's to check.
pub fn receipt(size: u64) -> Receipt {
    Receipt {
        size,
        md5: Some([7; 16]),
        etag: ETag::Md5([7; 16]),
        content_type: None,
    }
}

/// A verdict that is given already.
pub fn accepted(size: u64) -> Verdict {
    let (sender, verdict) = oneshot::channel();
    sender.send(receipt(size)).unwrap();
    verdict
}

/// Bytes in pieces of odd sizes.
pub fn body(mut data: Bytes) -> ByteStream {
    let mut size = 1;
    let pieces = std::iter::from_fn(move || {
        size = size * 5 % 70_001;
        let piece = data.split_to(size.min(data.len()));
        (!piece.is_empty()).then_some(Ok(piece))
    });
    stream::iter(pieces).boxed()
}

/// `size` bytes of one value, made as they are read.
pub fn filled(value: u8, size: u64) -> ByteStream {
    let piece = Bytes::from(vec![value; 64 * 1024]);
    let step = piece.len() as u64;
    let pieces = (0..size.div_ceil(step)).map(move |index| {
        let length = (size - index * step).min(step);
        Ok(piece.slice(..usize::try_from(length).unwrap()))
    });
    stream::iter(pieces).boxed()
}

/// All bytes of a body.
pub async fn collect(body: ByteStream) -> io::Result<Bytes> {
    let pieces: Vec<Bytes> = body.try_collect().await?;
    Ok(pieces.concat().into())
}
