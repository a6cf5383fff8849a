//! The queue of portable texts.

use super::objects::{read_bucket, read_object};
use super::{BucketNo, NamespaceNo};
use crate::cache::rows::{Parsed, UnsignedColumn};
use crate::model::{ObjectKey, Timestamp};
use crate::service::ports::{NEVER, PortableJob, PortableQueue};
use rusqlite::{Connection, params};

/// A run of the store, which ends when it forgets what it knew, told from all others of this
/// database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cache) struct Run(pub(in crate::cache) i64);

/// Puts an object at the end of the queue, wherever it was in it before. `replaced`: the run in
/// which it has replaced another one, which counts unless it already did so before.
pub(super) fn enqueue(
    db: &Connection,
    bucket: BucketNo,
    key: &ObjectKey,
    replaced: Option<Run>,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO portable_queue (bucket_id, key, since, replaced_in)
         VALUES (?1, ?2, ?3, coalesce(
             (SELECT max(replaced_in, 0) FROM portable_queue WHERE bucket_id = ?1 AND key = ?2),
             ?4))",
    )?
    .execute(params![
        bucket.0,
        key.as_str(),
        Timestamp::now().0,
        replaced.map(|run| run.0)
    ])?;
    Ok(())
}

/// Notes that the storage has told of several objects of a key, in place of the run in which one of
/// them was replaced; -1 if no text is to be written besides. What is refused for now is not tried
/// earlier for that.
pub(super) fn note_double(
    db: &Connection,
    bucket: BucketNo,
    key: &ObjectKey,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO portable_queue (bucket_id, key, since, replaced_in)
         SELECT ?1, ?2, max(?3, coalesce(nullif(since, ?4), ?3)),
                CASE WHEN number IS NULL OR replaced_in IS -1 THEN -1 ELSE 0 END
         FROM (SELECT 1) LEFT JOIN portable_queue ON bucket_id = ?1 AND key = ?2",
    )?
    .execute(params![bucket.0, key.as_str(), Timestamp::now().0, NEVER.0])?;
    Ok(())
}

/// Whether the text of an object is to be written.
pub(super) fn owes_text(
    db: &Connection,
    bucket: BucketNo,
    key: &ObjectKey,
) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT 1 FROM portable_queue
         WHERE bucket_id = ?1 AND key = ?2 AND replaced_in IS NOT -1",
    )?
    .exists(params![bucket.0, key.as_str()])
}

/// For each key whether it is in the queue and may name further objects: those that it has replaced
/// in another run, or that the storage has told of.
pub(in crate::cache) fn inherited(
    db: &Connection,
    bucket: BucketNo,
    keys: &[&ObjectKey],
    run: Run,
) -> rusqlite::Result<Vec<bool>> {
    let mut statement = db.prepare_cached(
        "SELECT 1 FROM portable_queue WHERE bucket_id = ?1 AND key = ?2 AND replaced_in <> ?3",
    )?;
    keys.iter()
        .map(|key| statement.exists(params![bucket.0, key.as_str(), run.0]))
        .collect()
}

/// Takes an object off the queue.
pub(super) fn dequeue(db: &Connection, bucket: BucketNo, key: &ObjectKey) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM portable_queue WHERE bucket_id = ?1 AND key = ?2")?
        .execute(params![bucket.0, key.as_str()])?;
    Ok(())
}

/// The head of a namespace's queue: what came at or before `since`. What waits for another try is
/// behind all that came before its time.
pub(in crate::cache) fn portable_queue(
    db: &Connection,
    namespace: NamespaceNo,
    (since, run): (Timestamp, Run),
    limit: usize,
) -> rusqlite::Result<PortableQueue> {
    // `CROSS` keeps the order of the tables: by the index of times, and no further than the limit.
    let jobs = db
        .prepare_cached(
            "SELECT o.size, o.digest, o.parts, o.part_sizes, o.content_type, o.metadata, o.checksum,
                    o.id, o.version, o.modified, q.number, q.key, b.name,
                    coalesce(q.replaced_in <> ?4, 0)
             FROM portable_queue q CROSS JOIN buckets b USING (bucket_id)
             LEFT JOIN objects o ON o.bucket_id = q.bucket_id AND o.key = q.key
             WHERE b.namespace_id = ?1 AND q.since <= ?2 ORDER BY q.since, q.number
             LIMIT ?3",
        )?
        .query_map(
            params![namespace.0, since.0, UnsignedColumn(limit as u64), run.0],
            |row| {
                let Parsed(key) = row.get(11)?;
                Ok(PortableJob {
                    number: row.get(10)?,
                    bucket: read_bucket(row, 12)?,
                    key,
                    row: read_object(row)?,
                    inherited: row.get(13)?,
                })
            },
        )?
        .collect::<rusqlite::Result<_>>()?;
    let UnsignedColumn(waiting) = db
        .prepare_cached(
            "SELECT count(*) FROM portable_queue JOIN buckets USING (bucket_id)
             WHERE namespace_id = ?1 AND since < ?2",
        )?
        .query_row([namespace.0, NEVER.0], |row| row.get(0))?;
    Ok(PortableQueue { jobs, waiting })
}

/// Takes these off the queue.
pub(in crate::cache) fn portable_done(db: &Connection, numbers: &[i64]) -> rusqlite::Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM portable_queue WHERE number = ?1")?;
    for number in numbers {
        delete.execute([number])?;
    }
    Ok(())
}

/// Lets these wait as if they had come at another time.
pub(in crate::cache) fn portable_later(
    db: &Connection,
    numbers: &[i64],
    since: Timestamp,
) -> rusqlite::Result<()> {
    let mut change = db.prepare_cached("UPDATE portable_queue SET since = ?2 WHERE number = ?1")?;
    for number in numbers {
        change.execute(params![number, since.0])?;
    }
    Ok(())
}
