//! Maintenance: what is in the database, what of it may go, and how much room it takes.

use super::file;
use super::queries::{self, NamespaceNo, Numbers};
use super::worker::WriteError;
use super::{CacheError, OpenError, SqliteCache, schema};
use crate::model::{Bucket, ETag, ObjectKey, Timestamp};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// Rows that are changed in one transaction, so that a running server need not wait for long.
const BATCH: u64 = 5000;

/// A store that the database knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownStore {
    pub(super) number: NamespaceNo,
    /// The type of its plugin.
    pub component: String,
    /// What tells it from every other: `local:/srv/s3`.
    pub name: String,
    /// The number that `--workspace` means, where it has one.
    pub label: Option<u64>,
    /// Not a store, but what was imported from the Python program and no store has claimed yet.
    pub imported: bool,
}

/// Objects whose MD5 is known, in sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub size: u64,
    /// The time of the oldest.
    pub oldest: Option<Timestamp>,
    /// The time of the newest.
    pub newest: Option<Timestamp>,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let later = |a: Option<Timestamp>, b: Option<Timestamp>| a.max(b);
        let earlier = [self.oldest, other.oldest].into_iter().flatten().min();
        Self {
            files: self.files.saturating_add(other.files),
            size: self.size.saturating_add(other.size),
            oldest: earlier,
            newest: later(self.newest, other.newest),
        }
    }
}

/// A bucket of a store, and what is known about its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketTally {
    /// Its name; empty for the bucket of default-bucket mode.
    pub bucket: String,
    /// Objects whose MD5 is known.
    pub known: Tally,
}

/// What forgetting would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgettable {
    /// Objects whose MD5 is known.
    pub md5s: u64,
    /// Objects of which anything is known.
    pub rows: u64,
    /// Objects whose content type or user metadata may be kept nowhere else.
    pub with_metadata: u64,
}

/// A database that is only looked at. It can lie where nothing can be written.
pub struct CacheReader {
    db: Connection,
}

impl CacheReader {
    /// Opens it. `None`: its schema is an older one, and [`SqliteCache::open`] has to bring it up
    /// to date first.
    pub fn open(path: &Path) -> Result<Option<Self>, OpenError> {
        let failed = OpenError::database(path);
        let db = file::connect_to_look(path).map_err(&failed)?;
        let found = schema::user_version(&db).map_err(&failed)?;
        let known = schema::known_version();
        if found > known {
            let path = path.into();
            return Err(OpenError::Newer { path, found, known });
        }
        file::check(&db, path).map_err(&failed)?;
        Ok((found == known).then_some(Self { db }))
    }

    /// All stores, in the order of workspaces and names.
    pub fn stores(&self) -> Result<Vec<KnownStore>, CacheError> {
        queries::stores(&self.db).map_err(failed)
    }

    /// What is known about the buckets of a store, by name.
    pub fn tallies(&self, store: &KnownStore) -> Result<Vec<BucketTally>, CacheError> {
        queries::tallies(&self.db, store.number).map_err(failed)
    }

    /// Whether anything is known about a store.
    pub fn has_rows(&self, store: &KnownStore) -> Result<bool, CacheError> {
        queries::has_rows(&self.db, store.number).map_err(failed)
    }

    /// The names of the buckets of a store that have objects; empty for the one of default-bucket
    /// mode.
    pub fn buckets(&self, store: &KnownStore) -> Result<Vec<String>, CacheError> {
        queries::bucket_names(&self.db, store.number).map_err(failed)
    }

    /// Keys and sizes of up to so many known objects of a bucket behind a key, in byte order.
    pub fn objects_behind(
        &self,
        store: &KnownStore,
        bucket: &str,
        after: Option<&ObjectKey>,
        limit: u64,
    ) -> Result<Vec<(ObjectKey, u64)>, CacheError> {
        let read = || {
            let Some(number) = queries::find_bucket(&self.db, store.number, bucket)? else {
                return Ok(Vec::new());
            };
            let after = after.map_or("", ObjectKey::as_str);
            queries::objects_behind(&self.db, number, after, limit)
        };
        read().map_err(failed)
    }

