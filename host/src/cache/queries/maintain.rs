//! Sums over many rows, and changes of many.

use super::{BucketNo, NamespaceNo, close_index};
use crate::cache::maintain::{BucketTally, Forgettable, KnownStore, Tally};
use crate::cache::rows::UnsignedColumn;
use crate::model::{ObjectKey, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// All namespaces, those with a number first.
pub(in crate::cache) fn stores(db: &Connection) -> rusqlite::Result<Vec<KnownStore>> {
    db.prepare(
        "SELECT namespace_id, component, name, label, imported FROM namespaces
         ORDER BY label IS NULL, label, imported, name",
    )?
    .query_map([], |row| {
        let label: Option<UnsignedColumn> = row.get(3)?;
        Ok(KnownStore {
            number: NamespaceNo(row.get(0)?),
            component: row.get(1)?,
            name: row.get(2)?,
            label: label.map(|UnsignedColumn(label)| label),
            imported: row.get(4)?,
        })
    })?
    .collect()
}

/// What is known about each bucket of a namespace; those with nothing are left out.
pub(in crate::cache) fn tallies(
    db: &Connection,
    namespace: NamespaceNo,
) -> rusqlite::Result<Vec<BucketTally>> {
    db.prepare(
        "SELECT name, count(*), sum(size), min(modified), max(modified)
         FROM buckets JOIN objects USING (bucket_id)
         WHERE namespace_id = ?1 AND digest IS NOT NULL
         GROUP BY bucket_id ORDER BY name",
    )?
    .query_map([namespace.0], |row| {
        let bucket = row.get(0)?;
        let known = Tally {
            files: unsigned(row, 1)?,
            size: unsigned(row, 2)?,
            oldest: Some(Timestamp(row.get(3)?)),
            newest: Some(Timestamp(row.get(4)?)),
        };
        Ok(BucketTally { bucket, known })
    })?
    .collect()
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let UnsignedColumn(number) = row.get(column)?;
    Ok(number)
}

/// Sums over a namespace, or one bucket of it.
pub(in crate::cache) fn forgettable(
    db: &Connection,
    namespace: NamespaceNo,
    bucket: Option<&str>,
) -> rusqlite::Result<Forgettable> {
    db.query_row(
        "SELECT count(digest), count(*), count(coalesce(content_type, metadata))
         FROM buckets JOIN objects USING (bucket_id)
         WHERE namespace_id = ?1 AND name = coalesce(?2, name)",
        params![namespace.0, bucket],
        |row| {
            Ok(Forgettable {
                md5s: unsigned(row, 0)?,
                rows: unsigned(row, 1)?,
                with_metadata: unsigned(row, 2)?,
            })
        },
    )
}

/// Whether anything is known about a namespace: objects, uploads or settings of buckets.
pub(in crate::cache) fn has_rows(
    db: &Connection,
    namespace: NamespaceNo,
) -> rusqlite::Result<bool> {
    db.query_row(
        "SELECT EXISTS (
            SELECT 1 FROM buckets b WHERE namespace_id = ?1
            AND (EXISTS (SELECT 1 FROM objects o WHERE o.bucket_id = b.bucket_id)
                 OR EXISTS (SELECT 1 FROM intents i WHERE i.bucket_id = b.bucket_id)
                 OR EXISTS (SELECT 1 FROM uploads u WHERE u.bucket_id = b.bucket_id)
                 OR EXISTS (SELECT 1 FROM bucket_settings s WHERE s.bucket_id = b.bucket_id)))",
        [namespace.0],
        |row| row.get(0),
    )
}

/// Gives a namespace the name of another, and that one, if there is one, its name. Neither is
/// dropped, so that numbers of buckets never change their meaning.
pub(in crate::cache) fn swap_names(db: &Connection, old: &str, new: &str) -> rusqlite::Result<()> {
    let mut rename = db.prepare("UPDATE namespaces SET name = ?2 WHERE name = ?1")?;
    // No store has an empty name.
    rename.execute([new, ""])?;
    rename.execute([old, new])?;
    rename.execute(["", old])?;
    Ok(())
}

