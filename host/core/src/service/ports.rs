//! What the service asks of others: a [`Store`] for bytes and a [`Cache`] for what is known
//! about them. `backend` and `cache` of the `pys3local` crate implement these.

pub use super::index::{IndexCache, ScanPage};
use crate::model::{
    Bucket, BucketName, BucketSetting, ByteStream, Checksum, ChecksumPlan, ETag, Metadata,
    ObjectChecksum, ObjectKey, ObjectState, PartNumber, PartSizes, Timestamp, UploadId,
};
use async_trait::async_trait;
use std::ops::Range;
use std::time::Duration;
use tokio::sync::oneshot;

/// How far a remembered row may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowTrust {
    /// Objects may change behind our back: the version is compared on each use.
    Check,
    /// The content of an id never changes.
    Indexed,
}

/// An object as the storage describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Which state this is.
    pub state: ObjectState,
    /// Bytes.
    pub size: u64,
    /// Last modification.
    pub modified: Timestamp,
    /// The storage's own content hash.
    pub hash: Option<String>,
    /// The content type that the storage itself remembers.
    pub content_type: Option<String>,
    /// The text beside it, which may be one of [`crate::model::Portable`] or anybody's.
    pub portable: Option<String>,
}

/// A bucket as the storage describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBucket {
    /// Its name.
    pub name: BucketName,
    /// Creation; `None` when the storage does not know.
    pub created: Option<Timestamp>,
}

/// Why a store could not do what was asked, named for the possible reaction.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No such bucket.
    #[error("no such bucket")]
    NoSuchBucket,
    /// No such object.
    #[error("no such object")]
    NoSuchKey,
    /// The upload is unknown, finished or aborted.
    #[error("no such upload")]
    NoSuchUpload,
    /// The bucket to create is there already.
    #[error("the bucket exists")]
    BucketExists,
    /// The bucket to delete holds objects.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// The storage cannot represent this name.
    #[error("the storage cannot represent the name: {0}")]
    InvalidName(String),
    /// The range starts behind the end of the object.
    #[error("the range starts behind the end")]
    InvalidRange,
    /// The object is no longer the one that was named.
    #[error("the object has changed")]
    Changed,
    /// The storage refuses.
    #[error("the storage refuses: {0}")]
    Denied(String),
    /// The disk is full.
    #[error("no space left")]
    NoSpace,
    /// The account's limit is reached.
    #[error("the quota is exhausted")]
    Quota,
    /// The storage asks for patience.
    #[error("the storage asks to slow down")]
    Throttled {
        /// How long, if it said so.
        retry_after: Option<Duration>,
    },
    /// A passing failure, the end of a plugin instance among them. Retryable.
    #[error("the storage is unavailable: {0}")]
    Unavailable(String),
    /// The plugin never does that.
    #[error("the storage does not support this")]
    Unsupported,
    /// The upload was given up by us; nothing was stored.
    #[error("the upload was aborted")]
    Aborted,
    /// Anything else. The text is for the log.
    #[error("the plugin failed: {0}")]
    Other(String),
}

/// What was uploaded, after every check has passed; tells the store to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Bytes.
    pub size: u64,
    /// MD5 of the bytes; `None` for an upload in parts.
    pub md5: Option<[u8; 16]>,
    /// What clients will see.
    pub etag: ETag,
    /// As the client sent it.
    pub content_type: Option<String>,
}

/// The store publishes only when this resolves to a receipt. A dropped sender means: abort.
pub type Verdict = oneshot::Receiver<Receipt>;

/// What is known of an upload before its first byte.
#[derive(Debug, Clone, Default)]
pub struct PutOptions {
    /// As the client sent it.
    pub content_type: Option<String>,
    /// The state that the key has now, as far as we know.
    pub known: Option<ObjectState>,
}

/// A question to [`Store::list`]; see `list-query` in the WIT for the exact rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreListQuery {
    /// Only keys that start with this.
    pub prefix: String,
    /// Only keys strictly behind this, in byte order; may be a rolled-up prefix, whose keys are
    /// then skipped.
    pub after: Option<String>,
    /// Roll up at the first `/` behind the prefix.
    pub shallow: bool,
    /// 1 to 1000 items.
    pub limit: u16,
}

/// A page of a bucket.
#[derive(Debug, Clone, Default)]
pub struct StorePage {
    /// In byte order of the keys.
    pub entries: Vec<(ObjectKey, StoredObject)>,
    /// Rolled-up prefixes in the same order.
    pub prefixes: Vec<String>,
    /// Items follow behind the last one.
    pub more: bool,
}

