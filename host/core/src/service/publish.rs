//! From the key lock to the final row: what every write has in common.

use super::locks::{KeyGuard, Place, Writer};
use super::ports::{Intent, Receipt, Row, StoreError, StoredObject};
use super::precondition::check_write;
use super::{Inner, ServiceError, WriteConditions, Written};
use crate::model::ObjectState;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Notify, OwnedRwLockReadGuard};

/// The rows of objects up to this many bytes need no commit of their own: after a crash, an object is
/// read to find out whether its intent is true.
const LATE: u64 = 1024 * 1024;

/// So many intents of others are settled before one's own is noted.
const LEFTOVERS: u32 = 8;

/// A write that holds the key's lock and whose intent is committed.
pub(super) struct Announced {
    guard: KeyGuard,
    intent: Intent,
    _publishing: Published,
    _bucket_stays: OwnedRwLockReadGuard<()>,
}

impl Inner {
    /// Takes the key's lock, decides the conditions for good and commits the intent.
    pub(super) async fn announce(
        &self,
        (place, writer): (&Place, &Writer),
        conditions: &WriteConditions,
        intent: Intent,
    ) -> Result<Announced, ServiceError> {
        let guard = self.locks.lock(place).await;
        self.announce_locked((guard, writer), conditions, intent)
            .await
    }

    /// The same, with the lock in hand.
    pub(super) async fn announce_locked(
        &self,
        (guard, writer): (KeyGuard, &Writer),
        conditions: &WriteConditions,
        intent: Intent,
    ) -> Result<Announced, ServiceError> {
        let Place { bucket, key } = guard.place();
        if !conditions.is_empty() {
            let present = self.present(guard.place(), Some(&guard)).await?;
            check_write(conditions, present.as_ref().map(|found| &found.head.etag))?;
        }
        for _ in 0..LEFTOVERS {
            let bucket_stays = writer.publish().await?;
            let publishing = self.publishing.begin();
            if self.cache.announce(bucket, key, intent.clone()).await? {
                return Ok(Announced {
                    guard,
                    intent,
                    _publishing: publishing,
                    _bucket_stays: bucket_stays,
                });
            }
            // It may take long, and nothing is published meanwhile.
            drop((bucket_stays, publishing));
            // Nobody works on that one. If it were replaced, the object that it tells of would lose
            // its row.
            self.settle_leftover(&guard).await?;
        }
        let why = "another gateway does not let go of the key".to_owned();
        Err(ServiceError::Unavailable(why))
    }

    /// Takes the key's lock, and says what the key holds for as long as that is held. What was read
    /// before may have been replaced while this waited.
    pub(super) async fn lock_known(
        &self,
        place: &Place,
    ) -> Result<(KeyGuard, Option<ObjectState>), ServiceError> {
        let guard = self.locks.lock(place).await;
        let mut remembered = self.remembered(place).await?;
        if remembered.intent.is_some() {
            self.settle_leftover(&guard).await?;
            remembered = self.remembered(place).await?;
        }
        Ok((guard, remembered.row.map(|row| row.state)))
    }

    /// The store has answered: settles the row. After a failure the outcome is unknown, so the
    /// store is asked what became of it.
    pub(super) async fn conclude(
        &self,
        announced: Announced,
        answer: Result<StoredObject, StoreError>,
    ) -> Result<Written, ServiceError> {
        let Announced { guard, intent, .. } = announced;
        let failure = match answer {
            Ok(stored) if stored.size == intent.size => {
                let small = intent.size <= LATE && intent.upload.is_none();
                let late = small && self.index.is_none() && !self.keeps_portable();
                return self.settle(&guard, intent, stored, late).await;
            }
            Ok(stored) => ServiceError::Internal(format!(
                "the store has {} bytes of an upload of {}",
                stored.size, intent.size
            )),
            Err(error) => error.into(),
        };
        match self.resolve(&guard, intent).await {
            Ok(Some(written)) => {
                tracing::warn!(error = %failure, "the store failed after it had published");
                Ok(written)
            }
            Ok(None) => Err(failure),
            Err(error @ ServiceError::Denied(_)) if matches!(failure, ServiceError::Denied(_)) => {
                // Who may not write there may not look there either. That is known, and no fault;
                // whoever meets the intent asks again.
                tracing::warn!(%error, "the storage refuses a write, and to tell what is in its place");
                Err(failure)
            }
            Err(error) => {
                tracing::error!(%error, "the outcome of a write is unknown until the store answers");
                Err(failure)
            }
        }
    }

    /// Nothing was published: drops the intent.
    pub(super) async fn withdraw(&self, announced: Announced) -> Result<KeyGuard, ServiceError> {
        let Place { bucket, key } = announced.guard.place();
        self.cache.withdraw(bucket, key).await?;
        Ok(announced.guard)
    }

    /// The object is there: its row replaces the intent; at once, or `late`.
    pub(super) async fn settle(
        &self,
        guard: &KeyGuard,
        intent: Intent,
        stored: StoredObject,
        late: bool,
    ) -> Result<Written, ServiceError> {
        let Place { bucket, key } = guard.place();
        let written = Written {
            etag: intent.etag.clone(),
            modified: stored.modified,
            checksum: intent.checksum.clone(),
        };
        let row = Row {
            state: stored.state,
            size: stored.size,
            etag: Some(intent.etag),
            checksum: intent.checksum,
            part_sizes: intent.part_sizes,
            metadata: intent.metadata,
            modified: stored.modified,
        };
        if late {
            self.cache.settle_late(bucket, key, row).await?;
        } else {
            let portable = self.keeps_portable();
            self.cache.settle(bucket, key, row, portable).await?;
        }
        self.portable.news();
        self.wake_index(bucket);
        Ok(written)
    }
}

impl Announced {
    /// What the store is told.
    pub(super) fn receipt(&self) -> Receipt {
        Receipt {
            size: self.intent.size,
            md5: match self.intent.etag {
                crate::model::ETag::Md5(md5) => Some(md5),
                _ => None,
            },
            etag: self.intent.etag.clone(),
            content_type: self.intent.metadata.content_type.clone(),
        }
    }
}

/// Counts the writes between intent and end.
#[derive(Clone, Default)]
pub(super) struct Publishing {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    count: AtomicUsize,
    none: Notify,
}

/// One of them; ends when dropped.
struct Published(Publishing);

impl Publishing {
    fn begin(&self) -> Published {
        self.state.count.fetch_add(1, Ordering::SeqCst);
        Published(self.clone())
    }

    /// Whether there are none.
    pub(super) fn is_idle(&self) -> bool {
        self.state.count.load(Ordering::SeqCst) == 0
    }

    /// Waits until there are none.
    pub(super) async fn none(&self) {
        loop {
            let notified = self.state.none.notified();
            if self.is_idle() {
                return;
            }
            notified.await;
        }
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        if self.0.state.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.state.none.notify_waiters();
        }
    }
}
