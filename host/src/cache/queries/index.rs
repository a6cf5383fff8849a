//! The index of a bucket: its folders, and pages of its rows.

use super::portable::{note_double, owes_text};
use super::{BucketNo, NamespaceNo, Numbers, forget, look_up, met, put_row, read_bucket};
use crate::cache::rows::{Parsed, UnsignedColumn};
use crate::model::{Bucket, ObjectKey, ObjectState, Timestamp};
use crate::service::index::tables::{self, Age, Extent, Mark, Tables};
use crate::service::index::{Folder, Fresh, IndexCounts, Run, Tail};
use crate::service::ports::{Remembered, Row, StoreListQuery, StorePage, StoredObject};
use rusqlite::{Connection, OptionalExtension, params};

/// Stale folders that are told at once.
const STALE: usize = 64;

/// The index of one bucket, which has a number.
pub(in crate::cache) struct BucketIndex<'a> {
    db: &'a Connection,
    bucket: BucketNo,
    imported: Option<BucketNo>,
}

impl<'a> BucketIndex<'a> {
    pub(in crate::cache) fn new(
        db: &'a Connection,
        bucket: BucketNo,
        imported: Option<BucketNo>,
    ) -> Self {
        Self {
            db,
            bucket,
            imported,
        }
    }

    /// Begins the index, unless there is one.
    pub(in crate::cache) fn open(&self) -> rusqlite::Result<()> {
        match self.folder("")? {
            Some(_) => Ok(()),
            None => self.put_folder("", &Folder::default()),
        }
    }

    /// Forgets all folders.
    pub(in crate::cache) fn close(&self) -> rusqlite::Result<()> {
        close_index(self.db, self.bucket)
    }

    /// A page of rows, and the folders that it depends on and that are not fresh.
    pub(in crate::cache) fn page(
        &self,
        query: &StoreListQuery,
        fresh: Fresh,
    ) -> rusqlite::Result<(StorePage, Vec<String>)> {
        let (page, beyond) = self.rows(query)?;
        let extent = Extent {
            prefix: &query.prefix,
            shallow: query.shallow,
            after: query.after.as_deref(),
            // That there is more has to be true as well.
            last: beyond.as_deref(),
        };
        let stale = tables::stale(self, extent, fresh, STALE)?;
        Ok((page, stale))
    }

