//! What S3 operations mean: preconditions, the order of store and cache, listing, uploads in
//! parts, default-bucket mode. Knows nothing of HTTP, XML, wasm or SQL.
//!
//! Three promises hold whatever fails. An acknowledged object is there with its metadata. One
//! that was not acknowledged is there whole, with its metadata, or not at all. A reader never
//! sees the bytes of one state with the ETag of another.
//!
//! They rest on the order of a write: bytes to the store, key lock, conditions, intent, verdict,
//! publication, row, unlock. A reader that finds an object that its row does not describe waits
//! for the lock if an intent is open, and settles the intent itself if nobody else will.

mod attributes;
mod buckets;
mod complete;
mod copy;
mod digest;
pub mod error;
mod gate;
mod heal;
pub mod index;
mod list;
mod locks;
mod look;
pub mod memory;
#[cfg(test)]
pub(crate) mod memory_cache;
mod multipart;
mod pager;
mod part_md5s;
mod portable;
pub mod ports;
mod precondition;
mod publish;
mod read;
mod recover;
pub mod requests;
mod strangers;
#[cfg(test)]
mod tests;
mod uploads;
mod write;

pub use buckets::DEFAULT_BUCKET;
pub use error::ServiceError;
pub use heal::{Healed, OnRead, SurveyPage, Surveyed, Verified};
pub use index::Freshness;
pub use requests::*;

use crate::model::{
    Bucket, BucketName, BucketSetting, ChecksumPlan, Metadata, ObjectKey, PartNumber, Timestamp,
    Upload, UploadId,
};
use index::{Index, IndexProgress, Refreshed};
use locks::{BucketLocks, KeyLocks, Locks};
use ports::{Cache, RowTrust, Store, StoredBucket};
use publish::Publishing;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Weak};
use strangers::{Lookups, Strangers};
use uploads::Uploads;

/// Which buckets there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketMode {
    /// One virtual bucket, `default`, at the store's root.
    Default,
    /// Buckets are real, and clients may create them.
    Advanced,
}

/// How a [`Service`] behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceOptions {
    /// Which buckets there are.
    pub mode: BucketMode,
    /// Hash full reads on the way out: bytes that do not match the ETag end in an error instead
    /// of reaching the client whole.
    pub verify_reads: bool,
    /// When what is known of a store that is indexed has to be asked again.
    pub freshness: Freshness,
}

impl From<BucketMode> for ServiceOptions {
    fn from(mode: BucketMode) -> Self {
        Self {
            mode,
            verify_reads: false,
            freshness: Freshness::default(),
        }
    }
}

/// Bytes of the largest single put, part or copy: 5 GiB.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
pub const MAX_PUT: u64 = 5 * 1024 * 1024 * 1024;

/// All S3 operations over one store and its cache.
///
/// Needs a tokio runtime: a write runs in a task of its own, and from its verdict on it finishes
/// even if the client has gone.
pub struct Service {
    inner: Arc<Inner>,
}

/// What every operation uses. The files beside this one add the operations.
struct Inner {
    store: Arc<dyn Store>,
    cache: Arc<dyn Cache>,
    options: ServiceOptions,
    locks: KeyLocks,
    bucket_locks: BucketLocks,
    /// Held by who makes or deletes a bucket, from the first step to the last.
    bucket_changes: Locks<Bucket>,
    publishing: Publishing,
    strangers: Strangers,
    lookups: Lookups,
    portable: portable::Queue,
    uploads: Uploads,
    /// Counts deletions. Who finds no row for an object and sees the count move in between may
    /// have missed a row that came and went.
    deletions: AtomicU64,
    /// The store has not yet answered that it cannot copy.
    copies: AtomicBool,
    /// For a store that is listed folder by folder.
    index: Option<Index>,
    /// For work in the background.
    me: Weak<Self>,
}

impl Service {
    /// A service over these. Call [`Service::recover`] once after it.
    pub fn new(
        store: Arc<dyn Store>,
        cache: Arc<dyn Cache>,
        options: impl Into<ServiceOptions>,
    ) -> Self {
        let options = options.into();
        let indexed = store.scans() && store.trust() == RowTrust::Indexed;
        let inner = Arc::new_cyclic(|me| Inner {
            store,
            cache,
            options,
            locks: KeyLocks::default(),
            bucket_locks: BucketLocks::default(),
            bucket_changes: Locks::default(),
            publishing: Publishing::default(),
            strangers: Strangers::default(),
            lookups: Lookups::default(),
            portable: portable::Queue::default(),
            uploads: Uploads::default(),
            deletions: AtomicU64::new(0),
            copies: AtomicBool::new(true),
            index: indexed.then(|| Index::new(options.freshness)),
            me: Weak::clone(me),
        });
        Self { inner }
    }

