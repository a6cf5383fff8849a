//! The listing index, for a storage whose own listing is slow or in no order.
//!
//! The rows of the cache are the index. A bucket is crawled once, folder by folder, in the
//! background; own writes keep it exact; and because somebody else may write to the same storage,
//! a folder that was last told more than some time ago is asked once more before anything is said
//! about it. So what others write is seen after that time at the latest, and what is fresh costs
//! no question. [`tables`] has the rules by which pages and writes meet.

mod crawl;
mod look;
mod marks;
mod ports;
mod refresh;
mod run;
mod sweep;
pub mod tables;
mod told;

pub use ports::*;
pub use refresh::Refreshed;
#[cfg(test)]
pub(super) use run::found_in;

use super::locks::Locks;
use super::ports::{StoreListQuery, StorePage};
use super::{Inner, ServiceError};
use crate::model::{Bucket, ObjectKey, Timestamp};
use crawl::Crawl;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Folders of which the storage is asked at the same time.
const AT_ONCE: usize = 8;

/// When what is known of a storage is old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// A folder that was told longer ago is asked once more.
    pub max_age: Duration,
    /// Nobody else writes to this storage: what was told once stays true.
    pub exclusive: bool,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            max_age: Duration::from_mins(1),
            exclusive: false,
        }
    }
}

/// How far the index of a bucket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexProgress {
    /// The bucket, as the store calls it.
    pub bucket: Bucket,
    /// Folders and objects. Objects are counted when a crawl begins and ends.
    pub counts: IndexCounts,
}

/// The indexes of a store.
pub(super) struct Index {
    freshness: Freshness,
    buckets: Mutex<HashMap<Bucket, Arc<Crawl>>>,
    /// Folders that are being asked about.
    flights: Locks<(Bucket, String)>,
    /// Folders of several pages that were looked at.
    looks: Mutex<HashMap<(Bucket, String), Looks>>,
    /// Buckets in which others have changed something, and when that was last seen.
    shared: Mutex<HashMap<Bucket, Instant>>,
}

/// How a folder of several pages was looked at.
#[derive(Debug, Clone, Copy, Default)]
struct Looks {
    /// How often only its end was, since it was scanned, but for further looks within `max_age`.
    count: u64,
    /// When that was last counted.
    counted: Option<Timestamp>,
    /// When it was scanned.
    scanned: Option<Timestamp>,
}

/// For so long after others were seen to write into a bucket they are expected to do so.
const SHARED: Duration = Duration::from_hours(1);
/// What was told of a folder so lately is good enough for a deletion in it. Clients delete many
/// keys of a folder one after the other, for which one look is enough then; and whoever writes a key
/// within seconds of somebody else's deletion cannot know which of the two comes last.
pub(super) const JUST_NOW: Duration = Duration::from_secs(5);

impl Index {
    pub(super) fn new(freshness: Freshness) -> Self {
        Self {
            freshness,
            buckets: Mutex::default(),
            flights: Locks::default(),
            looks: Mutex::default(),
            shared: Mutex::default(),
        }
    }

    /// What is good enough for a question that is asked now.
    fn fresh(&self) -> Fresh {
        let now = Timestamp::now();
        Fresh {
            since: (!self.freshness.exclusive).then(|| now - self.freshness.max_age),
            now,
        }
    }

    fn buckets(&self) -> MutexGuard<'_, HashMap<Bucket, Arc<Crawl>>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looks(&self) -> MutexGuard<'_, HashMap<(Bucket, String), Looks>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shared(&self) -> MutexGuard<'_, HashMap<Bucket, Instant>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A folder that was known has changed, and not by us.
    fn note_others(&self, bucket: &Bucket, applied: Applied) {
        if applied.new + applied.changed + applied.gone > 0 {
            self.note_shared(bucket);
        }
    }

    /// Others write into this bucket.
    fn note_shared(&self, bucket: &Bucket) {
        self.shared().insert(bucket.clone(), Instant::now());
    }

    fn is_shared(&self, bucket: &Bucket) -> bool {
        let seen = self.shared().get(bucket).copied();
        !self.freshness.exclusive && seen.is_some_and(|seen| seen.elapsed() < SHARED)
    }

    pub(super) fn progress(&self) -> Vec<IndexProgress> {
        let buckets = self.buckets();
        let progress = buckets.iter().map(|(bucket, crawl)| IndexProgress {
            bucket: bucket.clone(),
            counts: crawl.counts(),
        });
        let mut progress: Vec<IndexProgress> = progress.collect();
        progress.sort_by(|one, other| one.bucket.cmp(&other.bucket));
        progress
    }
}

impl Inner {
    /// A page of a bucket: from the index, if there is one.
    pub(super) async fn list_page(
        &self,
        bucket: &Bucket,
        query: StoreListQuery,
    ) -> Result<StorePage, ServiceError> {
        let Some(index) = &self.index else {
            return Ok(self.store.list(bucket, query).await?);
        };
        self.use_index(bucket).await?;
        let mut fresh = index.fresh();
        loop {
            let (page, stale) = self.cache.index_page(bucket, &query, fresh).await?;
            if stale.is_empty() {
                return Ok(page);
            }
            let stale = stale.into_iter().map(|folder| (folder, fresh));
            self.refresh_folders(bucket, stale.collect()).await?;
            fresh.now = Timestamp::now();
        }
    }

    /// Asks the storage about folders, unless that was done meanwhile.
    async fn refresh_folders(
        &self,
        bucket: &Bucket,
        folders: Vec<(String, Fresh)>,
    ) -> Result<(), ServiceError> {
        let asked = stream::iter(folders)
            .map(|(folder, fresh)| self.refresh_folder(bucket, folder, fresh))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>();
        match asked.await {
            Err(ServiceError::NoSuchBucket) => {
                self.close_index(bucket).await?;
                Err(ServiceError::NoSuchBucket)
            }
            outcome => outcome,
        }
    }

