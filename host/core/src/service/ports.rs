//! What the service asks of others: a [`Store`] for bytes and a [`Cache`] for what is known
//! about them. `backend` and `cache` of the `pys3local` crate implement these.

mod cache;

pub use super::index::{IndexCache, ScanPage};
use crate::model::{
    Bucket, BucketName, ByteStream, ETag, ObjectKey, ObjectState, PartNumber, Timestamp,
};
use async_trait::async_trait;
pub use cache::{
    Cache, CacheError, Intent, Lesson, NEVER, PartRow, PortableJob, PortableQueue, Remembered, Row,
    UploadRow,
};
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
    /// A part before this one was sent again with another size, so that this one is not at its place
    /// in the storage any more. The upload goes on.
    #[error("part {number} has lost its place")]
    Displaced {
        /// The part that has to be sent again.
        number: u16,
    },
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
    /// The state that the key has now, as far as we know: where rows are checked ([`RowTrust::Check`]),
    /// a put without conditions does not ask for it.
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
    /// [`StoreError::Unsupported`] if none fits; [`StoreError::Denied`] also if the text is kept, but
    /// what the object has replaced may not be deleted.
    async fn set_portable(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        state: &ObjectState,
        texts: Vec<String>,
    ) -> Result<(), StoreError>;
}