/// How a part of a multipart upload arrives.
#[derive(Debug, Clone, Copy)]
pub struct PartOptions {
    /// Its number.
    pub number: PartNumber,
    /// Bytes.
    pub size: u64,
    /// Where it will begin if all parts have the size of the first that arrived; offered only
    /// once and never while another arrival is using it.
    pub offset: Option<u64>,
}

/// A part as the store knows it.
#[derive(Debug, Clone)]
pub struct StoredPart {
    /// Its number.
    pub number: PartNumber,
    /// Bytes.
    pub size: u64,
    /// The store's name of it.
    pub token: String,
}

/// Storage for objects. Implemented by the component host.
///
/// Writing calls for one key never overlap (the service holds the key's lock from the verdict on).
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// How rows about this store may be trusted.
    fn trust(&self) -> RowTrust;
    /// All buckets, in any order.
    async fn list_buckets(&self) -> Result<Vec<StoredBucket>, StoreError>;
    /// Makes an empty bucket.
    async fn create_bucket(&self, bucket: &BucketName) -> Result<(), StoreError>;
    /// Whether the bucket is there, and since when.
    async fn stat_bucket(&self, bucket: &BucketName) -> Result<StoredBucket, StoreError>;
    /// Deletes an empty bucket.
    async fn delete_bucket(&self, bucket: &BucketName) -> Result<(), StoreError>;
    /// Stores an object in two phases: reads `body` (exactly `size` bytes) to its end, waits
    /// for `verdict`, and only then publishes. A body that errs, or a verdict that is dropped,
    /// leaves no trace.
    async fn put(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        size: u64,
        options: PutOptions,
        body: ByteStream,
        verdict: Verdict,
    ) -> Result<StoredObject, StoreError>;
    /// Opens an object. The stream yields exactly the bytes asked for, or an error in place of
    /// its end; it may also begin with an error.
    async fn get(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        range: Option<Range<u64>>,
        known: Option<&ObjectState>,
    ) -> Result<(StoredObject, ByteStream), StoreError>;
    /// Describes an object.
    async fn stat(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        known: Option<&ObjectState>,
    ) -> Result<StoredObject, StoreError>;
    /// Deletes an object; that it is not there is no error.
    async fn delete(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        known: Option<&ObjectState>,
    ) -> Result<(), StoreError>;
    /// Deletes many; one answer for each, in order. At most 1000.
    async fn delete_many(
        &self,
        bucket: &Bucket,
        deletions: Vec<(ObjectKey, Option<ObjectState>)>,
    ) -> Result<Vec<Result<(), StoreError>>, StoreError>;
    /// One page of a bucket in byte order.
    async fn list(&self, bucket: &Bucket, query: StoreListQuery) -> Result<StorePage, StoreError>;
    /// Copies inside the storage, or [`StoreError::Unsupported`]: then read and write.
    /// [`StoreError::Changed`] when the source is no longer `state`.
    async fn copy(
        &self,
        source: (&Bucket, &ObjectKey, &ObjectState),
        target: (&Bucket, &ObjectKey, Option<&ObjectState>),
        receipt: Receipt,
    ) -> Result<StoredObject, StoreError>;
    /// Starts an upload in parts and answers the store's own name for it.
    async fn begin_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        options: PutOptions,
    ) -> Result<String, StoreError>;
    /// Takes one part. A body that errs is a failed part; earlier arrivals of the same number
    /// are not touched.
    async fn put_part(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: &str,
        options: PartOptions,
        body: ByteStream,
    ) -> Result<String, StoreError>;
    /// Publishes the object made of `parts`. May be called again after a failure.
    async fn complete_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: &str,
        parts: Vec<StoredPart>,
        known: Option<&ObjectState>,
        receipt: Receipt,
    ) -> Result<StoredObject, StoreError>;
    /// Forgets an upload and its parts; that it is not there is no error.
    async fn abort_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: &str,
    ) -> Result<(), StoreError>;
    /// Whether the store can be walked folder by folder, with [`Store::scan`].
    fn scans(&self) -> bool {
        false
    }
    /// One page of the objects and folders directly in `folder` (a key prefix that ends with `/`,
    /// or ""). A folder that is not there is empty. The same cursor may be used again later.
    async fn scan(
        &self,
        _bucket: &Bucket,
        _folder: &str,
        _cursor: Option<&str>,
    ) -> Result<ScanPage, StoreError> {
        Err(StoreError::Unsupported)
    }
    /// Removes what crashes left behind and nobody has touched since `before`, except `keep`.
    async fn sweep(&self, before: Timestamp, keep: Vec<String>) -> Result<u32, StoreError>;
    /// How often the store has forgotten so far which replaced objects it still has to delete. What
    /// it has put in their places says so once more (see [`Cache::inherited`]).
    fn losses(&self) -> u64 {
        0
    }
    /// How long a text may be that is kept with an object; 0 if none is.
    fn portable_bytes(&self) -> usize;
    /// Keeps the first of `texts` that fits with an object: they say the same, each shorter than
    /// the one before. [`StoreError::Changed`] if the object is no longer this state,
    /// [`StoreError::Unsupported`] if none fits.
    async fn set_portable(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        state: &ObjectState,
        texts: Vec<String>,
    ) -> Result<(), StoreError>;
}

