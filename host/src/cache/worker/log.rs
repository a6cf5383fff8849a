//! The log beside the database file: how long it gets, and how it is moved into the file.

use super::{Worker, may_be_one_writes_fault};
use std::time::Instant;

/// Pages of the log after which `SQLite` does that itself, if large writes have made so many.
const LOG_PAGES: u32 = 16_384;

impl Worker {
    pub(super) fn limit_log(&self) -> rusqlite::Result<()> {
        self.db.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)
    }

    /// Moves the log into the database file and cuts it to no length, so that a copy of the file
    /// alone is complete. `false` when somebody is just reading or writing.
    pub(super) fn empty_log(&mut self) -> rusqlite::Result<bool> {
        self.written = Some(Instant::now());
        self.look();
        self.set_patience(false)?;
        self.commit([])?;
        let busy = self
            .db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                row.get::<_, bool>(0)
            })?;
        if !busy {
            self.written = None;
            self.logged = 0;
        }
        Ok(!busy)
    }

    /// A failure is in the log once until it works again. That another process writes is none.
    pub(super) fn tell_if_log_stays(&mut self, emptied: &rusqlite::Result<bool>) {
        match emptied {
            Ok(_) => self.stays = false,
            Err(error) if may_be_one_writes_fault(error) => {
                if !std::mem::replace(&mut self.stays, true) {
                    tracing::warn!(
                        %error,
                        "the metadata database's log cannot be moved into it: a copy of the file alone \
                         is not complete"
                    );
                }
            }
            Err(_) => {}
        }
    }

    /// Moves what nobody reads any more out of the log, so that it can start anew.
    pub(super) fn shorten_log(&mut self) {
        let moved = self
            .db
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = moved {
            tracing::debug!(%error, "the metadata database's log goes on growing");
        }
        self.logged = 0;
    }
}
