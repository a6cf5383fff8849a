//! The port [`IndexCache`] over the database.

use super::namespace::NamespaceCache;
use super::queries::{self, BucketIndex};
use super::write::Write;
use crate::model::{Bucket, ObjectKey, Timestamp};
use crate::service::index::tables::{self, Tables};
use crate::service::index::{Applied, Folder, Found, Fresh, IndexCache, IndexCounts};
use crate::service::ports::{CacheError, StoreListQuery, StorePage};
use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError};

/// A change of an index.
pub(super) enum Change {
    Open,
    Close,
    Begin(String, Timestamp),
    /// What comes of it is put into the slot.
    Apply(String, Timestamp, Box<Found>, Slot),
}

pub(super) type Slot = Arc<Mutex<Option<Applied>>>;

impl Change {
    pub(super) fn apply(&self, index: &BucketIndex<'_>) -> rusqlite::Result<()> {
        match self {
            Self::Open => index.open(),
            Self::Close => index.close(),
            Self::Begin(folder, began) => tables::begin(index, folder, *began),
            Self::Apply(folder, began, found, slot) => {
                let applied = tables::apply(index, folder, *began, Found::clone(found))?;
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = applied;
                Ok(())
            }
        }
    }
}

impl NamespaceCache {
    async fn change(&self, bucket: &Bucket, change: Change) -> Result<(), CacheError> {
        let imported = self.imported_number(bucket);
        let bucket = self.find_or_intern(bucket).await?;
        let write = Write::Index(bucket, imported, change);
        self.write(write).await.map(drop)
    }

    fn index<T: Default>(
        &self,
        bucket: &Bucket,
        read: impl FnOnce(&BucketIndex<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, CacheError> {
        let imported = self.imported_number(bucket);
        self.read(bucket, |db, bucket| {
            read(&BucketIndex::new(db, bucket, imported))
        })
    }
}

fn counts(index: &BucketIndex<'_>) -> rusqlite::Result<IndexCounts> {
    index.counts()
}

#[async_trait]
impl IndexCache for NamespaceCache {
    async fn open_index(&self, bucket: &Bucket) -> Result<(), CacheError> {
        self.keep_index();
        self.change(bucket, Change::Open).await
    }

    async fn drop_index(&self, bucket: &Bucket) -> Result<(), CacheError> {
        self.change(bucket, Change::Close).await
    }

    async fn index_page(
        &self,
        bucket: &Bucket,
        query: &StoreListQuery,
        fresh: Fresh,
    ) -> Result<(StorePage, Vec<String>), CacheError> {
        self.index(bucket, |index| index.page(query, fresh))
    }

    async fn stale_folders(
        &self,
        bucket: &Bucket,
        folder: &str,
        fresh: Fresh,
    ) -> Result<Vec<String>, CacheError> {
        self.index(bucket, |index| tables::stale_above(index, folder, fresh))
    }

    async fn folder(&self, bucket: &Bucket, folder: &str) -> Result<Option<Folder>, CacheError> {
        self.index(bucket, |index| index.folder(folder))
    }

    async fn content(&self, bucket: &Bucket, folder: &str) -> Result<u64, CacheError> {
        self.index(bucket, |index| tables::content(index, folder))
    }

    async fn youngest_untagged(
        &self,
        bucket: &Bucket,
        folder: &str,
    ) -> Result<Option<Timestamp>, CacheError> {
        self.index(bucket, |index| index.youngest_untagged(folder))
    }

    async fn unconfirmed(
        &self,
        bucket: &Bucket,
        keys: &[&ObjectKey],
        exclusive: bool,
    ) -> Result<Vec<Option<Timestamp>>, CacheError> {
        let mut unconfirmed = self.index(bucket, |index| {
            let keys = keys.iter();
            keys.map(|key| tables::unconfirmed(index, key, exclusive))
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        // There is no answer if nothing was ever written to this bucket.
        unconfirmed.resize(keys.len(), None);
        Ok(unconfirmed)
    }

    async fn begin_run(
        &self,
        bucket: &Bucket,
        folder: &str,
        began: Timestamp,
    ) -> Result<(), CacheError> {
        self.change(bucket, Change::Begin(folder.to_owned(), began))
            .await
    }

    async fn apply_run(
        &self,
        bucket: &Bucket,
        folder: &str,
        began: Timestamp,
        found: Found,
    ) -> Result<Option<Applied>, CacheError> {
        let slot = Slot::default();
        let change = Change::Apply(folder.to_owned(), began, Box::new(found), slot.clone());
        self.change(bucket, change).await?;
        let applied = *slot.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(applied)
    }

    async fn unscanned(&self, bucket: &Bucket, limit: usize) -> Result<Vec<String>, CacheError> {
        self.index(bucket, |index| index.unscanned(limit))
    }

    async fn folders_behind(
        &self,
        bucket: &Bucket,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, CacheError> {
        self.index(bucket, |index| index.folders_behind(after, limit))
    }

    async fn index_counts(&self, bucket: &Bucket) -> Result<IndexCounts, CacheError> {
        self.index(bucket, counts)
    }

    async fn unfinished_indexes(&self) -> Result<Vec<Bucket>, CacheError> {
        self.read_all(queries::unfinished_indexes)
    }
}
