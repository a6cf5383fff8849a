//! Memory in `SQLite`: entity tags, headers, announced writes and uploads in progress, for all
//! stores of a user in one file, `metadata.db`.
//!
//! One connection writes, with group commit (`worker`); rows of small objects go with the next commit
//! of anything (`late`); look-ups run on the caller's thread with a connection from a pool
//! (`readers`). The file is in WAL mode; some seconds after the last write, and at the end, its log is
//! moved into it, so that a plain copy of an idle file is complete. Several processes may share the
//! file.

mod copies;
mod file;
mod health;
mod index;
mod late;
mod legacy;
mod maintain;
mod namespace;
mod queries;
mod readers;
mod rename;
mod rows;
mod schema;
mod sums;
mod worker;
mod write;

#[cfg(test)]
mod tests;

pub use copies::{CopyError, backup, examine, restore};
pub use maintain::{BucketTally, CacheReader, Forgettable, KnownStore, Tally, Vacuumed};
pub use namespace::NamespaceCache;
pub use rename::{RenameError, rename};

use crate::service::ports::CacheError;
use health::Health;
use readers::Readers;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use worker::Writer;

/// How a database is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheOptions {
    /// Whether what was answered survives the loss of power. Without, it still survives the end
    /// of this process, and the file stays whole in any case.
    pub durable: bool,
}

/// Which part of the database belongs to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamespaceBinding<'a> {
    /// The type of the plugin, `local`. A namespace belongs to the first that used it.
    pub component: &'a str,
    /// The type and the plugin's answer: `local:/srv/s3`.
    pub name: &'a str,
    /// The number that `--workspace` means, where the store has one.
    pub label: Option<u64>,
}

/// An open database.
///
/// The last one of this and its [`NamespaceCache`]s that is dropped waits for queued writes and
/// closes the file.
pub struct SqliteCache {
    shared: Arc<Shared>,
}

/// Dropped in this order: the writer's connection, which empties the log, is the last.
struct Shared {
    readers: Readers,
    writer: Writer,
    health: Arc<Health>,
    path: PathBuf,
    _claim: file::Claim,
}

impl SqliteCache {
    /// Opens the database, or makes it. A corrupt one is moved aside and replaced, and the log
    /// says so.
    pub fn open(path: &Path, options: CacheOptions) -> Result<Self, OpenError> {
        let (db, claim) = file::open(path)?;
        let health = Arc::new(Health::new(path));
        let writer = Writer::start(db, options.durable, health.clone())
            .map_err(OpenError::unusable(path))?;
        let shared = Shared {
            readers: Readers::new(path.into(), health.clone()),
            writer,
            health,
            path: path.into(),
            _claim: claim,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The part of the database that belongs to this store.
    pub fn namespace(&self, binding: &NamespaceBinding<'_>) -> Result<NamespaceCache, OpenError> {
        let &NamespaceBinding {
            component,
            name,
            label,
        } = binding;
        let path = &self.shared.path;
        let bound = file::connect(path)
            .and_then(|db| {
                let bound = queries::bind_namespace(&db, name, component, label)?;
                Ok((bound, queries::imported_buckets(&db, component, label)?))
            })
            .map_err(OpenError::database(path))?;
        let (bound, imported) = bound;
        match bound {
            Ok(number) => Ok(NamespaceCache::new(self.shared.clone(), number, imported)),
            Err(bound_to) => Err(OpenError::NamespaceTaken {
                name: name.to_owned(),
                component: component.to_owned(),
                bound_to,
            }),
        }
    }

    /// Whether the database is still the file at its path. If not, the log has said so.
    pub fn is_in_place(&self) -> bool {
        self.shared.health.is_in_place()
    }

    /// Moves the log into the database file, as far as nobody is reading it.
    pub async fn checkpoint(&self) -> Result<(), CacheError> {
        let done = self.shared.writer.checkpoint().await;
        done.map_err(CacheError::from)
    }
}

/// Why a database cannot be used. Each is one line for the user.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file, or the one beside it that locks it, cannot be made or opened.
    #[error("cannot use the metadata database {}", path.display())]
    Unusable {
        /// The database.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file can be read only.
    #[error("the metadata database {} is read-only", path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// A later program has written it.
    #[error(
        "the metadata database {} was written by a newer version of pys3local \
         (its schema is {found}, this program knows {known})", path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema's version.
        found: u32,
        /// The highest version known.
        known: u32,
    },
    /// It is corrupt, and another process has it open.
    #[error(
        "the metadata database {} is corrupt and in use: stop the other pys3local, \
         then start again", path.display()
    )]
    CorruptInUse {
        /// The database.
        path: PathBuf,
    },
    /// There is no room for a copy of the Python program's database, without which nothing is
    /// imported.
    #[error(
        "the metadata database {} is one of the Python program, and no backup of it can be made \
         beside it, which comes before its import", path.display()
    )]
    NoBackup {
        /// The database.
        path: PathBuf,
        /// What `SQLite` says.
        source: rusqlite::Error,
    },
    /// Another process does not get done with opening it.
    #[error("the metadata database {} is locked by another pys3local", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// Two types of plugins claim the same namespace.
    #[error("the namespace {name:?} belongs to plugin {bound_to:?}, not to {component:?}")]
    NamespaceTaken {
        /// The namespace.
        name: String,
        /// Who asked.
        component: String,
        /// Who has it.
        bound_to: String,
    },
    /// `SQLite` failed.
    #[error("the metadata database {} failed", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What `SQLite` says.
        source: rusqlite::Error,
    },
}

impl OpenError {
    fn unusable(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Unusable {
            path: path.into(),
            source,
        }
    }

    /// Whether nothing can be written where the database is.
    pub fn is_unwritable(&self) -> bool {
        match self {
            Self::Unusable { .. } | Self::ReadOnly { .. } => true,
            Self::Database { source, .. } => file::is_unwritable(source),
            _ => false,
        }
    }

    /// Whether the file is damaged, or no database at all.
    pub fn is_corruption(&self) -> bool {
        matches!(self, Self::Database { source, .. } if health::is_corruption(source))
    }

    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Database { source, .. } if health::is_full(source))
    }

    /// A directory in the place of the file, for which `SQLite` has no word.
    fn directory(path: &Path) -> Self {
        Self::Unusable {
            path: path.into(),
            source: io::ErrorKind::IsADirectory.into(),
        }
    }

    fn database(path: &Path) -> impl Fn(rusqlite::Error) -> Self {
        move |source| {
            if path.is_dir() {
                return Self::directory(path);
            }
            Self::Database {
                path: path.into(),
                source,
            }
        }
    }
}
