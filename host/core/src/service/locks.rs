//! One at a time: writers of a key, and who asks about a folder.

use crate::model::{Bucket, ObjectKey};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedMutexGuard;

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

#[cfg(test)]
mod tests {
    use super::*;

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
