//! The tables of the Python program: `drime_files` and `local_objects`.
//!
//! Its rows say nothing of the state of the object that they describe, nor (for `local`) where the
//! store is. They are imported as rows without a version into namespaces of their own. A store
//! that finds no row of its own for an object looks there, and takes the row over if it fits.

use super::file;
use super::queries::{self, BucketNo, NamespaceNo};
use super::rows::{HeadersColumn, UnsignedColumn, etag_columns};
use super::schema::MigrateError;
use crate::model::{ETag, Metadata, ObjectKey, Timestamp};
use rusqlite::{Connection, Row, Transaction, params};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Imported {
    /// Rows of `drime_files`.
    pub(super) drime: usize,
    /// Rows of `local_objects`.
    pub(super) local: usize,
    /// Rows that describe no object: without an MD5, or with an impossible key.
    pub(super) skipped: usize,
    /// A copy of the database as it was.
    pub(super) backup: PathBuf,
}

/// The old tables, under other names: the views need theirs.
pub(super) struct Tables {
    drime: bool,
    local: bool,
    backup: PathBuf,
}

impl Tables {
    /// Copies a database that has such tables, and renames them; `None` if it has none. The
    /// transaction keeps writers out, so that the copy is of this very moment.
    pub(super) fn put_aside(
        db: &Transaction<'_>,
        path: &Path,
    ) -> Result<Option<Self>, MigrateError> {
        let (drime, local) = (
            has_table(db, "drime_files")?,
            has_table(db, "local_objects")?,
        );
        if !drime && !local {
            return Ok(None);
        }
        let backup = file::free_name(path, ".python");
        file::connect(path)
            .and_then(|reader| super::copies::copy_into(&reader, &backup))
            .map_err(MigrateError::Backup)?;
        for (there, name) in [(drime, "drime_files"), (local, "local_objects")] {
            if there {
                db.execute_batch(&format!("ALTER TABLE {name} RENAME TO python_{name}"))?;
            }
        }
        Ok(Some(Self {
            drime,
            local,
            backup,
        }))
    }

    /// Moves their rows into the new tables.
    pub(super) fn import(self, db: &Transaction<'_>) -> rusqlite::Result<Imported> {
        let mut import = Import {
            db,
            namespaces: HashMap::new(),
            buckets: HashMap::new(),
        };
        let mut done = Imported {
            drime: 0,
            local: 0,
            skipped: 0,
            backup: self.backup,
        };
        if self.drime {
            done.drime = import.table(
                "SELECT file_entry_id, workspace_id, md5_hash, file_size, bucket_name,
                        object_key, created_at FROM python_drime_files",
                Entry::of_drime,
                &mut done.skipped,
            )?;
            db.execute_batch("DROP TABLE python_drime_files")?;
        }
        if self.local {
            done.local = import.table(
                "SELECT bucket_name, object_key, size, etag, last_modified, content_type, metadata
                 FROM python_local_objects",
                Entry::of_local,
                &mut done.skipped,
            )?;
            db.execute_batch("DROP TABLE python_local_objects")?;
        }
        Ok(done)
    }
}

fn has_table(db: &Connection, name: &str) -> rusqlite::Result<bool> {
    db.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)",
        [name],
        |row| row.get(0),
    )
}

/// A row of the old tables that makes sense.
struct Entry {
    component: &'static str,
    workspace: Option<u64>,
    bucket: String,
    key: ObjectKey,
    id: String,
    size: u64,
    etag: Option<ETag>,
    modified: Timestamp,
    metadata: Metadata,
}

impl Entry {
    /// `None` for a row that is of no use. The columns' types were never enforced.
    fn of_drime(row: &Row<'_>) -> Option<Self> {
        Some(Self {
            component: "drime",
            id: row.get::<_, i64>(0).ok()?.to_string(),
            workspace: Some(unsigned(row, 1)?),
            etag: Some(digest(&row.get::<_, String>(2).ok()?)?),
            size: unsigned(row, 3)?,
            bucket: row.get(4).ok()?,
            key: row.get::<_, String>(5).ok()?.parse().ok()?,
            modified: time(&row.get::<_, String>(6).ok()?),
            metadata: Metadata::default(),
        })
    }