    /// ListBuckets, by name.
    pub async fn list_buckets(&self) -> Result<Vec<StoredBucket>, ServiceError> {
        self.inner.list_buckets().await
    }

    /// CreateBucket, with a setting that it has from its first moment.
    pub async fn create_bucket(
        &self,
        bucket: &BucketName,
        setting: Option<(BucketSetting, String)>,
    ) -> Result<(), ServiceError> {
        self.inner.create_bucket(bucket, setting).await
    }

    /// HeadBucket.
    pub async fn head_bucket(&self, bucket: &BucketName) -> Result<(), ServiceError> {
        self.inner.head_bucket(bucket).await
    }

    /// DeleteBucket. Uploads in progress do not keep a bucket: they are aborted.
    pub async fn delete_bucket(&self, bucket: &BucketName) -> Result<(), ServiceError> {
        self.inner.delete_bucket(bucket).await
    }

    /// What a client has configured of a bucket, if there is such a bucket.
    pub async fn bucket_setting(
        &self,
        bucket: &BucketName,
        setting: BucketSetting,
    ) -> Result<Option<String>, ServiceError> {
        self.inner.bucket_setting(bucket, setting).await
    }

    /// Configures a bucket, or takes the configuration back. The bucket keeps it until it goes.
    pub async fn set_bucket_setting(
        &self,
        bucket: &BucketName,
        setting: BucketSetting,
        document: Option<String>,
    ) -> Result<(), ServiceError> {
        self.inner
            .set_bucket_setting(bucket, setting, document)
            .await
    }

    /// PutObject.
    pub async fn put_object(
        &self,
        request: PutObject,
        body: Upload,
    ) -> Result<Written, ServiceError> {
        self.inner.put_object(request, body).await
    }

    /// GetObject.
    pub async fn get_object(&self, request: ReadObject) -> Result<ObjectReply, ServiceError> {
        self.inner.get_object(request).await
    }

    /// HeadObject: the head, and the range that a GET would send.
    pub async fn head_object(
        &self,
        request: ReadObject,
    ) -> Result<(ObjectHead, Option<Range<u64>>), ServiceError> {
        self.inner.head_object(request).await
    }

    /// DeleteObject. That it is not there is no error.
    pub async fn delete_object(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        conditions: WriteConditions,
    ) -> Result<(), ServiceError> {
        self.inner.delete_object(bucket, key, conditions).await
    }

    /// GetObjectAttributes.
    pub async fn object_attributes(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        conditions: &ReadConditions,
    ) -> Result<Attributes, ServiceError> {
        self.inner.object_attributes(bucket, key, conditions).await
    }

