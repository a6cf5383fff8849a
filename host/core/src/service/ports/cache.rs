//! The port for what is known of one store's objects and uploads.

use super::IndexCache;
use crate::model::{
    Bucket, BucketSetting, Checksum, ChecksumPlan, ETag, Metadata, ObjectChecksum, ObjectKey,
    ObjectState, PartNumber, PartSizes, Timestamp, UploadId,
};
use async_trait::async_trait;

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
    /// It replaced another object in an earlier run, or the storage has told of several objects of
    /// the key. Whether all others are gone is known to nobody.
    pub inherited: bool,
}

/// In the queue of portable texts the time of what there is nothing to write for, and that is in it
/// only because the storage may have several objects of the key.
pub const NEVER: Timestamp = Timestamp(i64::MAX);

/// The head of the queue of portable texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortableQueue {
    /// What may be written now, in the order in which it came.
    pub jobs: Vec<PortableJob>,
    /// How many wait in all, but for those of [`NEVER`].
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
/// A method that writes returns after its commit, if it doesn't say otherwise; concurrent writes
/// share one.
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
    /// Notes an intent, if the key has none: `false` if it still has one, which stays. Survives a
    /// crash.
    async fn announce(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        intent: Intent,
    ) -> Result<bool, CacheError>;
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
    /// The same for the row of an object that was put in one piece and was just published, for which
    /// there is no index and no portable text. Returns before the commit, which comes with that of
    /// another write, or a moment later. Who looks the object up sees the row at once; a crash before
    /// the commit leaves the intent.
    async fn settle_late(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        row: Row,
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
    /// object in an earlier run, or the storage has told of several objects of it. Then nobody knows
    /// whether the others are gone.
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
