//! Connections that only read. A look-up takes microseconds when its pages are in memory, so it
//! runs where it is asked for, on a connection that nobody else uses meanwhile.

use super::file;
use super::health::Health;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// More than that are not kept when they fall idle.
const KEPT: usize = 16;

/// A pool that grows to the number of threads that read at once.
pub(super) struct Readers {
    path: PathBuf,
    health: Arc<Health>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, health: Arc<Health>) -> Self {
        let idle = Mutex::default();
        Self { path, health, idle }
    }

    /// Calls `read` with a snapshot: everything it sees is of one moment.
    pub(super) fn snapshot<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.with(|db| {
            db.prepare_cached("BEGIN")?.execute([])?;
            let result = read(db);
            // Nothing was written. When this fails, the connection is not used again.
            db.prepare_cached("ROLLBACK")?.execute([])?;
            result
        })
    }

    /// Calls `read`, which makes one query; each query is a snapshot of its own.
    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let kept = self.idle().pop();
        let db = match kept {
            Some(db) => db,
            None => file::connect_to_read(&self.path)?,
        };
        let result = self.health.watch(read(&db));
        let mut idle = self.idle();
        if idle.len() < KEPT && db.is_autocommit() {
            idle.push(db);
        }
        result
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // The list is whole at any moment, so a panic elsewhere does not spoil it.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
