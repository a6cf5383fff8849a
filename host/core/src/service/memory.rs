//! A [`Store`](super::ports::Store) in memory: small enough to be obviously right, and so the reference for what
//! every other store owes. It also fails on demand, for tests of what comes after.

mod state;
mod store;

use super::ports::{RowTrust, StoreError, StoredObject};
use crate::model::{Bucket, ObjectKey, ObjectState};
use bytes::Bytes;
use state::{State, Stored};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What goes wrong with the next publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The plugin dies before it publishes.
    FailBefore,
    /// It dies between publishing and answering.
    FailAfter,
    /// It never publishes and never answers.
    HangBefore,
    /// It publishes and never answers.
    HangAfter,
}

/// Objects in a `BTreeMap`. Bodies are held whole.
#[derive(Debug)]
pub struct MemoryStore {
    trust: RowTrust,
    state: Mutex<State>,
    answers: tokio::sync::RwLock<()>,
    deletions: tokio::sync::RwLock<()>,
}

impl MemoryStore {
    /// An empty store that has the root bucket, for default-bucket mode, and no other.
    pub fn new(trust: RowTrust) -> Self {
        let mut state = State {
            can_copy: true,
            ..State::default()
        };
        state.buckets.insert(Bucket::Root, Stored::default());
        Self {
            trust,
            state: Mutex::new(state),
            answers: tokio::sync::RwLock::default(),
            deletions: tokio::sync::RwLock::default(),
        }
    }

    /// Makes the next publication (put, copy or completion) go wrong.
    pub fn fail_next(&self, fault: Fault) {
        self.state().fault = Some(fault);
    }

    /// Publications and parts take so long from now on.
    pub fn slow_down(&self, pause: Duration) {
        self.state().pause = pause;
    }

    /// Whether a fault is still to come.
    pub fn fault_is_due(&self) -> bool {
        self.state().fault.is_some()
    }

    /// Whether `Store::copy` answers anything but `Unsupported`; it does at first.
    pub fn set_can_copy(&self, can_copy: bool) {
        self.state().can_copy = can_copy;
    }

    /// Refuses to delete this key from now on.
    pub fn protect(&self, key: ObjectKey) {
        self.state().undeletable = Some(key);
    }

    /// How long a text may be that is kept with an object; 0 at first.
    pub fn set_portable_bytes(&self, bytes: usize) {
        self.state().portable_bytes = bytes;
    }

    /// Refuses the next text with this error.
    pub fn fail_next_portable(&self, error: StoreError) {
        self.state().portable_fault = Some(error);
    }

    /// Describes an object behind the gateway's back.
    pub fn describe(&self, bucket: &Bucket, key: &ObjectKey, text: &str) -> Result<(), StoreError> {
        let mut state = self.state();
        let objects = &mut state.bucket_mut(bucket)?.objects;
        let object = objects.get_mut(key).ok_or(StoreError::NoSuchKey)?;
        object.info.portable = Some(text.to_owned());
        Ok(())
    }

    /// Puts an object behind the gateway's back.
    pub fn plant(&self, bucket: &Bucket, key: &ObjectKey, bytes: Bytes) -> Result<(), StoreError> {
        self.state().insert(bucket, key, bytes, None)?;
        Ok(())
    }

    /// Can be walked folder by folder from now on, so many rows at a time.
    pub fn set_scan_page(&self, rows: usize) {
        self.state().scan_page = Some(rows);
    }

    /// How often it was asked since the last question what there is.
    pub fn take_questions(&self) -> usize {
        std::mem::take(&mut self.state().questions)
    }

    /// While this is held, scans are answered with what there was when they were asked for, and
    /// the answers do not arrive.
    pub async fn hold_scans(&self) -> tokio::sync::RwLockWriteGuard<'_, ()> {
        self.answers.write().await
    }

    /// While this is held, buckets that were found to be empty are not deleted yet.
    pub async fn hold_bucket_deletions(&self) -> tokio::sync::RwLockWriteGuard<'_, ()> {
        self.deletions.write().await
    }

    /// The next page of a listing is refused with this error.
    pub fn fail_next_list(&self, error: StoreError) {
        self.state().list_fault = Some(error);
    }

    /// The next abort of an upload is refused with this error.
    pub fn fail_next_abort(&self, error: StoreError) {
        self.state().abort_fault = Some(error);
    }

    /// The next page of a scan is refused with this error.
    pub fn fail_next_scan(&self, error: StoreError) {
        self.state().scan_fault = Some(error);
    }

    /// How many buckets were found to be empty, to be deleted.
    pub fn emptied_buckets(&self) -> usize {
        self.state().emptied
    }

    /// What those who deleted or completed since the last question believed the keys to hold.
    pub fn take_known(&self) -> Vec<Option<ObjectState>> {
        std::mem::take(&mut self.state().known)
    }

    /// Forgets which replaced objects are still to be deleted, as a plugin that has died does.
    pub fn forget(&self) {
        self.state().losses += 1;
    }

    /// Scans do not know better of this key from now on.
    pub fn lag(&self, key: &ObjectKey, told: Option<StoredObject>) {
        self.state().lagging.insert(key.clone(), told);
    }

    /// Scans tell the truth again.
    pub fn catch_up(&self) {
        self.state().lagging.clear();
    }

    /// Removes an object behind the gateway's back.
    pub fn uproot(&self, bucket: &Bucket, key: &ObjectKey) {
        if let Ok(stored) = self.state().bucket_mut(bucket) {
            stored.objects.remove(key);
        }
    }

    /// Uploads in parts that were begun and neither completed nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.state().uploads.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pause(&self) {
        let pause = self.state().pause;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }

    /// Publishes, or does what the fault demands.
    async fn publish<T>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        self.pause().await;
        let (outcome, fault) = {
            let mut state = self.state();
            let fault = state.fault.take();
            let outcome = match fault {
                Some(Fault::FailBefore | Fault::HangBefore) => None,
                None | Some(Fault::FailAfter | Fault::HangAfter) => Some(change(&mut state)),
            };
            (outcome, fault)
        };
        let died = || StoreError::Unavailable("the plugin has died".into());
        match (fault, outcome) {
            (Some(Fault::HangBefore | Fault::HangAfter), _) => std::future::pending().await,
            (None, Some(outcome)) => outcome,
            _ => Err(died()),
        }
    }
}
