//! Single objects by the index.

use super::tables::folder_of;
use crate::model::{Bucket, ObjectState, Timestamp};
use crate::service::locks::{KeyGuard, Place};
use crate::service::look::{Fetched, Found, Want, found_by_row};
use crate::service::ports::{Lesson, Remembered, Row, StoreError, StoredObject};
use crate::service::{Inner, ServiceError};
use std::sync::atomic::Ordering;

impl Inner {
    /// What the index alone tells about a key; `None` if the storage has to be asked.
    pub(in crate::service) async fn look_up(
        &self,
        place: &Place,
        want: Want,
    ) -> Result<Option<Found>, ServiceError> {
        let Some(index) = &self.index else {
            return Ok(None);
        };
        self.use_index(&place.bucket).await?;
        let folder = folder_of(place.key.as_str());
        let mut fresh = index.fresh();
        loop {
            let Remembered { row, intent } = self.remembered(place).await?;
            let row = row.filter(|row| !row.state.version.is_empty());
            match (&row, want) {
                // It is being written, or was when the last run ended.
                _ if intent.is_some() => return Ok(None),
                // Under its id the storage has it, or says that it has not. It does not say its tag.
                (Some(row), Want::Bytes(_)) if row.etag.is_some() => return Ok(None),
                // A folder that was never scanned is being crawled. What we know of an object in
                // it is what we have written ourselves.
                (Some(row), _)
                    if self
                        .cache
                        .folder(&place.bucket, folder)
                        .await?
                        .is_none_or(|folder| {
                            folder.confirmed.is_none() || fresh.holds(&folder)
                        }) =>
                {
                    if let Want::Bytes(_) = want {
                        return Ok(None);
                    }
                    if row.etag.is_none() {
                        self.strangers.meet(place);
                    }
                    self.lookups.hit();
                    return Ok(Some(found_unasked(row.clone())));
                }
                _ => {}
            }
            let stale = self
                .cache
                .stale_folders(&place.bucket, folder, fresh)
                .await?;
            if stale.is_empty() {
                // Written while this was found out, perhaps.
                match self.remembered(place).await? {
                    Remembered {
                        row: Some(row),
                        intent: None,
                    } if !row.state.version.is_empty() => continue,
                    Remembered { intent: None, .. } => return Err(ServiceError::NoSuchKey),
                    _ => return Ok(None),
                }
            }
            let stale = stale.into_iter().map(|folder| (folder, fresh));
            self.refresh_folders(&place.bucket, stale.collect()).await?;
            fresh.now = Timestamp::now();
        }
    }

    /// The storage has no object of this key, although `row` tells of one: forgets it, unless it
    /// was written meanwhile.
    pub(in crate::service) async fn forget_vanished(
        &self,
        place: &Place,
        row: &Row,
        holding: Option<&KeyGuard>,
    ) -> Result<(), ServiceError> {
        let _own_guard = match holding {
            Some(_) => None,
            None => Some(self.locks.lock(place).await),
        };
        let now = self.remembered(place).await?;
        if now.intent.is_none() && now.row.as_ref() == Some(row) {
            self.deletions.fetch_add(1, Ordering::SeqCst);
            self.cache.forget(&place.bucket, &[&place.key]).await?;
            if let Some(index) = &self.index {
                index.note_shared(&place.bucket);
            }
        }
        Ok(())
    }

    /// The storage has another object of this key than `row` tells of.
    pub(in crate::service) async fn correct(
        &self,
        place: &Place,
        row: Option<Row>,
        stored: &StoredObject,
    ) {
        if self.index.is_none() {
            return;
        }
        let lesson = Lesson {
            key: place.key.clone(),
            expected: row,
            row: super::run::bare(stored.clone()),
            portable: false,
        };
        self.learn_of_others(&place.bucket, lesson).await;
    }

    /// Remembers another object of a key than the row of the key tells of, which was put there by
    /// somebody else: own writes change the row, and then the lesson comes too late.
    pub(in crate::service) async fn learn_of_others(&self, bucket: &Bucket, lesson: Lesson) {
        let replaced = lesson.expected.as_ref().is_some_and(|row| {
            !row.state.version.is_empty() && row.state.id != lesson.row.state.id
        });
        let learned = self.adopt(bucket, vec![lesson]).await;
        if let Some(index) = self.index.as_ref().filter(|_| learned && replaced) {
            index.note_shared(bucket);
        }
    }

    /// The storage does not know the object that a key is said to have: looks what it has.
    pub(in crate::service) async fn contradicted(&self, place: &Place) -> Result<(), ServiceError> {
        if self.index.is_none() {
            return Ok(());
        }
        let row = self.remembered(place).await?.row;
        match (self.store.stat(&place.bucket, &place.key, None).await, row) {
            (Ok(stored), row) if row.as_ref().is_none_or(|row| row.state != stored.state) => {
                self.correct(place, row, &stored).await;
                Ok(())
            }
            (Ok(_) | Err(StoreError::NoSuchKey), None) | (Ok(_), _) => Ok(()),
            (Err(StoreError::NoSuchKey), Some(row)) => {
                self.forget_vanished(place, &row, None).await
            }
            (Err(error), _) => Err(error.into()),
        }
    }
}

/// The object of a row, about which nobody was asked.
fn found_unasked(row: Row) -> Found {
    let stored = StoredObject {
        state: ObjectState::clone(&row.state),
        size: row.size,
        modified: row.modified,
        hash: None,
        content_type: None,
        portable: None,
    };
    let bytes = None;
    found_by_row(Fetched { stored, bytes }, row)
}