    /// GetObjectTagging.
    pub async fn object_tags(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Vec<(String, String)>, ServiceError> {
        self.inner.object_tags(bucket, key).await
    }

    /// PutObjectTagging, and without tags DeleteObjectTagging.
    pub async fn set_object_tags(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        tags: Vec<(String, String)>,
    ) -> Result<(), ServiceError> {
        self.inner.set_object_tags(bucket, key, tags).await
    }

    /// DeleteObjects: one answer for each key, in order.
    pub async fn delete_objects(
        &self,
        bucket: &BucketName,
        keys: Vec<ObjectKey>,
    ) -> Result<Vec<Result<(), ServiceError>>, ServiceError> {
        self.inner.delete_objects(bucket, keys).await
    }

    /// CopyObject.
    pub async fn copy_object(&self, request: CopyObject) -> Result<Written, ServiceError> {
        self.inner.copy_object(request).await
    }

    /// ListObjects.
    pub async fn list_objects(&self, request: ListObjects) -> Result<ObjectPage, ServiceError> {
        self.inner.list_objects(request).await
    }

    /// CreateMultipartUpload.
    pub async fn create_upload(
        &self,
        bucket: &BucketName,
        key: ObjectKey,
        metadata: Metadata,
        plan: Option<ChecksumPlan>,
    ) -> Result<UploadId, ServiceError> {
        self.inner.create_upload(bucket, key, metadata, plan).await
    }

    /// UploadPart.
    pub async fn upload_part(
        &self,
        upload: UploadRef,
        number: PartNumber,
        body: Upload,
    ) -> Result<Written, ServiceError> {
        self.inner.upload_part(upload, number, body).await
    }

    /// UploadPartCopy.
    pub async fn upload_part_copy(&self, request: CopyPart) -> Result<Written, ServiceError> {
        self.inner.upload_part_copy(request).await
    }

    /// CompleteMultipartUpload. Asking again after a success succeeds again.
    pub async fn complete_upload(&self, request: CompleteUpload) -> Result<Written, ServiceError> {
        self.inner.complete_upload(request).await
    }

    /// AbortMultipartUpload.
    pub async fn abort_upload(&self, upload: &UploadRef) -> Result<(), ServiceError> {
        self.inner.abort_upload(upload).await
    }

    /// ListParts: up to `max_parts` behind number `after`.
    pub async fn list_parts(
        &self,
        upload: &UploadRef,
        after: u16,
        max_parts: u16,
    ) -> Result<PartPage, ServiceError> {
        self.inner.list_parts(upload, after, max_parts).await
    }

    /// ListMultipartUploads.
    pub async fn list_uploads(&self, request: ListUploads) -> Result<UploadPage, ServiceError> {
        self.inner.list_uploads(request).await
    }

    /// Objects of a bucket behind `after`, each with its ETag if that is known. Unlike a listing
    /// it waits for no writer.
    pub async fn survey(
        &self,
        bucket: &BucketName,
        after: Option<&ObjectKey>,
    ) -> Result<SurveyPage, ServiceError> {
        self.inner.survey(bucket, after).await
    }

    /// Remembers what the text beside an object says, as the survey has found it; `false` if the
    /// object has changed since, or has no such text.
    pub async fn believe(
        &self,
        bucket: &BucketName,
        object: &Surveyed,
    ) -> Result<bool, ServiceError> {
        self.inner.believe(bucket, object).await
    }

    /// Reads an object and remembers its MD5, while other processes may serve the same store.
    pub async fn heal(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        read: OnRead<'_>,
    ) -> Result<Healed, ServiceError> {
        self.inner.heal(bucket, key, read).await
    }

    /// Reads an object and compares it with the ETag that is remembered.
    pub async fn verify(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        read: OnRead<'_>,
    ) -> Result<Verified, ServiceError> {
        self.inner.verify(bucket, key, read).await
    }

    /// Aborts uploads that nobody has sent anything to since `before`; says how many.
    pub async fn expire_uploads(&self, before: Timestamp) -> Result<u64, ServiceError> {
        self.inner.expire_uploads(before).await
    }

    /// Settles what a crash left open: every open intent becomes a row or is dropped, and the
    /// store is swept. Call once at start, in the background.
    pub async fn recover(&self) -> Result<(), ServiceError> {
        self.inner.recover().await
    }

    /// Writes what is known about objects into the storage beside them, behind the writes of
    /// clients, for as long as this is polled. Returns at once where the storage keeps no such
    /// texts. Nothing is lost when it ends early.
    pub async fn write_portable_texts(&self) {
        self.inner.write_portable_texts().await;
    }

    /// Writes all that waits now; says how many still wait because the storage does not take
    /// them.
    pub async fn flush_portable_texts(&self) -> Result<u64, ServiceError> {
        self.inner.flush_portable_texts().await
    }

    /// How many objects wait for their portable text, as it was lately.
    pub fn portable_texts_waiting(&self) -> u64 {
        self.inner.portable.waiting()
    }

    /// How often a client was told an ETag that is no MD5, because the MD5 is not known.
    pub fn fallback_tags(&self) -> u64 {
        self.inner.strangers.met()
    }

    /// How many objects were asked for that a row of the cache described, and how many without.
    pub fn row_lookups(&self) -> (u64, u64) {
        self.inner.lookups.counts()
    }

    /// Scans every folder of a bucket anew; `None` for a store that lists by itself. `told` hears
    /// how many folders are done.
    pub async fn refresh_index(
        &self,
        bucket: &BucketName,
        told: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Option<Refreshed>, ServiceError> {
        self.inner.refresh_index(bucket, told).await
    }

    /// How far the indexes of the buckets in use are; none for a store that lists by itself.
    pub fn index_progress(&self) -> Vec<IndexProgress> {
        let index = self.inner.index.as_ref();
        index.map(Index::progress).unwrap_or_default()
    }

    /// Waits until every write that has reached its verdict is finished. For shutdown.
    pub async fn quiesce(&self) {
        self.inner.publishing.none().await;
    }
}