    /// Whether anything is known about an object.
    pub fn knows(
        &self,
        store: &KnownStore,
        bucket: &str,
        key: &ObjectKey,
    ) -> Result<bool, CacheError> {
        let look_up = || {
            let own = queries::find_bucket(&self.db, store.number, bucket)?;
            let numbers = Numbers {
                own,
                imported: None,
            };
            let found = queries::look_up(&self.db, numbers, [key])?;
            Ok(found.iter().any(|found| found.row.is_some()))
        };
        look_up().map_err(failed)
    }

    /// What forgetting would do.
    pub fn forgettable(
        &self,
        store: &KnownStore,
        bucket: Option<&str>,
    ) -> Result<Forgettable, CacheError> {
        queries::forgettable(&self.db, store.number, bucket).map_err(failed)
    }

    /// The entity tag of an object, as it was when the object was last put or read.
    pub fn etag(
        &self,
        store: &KnownStore,
        bucket: &Bucket,
        key: &ObjectKey,
    ) -> Result<Option<ETag>, CacheError> {
        let look_up = || {
            let own = queries::find_bucket(&self.db, store.number, bucket.as_str())?;
            let numbers = Numbers {
                own,
                imported: None,
            };
            let found = queries::look_up(&self.db, numbers, [key])?;
            Ok(found.into_iter().find_map(|found| found.row?.etag))
        };
        look_up().map_err(failed)
    }
}

fn failed(error: rusqlite::Error) -> CacheError {
    WriteError::from(error).into()
}

/// How large the file was and is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vacuumed {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

impl SqliteCache {
    /// The same database, to look at.
    pub fn reader(&self) -> Result<CacheReader, OpenError> {
        let path = &self.shared.path;
        let db = file::connect_to_read(path).map_err(OpenError::database(path))?;
        Ok(CacheReader { db })
    }

    /// Forgets the MD5s of a store, or of one bucket of it, and answers of how many objects. What
    /// clients have said about an object (its content type, its metadata, the parts it was put
    /// in) stays. Other processes may use the database meanwhile.
    pub fn forget_md5s(&self, store: &KnownStore, bucket: Option<&str>) -> Result<u64, CacheError> {
        self.in_batches(store, bucket, queries::forget_md5s)
    }

    /// Forgets everything about the objects of a store, or of one bucket of it.
    pub fn forget_rows(&self, store: &KnownStore, bucket: Option<&str>) -> Result<u64, CacheError> {
        self.in_batches(store, bucket, queries::forget_rows)
    }

    fn in_batches(
        &self,
        store: &KnownStore,
        bucket: Option<&str>,
        forget: queries::ForgetBatch,
    ) -> Result<u64, CacheError> {
        let run = || {
            let mut db = file::connect_existing(&self.shared.path)?;
            let mut sum = 0;
            for number in queries::buckets_of(&db, store.number, bucket)? {
                let mut after = String::new();
                loop {
                    let batch =
                        db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
                    let (end, count) = forget(&batch, number, &after, BATCH)?;
                    batch.commit()?;
                    sum += count;
                    match end {
                        Some(end) => after = end,
                        None => break,
                    }
                }
            }
            Ok(sum)
        };
        run().map_err(failed)
    }

    /// Gives room that is no longer used back to the file system. Others wait meanwhile.
    pub fn vacuum(&self) -> Result<Vacuumed, CacheError> {
        let path = &self.shared.path;
        let run = || {
            let db = file::connect_existing(path)?;
            file::empty_log(&db)?;
            let before = size(path);
            db.execute_batch("VACUUM")?;
            file::empty_log(&db)?;
            let after = size(path);
            Ok(Vacuumed { before, after })
        };
        run().map_err(failed)
    }

    /// Where the database is.
    pub fn path(&self) -> PathBuf {
        self.shared.path.clone()
    }
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}
