//! One at a time: writers of a key, and who asks about a folder. And who deletes a bucket, and who
//! writes into it.

use super::ServiceError;
use crate::model::{Bucket, ObjectKey};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// An object's address in the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    /// Where the store keeps the bucket.
    pub(super) bucket: Bucket,
    /// The key in it.
    pub(super) key: ObjectKey,
}

type Slot = Arc<tokio::sync::Mutex<()>>;

/// Locks by name. One that nobody holds or waits for costs nothing.
pub(super) struct Locks<N: Clone + Eq + Hash> {
    slots: Arc<Mutex<HashMap<N, Slot>>>,
}

/// The locks of keys that are being written.
pub(super) type KeyLocks = Locks<Place>;

/// Holding that of a key means that no one else publishes, deletes or settles at its place.
pub(super) struct Guard<N: Clone + Eq + Hash> {
    // Dropped before the claim, which may remove the slot.
    _held: OwnedMutexGuard<()>,
    claim: Claim<N>,
}

/// See [`Guard`].
pub(super) type KeyGuard = Guard<Place>;

/// Somebody holds or awaits a slot.
struct Claim<N: Clone + Eq + Hash> {
    locks: Locks<N>,
    place: N,
    slot: Option<Slot>,
}

impl<N: Clone + Eq + Hash> Default for Locks<N> {
    fn default() -> Self {
        let slots = Arc::default();
        Self { slots }
    }
}

impl<N: Clone + Eq + Hash> Clone for Locks<N> {
    fn clone(&self) -> Self {
        let slots = Arc::clone(&self.slots);
        Self { slots }
    }
}

impl<N: Clone + Eq + Hash> Locks<N> {
    /// Waits for a lock; first come, first served.
    pub(super) async fn lock(&self, place: &N) -> Guard<N> {
        let slot = Slot::clone(self.slots().entry(place.clone()).or_default());
        let claim = Claim {
            locks: self.clone(),
            place: place.clone(),
            slot: Some(Slot::clone(&slot)),
        };
        Guard {
            _held: slot.lock_owned().await,
            claim,
        }
    }

    /// Whether somebody holds this lock or waits for it.
    #[cfg(test)]
    pub(super) fn is_locked(&self, place: &N) -> bool {
        self.slots().contains_key(place)
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<N, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<N: Clone + Eq + Hash> Guard<N> {
    /// What is locked.
    pub(super) fn place(&self) -> &N {
        &self.claim.place
    }
}

impl<N: Clone + Eq + Hash> Drop for Claim<N> {
    fn drop(&mut self) {
        let mut slots = self.locks.slots();
        self.slot = None;
        // Slots are cloned only while the map is locked, so nobody can come in between.
        if slots
            .get(&self.place)
            .is_some_and(|slot| Arc::strong_count(slot) == 1)
        {
            slots.remove(&self.place);
        }
    }
}

/// Buckets that are written into or deleted. What is published into a bucket is there before its
/// deletion asks whether the bucket is empty, or is refused.
#[derive(Default)]
pub(super) struct BucketLocks {
    slots: Mutex<HashMap<Bucket, Weak<BucketSlot>>>,
}

#[derive(Default)]
struct BucketSlot {
    /// Shared by those who publish, held alone by who deletes.
    lock: Arc<RwLock<()>>,
    /// This bucket has been deleted. One that is made in its place has another slot.
    gone: AtomicBool,
}

/// Somebody is going to publish into a bucket, into the one that is there now and no later one.
pub(super) struct Writer(Arc<BucketSlot>);

/// Nobody publishes into a bucket while this is held.
pub(super) struct Emptied<'a> {
    locks: &'a BucketLocks,
    bucket: &'a Bucket,
    slot: Arc<BucketSlot>,
    _alone: OwnedRwLockWriteGuard<()>,
}

impl BucketLocks {
    /// To be called when a write begins.
    pub(super) fn writer(&self, bucket: &Bucket) -> Writer {
        Writer(self.slot(bucket))
    }

    /// Waits until all that is being published into a bucket is there, and holds up the rest.
    pub(super) async fn empty<'a>(&'a self, bucket: &'a Bucket) -> Emptied<'a> {
        let slot = self.slot(bucket);
        let alone = Arc::clone(&slot.lock).write_owned().await;
        Emptied {
            locks: self,
            bucket,
            slot,
            _alone: alone,
        }
    }

    fn slot(&self, bucket: &Bucket) -> Arc<BucketSlot> {
        let mut slots = self.slots();
        if let Some(slot) = slots.get(bucket).and_then(Weak::upgrade) {
            return slot;
        }
        slots.retain(|_, slot| slot.strong_count() > 0);
        let slot = Arc::default();
        slots.insert(bucket.clone(), Arc::downgrade(&slot));
        slot
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Bucket, Weak<BucketSlot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// While this is held the bucket stays. It may be gone already.
    pub(super) async fn publish(&self) -> Result<OwnedRwLockReadGuard<()>, ServiceError> {
        let stays = Arc::clone(&self.0.lock).read_owned().await;
        if self.0.gone.load(Ordering::SeqCst) {
            return Err(ServiceError::NoSuchBucket);
        }
        Ok(stays)
    }
}

impl Emptied<'_> {
    /// The bucket was deleted: those who wait to publish into it are refused.
    pub(super) fn deleted(self) {
        self.slot.gone.store(true, Ordering::SeqCst);
        self.locks.slots().remove(self.bucket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_publishes_into_a_bucket_that_is_being_deleted_or_was() {
        let locks = BucketLocks::default();
        let bucket = Bucket::Root;
        let early = locks.writer(&bucket);
        let publishing = early.publish().await.unwrap();
        let moment = std::time::Duration::from_millis(5);
        let emptied = tokio::time::timeout(moment, locks.empty(&bucket));
        assert!(emptied.await.is_err(), "somebody is publishing");
        drop(publishing);
        let emptied = locks.empty(&bucket).await;
        let publishing = tokio::time::timeout(moment, early.publish());
        assert!(publishing.await.is_err(), "the bucket is being deleted");
        // It was not empty.
        drop(emptied);
        drop(early.publish().await.unwrap());
        locks.empty(&bucket).await.deleted();
        let refused = early.publish().await.err();
        assert!(matches!(refused, Some(ServiceError::NoSuchBucket)));
        // Another bucket of this name.
        drop(locks.writer(&bucket).publish().await.unwrap());
    }

    fn place(key: &str) -> Place {
        Place {
            bucket: Bucket::Root,
            key: key.parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn a_lock_is_granted_in_the_order_of_asking() {
        let locks = KeyLocks::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = locks.lock(&place("a")).await;
        let mut tasks = Vec::new();
        for number in 0..4 {
            let (locks, order) = (locks.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                let _guard = locks.lock(&place("a")).await;
                order.lock().unwrap().push(number);
            }));
            tokio::task::yield_now().await;
        }
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
    }

    #[tokio::test]
    async fn keys_do_not_wait_for_one_another_and_leave_nothing_behind() {
        let locks = KeyLocks::default();
        let a = locks.lock(&place("a")).await;
        let b = locks.lock(&place("b")).await;
        assert!(locks.is_locked(&place("a")));
        // A waiter that gives up leaves nothing behind either.
        let (name, moment) = (place("a"), std::time::Duration::from_millis(5));
        let waiter = tokio::time::timeout(moment, locks.lock(&name));
        assert!(waiter.await.is_err());
        drop((a, b));
        assert!(!locks.is_locked(&place("a")));
        assert!(locks.slots().is_empty());
    }
}
