//! Uploads in progress, and their parts.

use super::objects::read_metadata;
use super::{BucketNo, NamespaceNo};
use crate::cache::rows::{HeadersColumn, Parsed, UnsignedColumn};
use crate::cache::sums::{ChecksumColumn, PlanColumn};
use crate::model::{Bucket, PartNumber, Timestamp, UploadId};
use crate::service::ports::{PartRow, UploadRow};
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension, params};

/// Notes an upload. Its id must be new in the bucket.
pub(in crate::cache) fn create_upload(
    db: &Connection,
    bucket: BucketNo,
    upload: &UploadRow,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO uploads (bucket_id, id, key, store_id, started, content_type, metadata, checksum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        bucket.0,
        upload.id.as_str(),
        upload.key.as_str(),
        upload.store_id,
        upload.started.0,
        upload.metadata.content_type,
        HeadersColumn(&upload.metadata),
        PlanColumn(upload.plan),
    ])?;
    Ok(())
}

fn read_upload(row: &rusqlite::Row<'_>) -> rusqlite::Result<UploadRow> {
    let (Parsed(id), Parsed(key)) = (row.get(0)?, row.get(1)?);
    let PlanColumn(plan) = row.get(6)?;
    Ok(UploadRow {
        id,
        key,
        store_id: row.get(2)?,
        started: Timestamp(row.get(3)?),
        metadata: read_metadata(row, 4)?,
        plan,
    })
}

/// One upload of a bucket.
pub(in crate::cache) fn upload(
    db: &Connection,
    bucket: BucketNo,
    id: &UploadId,
) -> rusqlite::Result<Option<UploadRow>> {
    db.prepare_cached(
        "SELECT id, key, store_id, started, content_type, metadata, checksum FROM uploads
         WHERE bucket_id = ?1 AND id = ?2",
    )?
    .query_row(params![bucket.0, id.as_str()], read_upload)
    .optional()
}

/// A page of a bucket's uploads in the order of key, start and id.
///
/// When the upload that `after` names has gone, its place among those of its key is not known:
/// they are listed from the first on. So a client that aborts what it has listed misses none.
pub(in crate::cache) fn uploads(
    db: &Connection,
    bucket: BucketNo,
    prefix: &str,
    after: Option<(&str, Option<&UploadId>)>,
    limit: usize,
) -> rusqlite::Result<Vec<UploadRow>> {
    // The page begins strictly behind this place. No id is empty, so this one is in front of
    // all uploads of its key.
    let front = |key: String| (key, i64::MIN, "");
    let from = match after {
        None => front(prefix.to_owned()),
        Some((key, _)) if key < prefix => front(prefix.to_owned()),
        // The next text behind a key is that key and a zero byte.
        Some((key, None)) => front(format!("{key}\0")),
        Some((key, Some(id))) => match upload(db, bucket, id)? {
            Some(last) if last.key.as_str() == key => (key.to_owned(), last.started.0, id.as_str()),
            _ => front(key.to_owned()),
        },
    };
    let mut statement = db.prepare_cached(
        "SELECT id, key, store_id, started, content_type, metadata, checksum FROM uploads
         WHERE bucket_id = ?1 AND (key, started, id) > (?2, ?3, ?4)
         ORDER BY key, started, id LIMIT ?5",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(
        params![bucket.0, from.0, from.1, from.2, limit],
        read_upload,
    )?;
    // Keys with the prefix are neighbours: the first other one ends them.
    let wanted = |row: &rusqlite::Result<UploadRow>| {
        row.as_ref()
            .map_or(true, |upload| upload.key.as_str().starts_with(prefix))
    };
    rows.take_while(wanted).collect()
}

/// The storage's names of a namespace's uploads.
pub(in crate::cache) fn store_uploads(
    db: &Connection,
    namespace: NamespaceNo,
) -> rusqlite::Result<Vec<String>> {
    db.prepare_cached(
        "SELECT store_id FROM buckets JOIN uploads USING (bucket_id) WHERE namespace_id = ?1",
    )?
    .query_map([namespace.0], |row| row.get(0))?
    .collect()
}

