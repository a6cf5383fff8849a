//! Behaviour of the service over a store and a cache in memory.

mod buckets;
mod checksums;
mod crash;
mod healing;
mod index;
mod listing;
mod parts;
mod portable;
mod reading;
mod writing;

use super::memory::MemoryStore;
use super::memory_cache::MemoryCache;
use super::ports::{Cache, RowTrust, Store};
use super::{
    BucketMode, CopyObject, ETagCondition, Freshness, ObjectHead, PutObject, ReadConditions,
    ReadObject, Service, ServiceError, ServiceOptions, WriteConditions, Written,
};
use crate::model::{
    Bucket, BucketName, Checksum, ChecksumAlgorithm, ETag, Metadata, ObjectKey, ObjectState, Piece,
    RangeSpec, Section, Upload, UploadError, Wanted,
};
use bytes::Bytes;
use futures_util::StreamExt;
use md5::{Digest, Md5};
use std::sync::Arc;
use std::time::Duration;

/// A service and what is behind it.
struct Fixture {
    service: Arc<Service>,
    store: Arc<MemoryStore>,
    cache: Arc<MemoryCache>,
    options: ServiceOptions,
}

impl Fixture {
    /// In default-bucket mode.
    fn new() -> Self {
        Self::with(RowTrust::Check, BucketMode::Default.into())
    }

    /// With buckets of its own, of which `first` is there.
    async fn advanced() -> Self {
        let fixture = Self::with(RowTrust::Check, BucketMode::Advanced.into());
        fixture
            .service
            .create_bucket(&name("first"), None)
            .await
            .unwrap();
        fixture
    }

    fn with(trust: RowTrust, options: ServiceOptions) -> Self {
        let store = Arc::new(MemoryStore::new(trust));
        let cache = Arc::new(MemoryCache::default());
        let service = service(&store, &cache, options);
        Self {
            service,
            store,
            cache,
            options,
        }
    }

    /// The same store and cache after a crash: whatever the old service holds is lost.
    fn restarted(&self) -> Self {
        self.cache.begin_store_run();
        Self {
            service: service(&self.store, &self.cache, self.options),
            store: Arc::clone(&self.store),
            cache: Arc::clone(&self.cache),
            options: self.options,
        }
    }

    /// Runs an operation until the fault that waits for it, and then never again.
    async fn die_in(&self, operation: impl Future) {
        let fault = async {
            while self.store.fault_is_due() || self.cache.fault_is_due() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            _ = operation => panic!("the operation has survived"),
            () = fault => {}
        }
    }

    async fn put(&self, key: &str, bytes: &[u8]) -> Result<Written, ServiceError> {
        self.put_if(key, bytes, WriteConditions::default()).await
    }

    async fn put_if(
        &self,
        key: &str,
        bytes: &[u8],
        conditions: WriteConditions,
    ) -> Result<Written, ServiceError> {
        let request = PutObject {
            conditions,
            ..put_request(key)
        };
        self.service.put_object(request, good(bytes)).await
    }

    async fn get(&self, key: &str) -> Result<(ObjectHead, Vec<u8>), ServiceError> {
        self.get_range(key, None).await
    }

    async fn get_range(
        &self,
        key: &str,
        range: Option<&str>,
    ) -> Result<(ObjectHead, Vec<u8>), ServiceError> {
        let request = ReadObject {
            section: range.and_then(RangeSpec::parse).map(Section::Range),
            ..read_request(key)
        };
        let mut reply = self.service.get_object(request).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = reply.body.next().await {
            let piece = piece.map_err(|error| ServiceError::Unavailable(error.to_string()))?;
            bytes.extend_from_slice(&piece);
        }
        if let Some(range) = reply.range {
            assert_eq!(range.end - range.start, bytes.len() as u64);
        }
        Ok((reply.head, bytes))
    }

