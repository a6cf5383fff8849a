//! The schema's history. A released step is never edited; a change is a new file in `steps/`.

use super::legacy::{self, Imported};
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

const STEPS: &[&str] = &[
    include_str!("steps/001_objects.sql"),
    include_str!("steps/002_imported.sql"),
    include_str!("steps/004_checksums.sql"),
    include_str!("steps/008_bucket_settings.sql"),
    include_str!("steps/007_portable.sql"),
    include_str!("steps/005_index.sql"),
    include_str!("steps/009_replaced.sql"),
    include_str!("steps/010_untagged.sql"),
    include_str!("steps/011_refused.sql"),
    include_str!("steps/012_doubles.sql"),
];

/// The version of the schema that this program writes.
pub(super) fn known_version() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

/// What [`migrate`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Schema {
    /// The file has now the schema of this program.
    Current,
    /// It was a database of the Python program, and has now the schema of this one.
    Imported(Imported),
    /// The file is of a later program and was not touched.
    Newer {
        /// Its version.
        found: u32,
        /// The highest version that this program knows.
        known: u32,
    },
}

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub(super) enum MigrateError {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// Nothing was changed.
    #[error("no backup of the Python program's database could be made")]
    Backup(#[source] rusqlite::Error),
}

/// Brings the schema up to date, and imports the tables of the Python program, in one transaction.
pub(super) fn migrate(db: &mut Connection, path: &Path) -> Result<Schema, MigrateError> {
    let known = known_version();
    if user_version(db)? == known {
        return Ok(Schema::Current);
    }
    // The version is read again under the write lock: another process may be at the same work.
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = user_version(&change)?;
    if found > known {
        return Ok(Schema::Newer { found, known });
    }
    let old = match found {
        0 => legacy::Tables::put_aside(&change, path)?,
        _ => None,
    };
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    for step in STEPS.iter().skip(done) {
        change.execute_batch(step)?;
    }
    let imported = old.map(|tables| tables.import(&change)).transpose()?;
    change.pragma_update(None, "user_version", known)?;
    change.commit()?;
    Ok(imported.map_or(Schema::Current, Schema::Imported))
}

pub(super) fn user_version(db: &Connection) -> rusqlite::Result<u32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_program_has_queued_may_have_replaced_something() {
        let mut db = Connection::open_in_memory().unwrap();
        for step in STEPS.iter().take(6) {
            db.execute_batch(step).unwrap();
        }
        db.pragma_update(None, "user_version", 6).unwrap();
        let queued = "INSERT INTO portable_queue (bucket_id, key, since) VALUES (1, 'k', 1)";
        db.execute_batch(queued).unwrap();
        let migrated = migrate(&mut db, Path::new("unused")).unwrap();
        assert_eq!(migrated, Schema::Current);
        let noted = "SELECT count(*) FROM portable_queue WHERE replaced_in IS NOT NULL";
        let noted: i64 = db.query_row(noted, [], |row| row.get(0)).unwrap();
        assert_eq!(noted, 1);
    }
}
