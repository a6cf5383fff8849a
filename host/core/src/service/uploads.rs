//! Uploads in parts that somebody is working on: who is still sending, and where parts go.

use super::ServiceError;
use crate::model::{PartNumber, UploadId};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, watch};

/// The uploads of this process.
#[derive(Clone, Default)]
pub(super) struct Uploads {
    entries: Arc<Mutex<HashMap<UploadId, Entry>>>,
}

struct Entry {
    ongoing: Arc<Ongoing>,
    claims: usize,
    /// Stays until [`Uploads::end`], because it knows places.
    stays: bool,
}

/// One upload.
#[derive(Default)]
pub(super) struct Ongoing {
    /// Held by whoever completes or aborts: one at a time.
    pub(super) finishing: tokio::sync::Mutex<()>,
    /// Shared by the parts that are arriving.
    sending: RwLock<()>,
    /// Parts that are still arriving shall give up.
    closing: watch::Sender<bool>,
    /// Known for uploads that this process has begun; after a restart nobody knows which places
    /// were given away before.
    places: Option<Mutex<Places>>,
}

/// Somebody uses an upload's entry.
pub(super) struct Claim {
    uploads: Uploads,
    id: UploadId,
    ongoing: Arc<Ongoing>,
}

/// While it is held no part is arriving, and none begins.
pub(super) struct Fence<'a> {
    ongoing: &'a Ongoing,
    _none_sending: RwLockWriteGuard<'a, ()>,
}

impl Uploads {
    /// So many uploads have places. Those begun beyond that have none, which costs the store
    /// some work but no correctness.
    const WITH_PLACES: usize = 10_000;

    /// Notes an upload that was just created.
    pub(super) fn begin(&self, id: UploadId) {
        let mut entries = self.entries();
        if entries.len() < Self::WITH_PLACES {
            let ongoing = Ongoing {
                places: Some(Mutex::default()),
                ..Ongoing::default()
            };
            let entry = Entry {
                ongoing: Arc::new(ongoing),
                claims: 0,
                stays: true,
            };
            entries.insert(id, entry);
        }
    }

    /// The entry of an upload, whether or not the upload exists.
    pub(super) fn claim(&self, id: &UploadId) -> Claim {
        let mut entries = self.entries();
        let entry = entries.entry(id.clone()).or_insert_with(|| Entry {
            ongoing: Arc::default(),
            claims: 0,
            stays: false,
        });
        entry.claims += 1;
        Claim {
            uploads: self.clone(),
            id: id.clone(),
            ongoing: Arc::clone(&entry.ongoing),
        }
    }

    /// The upload is completed or aborted.
    pub(super) fn end(&self, id: &UploadId) {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(id) {
            entry.stays = false;
            if entry.claims == 0 {
                entries.remove(id);
            }
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<UploadId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Claim {
    type Target = Ongoing;

    fn deref(&self) -> &Ongoing {
        &self.ongoing
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut entries = self.uploads.entries();
        if let Some(entry) = entries.get_mut(&self.id) {
            entry.claims -= 1;
            if entry.claims == 0 && !entry.stays {
                entries.remove(&self.id);
            }
        }
    }
}

impl Ongoing {
    /// A part begins to arrive. Waits for a completion that is under way.
    pub(super) async fn sending(&self) -> RwLockReadGuard<'_, ()> {
        self.sending.read().await
    }

    /// Resolves when parts that are still arriving shall give up.
    pub(super) async fn closed(&self) -> ServiceError {
        // The sender lives as long as `self`: there is nothing else to wait for.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
        ServiceError::NoSuchUpload
    }

    /// Makes the parts that are still arriving give up, and waits until they have.
    pub(super) async fn fence(&self) -> Fence<'_> {
        let reopen = Reopen(self);
        self.closing.send_replace(true);
        let none_sending = self.sending.write().await;
        std::mem::forget(reopen);
        Fence {
            ongoing: self,
            _none_sending: none_sending,
        }
    }

    /// Where a part goes. A place is offered once, so nobody else is writing there.
    pub(super) fn place(&self, number: PartNumber, size: u64) -> Option<u64> {
        let places = self.places.as_ref()?;
        let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
        places.give(number, size)
    }
}

impl Drop for Fence<'_> {
    fn drop(&mut self) {
        // Before the lock: the next part that begins is not turned away.
        self.ongoing.closing.send_replace(false);
    }
}

/// Undoes a fence whose builder has given up waiting.
struct Reopen<'a>(&'a Ongoing);

impl Drop for Reopen<'_> {
    fn drop(&mut self) {
        self.0.closing.send_replace(false);
    }
}

/// Where parts lie in the object, if all but the last have the size of the first that came.
#[derive(Debug, Default)]
struct Places {
    part_size: Option<u64>,
    /// One bit for each number whose place was given away.
    given: Vec<u64>,
}

impl Places {
    fn give(&mut self, number: PartNumber, size: u64) -> Option<u64> {
        let part_size = *self.part_size.get_or_insert(size);
        let index = usize::from(number.get() - 1);
        let (word, bit) = (index / 64, 1 << (index % 64));
        if self.given.len() <= word {
            self.given.resize(word + 1, 0);
        }
        let word = self.given.get_mut(word)?;
        let free = *word & bit == 0;
        // Too large a part would reach into its neighbour's place.
        if !free || size > part_size {
            return None;
        }
        *word |= bit;
        part_size.checked_mul(u64::from(number.get() - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u32) -> PartNumber {
        PartNumber::new(number).unwrap()
    }

    #[test]
    fn a_place_is_offered_once_and_only_to_a_part_that_fits() {
        let mut places = Places::default();
        assert_eq!(places.give(number(3), 10), Some(20));
        assert_eq!(places.give(number(1), 10), Some(0));
        assert_eq!(places.give(number(3), 10), None);
        assert_eq!(places.give(number(2), 11), None);
        assert_eq!(places.give(number(2), 4), Some(10));
        assert_eq!(places.give(number(10_000), 10), Some(99_990));
        assert_eq!(places.give(number(10_000), 10), None);
    }

    #[test]
    fn an_upload_that_nobody_uses_any_more_is_forgotten() {
        let uploads = Uploads::default();
        let id: UploadId = "a".parse().unwrap();
        drop(uploads.claim(&id));
        assert!(uploads.entries().is_empty());
        uploads.begin(id.clone());
        let claim = uploads.claim(&id);
        assert_eq!(claim.place(number(2), 5), Some(5));
        uploads.end(&id);
        drop(claim);
        assert!(uploads.entries().is_empty());
    }

    #[tokio::test]
    async fn a_fence_turns_parts_away_and_lets_them_in_again_when_it_falls() {
        let ongoing = Ongoing::default();
        let part = async {
            let _sending = ongoing.sending().await;
            ongoing.closed().await
        };
        let fence = async {
            tokio::task::yield_now().await;
            drop(ongoing.fence().await);
        };
        let (reason, ()) = futures_util::future::join(part, fence).await;
        assert!(matches!(reason, ServiceError::NoSuchUpload));
        assert!(!*ongoing.closing.borrow());
        let _sending = ongoing.sending().await;
    }
}
