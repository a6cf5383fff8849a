//! What the index asks of the cache, and what a storage tells folder by folder.

use crate::model::{Bucket, ObjectKey, Timestamp};
use crate::service::ports::{CacheError, Row, StoreListQuery, StorePage, StoredObject};
use async_trait::async_trait;

/// One page of a folder of the storage, in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanPage {
    /// The objects directly in it.
    pub entries: Vec<(ObjectKey, StoredObject)>,
    /// The folders directly in it, as key prefixes that end with `/`.
    pub folders: Vec<String>,
    /// Where the next page is; `None` at the end.
    pub next: Option<String>,
}

/// When what is known of a folder is good enough.
#[derive(Debug, Clone, Copy)]
pub struct Fresh {
    /// Confirmed then or later; `None`: whenever that was.
    pub since: Option<Timestamp>,
    /// The present. What was confirmed in the future was confirmed by a wrong clock.
    pub now: Timestamp,
}

/// What the index knows about a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folder {
    /// When the storage told all of it; `None` before it has been scanned.
    pub confirmed: Option<Timestamp>,
    /// A scan or a confirmation that is under way, or was broken off.
    pub run: Option<Run>,
    /// The end of the last scan, if it had several pages.
    pub tail: Option<Tail>,
    /// The last modification that was told: what is made later is not older.
    pub newest: Option<Timestamp>,
}

/// A look at a folder that takes one question or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// When it began. No two have the same time.
    pub began: Timestamp,
    /// Where it goes on; `None` before its first page.
    pub cursor: Option<String>,
    /// Objects that it was told, and that are not known all the same: what we have just deleted.
    pub refused: u64,
}

/// The last page of a folder. Pages come in the order of creation, as far as the storage has one,
/// so that what is new is on the last page, and what goes makes it shorter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Where the page is.
    pub cursor: String,
    /// Where the page before it is, unless that is the first one.
    pub before: Option<String>,
    /// How many more objects and folders than the folder was known to have were on it, less those
    /// that were told and refused: they will go. If they stay, somebody has brought them back, and
    /// the count tells.
    pub surplus: i64,
}

/// What a page tells, for the index.
#[derive(Debug, Clone)]
pub struct Found {
    /// Objects as bare rows: of each the storage alone has told.
    pub entries: Vec<(ObjectKey, Row)>,
    /// Folders.
    pub folders: Vec<String>,
    /// What the page means for the folder.
    pub end: End,
}

/// What a page means for its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// There are further pages, the next one here.
    More(String),
    /// With this page everything has been told: what was not is gone.
    Whole(Option<TailPage>),
    /// These are the newest rows of a folder. Whether the others are as they were is not known
    /// yet.
    Newest,
    /// The folder is as it is known.
    Unchanged(TailPage),
}

/// Where the last page is, and what was on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailPage {
    /// Where it is.
    pub cursor: String,
    /// Where the page before it is, unless that is the first one.
    pub before: Option<String>,
    /// Objects and folders on it.
    pub told: u64,
}

/// How a page has changed the index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Objects that were not known.
    pub new: u64,
    /// Objects that are others than was known.
    pub changed: u64,
    /// Objects that are gone.
    pub gone: u64,
    /// Folders that were not known.
    pub folders: u64,
    /// Objects that are still not known.
    pub refused: u64,
    /// When the oldest object was made that pages had told before. Those that we have just
    /// written do not count.
    pub familiar: Option<Timestamp>,
}

impl std::ops::AddAssign for Applied {
    fn add_assign(&mut self, other: Self) {
        self.new += other.new;
        self.changed += other.changed;
        self.gone += other.gone;
        self.folders += other.folders;
        self.refused += other.refused;
        self.familiar = match (self.familiar, other.familiar) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}

/// How far the index of a bucket is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexCounts {
    /// Folders that are known.
    pub folders: u64,
    /// Those of them that were not scanned yet.
    pub unscanned: u64,
    /// Objects.
    pub rows: u64,
}

/// The index, kept with the rows of the objects. While an index of a bucket is open, every row
/// that is settled or forgotten changes it in the same transaction.
#[async_trait]
pub trait IndexCache: Send + Sync + 'static {
    /// Begins the index of a bucket, unless there is one.
    async fn open_index(&self, bucket: &Bucket) -> Result<(), CacheError>;
    /// Forgets which folders of a bucket are known. Rows of objects stay.
    async fn drop_index(&self, bucket: &Bucket) -> Result<(), CacheError>;
    /// A page of a listing, and the first of the folders that it depends on and that are not
    /// fresh; both of one moment.
    async fn index_page(
        &self,
        bucket: &Bucket,
        query: &StoreListQuery,
        fresh: Fresh,
    ) -> Result<(StorePage, Vec<String>), CacheError>;
    /// The folders that have to be asked before it can be said what is directly in this one.
    async fn stale_folders(
        &self,
        bucket: &Bucket,
        folder: &str,
        fresh: Fresh,
    ) -> Result<Vec<String>, CacheError>;
    /// What is known about a folder.
    async fn folder(&self, bucket: &Bucket, folder: &str) -> Result<Option<Folder>, CacheError>;
    /// How many objects and folders are known directly in a folder.
    async fn content(&self, bucket: &Bucket, folder: &str) -> Result<u64, CacheError>;
    /// When the youngest object directly in a folder was made of which the tag is not known.
    async fn youngest_untagged(
        &self,
        bucket: &Bucket,
        folder: &str,
    ) -> Result<Option<Timestamp>, CacheError>;
    /// For each of these keys since when its object is known to have it, if its folder was not
    /// looked at since (see [`super::tables::unconfirmed`]).
    async fn unconfirmed(
        &self,
        bucket: &Bucket,
        keys: &[&ObjectKey],
        exclusive: bool,
    ) -> Result<Vec<Option<Timestamp>>, CacheError>;
    /// Begins a run, which ends the one that is under way.
    async fn begin_run(
        &self,
        bucket: &Bucket,
        folder: &str,
        began: Timestamp,
    ) -> Result<(), CacheError>;
    /// Takes over what a run has found, except about keys that were written or deleted since it
    /// began; `None` if it is no longer the folder's run.
    async fn apply_run(
        &self,
        bucket: &Bucket,
        folder: &str,
        began: Timestamp,
        found: Found,
    ) -> Result<Option<Applied>, CacheError>;
    /// Up to `limit` folders that were never scanned.
    async fn unscanned(&self, bucket: &Bucket, limit: usize) -> Result<Vec<String>, CacheError>;
    /// All folders of a bucket behind this one, in order.
    async fn folders_behind(
        &self,
        bucket: &Bucket,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, CacheError>;
    /// How far the index is.
    async fn index_counts(&self, bucket: &Bucket) -> Result<IndexCounts, CacheError>;
    /// Buckets whose index was begun and is not complete.
    async fn unfinished_indexes(&self) -> Result<Vec<Bucket>, CacheError>;
}

impl Fresh {
    /// Whether this is good enough.
    pub fn holds(&self, folder: &Folder) -> bool {
        folder
            .confirmed
            .is_some_and(|at| self.since.is_none_or(|since| at >= since && at <= self.now))
    }
}
