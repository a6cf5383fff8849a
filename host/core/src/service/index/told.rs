//! What a page tells, key by key (a storage may keep several objects of one key), and what becomes of
//! a row then.

use super::marks::Age;
use crate::model::{Metadata, ObjectKey};
use crate::service::ports::Row;

/// What a page tells of one key.
pub(super) struct Told {
    pub(super) key: ObjectKey,
    /// The object that counts.
    pub(super) row: Row,
    /// How many rows were told.
    pub(super) rows: u64,
    /// Of different objects.
    pub(super) is_double: bool,
}

/// Puts together what a page tells of each key.
pub(super) fn by_key(mut entries: Vec<(ObjectKey, Row)>) -> Vec<Told> {
    entries.sort_by(|(key, row), (other, than)| {
        let age = || Age::of(row).cmp(&Age::of(than));
        key.cmp(other).then_with(age)
    });
    let mut all: Vec<Told> = Vec::with_capacity(entries.len());
    for (key, row) in entries {
        match all.last_mut().filter(|last| last.key == key) {
            Some(last) => {
                last.is_double |= last.row.state.id != row.state.id;
                last.rows += 1;
                last.row = row;
            }
            None => all.push(Told {
                key,
                row,
                rows: 1,
                is_double: false,
            }),
        }
    }
    all
}

/// The row of an object that a storage has told, when this is known of its key; `None` if there
/// is nothing new. What was learned about the object of the same id stays.
pub fn merge(known: Option<&Row>, told: Row) -> Option<Row> {
    let Some(known) = known else {
        return Some(told);
    };
    if known.state.id != told.state.id || known.size != told.size {
        return Some(told);
    }
    let mut merged = Row {
        state: told.state,
        modified: told.modified,
        ..known.clone()
    };
    if known.etag.is_none() && told.etag.is_some() {
        merged.etag = told.etag;
        merged.part_sizes = told.part_sizes;
        merged.checksum = merged.checksum.or(told.checksum);
    }
    if known.metadata == Metadata::default() {
        merged.metadata = told.metadata;
    }
    (merged != *known).then_some(merged)
}
