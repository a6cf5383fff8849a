//! The queue of portable texts in memory.

use super::State;
use crate::model::{Bucket, ObjectKey, Timestamp};

/// An object in the queue of portable texts.
pub(super) struct Waiting {
    pub(super) bucket: Bucket,
    pub(super) key: ObjectKey,
    pub(super) since: Timestamp,
    /// The run in which it replaced another one.
    pub(super) replaced: Option<u64>,
    /// The storage has told of several objects of the key.
    pub(super) double: bool,
    /// Its text has to be written.
    pub(super) owes: bool,
}

impl Waiting {
    pub(super) fn is_inherited(&self, run: u64) -> bool {
        self.double || self.replaced.is_some_and(|then| then != run)
    }
}

impl State {
    pub(super) fn waiting(&self, bucket: &Bucket, key: &ObjectKey) -> Option<(i64, &Waiting)> {
        let mut jobs = self.portable.iter();
        let found = jobs.find(|(_, job)| (&job.bucket, &job.key) == (bucket, key));
        found.map(|(number, job)| (*number, job))
    }

    pub(super) fn dequeue(&mut self, bucket: &Bucket, key: &ObjectKey) -> Option<Waiting> {
        let number = self.waiting(bucket, key)?.0;
        self.portable.remove(&number)
    }

    pub(super) fn enqueue(&mut self, bucket: &Bucket, key: &ObjectKey, replaces: bool) {
        let before = self.dequeue(bucket, key);
        let earlier = before.as_ref().and_then(|job| job.replaced);
        self.portable_number += 1;
        let job = Waiting {
            bucket: bucket.clone(),
            key: key.clone(),
            since: Timestamp::now(),
            replaced: earlier.or(replaces.then_some(self.run)),
            double: before.is_some_and(|job| job.double),
            owes: true,
        };
        self.portable.insert(self.portable_number, job);
    }

    pub(super) fn note_double(&mut self, bucket: &Bucket, key: &ObjectKey) {
        let before = self.dequeue(bucket, key);
        self.portable_number += 1;
        let job = Waiting {
            bucket: bucket.clone(),
            key: key.clone(),
            since: Timestamp::now(),
            replaced: before.as_ref().and_then(|job| job.replaced),
            double: true,
            owes: before.is_some_and(|job| job.owes),
        };
        self.portable.insert(self.portable_number, job);
    }
}
