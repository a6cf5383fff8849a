//! How much of the disk the spool may take.

use crate::service::ports::StoreError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Room for so many bytes, and who has it.
#[derive(Debug)]
pub(super) struct Room {
    limit: u64,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: u64,
    /// Of uploads whose parts wait here.
    uploads: HashMap<String, u64>,
}

/// Room for bytes that are soon gone; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Passing {
    room: Arc<Room>,
    bytes: u64,
}

impl Room {
    /// Room for `limit` bytes, some of which earlier runs have left to their uploads.
    pub(super) fn new(limit: u64, uploads: HashMap<String, u64>) -> Self {
        let all = uploads.values().sum();
        Self {
            limit,
            taken: Mutex::new(Taken { all, uploads }),
        }
    }

    /// Room for a part that stays until its upload is over. When there is none, other uploads
    /// may make some, unless this one alone has too much.
    pub(super) fn stay(&self, upload: &str, bytes: u64) -> Result<(), StoreError> {
        let mut taken = self.taken();
        let of_upload = taken.uploads.get(upload).copied().unwrap_or(0);
        if of_upload.saturating_add(bytes) > self.limit {
            return Err(StoreError::NoSpace);
        }
        if taken.all.saturating_add(bytes) > self.limit {
            return Err(StoreError::Throttled { retry_after: None });
        }
        taken.all += bytes;
        *taken.uploads.entry(upload.to_owned()).or_default() += bytes;
        Ok(())
    }

    /// A part has not come to stay after all.
    pub(super) fn leave(&self, upload: &str, bytes: u64) {
        let mut taken = self.taken();
        if let Some(of_upload) = taken.uploads.get_mut(upload) {
            let bytes = bytes.min(*of_upload);
            *of_upload -= bytes;
            if *of_upload == 0 {
                taken.uploads.remove(upload);
            }
            taken.all -= bytes;
        }
    }

    /// The upload is over.
    pub(super) fn forget(&self, upload: &str) {
        let mut taken = self.taken();
        if let Some(bytes) = taken.uploads.remove(upload) {
            taken.all -= bytes;
        }
    }

    /// Room for bytes that are soon gone, if there is any now.
    pub(super) fn pass(self: &Arc<Self>, bytes: u64) -> Option<Passing> {
        let mut taken = self.taken();
        if taken.all.saturating_add(bytes) > self.limit {
            return None;
        }
        taken.all += bytes;
        Some(Passing {
            room: Arc::clone(self),
            bytes,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.room.taken().all -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_until_there_is_none_and_again_when_somebody_leaves() {
        let room = Arc::new(Room::new(10, HashMap::new()));
        room.stay("a", 4).unwrap();
        let passing = room.pass(5).unwrap();
        assert!(room.pass(2).is_none());
        let full = room.stay("b", 2);
        assert!(matches!(full, Err(StoreError::Throttled { .. })));
        drop(passing);
        room.stay("b", 2).unwrap();
        room.leave("b", 2);
        room.forget("a");
        room.forget("a");
        assert!(room.pass(10).is_some());
    }

    #[test]
    fn an_upload_that_alone_is_too_large_is_told_so() {
        let room = Room::new(10, [("old".to_owned(), 8)].into());
        assert!(matches!(room.stay("old", 3), Err(StoreError::NoSpace)));
        room.stay("old", 2).unwrap();
        assert!(matches!(room.stay("new", 11), Err(StoreError::NoSpace)));
    }
}