/// The names of the buckets of a namespace that have objects.
pub(in crate::cache) fn bucket_names(
    db: &Connection,
    namespace: NamespaceNo,
) -> rusqlite::Result<Vec<String>> {
    db.prepare(
        "SELECT name FROM buckets b WHERE namespace_id = ?1
         AND EXISTS (SELECT 1 FROM objects o WHERE o.bucket_id = b.bucket_id) ORDER BY name",
    )?
    .query_map([namespace.0], |row| row.get(0))?
    .collect()
}

/// Keys and sizes of up to so many objects of a bucket behind a key, in byte order.
pub(in crate::cache) fn objects_behind(
    db: &Connection,
    bucket: BucketNo,
    after: &str,
    limit: u64,
) -> rusqlite::Result<Vec<(ObjectKey, u64)>> {
    db.prepare_cached(
        "SELECT key, size FROM objects WHERE bucket_id = ?1 AND key > ?2 ORDER BY key LIMIT ?3",
    )?
    .query_map(params![bucket.0, after, UnsignedColumn(limit)], |row| {
        let key: String = row.get(0)?;
        let key = key.parse().map_err(rusqlite::types::FromSqlError::other)?;
        Ok((key, unsigned(row, 1)?))
    })?
    .collect()
}

/// The buckets of a namespace, or the one of this name.
pub(in crate::cache) fn buckets_of(
    db: &Connection,
    namespace: NamespaceNo,
    bucket: Option<&str>,
) -> rusqlite::Result<Vec<BucketNo>> {
    db.prepare(
        "SELECT bucket_id FROM buckets WHERE namespace_id = ?1 AND name = coalesce(?2, name)",
    )?
    .query_map(params![namespace.0, bucket], |row| row.get(0).map(BucketNo))?
    .collect()
}

/// Changes the rows of up to so many keys of a bucket behind a key. Answers the last of these
/// keys, or `None` at the end, and how many rows were changed.
pub(in crate::cache) type ForgetBatch =
    fn(&Connection, BucketNo, &str, u64) -> rusqlite::Result<(Option<String>, u64)>;

/// Drops digests, and imported rows that have nothing else to tell. A store's own rows may still
/// tell that the object is there.
pub(in crate::cache) fn forget_md5s(
    db: &Connection,
    bucket: BucketNo,
    after: &str,
    limit: u64,
) -> rusqlite::Result<(Option<String>, u64)> {
    let end = end_of_batch(db, bucket, after, limit)?;
    let range = params![bucket.0, after, end];
    let dropped = db
        .prepare_cached(
            "DELETE FROM objects WHERE bucket_id = ?1 AND key > ?2 AND (?3 IS NULL OR key <= ?3)
             AND digest IS NOT NULL
             AND content_type IS NULL AND metadata IS NULL
             AND (SELECT imported FROM namespaces JOIN buckets USING (namespace_id)
                  WHERE bucket_id = ?1)",
        )?
        .execute(range)?;
    let emptied = db
        .prepare_cached(
            "UPDATE objects SET digest = NULL
             WHERE bucket_id = ?1 AND key > ?2 AND (?3 IS NULL OR key <= ?3)
             AND digest IS NOT NULL",
        )?
        .execute(range)?;
    Ok((end, (dropped + emptied) as u64))
}

/// Drops rows.
pub(in crate::cache) fn forget_rows(
    db: &Connection,
    bucket: BucketNo,
    after: &str,
    limit: u64,
) -> rusqlite::Result<(Option<String>, u64)> {
    let end = end_of_batch(db, bucket, after, limit)?;
    // Listings that depend on these rows are made anew.
    close_index(db, bucket)?;
    let dropped = db
        .prepare_cached(
            "DELETE FROM objects WHERE bucket_id = ?1 AND key > ?2 AND (?3 IS NULL OR key <= ?3)",
        )?
        .execute(params![bucket.0, after, end])?;
    Ok((end, dropped as u64))
}

fn end_of_batch(
    db: &Connection,
    bucket: BucketNo,
    after: &str,
    limit: u64,
) -> rusqlite::Result<Option<String>> {
    db.prepare_cached(
        "SELECT key FROM objects WHERE bucket_id = ?1 AND key > ?2 ORDER BY key LIMIT 1 OFFSET ?3",
    )?
    .query_row(params![bucket.0, after, UnsignedColumn(limit - 1)], |row| {
        row.get(0)
    })
    .optional()
}