/// What is remembered about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The state that this row describes. A row from an older database has no version.
    pub state: ObjectState,
    /// Bytes.
    pub size: u64,
    /// MD5 or multipart tag, never [`ETag::Opaque`]; `None` when it was forgotten and only the
    /// rest is remembered.
    pub etag: Option<ETag>,
    /// Of the bytes, if it is known.
    pub checksum: Option<ObjectChecksum>,
    /// For an object that was put in parts.
    pub part_sizes: PartSizes,
    /// What the client said.
    pub metadata: Metadata,
    /// Last modification.
    pub modified: Timestamp,
}

/// Something that was found out about an object without writing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    /// The object's key.
    pub key: ObjectKey,
    /// What was remembered of it when this was found out.
    pub expected: Option<Row>,
    /// What to remember from now on.
    pub row: Row,
    /// The object is put into the queue of portable texts.
    pub portable: bool,
}

/// An object whose portable text is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortableJob {
    /// Its number in the queue. An object that comes into it again gets another one.
    pub number: i64,
    /// Where it is.
    pub bucket: Bucket,
    /// Its key.
    pub key: ObjectKey,
    /// What is remembered of it by now.
    pub row: Option<Row>,
    /// It replaced another object in an earlier run. Whether that one is gone is known to nobody.
    pub inherited: bool,
}

/// The head of the queue of portable texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortableQueue {
    /// What may be written now, in the order in which it came.
    pub jobs: Vec<PortableJob>,
    /// How many wait in all.
    pub waiting: u64,
}

/// What a write is about to publish, noted before the store may publish it. After a crash it
/// becomes the row if the object turns out to be this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Bytes.
    pub size: u64,
    /// The tag to come.
    pub etag: ETag,
    /// MD5 of each part in order, to recognise an object that was put in parts; empty otherwise.
    pub part_md5s: Vec<[u8; 16]>,
    /// Of the whole object.
    pub checksum: Option<ObjectChecksum>,
    /// Of each part in order, if all are known.
    pub part_checksums: Vec<Checksum>,
    /// For an object that is put in parts.
    pub part_sizes: PartSizes,
    /// What the client said.
    pub metadata: Metadata,
    /// The upload that this completes.
    pub upload: Option<UploadId>,
}

/// What the cache says about one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The last settled state.
    pub row: Option<Row>,
    /// A write that was announced and is neither settled nor withdrawn.
    pub intent: Option<Intent>,
}

/// A multipart upload in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRow {
    /// Our name of it.
    pub id: UploadId,
    /// What it will become.
    pub key: ObjectKey,
    /// The store's name of it.
    pub store_id: String,
    /// What the client said at its start.
    pub metadata: Metadata,
    /// Which checksums it wished for; `None` if it did not say.
    pub plan: Option<ChecksumPlan>,
    /// Its start.
    pub started: Timestamp,
}

/// A part that has arrived whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    /// Its number.
    pub number: PartNumber,
    /// Bytes.
    pub size: u64,
    /// MD5 of its bytes: the part's ETag.
    pub md5: [u8; 16],
    /// Of its bytes; `None` when it came before checksums were kept.
    pub checksum: Option<Checksum>,
    /// The store's name of it.
    pub token: String,
    /// When it arrived.
    pub modified: Timestamp,
}

