//! A whole index anew, because somebody asks for it.

use super::{AT_ONCE, Applied, IndexCounts};
use crate::model::{BucketName, Timestamp};
use crate::service::{Inner, ServiceError};
use futures_util::{StreamExt, stream};

/// Folders that are chosen at a time.
const BATCH: usize = 256;

/// What a refresh has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refreshed {
    /// What was not known.
    pub changes: Applied,
    /// What the index holds now.
    pub counts: IndexCounts,
}

impl Inner {
    /// Scans every folder of a bucket, whatever is known of it; `None` for a store without an
    /// index. `told` hears how many folders are done, after each. Others may serve the same store
    /// meanwhile.
    pub(in crate::service) async fn refresh_index(
        &self,
        bucket: &BucketName,
        told: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Option<Refreshed>, ServiceError> {
        if self.index.is_none() {
            return Ok(None);
        }
        let bucket = self.bucket(bucket)?;
        self.cache.open_index(&bucket).await?;
        let since = Timestamp::now();
        let (mut changes, mut done) = (Applied::default(), 0);
        // Each time around finds the folders that were new the last time.
        loop {
            let (mut after, before) = (None::<String>, done);
            loop {
                let folders = self.cache.folders_behind(&bucket, after.as_deref(), BATCH);
                let folders = folders.await?;
                let Some(last) = folders.last().cloned() else {
                    break;
                };
                after = Some(last);
                let bucket = &bucket;
                let mut scans = stream::iter(folders)
                    .map(|folder| async move { self.rescan(bucket, &folder, since).await })
                    .buffer_unordered(AT_ONCE);
                while let Some(scanned) = scans.next().await {
                    if let Some(applied) = scanned? {
                        changes += applied;
                        done += 1;
                        told(done);
                    }
                }
            }
            if done == before {
                break;
            }
        }
        let counts = self.cache.index_counts(&bucket).await?;
        Ok(Some(Refreshed { changes, counts }))
    }
}
