//! Damage that shows only when a page is read, and a file that is no longer where it was.
//!
//! A large database is not read whole at each start. When damage is met later, a file
//! `NAME.suspect` is left beside it: the next one to open the database checks all of it.

use super::file::beside;
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Notes that a database is damaged or gone, each once, and that its disk is full, once until
/// something is written again.
#[derive(Debug)]
pub(super) struct Health {
    path: PathBuf,
    /// The file that is open, where files can be told from each other.
    opened: Option<FileId>,
    reported: AtomicBool,
    gone: AtomicBool,
    full: AtomicBool,
}

impl Health {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.into(),
            opened: identify(path).ok().flatten(),
            reported: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            full: AtomicBool::new(false),
        }
    }

    /// Whether the path still leads to the file that is open. If it was deleted or replaced, all
    /// that is written goes into a file that has no name.
    pub(super) fn is_in_place(&self) -> bool {
        let found = match identify(&self.path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // It cannot be told now.
            Err(_) => return true,
        };
        if self.opened.is_none() || found == self.opened {
            return true;
        }
        if !self.gone.swap(true, Ordering::Relaxed) {
            tracing::error!(
                database = %self.path.display(),
                "the metadata database was deleted or replaced while it is in use, and what is \
                 written to it is lost: stop all pys3local that use it, put the right file there, \
                 and start again"
            );
        }
        false
    }

    /// Passes the outcome of a write on, and looks whether it tells of damage or of a full disk.
    pub(super) fn watch_write<T>(&self, outcome: rusqlite::Result<T>) -> rusqlite::Result<T> {
        match &outcome {
            Ok(_) => self.full.store(false, Ordering::Relaxed),
            Err(error) if is_full(error) && !self.full.swap(true, Ordering::Relaxed) => {
                tracing::error!(
                    database = %self.path.display(),
                    "the disk of the metadata database is full: nothing is written until there is room"
                );
            }
            Err(_) => {}
        }
        self.watch(outcome)
    }

    /// Passes an outcome on, and looks whether it tells of damage.
    pub(super) fn watch<T>(&self, outcome: rusqlite::Result<T>) -> rusqlite::Result<T> {
        if let Err(error) = &outcome
            && is_corruption(error)
            && !self.reported.swap(true, Ordering::Relaxed)
        {
            tracing::error!(
                database = %self.path.display(),
                error = error as &dyn std::error::Error,
                "the metadata database is corrupt: stop all pys3local that use it; the next start \
                 checks it, moves it aside and begins a new one"
            );
            if let Err(error) = std::fs::write(beside(&self.path, MARK), "") {
                tracing::error!(%error, "and it cannot be marked for that: move it away yourself");
            }
        }
        outcome
    }
}

/// Device and inode.
type FileId = (u64, u64);

#[cfg(unix)]
fn identify(path: &Path) -> io::Result<Option<FileId>> {
    use std::os::unix::fs::MetadataExt as _;
    let file = std::fs::metadata(path)?;
    Ok(Some((file.dev(), file.ino())))
}

/// Elsewhere a file that is open can be neither deleted nor replaced.
#[cfg(not(unix))]
fn identify(path: &Path) -> io::Result<Option<FileId>> {
    std::fs::metadata(path).map(|_| None)
}

/// What marks a database that must be read whole before it is trusted again.
const MARK: &str = ".suspect";

pub(super) fn is_suspect(path: &Path) -> bool {
    beside(path, MARK).exists()
}

/// The database was checked, or replaced.
pub(super) fn clear(path: &Path) {
    // If it stays, the next start is slower, no more.
    let _ = std::fs::remove_file(beside(path, MARK));
}

/// Whether the disk, or the user's share of it, is full.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// Whether the write itself is wrong, and not the database.
pub(super) fn is_hopeless(error: &rusqlite::Error) -> bool {
    use ErrorCode::{ConstraintViolation, TooBig, TypeMismatch};
    let code = error.sqlite_error_code();
    code.is_none_or(|code| matches!(code, ConstraintViolation | TooBig | TypeMismatch))
}

pub(super) fn is_corruption(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// What is logged in the meantime.
    fn logged(does: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Log(Arc<Mutex<Vec<u8>>>);

        impl io::Write for Log {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let log = Log::default();
        let of_thread = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || of_thread.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, does);
        let bytes = log.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_full_disk_is_logged_once_until_something_is_written_again() {
        let health = Health::new(Path::new("metadata.db"));
        let full = || {
            let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
            let _ = health.watch_write::<()>(Err(rusqlite::Error::SqliteFailure(full, None)));
        };
        let count = |does: &dyn Fn()| logged(does).matches("is full").count();
        assert_eq!(count(&full), 1);
        assert_eq!(count(&full), 0);
        let _ = health.watch(Ok(()));
        assert_eq!(count(&full), 0, "a read says nothing about the disk");
        let _ = health.watch_write(Ok(()));
        assert_eq!(count(&full), 1);
    }
}
