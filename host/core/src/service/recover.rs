//! Writes whose outcome is unknown: after a crash, or when the store failed half-way.

use super::locks::{KeyGuard, Place};
use super::part_md5s::PartMd5s;
use super::ports::{Intent, StoreError, StoreListQuery, StoredObject};
use super::{Inner, ServiceError, Written};
use crate::model::{Bucket, ByteStream, ETag, Timestamp};
use futures_util::StreamExt;
use std::collections::HashMap;
use std::time::Duration;

/// Leftovers of the store younger than this may belong to somebody.
const SWEEP_AGE_NANOS: i64 = 24 * 60 * 60 * 1_000_000_000;

/// A plugin that has died is rebuilt within moments: waits between questions to it.
const PATIENCE: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::from_millis(300),
    Duration::from_millis(600),
    Duration::from_secs(1),
];

impl Inner {
    pub(super) async fn recover(&self) -> Result<(), ServiceError> {
        let intents = self.cache.intents().await?;
        let places: Vec<_> = intents
            .into_iter()
            .map(|(bucket, key)| Place { bucket, key })
            .collect();
        let mut failure = None;
        let mut bare = HashMap::new();
        for place in places {
            let bucket = &place.bucket;
            let is_bare = if let Some(is_bare) = bare.get(bucket) {
                *is_bare
            } else {
                let is_bare = self.is_bare(bucket).await.unwrap_or_else(|error| {
                    let bucket = bucket.as_str();
                    tracing::error!(bucket, %error, "cannot tell what became of writes");
                    failure = Some(error);
                    true
                });
                *bare.entry(bucket.clone()).or_insert(is_bare)
            };
            if is_bare {
                let (bucket, key) = (bucket.as_str(), place.key.as_str());
                tracing::debug!(
                    bucket,
                    key,
                    "nothing is there that tells what became of a write"
                );
                continue;
            }
            let guard = self.locks.lock(&place).await;
            if let Err(error) = self.settle_leftover(&guard).await {
                let (bucket, key) = (place.bucket.as_str(), place.key.as_str());
                tracing::error!(bucket, key, %error, "cannot tell what became of a write");
                failure = Some(error);
            }
        }
        self.resume_indexes().await?;
        let before = Timestamp(Timestamp::now().0.saturating_sub(SWEEP_AGE_NANOS));
        let keep = self.cache.store_uploads().await?;
        match self.store.sweep(before, keep).await {
            Ok(_) | Err(StoreError::Unsupported) => {}
            Err(error) => return Err(error.into()),
        }
        failure.map_or(Ok(()), Err)
    }

    /// Whether there is nothing at all in the bucket. Then its disk may not be mounted: intents wait
    /// until it is, or until somebody asks for their keys.
    async fn is_bare(&self, bucket: &Bucket) -> Result<bool, ServiceError> {
        let one = StoreListQuery {
            prefix: String::new(),
            after: None,
            shallow: false,
            limit: 1,
        };
        match self.store.list(bucket, one).await {
            Ok(page) => Ok(page.entries.is_empty() && !page.more),
            Err(StoreError::NoSuchBucket) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Settles the key's intent if it has one. The caller has the lock, so nobody works on it.
    pub(super) async fn settle_leftover(&self, guard: &KeyGuard) -> Result<(), ServiceError> {
        if let Some(intent) = self.remembered(guard.place()).await?.intent {
            self.resolve(guard, intent).await?;
        }
        Ok(())
    }

    /// Finds out whether an intent has become the object. If so, its row is settled; if not, it
    /// is withdrawn and the answer is `None`. On an error it stays open, for the next one who
    /// meets it.
    pub(super) async fn resolve(
        &self,
        guard: &KeyGuard,
        intent: Intent,
    ) -> Result<Option<Written>, ServiceError> {
        let mut patience = PATIENCE.into_iter();
        let published = loop {
            match self.published(guard, &intent).await {
                Err(ServiceError::Unavailable(_) | ServiceError::Busy { .. }) => {}
                outcome => break outcome?,
            }
            let Some(wait) = patience.next() else {
                break self.published(guard, &intent).await?;
            };
            tokio::time::sleep(wait).await;
        };
        if let Some(stored) = published {
            return Ok(Some(self.settle(guard, intent, stored, false).await?));
        }
        let Place { bucket, key } = guard.place();
        self.cache.withdraw(bucket, key).await?;
        Ok(None)
    }

    /// The object, if it is what the intent says.
    async fn published(
        &self,
        guard: &KeyGuard,
        intent: &Intent,
    ) -> Result<Option<StoredObject>, ServiceError> {
        let Place { bucket, key } = guard.place();
        // Asked by key, not by what the row knows: on some storages the old object is still
        // there under its old id.
        let stored = match self.store.stat(bucket, key, None).await {
            Ok(stored) => stored,
            Err(StoreError::NoSuchKey | StoreError::NoSuchBucket) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let row = self.remembered(guard.place()).await?.row;
        if stored.size != intent.size || row.is_some_and(|row| row.state == stored.state) {
            return Ok(None);
        }
        let (stored, bytes) = match self.store.get(bucket, key, None, None).await {
            Ok(opened) => opened,
            Err(StoreError::NoSuchKey | StoreError::NoSuchBucket) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let same = stored.size == intent.size && has_content(bytes, intent).await?;
        Ok(same.then_some(stored))
    }
}

/// Whether these bytes have the MD5 (or the MD5s of the parts) that the intent tells.
async fn has_content(mut bytes: ByteStream, intent: &Intent) -> Result<bool, ServiceError> {
    let (sizes, md5s) = if let ETag::Md5(md5) = intent.etag {
        (vec![intent.size], vec![md5])
    } else {
        let sizes: Vec<u64> = intent.part_sizes.iter().collect();
        (sizes, intent.part_md5s.clone())
    };
    let mut expected = md5s.into_iter();
    let mut is_same = true;
    let mut parts = PartMd5s::new(sizes.into_iter());
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(|error| ServiceError::Unavailable(error.to_string()))?;
        parts.update(&piece, |md5| is_same &= expected.next() == Some(md5));
        if !is_same {
            return Ok(false);
        }
    }
    let fits = parts.finish(|md5| is_same &= expected.next() == Some(md5));
    Ok(fits && is_same)
}