    /// An `etag` that is no MD5 does not make the other columns useless.
    fn of_local(row: &Row<'_>) -> Option<Self> {
        Some(Self {
            component: "local",
            workspace: None,
            id: String::new(),
            bucket: row.get(0).ok()?,
            key: row.get::<_, String>(1).ok()?.parse().ok()?,
            size: unsigned(row, 2)?,
            etag: digest(&row.get::<_, String>(3).ok()?),
            modified: time(&row.get::<_, String>(4).ok()?),
            metadata: Metadata {
                content_type: row.get(5).ok()?,
                user: user_metadata(row.get(6).ok()?),
                ..Metadata::default()
            },
        })
    }
}

fn unsigned(row: &Row<'_>, column: usize) -> Option<u64> {
    let UnsignedColumn(number) = row.get(column).ok()?;
    Some(number)
}

/// Whatever else the column may hold, only digests are of use.
fn digest(text: &str) -> Option<ETag> {
    ETag::parse(text).filter(|tag| !matches!(tag, ETag::Opaque(_)))
}

/// A time without an offset is in UTC. What is no time is so long ago that no file is older.
fn time(text: &str) -> Timestamp {
    let text = text.replacen(' ', "T", 1);
    let parsed = OffsetDateTime::parse(&text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339));
    let nanos = parsed.ok().map(OffsetDateTime::unix_timestamp_nanos);
    Timestamp(
        nanos
            .and_then(|nanos| i64::try_from(nanos).ok())
            .unwrap_or(0),
    )
}

/// A JSON object of texts. Names may come with the header's prefix.
fn user_metadata(json: Option<String>) -> Vec<(String, String)> {
    let parsed = json.and_then(|json| serde_json::from_str::<BTreeMap<String, String>>(&json).ok());
    let pairs = parsed.unwrap_or_default().into_iter();
    pairs
        .map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            let bare = name.strip_prefix("x-amz-meta-");
            (bare.unwrap_or(&name).to_owned(), value)
        })
        .collect()
}

/// Rows on their way into the new tables.
struct Import<'a> {
    db: &'a Connection,
    namespaces: HashMap<(&'static str, Option<u64>), NamespaceNo>,
    buckets: HashMap<(NamespaceNo, String), BucketNo>,
}

impl Import<'_> {
    /// Answers the number of rows.
    fn table(
        &mut self,
        select: &str,
        read: fn(&Row<'_>) -> Option<Entry>,
        skipped: &mut usize,
    ) -> rusqlite::Result<usize> {
        let mut select = self.db.prepare(select)?;
        let mut rows = select.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            match read(row) {
                Some(entry) => {
                    self.entry(&entry)?;
                    count += 1;
                }
                None => *skipped += 1,
            }
        }
        Ok(count)
    }

    fn entry(&mut self, entry: &Entry) -> rusqlite::Result<()> {
        let bucket = self.bucket(entry)?;
        let (digest, parts) = etag_columns(entry.etag.as_ref())?;
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO objects (bucket_id, key, id, size, modified, digest,
                     parts, content_type, metadata)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                bucket.0,
                entry.key.as_str(),
                entry.id,
                UnsignedColumn(entry.size),
                entry.modified.0,
                digest,
                parts,
                entry.metadata.content_type,
                HeadersColumn(&entry.metadata),
            ])?;
        Ok(())
    }

    fn bucket(&mut self, entry: &Entry) -> rusqlite::Result<BucketNo> {
        let namespace = self.namespace(entry.component, entry.workspace)?;
        let place = (namespace, entry.bucket.clone());
        if let Some(&number) = self.buckets.get(&place) {
            return Ok(number);
        }
        queries::intern_bucket(self.db, namespace, &entry.bucket)?;
        let number = queries::find_bucket(self.db, namespace, &entry.bucket)?
            .ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        self.buckets.insert(place, number);
        Ok(number)
    }

    fn namespace(
        &mut self,
        component: &'static str,
        workspace: Option<u64>,
    ) -> rusqlite::Result<NamespaceNo> {
        if let Some(&number) = self.namespaces.get(&(component, workspace)) {
            return Ok(number);
        }
        // No plugin answers such a name: `local` answers a path, `drime` more than a number.
        let name = match workspace {
            Some(workspace) => format!("{component}:imported:{workspace}"),
            None => format!("{component}:imported"),
        };
        let number = self.db.query_row(
            "INSERT INTO namespaces (name, component, label, imported) VALUES (?1, ?2, ?3, 1)
             RETURNING namespace_id",
            params![name, component, workspace.map(UnsignedColumn)],
            |row| row.get(0).map(NamespaceNo),
        )?;
        self.namespaces.insert((component, workspace), number);
        Ok(number)
    }
}
