//! The crawl of a bucket, in the background: every folder that is known and was never scanned.

use super::{AT_ONCE, Applied, Fresh, IndexCounts};
use crate::model::{Bucket, Timestamp};
use crate::service::{Inner, ServiceError};
use futures_util::{StreamExt, stream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Folders that are chosen at a time.
const BATCH: usize = 64;
/// Between two lines about progress.
const LINES: Duration = Duration::from_secs(10);
/// After a write, for others to come.
const MOMENT: Duration = Duration::from_millis(50);
/// Pauses after failures: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// What everybody may know of a crawl.
#[derive(Default)]
pub(super) struct Crawl {
    wake: Notify,
    counts: Mutex<IndexCounts>,
}

impl Crawl {
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) fn counts(&self) -> IndexCounts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, change: impl FnOnce(&mut IndexCounts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Inner {
    pub(super) fn note_progress(&self, bucket: &Bucket, applied: Applied) {
        let crawl = self.index.as_ref().and_then(|index| {
            let buckets = index.buckets();
            buckets.get(bucket).map(Arc::clone)
        });
        if let Some(crawl) = crawl {
            crawl.count(|counts| {
                counts.rows = (counts.rows + applied.new).saturating_sub(applied.gone);
            });
        }
    }

    /// Crawls for as long as the bucket is there.
    pub(super) async fn crawl(self: Arc<Self>, bucket: Bucket, crawl: Arc<Crawl>) {
        let name = bucket.as_str();
        let mut pause = PAUSES.0;
        loop {
            match self.crawl_once(&bucket, &crawl).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(ServiceError::NoSuchBucket) => {
                    if let Err(error) = self.close_index(&bucket).await {
                        tracing::warn!(bucket = name, %error, "the index stays behind");
                    }
                    return;
                }
                Err(error) => {
                    let wait = match &error {
                        ServiceError::Busy {
                            retry_after: Some(wait),
                        } => *wait,
                        _ => pause,
                    };
                    tracing::warn!(bucket = name, %error, "the index waits for the storage");
                    tokio::time::sleep(wait).await;
                    pause = (pause * 2).min(PAUSES.1);
                    continue;
                }
            }
            pause = PAUSES.0;
            // Not for nothing: an own write may have made a folder.
            crawl.wake.notified().await;
            tokio::time::sleep(MOMENT).await;
        }
    }

    /// Scans until there is nothing that was not scanned; `false` when the bucket has gone.
    async fn crawl_once(&self, bucket: &Bucket, crawl: &Arc<Crawl>) -> Result<bool, ServiceError> {
        let name = bucket.as_str();
        let mut told: Option<Instant> = None;
        let begun = Instant::now();
        loop {
            let current = self.index.as_ref().is_some_and(|index| {
                let buckets = index.buckets();
                buckets
                    .get(bucket)
                    .is_some_and(|now| Arc::ptr_eq(now, crawl))
            });
            if !current {
                return Ok(false);
            }
            let folders = self.cache.unscanned(bucket, BATCH).await?;
            if folders.is_empty() {
                break;
            }
            if told.is_none_or(|told| told.elapsed() >= LINES) {
                self.count(bucket, crawl).await?;
                let IndexCounts {
                    folders,
                    unscanned,
                    rows,
                } = crawl.counts();
                let done = folders - unscanned.min(folders);
                if told.is_some() || folders > 1 || rows > 0 {
                    tracing::info!(bucket = name, done, left = unscanned, rows, "indexing");
                }
                told = Some(Instant::now());
            }
            // However old: it is only about those that were never scanned.
            let fresh = Fresh {
                since: None,
                now: Timestamp::now(),
            };
            let mut scans = stream::iter(folders)
                .map(|folder| self.refresh_folder(bucket, folder, fresh))
                .buffer_unordered(AT_ONCE);
            while let Some(scanned) = scans.next().await {
                scanned?;
                crawl.count(|counts| counts.unscanned = counts.unscanned.saturating_sub(1));
            }
        }
        self.count(bucket, crawl).await?;
        if told.is_some() {
            let IndexCounts { folders, rows, .. } = crawl.counts();
            let seconds = begun.elapsed().as_secs();
            tracing::info!(
                bucket = name,
                folders,
                rows,
                seconds,
                "the index is complete"
            );
        }
        Ok(true)
    }

    async fn count(&self, bucket: &Bucket, crawl: &Crawl) -> Result<(), ServiceError> {
        let counted = self.cache.index_counts(bucket).await?;
        crawl.count(|counts| *counts = counted);
        Ok(())
    }
}