/// The cache failed. The text is for the log.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// There is no room for what is to be written.
    #[error("the disk of the metadata database is full")]
    NoSpace(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Anything else.
    #[error("the metadata database failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Memory of one store's objects and uploads. Implemented over SQLite.
///
/// A method that writes returns after its commit; concurrent writes share one.
#[async_trait]
pub trait Cache: IndexCache {
    /// What is known about a key.
    async fn object(&self, bucket: &Bucket, key: &ObjectKey) -> Result<Remembered, CacheError>;
    /// The same for a page of keys, in their order.
    async fn objects(
        &self,
        bucket: &Bucket,
        keys: &[&ObjectKey],
    ) -> Result<Vec<Remembered>, CacheError>;
    /// Checksums of the parts that the key's object was put in, in order; none if they are not
    /// known. They belong to the last row that was settled.
    async fn part_checksums(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
    ) -> Result<Vec<Checksum>, CacheError>;
    /// Notes an intent (replacing one that the key still has). Survives a crash.
    async fn announce(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        intent: Intent,
    ) -> Result<(), CacheError>;
    /// The row replaces row and intent; the upload named by that intent is forgotten with its
    /// parts, and with `portable` the object is put into the queue of portable texts, all in one
    /// transaction. The queue keeps with it whether it has replaced another object since it was
    /// last done.
    async fn settle(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        row: Row,
        portable: bool,
    ) -> Result<(), CacheError>;
    /// Drops the key's intent.
    async fn withdraw(&self, bucket: &Bucket, key: &ObjectKey) -> Result<(), CacheError>;
    /// Forgets rows and intents of deleted objects.
    async fn forget(&self, bucket: &Bucket, keys: &[&ObjectKey]) -> Result<(), CacheError>;
    /// Remembers each of these whose key is still as expected and has no intent; `true` if all
    /// were remembered. Other processes may write at the same time.
    async fn learn(&self, bucket: &Bucket, lessons: Vec<Lesson>) -> Result<bool, CacheError>;
    /// All open intents of this store.
    async fn intents(&self) -> Result<Vec<(Bucket, ObjectKey)>, CacheError>;
    /// Notes a new upload.
    async fn create_upload(&self, bucket: &Bucket, upload: UploadRow) -> Result<(), CacheError>;
    /// The upload with this id, if it belongs to this bucket.
    async fn upload(&self, bucket: &Bucket, id: &UploadId)
    -> Result<Option<UploadRow>, CacheError>;
    /// Up to `limit` uploads of a bucket whose keys start with `prefix`, ordered by key, then
    /// start, then id, strictly behind `after` (key, and id when given; without an id, all
    /// uploads of that key are skipped).
    async fn uploads(
        &self,
        bucket: &Bucket,
        prefix: &str,
        after: Option<(&str, Option<&UploadId>)>,
        limit: usize,
    ) -> Result<Vec<UploadRow>, CacheError>;
    /// Every upload of this store: the store's names, for the sweep.
    async fn store_uploads(&self) -> Result<Vec<String>, CacheError>;
    /// Up to `limit` uploads of this store that began, and got their last part, before a time.
    async fn stale_uploads(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Bucket, UploadRow)>, CacheError>;
    /// Forgets an upload and its parts.
    async fn delete_upload(&self, bucket: &Bucket, id: &UploadId) -> Result<(), CacheError>;
    /// Notes a part, replacing the one with its number; `false` if the upload is gone.
    async fn put_part(
        &self,
        bucket: &Bucket,
        id: &UploadId,
        part: PartRow,
    ) -> Result<bool, CacheError>;
    /// Up to `limit` parts with numbers above `after`, in order.
    async fn parts(
        &self,
        bucket: &Bucket,
        id: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<Vec<PartRow>, CacheError>;
    /// A setting of a bucket.
    async fn setting(
        &self,
        bucket: &Bucket,
        setting: BucketSetting,
    ) -> Result<Option<String>, CacheError>;
    /// Replaces a setting of a bucket, or removes it.
    async fn set_setting(
        &self,
        bucket: &Bucket,
        setting: BucketSetting,
        document: Option<String>,
    ) -> Result<(), CacheError>;
    /// Removes all settings of a bucket.
    async fn forget_settings(&self, bucket: &Bucket) -> Result<(), CacheError>;
    /// Begins another run: the store has forgotten what it knew.
    fn begin_store_run(&self);
    /// For each of these keys whether it is in the queue of portable texts and has replaced another
    /// object in an earlier run. Then nobody knows whether that one is gone.
    async fn inherited(
        &self,
        bucket: &Bucket,
        keys: &[&ObjectKey],
    ) -> Result<Vec<bool>, CacheError>;
    /// Up to `limit` objects of this store that came into the queue of portable texts at or before
    /// `since`. Each is there once, where it came last.
    async fn portable_queue(
        &self,
        since: Timestamp,
        limit: usize,
    ) -> Result<PortableQueue, CacheError>;
    /// These are written, or never will be.
    async fn portable_done(&self, numbers: Vec<i64>) -> Result<(), CacheError>;
    /// These stay in the queue as if they had come at this time.
    async fn portable_later(&self, numbers: Vec<i64>, since: Timestamp) -> Result<(), CacheError>;
}