    async fn delete(&self, key: &str) -> Result<(), ServiceError> {
        let bucket = name("default");
        let always = WriteConditions::default();
        self.service
            .delete_object(&bucket, &self::key(key), always)
            .await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<Written, ServiceError> {
        self.service.copy_object(copy_request(from, to)).await
    }

    /// The key holds these bytes, and all that is said about it fits them.
    async fn assert_holds(&self, key: &str, bytes: &[u8]) {
        let (head, found) = self.get(key).await.unwrap();
        assert_eq!(found, bytes);
        assert_eq!(head.etag, md5(bytes));
        assert_eq!(head.size, bytes.len() as u64);
        assert_eq!(head.metadata, put_request(key).metadata);
    }
}

fn service(
    store: &Arc<MemoryStore>,
    cache: &Arc<MemoryCache>,
    options: ServiceOptions,
) -> Arc<Service> {
    let store: Arc<dyn Store> = Arc::<MemoryStore>::clone(store);
    let cache: Arc<dyn Cache> = Arc::<MemoryCache>::clone(cache);
    Arc::new(Service::new(store, cache, options))
}

fn name(raw: &str) -> BucketName {
    raw.parse().unwrap()
}

fn key(raw: &str) -> ObjectKey {
    raw.parse().unwrap()
}

fn md5(bytes: &[u8]) -> ETag {
    ETag::Md5(Md5::digest(bytes).into())
}

fn put_request(raw: &str) -> PutObject {
    PutObject {
        bucket: name("default"),
        key: key(raw),
        metadata: Metadata {
            content_type: Some("text/plain".into()),
            user: vec![("owner".into(), "somebody".into())],
            ..Metadata::default()
        },
        conditions: WriteConditions::default(),
    }
}

fn read_request(raw: &str) -> ReadObject {
    ReadObject {
        bucket: name("default"),
        key: key(raw),
        section: None,
        if_range: None,
        conditions: ReadConditions::default(),
    }
}

fn copy_request(from: &str, to: &str) -> CopyObject {
    CopyObject {
        source_bucket: name("default"),
        source_key: key(from),
        source_conditions: ReadConditions::default(),
        bucket: name("default"),
        key: key(to),
        metadata: None,
        tags: None,
        checksum: None,
        changes: false,
        conditions: WriteConditions::default(),
    }
}

/// An upload with every check passed.
fn good(bytes: &[u8]) -> Upload {
    let md5 = Md5::digest(bytes).into();
    pieces(
        bytes,
        bytes.len(),
        Some(Ok(Piece::End {
            md5,
            checksum: Some(Checksum::of(ChecksumAlgorithm::Crc32, bytes)),
        })),
    )
}

/// An upload that fails after all its bytes.
fn bad(bytes: &[u8], error: UploadError) -> Upload {
    pieces(bytes, bytes.len(), Some(Err(error)))
}

/// An upload that never goes on after its bytes.
fn stuck(bytes: &[u8]) -> Upload {
    let Upload { size, pieces, .. } = pieces(bytes, bytes.len() + 1, None);
    Upload {
        on_demand: false,
        promised: None,
        wanted: Wanted::default(),
        size,
        pieces: pieces.chain(futures_util::stream::pending()).boxed(),
    }
}

fn pieces(bytes: &[u8], size: usize, end: Option<Result<Piece, UploadError>>) -> Upload {
    let data: Vec<_> = bytes
        .chunks(100_000)
        .map(|chunk| Ok(Piece::Data(Bytes::copy_from_slice(chunk))))
        .chain(end)
        .collect();
    Upload {
        on_demand: false,
        promised: None,
        wanted: Wanted::default(),
        size: size as u64,
        pieces: futures_util::stream::iter(data).boxed(),
    }
}

fn absent() -> WriteConditions {
    WriteConditions {
        if_none_match: Some(ETagCondition::Any),
        ..WriteConditions::default()
    }
}

fn only(etag: ETag) -> ETagCondition {
    ETagCondition::OneOf(vec![etag])
}

fn root() -> Bucket {
    Bucket::Root
}
