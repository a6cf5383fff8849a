//! A store that goes by another name now, because its directory has moved.

use super::worker::WriteError;
use super::{CacheError, CacheOptions, KnownStore, OpenError, SqliteCache, file, queries};
use rusqlite::TransactionBehavior;
use std::path::{Path, PathBuf};

/// Why a store could not be given another name. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RenameError {
    /// Nothing is known of a store of the old name.
    #[error("the metadata database knows nothing of {0}")]
    Unknown(String),
    /// Something is known of another store of the new name.
    #[error("the metadata database knows of a store {0} already")]
    Taken(String),
    /// Somebody uses the database.
    #[error("the metadata database {} is in use", .0.display())]
    InUse(PathBuf),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database failed.
    #[error(transparent)]
    Failed(#[from] CacheError),
}

/// Gives what is known of the store `old` to the store `new`, of which nothing may be known, and
/// answers how many objects that are. Nobody else may be using the database.
pub fn rename(path: &Path, old: &str, new: &str) -> Result<u64, RenameError> {
    // Of an older program: brought up to date first.
    drop(SqliteCache::open(path, CacheOptions { durable: true })?);
    let (_lock, alone) = file::lock(path)?;
    if !alone {
        // A server goes by the number of its store's name, which it has looked up long ago.
        return Err(RenameError::InUse(path.into()));
    }
    let mut db = file::connect_existing(path).map_err(failed)?;
    let change = db
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let stores = queries::stores(&change).map_err(failed)?;
    let find = |name: &str| -> Result<Option<&KnownStore>, RenameError> {
        let Some(store) = stores.iter().find(|store| store.name == name) else {
            return Ok(None);
        };
        let is_used = queries::has_rows(&change, store.number).map_err(failed)?;
        Ok(is_used.then_some(store))
    };
    let Some(store) = find(old)? else {
        return Err(RenameError::Unknown(old.to_owned()));
    };
    if find(new)?.is_some() {
        return Err(RenameError::Taken(new.to_owned()));
    }
    queries::swap_names(&change, old, new).map_err(failed)?;
    let objects = queries::forgettable(&change, store.number, None).map_err(failed)?;
    change.commit().map_err(failed)?;
    file::empty_log(&db).map_err(failed)?;
    Ok(objects.rows)
}

fn failed(error: rusqlite::Error) -> RenameError {
    RenameError::Failed(WriteError::from(error).into())
}
