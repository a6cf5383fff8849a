//! Copies of a database: made while it is in use, and put in its place.

use super::file::{self, beside};
use super::{OpenError, health, schema};
use rusqlite::Connection;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Writes a consistent copy of a database into a new file, as it is at one moment, and waits for
/// the disk. Other processes may go on writing. A copy that fails leaves nothing.
pub(super) fn copy_into(db: &Connection, target: &Path) -> rusqlite::Result<()> {
    let text = target
        .to_str()
        .ok_or_else(|| rusqlite::Error::InvalidPath(target.into()))?;
    let copied = db.execute("VACUUM INTO ?1", [text]).and_then(|_| {
        // SQLite does not sync what it has written there.
        File::open(target)
            .and_then(|file| file.sync_all())
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    });
    if copied.is_err() {
        // Nothing to remove is no further failure.
        let _ = std::fs::remove_file(target);
    }
    copied
}

/// Why a database could not be copied away or put back.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is no database.
    #[error("there is no metadata database at {}", .0.display())]
    NoDatabase(PathBuf),
    /// The file to write is there.
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
    /// The backup is none, or damaged.
    #[error("{} is no intact metadata database: {why}", path.display())]
    NoBackup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody uses the database.
    #[error("the metadata database {} is in use", .0.display())]
    InUse(PathBuf),
    /// A file could not be written, or renamed.
    #[error("cannot write {}: {why}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system or `SQLite` says.
        why: String,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl CopyError {
    fn write(path: &Path, why: &impl ToString) -> Self {
        Self::Write {
            path: path.into(),
            why: why.to_string(),
        }
    }
}

/// Reads the database at `path` as far as it takes to see whether it is one, and whole.
pub fn examine(path: &Path) -> Result<(), OpenError> {
    let failed = OpenError::database(path);
    let db = file::connect_to_look(path).map_err(&failed)?;
    file::check(&db, path).map_err(failed)
}

/// Writes a consistent copy of the database at `path` to `target`, while others use it.
/// `replace`: an older `target` is replaced once the copy is complete.
pub fn backup(path: &Path, target: &Path, replace: bool) -> Result<(), CopyError> {
    if !path.exists() {
        return Err(CopyError::NoDatabase(path.into()));
    }
    if !replace && target.exists() {
        return Err(CopyError::Exists(target.into()));
    }
    let db = file::connect_to_look(path).map_err(OpenError::database(path))?;
    // Damage would otherwise be found in the copy, or never.
    file::check(&db, path).map_err(OpenError::database(path))?;
    publish(&db, target)
}

/// Copies into a file beside `target` and renames it.
fn publish(db: &Connection, target: &Path) -> Result<(), CopyError> {
    let fresh = beside(target, ".new");
    // A copy that was killed has left it, most likely.
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(CopyError::write(&fresh, &error));
        }
        _ => {}
    }
    copy_into(db, &fresh).map_err(|error| CopyError::write(&fresh, &error))?;
    std::fs::rename(&fresh, target).map_err(|error| CopyError::write(target, &error))?;
    sync_directory(target);
    Ok(())
}

/// Makes a rename last. Not every file system can, and those that cannot need not.
fn sync_directory(of: &Path) {
    let parent = of.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Ok(directory) = File::open(parent.unwrap_or(Path::new("."))) {
        let _ = directory.sync_all();
    }
}

/// Puts a copy of `backup` in the place of the database at `path`, which nobody may be using, and
/// answers where the old one is now. Its side files go with it: a database must never meet the
/// log of another one.
pub fn restore(path: &Path, backup: &Path) -> Result<Option<PathBuf>, CopyError> {
    let source = open_backup(backup)?;
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(OpenError::unusable(path))?;
    }
    let (_lock, alone) = file::lock(path)?;
    if !alone {
        return Err(CopyError::InUse(path.into()));
    }
    let fresh = beside(path, ".restoring");
    let _ = std::fs::remove_file(&fresh);
    copy_into(&source, &fresh).map_err(|error| CopyError::write(&fresh, &error))?;
    let in_the_way = path.exists() || beside(path, "-wal").exists();
    let old = in_the_way.then(|| file::move_aside(path, ".replaced"));
    let old = old.transpose()?;
    health::clear(path);
    let _ = std::fs::remove_file(beside(path, "-shm"));
    std::fs::rename(&fresh, path).map_err(|error| CopyError::write(path, &error))?;
    sync_directory(path);
    Ok(old)
}

/// Opens a backup and reads all of it. It may be one of the Python program.
fn open_backup(path: &Path) -> Result<Connection, CopyError> {
    let bad = |why: String| CopyError::NoBackup {
        path: path.into(),
        why,
    };
    let failed = |error: rusqlite::Error| bad(error.to_string());
    if !path.is_file() {
        return Err(bad("no such file".to_owned()));
    }
    let db = file::connect_to_look(path).map_err(failed)?;
    let verdict: String = db
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(failed)?;
    if verdict != "ok" {
        return Err(bad(verdict));
    }
    let version = schema::user_version(&db).map_err(failed)?;
    let known = schema::known_version();
    if version > known {
        return Err(bad(format!(
            "it was written by a newer version (its schema is {version}, this program knows {known})"
        )));
    }
    let ours: bool = db
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema
                            WHERE name IN ('objects', 'drime_files', 'local_objects'))",
            [],
            |row| row.get(0),
        )
        .map_err(failed)?;
    if !ours {
        return Err(bad("it has other tables".to_owned()));
    }
    Ok(db)
}
