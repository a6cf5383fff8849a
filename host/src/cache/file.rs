//! The database file: opened by one or several processes, checked, and moved aside when it is
//! corrupt.
//!
//! Whoever has the database open holds a shared lock on the file `NAME.lock` beside it. (`SQLite`'s
//! own locks cannot be had on a file that is no database.) A process that finds itself alone may
//! move a corrupt database away.

use super::health::{self, is_corruption};
use super::{OpenError, schema};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::macros::format_description;

/// How long one connection waits for another one's transaction. A `cache vacuum` of a large
/// database is such a transaction.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long to wait while another process opens the same file.
const OPENING: Duration = Duration::from_secs(10);

/// Up to this size every page is checked at open, which takes some ten milliseconds.
const CHECKED_WHOLE: u64 = 4 << 20;

/// Statements that a connection keeps compiled; there are fewer.
const STATEMENTS: usize = 32;

/// Shows other processes that the database is open; dropped last.
#[derive(Debug)]
pub(super) struct Claim {
    _lock: File,
}

/// Opens the database, makes or updates its schema, and replaces it if it is corrupt.
pub(super) fn open(path: &Path) -> Result<(Connection, Claim), OpenError> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(OpenError::unusable(path))?;
    }
    if path.is_dir() {
        return Err(OpenError::directory(path));
    }
    let (lock, alone) = lock(path)?;
    let mut db = match connect_and_check(path) {
        Err(OpenError::Database { source, .. }) if is_corruption(&source) => {
            if !alone {
                return Err(OpenError::CorruptInUse { path: path.into() });
            }
            let aside = move_aside(path, ".corrupt")?;
            tracing::error!(
                database = %path.display(),
                moved_to = %aside.display(),
                error = &source as &dyn std::error::Error,
                "the metadata database was corrupt; it was moved aside and an empty one takes its \
                 place: put a backup there (while no server runs), or run `pys3local cache migrate` \
                 to compute the MD5s again"
            );
            connect_and_check(path)?
        }
        other => other?,
    };
    if alone {
        health::clear(path);
    }
    let migrated = schema::migrate(&mut db, path).map_err(|error| match error {
        schema::MigrateError::Database(error) => OpenError::database(path)(error),
        schema::MigrateError::Backup(source) => OpenError::NoBackup {
            path: path.into(),
            source,
        },
    })?;
    match migrated {
        schema::Schema::Current => {}
        schema::Schema::Imported(imported) => tracing::info!(
            database = %path.display(),
            backup = %imported.backup.display(),
            drime_files = imported.drime,
            local_objects = imported.local,
            skipped = imported.skipped,
            "imported the database of the Python program; to go back to that program, stop \
             pys3local and put the backup in the place of the database"
        ),
        schema::Schema::Newer { found, known } => {
            let path = path.into();
            return Err(OpenError::Newer { path, found, known });
        }
    }
    if alone {
        lock.unlock().map_err(OpenError::unusable(path))?;
        lock.lock_shared().map_err(OpenError::unusable(path))?;
    }
    Ok((db, Claim { _lock: lock }))
}

/// A connection that reads and writes, and waits for others where it must.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let access = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    connect_with(path, access)
}

/// The same, without making a database.
pub(super) fn connect_existing(path: &Path) -> rusqlite::Result<Connection> {
    connect_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// A connection that only reads a database to which others can write.
pub(super) fn connect_to_read(path: &Path) -> rusqlite::Result<Connection> {
    connect_with(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// A connection that only reads a database, which others may be using, and which may lie where
/// nothing can be written.
pub(super) fn connect_to_look(path: &Path) -> rusqlite::Result<Connection> {
    let usable = |db: Connection| schema::user_version(&db).map(|_| db);
    match connect_to_read(path).and_then(usable) {
        // SQLite cannot make the file with which it talks to others. So there are none.
        Err(error) if cannot_share(&error) && !has_log(path) => connect_to_frozen(path),
        opened => opened,
    }
}

pub(super) fn is_unwritable(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | ReadOnly))
}

/// Whether there is no room for, or no right to make, the memory that is shared with others.
fn cannot_share(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DiskFull, SystemIoFailure};
    is_unwritable(error) || matches!(error.sqlite_error_code(), Some(DiskFull | SystemIoFailure))
}

fn has_log(path: &Path) -> bool {
    std::fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0)
}