    /// Brings what is known of these keys up to date, where others write into the bucket, too: they
    /// may have replaced what is about to be deleted, and the storage does not always say that an
    /// object of which it gets the id was in the trash already. And a storage that keeps objects of
    /// one key side by side may have an older one, which comes back when the one that is known goes:
    /// so a folder is looked at unless it was since the object is known. `false` if that cannot be
    /// found out: then nobody is sure of what is known.
    ///
    /// What others had written [`JUST_NOW`] before the deletion was asked for is known afterwards;
    /// what they write later may as well come after the deletion. So this needs no lock of a key,
    /// and one look at a folder is enough for all keys in it. What we write ourselves meanwhile is
    /// in the rows, which are read under the lock.
    pub(super) async fn meet_others(&self, bucket: &Bucket, keys: &[ObjectKey]) -> bool {
        let Some(index) = &self.index else {
            return true;
        };
        let met = self.look_before_deletion(index, bucket, keys).await;
        if let Err(error) = &met {
            tracing::debug!(%error, "folders in which something is deleted could not be looked at");
        }
        met.is_ok()
    }

    async fn look_before_deletion(
        &self,
        index: &Index,
        bucket: &Bucket,
        keys: &[ObjectKey],
    ) -> Result<(), ServiceError> {
        let now = Timestamp::now();
        let shared = index.is_shared(bucket);
        let shared = shared.then(|| now - JUST_NOW.min(index.freshness.max_age));
        let exclusive = index.freshness.exclusive;
        let all: Vec<&ObjectKey> = keys.iter().collect();
        let unconfirmed = self.cache.unconfirmed(bucket, &all, exclusive).await?;
        let mut folders: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for (key, met) in keys.iter().zip(unconfirmed) {
            if let Some(since) = met.max(shared) {
                let folder = tables::folder_of(key.as_str());
                let latest = folders.entry(folder).or_insert(since);
                *latest = since.max(*latest);
            }
        }
        if folders.is_empty() {
            return Ok(());
        }
        let fresh = |since| Fresh {
            since: Some(since),
            now,
        };
        let folders = folders.into_iter();
        let folders: Vec<(String, Fresh)> = folders
            .map(|(folder, since)| (folder.to_owned(), fresh(since)))
            .collect();
        self.use_index(bucket).await?;
        self.refresh_folders(bucket, folders).await
    }

    /// Whether nothing can hide behind the objects of these keys, which are locked, as far as the
    /// index tells.
    pub(super) async fn are_confirmed(
        &self,
        bucket: &Bucket,
        keys: &[&ObjectKey],
    ) -> Result<Vec<bool>, ServiceError> {
        let Some(index) = &self.index else {
            return Ok(vec![true; keys.len()]);
        };
        let exclusive = index.freshness.exclusive;
        let unconfirmed = self.cache.unconfirmed(bucket, keys, exclusive).await?;
        Ok(unconfirmed.iter().map(Option::is_none).collect())
    }

    /// Asks about one folder. Whoever wants to know the same meanwhile waits.
    pub(super) async fn refresh_folder(
        &self,
        bucket: &Bucket,
        folder: String,
        mut fresh: Fresh,
    ) -> Result<(), ServiceError> {
        let Some(index) = &self.index else {
            return Ok(());
        };
        let flight = (bucket.clone(), folder);
        let _flight = index.flights.lock(&flight).await;
        let (_, folder) = &flight;
        let known = self.cache.folder(bucket, folder).await?;
        fresh.now = Timestamp::now();
        match known {
            Some(known) if fresh.holds(&known) => Ok(()),
            known => self.run(bucket, folder, known.unwrap_or_default()).await,
        }
    }

    /// Begins the index of a bucket at its first use.
    pub(super) async fn use_index(&self, bucket: &Bucket) -> Result<(), ServiceError> {
        let Some(index) = &self.index else {
            return Ok(());
        };
        if index.buckets().contains_key(bucket) {
            return Ok(());
        }
        self.cache.open_index(bucket).await?;
        let crawl = {
            let mut buckets = index.buckets();
            if buckets.contains_key(bucket) {
                return Ok(());
            }
            let crawl = Arc::new(Crawl::default());
            buckets.insert(bucket.clone(), Arc::clone(&crawl));
            crawl
        };
        if let Some(inner) = self.me.upgrade() {
            let bucket = bucket.clone();
            tokio::spawn(async move { inner.crawl(bucket, crawl).await });
        }
        Ok(())
    }

    /// The bucket is gone, or new: nothing is known of it.
    pub(super) async fn close_index(&self, bucket: &Bucket) -> Result<(), ServiceError> {
        let Some(index) = &self.index else {
            return Ok(());
        };
        let crawl = index.buckets().remove(bucket);
        if let Some(crawl) = crawl {
            crawl.wake();
        }
        Ok(self.cache.drop_index(bucket).await?)
    }

    /// After an own write, which may have made folders.
    pub(super) fn wake_index(&self, bucket: &Bucket) {
        if let Some(index) = &self.index
            && let Some(crawl) = index.buckets().get(bucket)
        {
            crawl.wake();
        }
    }

    /// Goes on with the indexes that were not complete when the last run ended.
    pub(super) async fn resume_indexes(&self) -> Result<(), ServiceError> {
        if self.index.is_some() {
            for bucket in self.cache.unfinished_indexes().await? {
                self.use_index(&bucket).await?;
            }
        }
        Ok(())
    }
}
