//! The schema's history. A released step is never edited; a change is a new file in `steps/`.

use rusqlite::{Connection, TransactionBehavior};

const STEPS: &[&str] = &[include_str!("steps/001_objects.sql")];

/// What [`migrate`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// The file has now the schema of this program.
    Current,
    /// The file is of a later program and was not touched.
    Newer {
        /// Its version.
        found: u32,
        /// The highest version that this program knows.
        known: u32,
    },
}

/// Brings the schema up to date, each step with its version in one transaction.
pub(super) fn migrate(db: &mut Connection) -> rusqlite::Result<Schema> {
    let mut known = 0;
    for (version, sql) in (1..).zip(STEPS) {
        // The version is read under the write lock: another process may be at the same work.
        let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if user_version(&step)? < version {
            step.execute_batch(sql)?;
            step.pragma_update(None, "user_version", version)?;
            step.commit()?;
        }
        known = version;
    }
    match user_version(db)? {
        found if found > known => Ok(Schema::Newer { found, known }),
        _ => Ok(Schema::Current),
    }
}

fn user_version(db: &Connection) -> rusqlite::Result<u32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}
