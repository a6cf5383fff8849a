//! What every store owes. Each function is one fact, named as a sentence that can be false, and
//! gets a store with an empty bucket.

pub(crate) mod buckets;
pub(crate) mod listing;
pub(crate) mod objects;
pub(crate) mod racing;
pub(crate) mod uploads;