    /// A page of rows and the first item behind it.
    fn rows(&self, query: &StoreListQuery) -> rusqlite::Result<(StorePage, Option<String>)> {
        let prefix = query.prefix.as_str();
        let mut page = StorePage::default();
        let mut beyond = None;
        let group = |key: &str| {
            let rest = key.strip_prefix(prefix)?;
            let at = rest.find('/').filter(|_| query.shallow)?;
            key.get(..=prefix.len() + at).map(str::to_owned)
        };
        let mut from = match &query.after {
            Some(after) if query.shallow && group(after).as_ref() == Some(after) => {
                behind_group(after)
            }
            Some(after) if after.as_str() >= prefix => format!("{after}\0"),
            _ => prefix.to_owned(),
        };
        let mut statement = self.db.prepare_cached(
            "SELECT key, id, version, size, modified, content_type FROM objects
             WHERE bucket_id = ?1 AND key >= ?2 AND version IS NOT NULL ORDER BY key LIMIT ?3",
        )?;
        let limit = usize::from(query.limit);
        'ranges: loop {
            let count = page.entries.len() + page.prefixes.len();
            let room = UnsignedColumn((limit - count) as u64 + 1);
            let mut rows = statement.query(params![self.bucket.0, from, room])?;
            while let Some(row) = rows.next()? {
                let key = row.get_ref(0)?.as_str()?;
                if !key.starts_with(prefix) {
                    break 'ranges;
                }
                if page.entries.len() + page.prefixes.len() == limit {
                    page.more = true;
                    beyond = Some(group(key).unwrap_or_else(|| key.to_owned()));
                    break 'ranges;
                }
                if let Some(group) = group(key) {
                    from = behind_group(&group);
                    page.prefixes.push(group);
                    // All that is rolled up is skipped.
                    continue 'ranges;
                }
                let Parsed(key) = row.get(0)?;
                let UnsignedColumn(size) = row.get(3)?;
                let stored = StoredObject {
                    state: ObjectState {
                        id: row.get(1)?,
                        version: row.get(2)?,
                    },
                    size,
                    modified: Timestamp(row.get(4)?),
                    hash: None,
                    content_type: row.get(5)?,
                    portable: None,
                };
                page.entries.push((key, stored));
            }
            break;
        }
        Ok((page, beyond))
    }

    /// Folders that were never scanned.
    pub(in crate::cache) fn unscanned(&self, limit: usize) -> rusqlite::Result<Vec<String>> {
        self.db
            .prepare_cached(
                "SELECT folder FROM index_folders INDEXED BY index_unscanned
                 WHERE bucket_id = ?1 AND confirmed IS NULL ORDER BY folder LIMIT ?2",
            )?
            .query_map(
                params![self.bucket.0, UnsignedColumn(limit as u64)],
                |row| row.get(0),
            )?
            .collect()
    }

    /// Folders behind one.
    pub(in crate::cache) fn folders_behind(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> rusqlite::Result<Vec<String>> {
        self.db
            .prepare_cached(
                "SELECT folder FROM index_folders
                 WHERE bucket_id = ?1 AND (?2 IS NULL OR folder > ?2) ORDER BY folder LIMIT ?3",
            )?
            .query_map(
                params![self.bucket.0, after, UnsignedColumn(limit as u64)],
                |row| row.get(0),
            )?
            .collect()
    }

    /// The time of the youngest object directly in a folder that has no tag.
    pub(in crate::cache) fn youngest_untagged(
        &self,
        folder: &str,
    ) -> rusqlite::Result<Option<Timestamp>> {
        let mut untagged = self.db.prepare_cached(
            "SELECT key, modified FROM objects INDEXED BY objects_untagged
             WHERE bucket_id = ?1 AND digest IS NULL AND key >= ?2 ORDER BY key",
        )?;
        let mut youngest = None;
        let mut from = folder.to_owned();
        'ranges: loop {
            let mut rows = untagged.query(params![self.bucket.0, from])?;
            while let Some(row) = rows.next()? {
                let key = row.get_ref(0)?.as_str()?;
                if !key.starts_with(folder) {
                    break 'ranges;
                }
                if tables::folder_of(key) != folder {
                    // All that lies deeper is skipped.
                    from = behind_group(&format!("{folder}{}", tables::name_in(folder, key)));
                    continue 'ranges;
                }
                youngest = youngest.max(Some(Timestamp(row.get(1)?)));
            }
            break;
        }
        Ok(youngest)
    }

    fn numbers(&self) -> Numbers {
        Numbers {
            own: Some(self.bucket),
            imported: self.imported,
        }
    }

    /// Sums over the bucket.
    pub(in crate::cache) fn counts(&self) -> rusqlite::Result<IndexCounts> {
        let count = |query: &str| {
            let UnsignedColumn(count) = self
                .db
                .prepare_cached(query)?
                .query_row([self.bucket.0], |row| row.get(0))?;
            Ok::<u64, rusqlite::Error>(count)
        };
        Ok(IndexCounts {
            folders: count("SELECT count(*) FROM index_folders WHERE bucket_id = ?1")?,
            unscanned: count(
                "SELECT count(*) FROM index_folders WHERE bucket_id = ?1 AND confirmed IS NULL",
            )?,
            rows: count("SELECT count(*) FROM objects WHERE bucket_id = ?1")?,
        })
    }
}

/// The first text behind all that starts with a group, which ends with a slash.
fn behind_group(group: &str) -> String {
    // `0` comes next after `/`.
    format!("{}0", group.strip_suffix('/').unwrap_or(group))
}

/// Forgets which folders of a bucket are known.
pub(in crate::cache) fn close_index(db: &Connection, bucket: BucketNo) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM index_folders WHERE bucket_id = ?1")?
        .execute([bucket.0])?;
    db.prepare_cached("DELETE FROM index_marks WHERE bucket_id = ?1")?
        .execute([bucket.0])?;
    Ok(())
}

