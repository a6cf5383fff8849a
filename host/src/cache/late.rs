//! Rows of objects that are answered before they are committed.
//!
//! A row follows from the intent that was committed before its object was published: one that gets
//! lost with the process is found out again. So it does not need a commit of its own. It goes with
//! the next one, whatever that is for, or with one of the writer's own a moment later. Until then,
//! whoever looks its object up finds it here.

use super::queries::BucketNo;
use super::write::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Rows that wait, in their order. There are no more of them than writes at once: the next intent
/// takes them all along.
#[derive(Default)]
pub(super) struct Late {
    writes: Mutex<Vec<Arc<Write>>>,
    /// Somebody sees to it that what is late will be committed.
    is_expected: AtomicBool,
    is_failing: AtomicBool,
}

impl Late {
    /// `true` if somebody has to be told that something is late.
    pub(super) fn push(&self, write: Write) -> bool {
        self.writes().push(Arc::new(write));
        !self.is_expected.swap(true, Ordering::AcqRel)
    }

    /// The next one that is late has to be told of.
    pub(super) fn expect(&self) {
        self.is_expected.store(false, Ordering::Release);
    }

    pub(super) fn all(&self) -> Vec<Arc<Write>> {
        self.writes().clone()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes().is_empty()
    }

    /// The rows of one bucket. They go before what the database says.
    pub(super) fn rows(&self, bucket: BucketNo) -> Vec<Arc<Write>> {
        let mut rows = self.all();
        rows.retain(|write| write.late_row().is_some_and(|(of, ..)| of == bucket));
        rows
    }

    /// The first so many are in the database.
    pub(super) fn committed(&self, count: usize) {
        self.writes().drain(..count);
    }

    /// Whether the database has failed to take what is late.
    pub(super) fn set_failing(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::Relaxed);
    }

    pub(super) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    fn writes(&self) -> MutexGuard<'_, Vec<Arc<Write>>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
