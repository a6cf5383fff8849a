//! What is remembered of names in a folder while it is looked at, and for some time after a write.

use crate::model::Timestamp;
use crate::service::ports::Row;
use std::time::Duration;

/// For how long the listings of a storage may lack what was written, and have what was deleted.
pub(super) const LAG: Duration = Duration::from_mins(1);

/// What object had a key: the order of several objects with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Age {
    /// Last modification.
    pub modified: Timestamp,
    /// Of several that were made at the same time the one with the highest id counts.
    pub id: String,
}

/// Why a name of a folder needs no further look in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// We have written it then, or deleted it without knowing what it was.
    Ours(Timestamp),
    /// We have deleted this object then, and all that were older.
    Deleted(Timestamp, Age),
    /// It was told by an earlier page.
    Seen,
    /// An earlier page told another object of this key, older than the one that is known.
    Doubtful,
}

impl Mark {
    /// When we have written or deleted it.
    pub fn ours(&self) -> Option<Timestamp> {
        match self {
            Self::Ours(at) | Self::Deleted(at, _) => Some(*at),
            Self::Seen | Self::Doubtful => None,
        }
    }

    /// Whether it was written so shortly before a run began that the run may not know.
    pub(super) fn is_lately(&self, began: Timestamp) -> bool {
        matches!(self, Self::Ours(at) if *at > began - LAG)
    }

    /// Whether what a run tells of it does not count: the run began before, or it is what we have
    /// deleted, which listings that lag behind still show.
    pub(super) fn refuses(&self, told: &Row, began: Timestamp) -> bool {
        self.ours().is_some_and(|at| at >= began)
            || matches!(self, Self::Deleted(at, deleted)
                if *at > began - LAG && Age::of(told) <= *deleted)
    }
}

impl Age {
    pub(super) fn of(row: &Row) -> Self {
        Self {
            modified: row.modified,
            id: row.state.id.clone(),
        }
    }
}

impl Ord for Age {
    /// The last one counts. Numbers that are texts are compared as numbers.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let order = |age: &Self| (age.modified, age.id.len());
        order(self)
            .cmp(&order(other))
            .then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for Age {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