/// Buckets of a namespace with folders that were never scanned.
pub(in crate::cache) fn unfinished_indexes(
    db: &Connection,
    namespace: NamespaceNo,
) -> rusqlite::Result<Vec<Bucket>> {
    db.prepare_cached(
        "SELECT name FROM buckets b WHERE namespace_id = ?1 AND EXISTS (
             SELECT 1 FROM index_folders f WHERE f.bucket_id = b.bucket_id AND confirmed IS NULL)",
    )?
    .query_map([namespace.0], |row| read_bucket(row, 0))?
    .collect()
}

fn read_folder(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Folder> {
    let time = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(Timestamp));
    let run = match time(first + 1)? {
        Some(began) => Some(Run {
            began,
            cursor: row.get(first + 2)?,
            refused: row
                .get::<_, Option<UnsignedColumn>>(first + 7)?
                .map_or(0, |UnsignedColumn(count)| count),
        }),
        None => None,
    };
    let tail = match row.get(first + 3)? {
        Some(cursor) => Some(Tail {
            cursor,
            before: row.get(first + 4)?,
            surplus: row.get::<_, Option<i64>>(first + 5)?.unwrap_or_default(),
        }),
        None => None,
    };
    Ok(Folder {
        confirmed: time(first)?,
        run,
        tail,
        newest: time(first + 6)?,
    })
}

/// The column `mark`.
fn number(mark: &Mark) -> i64 {
    match mark {
        Mark::Seen => 0,
        Mark::Ours(_) => 1,
        Mark::Doubtful => 2,
        Mark::Deleted(..) => 3,
    }
}

/// From the columns `mark`, `at`, `modified` and `id`.
fn read_mark(row: &rusqlite::Row<'_>) -> rusqlite::Result<Mark> {
    let time = |column| {
        Ok::<_, rusqlite::Error>(Timestamp(
            row.get::<_, Option<i64>>(column)?.unwrap_or_default(),
        ))
    };
    Ok(match row.get(0)? {
        0 => Mark::Seen,
        1 => Mark::Ours(time(1)?),
        3 => Mark::Deleted(
            time(1)?,
            Age {
                modified: time(2)?,
                id: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
            },
        ),
        _ => Mark::Doubtful,
    })
}