/// Some of a namespace's uploads that nobody has touched since `before`.
pub(in crate::cache) fn stale_uploads(
    db: &Connection,
    namespace: NamespaceNo,
    before: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<(Bucket, UploadRow)>> {
    db.prepare_cached(
        "SELECT id, key, store_id, started, content_type, metadata, checksum, name
         FROM buckets JOIN uploads USING (bucket_id)
         WHERE namespace_id = ?1 AND started < ?2 AND NOT EXISTS (
             SELECT 1 FROM parts WHERE parts.upload_no = uploads.upload_no AND modified >= ?2)
         ORDER BY started LIMIT ?3",
    )?
    .query_map(
        params![
            namespace.0,
            before.0,
            i64::try_from(limit).unwrap_or(i64::MAX)
        ],
        |row| {
            let bucket = match row.get_ref(7)?.as_str()? {
                "" => Bucket::Root,
                name => Bucket::Named(name.parse().map_err(FromSqlError::other)?),
            };
            Ok((bucket, read_upload(row)?))
        },
    )?
    .collect()
}

/// Drops an upload and its parts.
pub(in crate::cache) fn delete_upload(
    db: &Connection,
    bucket: BucketNo,
    id: &UploadId,
) -> rusqlite::Result<()> {
    let number: Option<i64> = db
        .prepare_cached("DELETE FROM uploads WHERE bucket_id = ?1 AND id = ?2 RETURNING upload_no")?
        .query_row(params![bucket.0, id.as_str()], |row| row.get(0))
        .optional()?;
    if let Some(number) = number {
        db.prepare_cached("DELETE FROM parts WHERE upload_no = ?1")?
            .execute([number])?;
    }
    Ok(())
}

/// Notes a part in place of the last one with its number; `false` if the upload is gone.
pub(in crate::cache) fn put_part(
    db: &Connection,
    bucket: BucketNo,
    id: &UploadId,
    part: &PartRow,
) -> rusqlite::Result<bool> {
    let noted = db
        .prepare_cached(
            "INSERT OR REPLACE INTO parts (upload_no, number, size, md5, token, modified, checksum)
             SELECT upload_no, ?3, ?4, ?5, ?6, ?7, ?8 FROM uploads WHERE bucket_id = ?1 AND id = ?2",
        )?
        .execute(params![
            bucket.0,
            id.as_str(),
            part.number.get(),
            UnsignedColumn(part.size),
            part.md5,
            part.token,
            part.modified.0,
            ChecksumColumn(part.checksum.as_ref()),
        ])?;
    Ok(noted > 0)
}

/// A page of an upload's parts in the order of their numbers.
pub(in crate::cache) fn parts(
    db: &Connection,
    bucket: BucketNo,
    id: &UploadId,
    after: u16,
    limit: usize,
) -> rusqlite::Result<Vec<PartRow>> {
    db.prepare_cached(
        "SELECT number, parts.size, md5, token, modified, parts.checksum FROM uploads JOIN parts USING (upload_no)
         WHERE bucket_id = ?1 AND id = ?2 AND number > ?3
         ORDER BY number LIMIT ?4",
    )?
    .query_map(
        params![
            bucket.0,
            id.as_str(),
            after,
            i64::try_from(limit).unwrap_or(i64::MAX)
        ],
        |row| {
            let number = row.get(0)?;
            let UnsignedColumn(size) = row.get(1)?;
            let ChecksumColumn(checksum) = row.get(5)?;
            Ok(PartRow {
                number: PartNumber::new(number).ok_or(FromSqlError::OutOfRange(number.into()))?,
                size,
                md5: row.get(2)?,
                checksum,
                token: row.get(3)?,
                modified: Timestamp(row.get(4)?),
            })
        },
    )?
    .collect()
}