/// A connection to a database in a directory where nothing can be written, and so nobody else
/// writes. It may have no log.
fn connect_to_frozen(path: &Path) -> rusqlite::Result<Connection> {
    let absolute = std::path::absolute(path);
    let absolute = absolute.map_err(|_| rusqlite::Error::InvalidPath(path.into()))?;
    let text = absolute
        .to_str()
        .ok_or_else(|| rusqlite::Error::InvalidPath(path.into()))?;
    // What ends a path in a URI, and what begins an escape.
    let text = text
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    let access = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{text}?immutable=1"), access)
}

/// Moves the log into the database file and cuts it to no length, if nobody is reading or writing.
pub(super) fn empty_log(db: &Connection) -> rusqlite::Result<()> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

fn connect_with(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let mut db = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    wait_for_others(&mut db)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    // Else the planner looks at bound values, and compiles joins again for each.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(db)
}

/// Makes the connection wait for the transactions of others up to [`PATIENCE`].
///
/// `SQLite`'s own handler soon looks only ten times a second, and then hardly ever meets the gap
/// between two transactions of a busy process.
pub(super) fn wait_for_others(db: &mut Connection) -> rusqlite::Result<()> {
    let mut since = Instant::now();
    db.busy_handler(Some(move |tries: i32| {
        if tries == 0 {
            since = Instant::now();
        }
        let pause = u64::try_from(tries).unwrap_or(0).clamp(1, 5);
        std::thread::sleep(Duration::from_millis(pause));
        since.elapsed() < PATIENCE
    }))
}

fn connect_and_check(path: &Path) -> Result<Connection, OpenError> {
    let failed = OpenError::database(path);
    let db = connect(path).map_err(&failed)?;
    if db.is_readonly("main").map_err(&failed)? {
        return Err(OpenError::ReadOnly { path: path.into() });
    }
    check(&db, path).map_err(&failed)?;
    let mode: String = db
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(&failed)?;
    if mode != "wal" {
        tracing::warn!(
            database = %path.display(),
            mode,
            "the file system cannot share memory between processes: the metadata database will be slow"
        );
    }
    Ok(db)
}

/// Reads the header and the schema, and a small or suspect database whole. When something is
/// wrong, it fails with what [`is_corruption`].
pub(super) fn check(db: &Connection, path: &Path) -> rusqlite::Result<()> {
    let size = std::fs::metadata(path).map_or(0, |file| file.len());
    let scope = if size <= CHECKED_WHOLE || health::is_suspect(path) {
        "PRAGMA quick_check(1)"
    } else {
        "PRAGMA quick_check(sqlite_schema)"
    };
    let verdict: String = db.query_row(scope, [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(code, Some(verdict)))
}

/// Locks the database for itself, or else together with others; says whether it is alone.
pub(super) fn lock(path: &Path) -> Result<(File, bool), OpenError> {
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(beside(path, ".lock"))
        .map_err(OpenError::unusable(path))?;
    let start = Instant::now();
    loop {
        // One after the other: the second would turn the first into a shared lock.
        let alone = granted(lock.try_lock()).map_err(OpenError::unusable(path))?;
        if alone || granted(lock.try_lock_shared()).map_err(OpenError::unusable(path))? {
            return Ok((lock, alone));
        }
        // Somebody opens it right now.
        if start.elapsed() > OPENING {
            return Err(OpenError::Locked { path: path.into() });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// `false` when another process has the lock.
fn granted(attempt: Result<(), TryLockError>) -> io::Result<bool> {
    match attempt {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A name for a copy of the database that no file has yet: with `.WHAT-TIME` at its end.
pub(super) fn free_name(path: &Path, what: &str) -> PathBuf {
    let stamp = OffsetDateTime::now_utc()
        .format(format_description!(
            "[year][month][day]T[hour][minute][second]Z"
        ))
        .unwrap_or_else(|_| "unknown-time".to_owned());
    let name = beside(path, &format!("{what}-{stamp}"));
    let mut others = (2..).map(|n: u32| beside(&name, &format!(".{n}")));
    let is_free = |name: &PathBuf| !name.exists();
    if is_free(&name) {
        return name;
    }
    others.find(is_free).unwrap_or(name)
}

/// Renames the database and its side files, and answers the new name.
pub(super) fn move_aside(path: &Path, what: &str) -> Result<PathBuf, OpenError> {
    let aside = free_name(path, what);
    // The side files go first: without its database a journal is worthless, but a database must
    // never meet the journal of another one.
    for side in ["-wal", "-shm", ""] {
        match std::fs::rename(beside(path, side), beside(&aside, side)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(OpenError::unusable(path))?,
        }
    }
    Ok(aside)
}

/// The path with something added to its last component.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