impl Tables for BucketIndex<'_> {
    type Error = rusqlite::Error;

    fn folder(&self, folder: &str) -> rusqlite::Result<Option<Folder>> {
        self.db
            .prepare_cached(
                "SELECT confirmed, began, cursor, tail, tail_before, surplus, newest, refused
                 FROM index_folders WHERE bucket_id = ?1 AND folder = ?2",
            )?
            .query_row(params![self.bucket.0, folder], |row| read_folder(row, 0))
            .optional()
    }

    fn put_folder(&self, folder: &str, state: &Folder) -> rusqlite::Result<()> {
        let (run, tail) = (state.run.as_ref(), state.tail.as_ref());
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO index_folders (bucket_id, folder, confirmed, began, cursor,
                     tail, tail_before, surplus, newest, refused)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                self.bucket.0,
                folder,
                state.confirmed.map(|at| at.0),
                run.map(|run| run.began.0),
                run.and_then(|run| run.cursor.as_deref()),
                tail.map(|tail| tail.cursor.as_str()),
                tail.and_then(|tail| tail.before.as_deref()),
                tail.map(|tail| tail.surplus),
                state.newest.map(|at| at.0),
                run.map(|run| UnsignedColumn(run.refused)),
            ])?;
        Ok(())
    }

    fn folder_from(&self, from: &str) -> rusqlite::Result<Option<(String, Folder)>> {
        self.db
            .prepare_cached(
                "SELECT folder, confirmed, began, cursor, tail, tail_before, surplus, newest, refused
                 FROM index_folders WHERE bucket_id = ?1 AND folder >= ?2 ORDER BY folder LIMIT 1",
            )?
            .query_row(params![self.bucket.0, from], |row| {
                Ok((row.get(0)?, read_folder(row, 1)?))
            })
            .optional()
    }

    fn drop_folder(&self, folder: &str) -> rusqlite::Result<()> {
        for table in ["index_marks", "index_folders"] {
            let delete = format!("DELETE FROM {table} WHERE bucket_id = ?1 AND folder = ?2");
            let mut delete = self.db.prepare_cached(&delete)?;
            delete.execute(params![self.bucket.0, folder])?;
        }
        Ok(())
    }

    fn mark(&self, folder: &str, name: &str) -> rusqlite::Result<Option<Mark>> {
        self.db
            .prepare_cached(
                "SELECT mark, at, modified, id FROM index_marks
                 WHERE bucket_id = ?1 AND folder = ?2 AND name = ?3",
            )?
            .query_row(params![self.bucket.0, folder, name], read_mark)
            .optional()
    }

    fn put_mark(&self, folder: &str, name: &str, mark: Mark) -> rusqlite::Result<()> {
        let age = match &mark {
            Mark::Deleted(_, age) => Some(age),
            _ => None,
        };
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO index_marks
                     (bucket_id, folder, name, mark, at, modified, id)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                self.bucket.0,
                folder,
                name,
                number(&mark),
                mark.ours().map(|at| at.0),
                age.map(|age| age.modified.0),
                age.map(|age| age.id.as_str()),
            ])?;
        Ok(())
    }

    fn clear_marks(&self, folder: &str, ours: Timestamp) -> rusqlite::Result<()> {
        self.db
            .prepare_cached(
                "DELETE FROM index_marks
                 WHERE bucket_id = ?1 AND folder = ?2 AND (at IS NULL OR at <= ?3)",
            )?
            .execute(params![self.bucket.0, folder, ours.0])?;
        Ok(())
    }

    fn expire_marks(&self, ours: Timestamp) -> rusqlite::Result<()> {
        self.db
            .prepare_cached(
                "DELETE FROM index_marks AS m WHERE bucket_id = ?1 AND at <= ?2 AND NOT EXISTS (
                     SELECT 1 FROM index_folders f
                     WHERE f.bucket_id = ?1 AND f.folder = m.folder AND f.began IS NOT NULL)",
            )?
            .execute(params![self.bucket.0, ours.0])?;
        Ok(())
    }

    fn key_from(&self, from: &str) -> rusqlite::Result<Option<ObjectKey>> {
        let found = self
            .db
            .prepare_cached(
                "SELECT key FROM objects WHERE bucket_id = ?1 AND key >= ?2 ORDER BY key LIMIT 1",
            )?
            .query_row(params![self.bucket.0, from], |row| row.get(0))
            .optional()?;
        Ok(found.map(|Parsed(key)| key))
    }

    fn remembered(&self, key: &ObjectKey) -> rusqlite::Result<Remembered> {
        let found = look_up(self.db, self.numbers(), [key])?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    fn met(&self, key: &ObjectKey) -> rusqlite::Result<Option<Timestamp>> {
        met(self.db, self.numbers(), key)
    }

    fn note_double(&self, key: &ObjectKey) -> rusqlite::Result<()> {
        note_double(self.db, self.bucket, key)
    }

    fn put_row(
        &self,
        key: &ObjectKey,
        known: Option<&Row>,
        row: &Row,
        met: Timestamp,
    ) -> rusqlite::Result<()> {
        put_row(self.db, self.bucket, key, row, met)?;
        // An imported row has turned out to be about this very object.
        if let Some(imported) = self.imported
            && known.is_some_and(|known| {
                known.state.version.is_empty() && known.state.id == row.state.id
            })
        {
            self.db
                .prepare_cached("DELETE FROM objects WHERE bucket_id = ?1 AND key = ?2")?
                .execute(params![imported.0, key.as_str()])?;
        }
        Ok(())
    }

    fn owes_text(&self, key: &ObjectKey) -> rusqlite::Result<bool> {
        owes_text(self.db, self.bucket, key)
    }

    fn drop_row(&self, key: &ObjectKey) -> rusqlite::Result<()> {
        forget(self.db, self.bucket, std::slice::from_ref(key))
    }
}
