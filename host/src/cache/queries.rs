//! All SQL but the schema. Each function is one step of work on an open connection; whoever
//! calls it decides about transactions.

use super::rows::{
    HeadersColumn, Parsed, PartMd5sColumn, PartSizesColumn, UnsignedColumn, etag, etag_columns,
};
use crate::model::{
    Bucket, ETag, Metadata, ObjectKey, ObjectState, PartNumber, PartSizes, Timestamp, UploadId,
};
use crate::service::ports::{Intent, PartRow, Remembered, Row, UploadRow};
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension, params};

/// A bucket's number in the database: a foreign key of most tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BucketNo(pub(super) i64);

/// A namespace's number in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NamespaceNo(pub(super) i64);

/// Makes or finds a namespace and gives it this label; the inner error is the other component
/// that it is bound to.
pub(super) fn bind_namespace(
    db: &Connection,
    name: &str,
    component: &str,
    label: Option<u64>,
) -> rusqlite::Result<Result<NamespaceNo, String>> {
    let bound = db
        .query_row(
            "INSERT INTO namespaces (name, component, label) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET label = excluded.label
             WHERE component = excluded.component
             RETURNING namespace_id",
            params![name, component, label.map(UnsignedColumn)],
            |row| row.get(0).map(NamespaceNo),
        )
        .optional()?;
    match bound {
        Some(number) => Ok(Ok(number)),
        None => db
            .query_row(
                "SELECT component FROM namespaces WHERE name = ?1",
                [name],
                |row| row.get(0),
            )
            .map(Err),
    }
}

/// A bucket that has a number.
pub(super) fn find_bucket(
    db: &Connection,
    namespace: NamespaceNo,
    name: &str,
) -> rusqlite::Result<Option<BucketNo>> {
    db.prepare_cached("SELECT bucket_id FROM buckets WHERE namespace_id = ?1 AND name = ?2")?
        .query_row(params![namespace.0, name], |row| row.get(0).map(BucketNo))
        .optional()
}

/// Gives a bucket a number, unless it has one.
pub(super) fn intern_bucket(
    db: &Connection,
    namespace: NamespaceNo,
    name: &str,
) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR IGNORE INTO buckets (namespace_id, name) VALUES (?1, ?2)")?
        .execute(params![namespace.0, name])?;
    Ok(())
}

/// What is known about some keys, in their order.
pub(super) fn look_up<'k>(
    db: &Connection,
    bucket: BucketNo,
    keys: impl IntoIterator<Item = &'k ObjectKey>,
) -> rusqlite::Result<Vec<Remembered>> {
    let mut statement = db.prepare_cached(
        "SELECT o.size, o.digest, o.parts, o.part_sizes, o.content_type, o.metadata,
                o.id, o.version, o.modified,
                i.size, i.digest, i.parts, i.part_sizes, i.content_type, i.metadata,
                i.part_md5s, i.upload
         FROM (SELECT 1)
         LEFT JOIN objects o ON o.bucket_id = ?1 AND o.key = ?2
         LEFT JOIN intents i ON i.bucket_id = ?1 AND i.key = ?2",
    )?;
    keys.into_iter()
        .map(|key| {
            statement.query_row(params![bucket.0, key.as_str()], |row| {
                Ok(Remembered {
                    row: read_object(row)?,
                    intent: read_intent(row)?,
                })
            })
        })
        .collect()
}

/// What rows of objects and of intents have in common: six columns in this order.
struct Content {
    size: u64,
    etag: ETag,
    part_sizes: PartSizes,
    metadata: Metadata,
}

/// `None` when there is no row, or one whose digest is not known.
fn read_content(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Option<Content>> {
    let Some(digest) = row.get(first + 1)? else {
        return Ok(None);
    };
    let UnsignedColumn(size) = row.get(first)?;
    let PartSizesColumn(part_sizes) = row.get(first + 3)?;
    Ok(Some(Content {
        size,
        etag: etag(digest, row.get(first + 2)?),
        part_sizes,
        metadata: read_metadata(row, first + 4)?,
    }))
}

/// From the columns for the content type and the other headers.
fn read_metadata(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Metadata> {
    let HeadersColumn(headers) = row.get(first + 1)?;
    Ok(Metadata {
        content_type: row.get(first)?,
        ..headers
    })
}

fn read_object(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Row>> {
    // A row that does not say which state it describes cannot be compared with the storage.
    let (Some(content), Some(version)) = (read_content(row, 0)?, row.get(7)?) else {
        return Ok(None);
    };
    Ok(Some(Row {
        state: ObjectState {
            id: row.get(6)?,
            version,
        },
        size: content.size,
        etag: content.etag,
        part_sizes: content.part_sizes,
        metadata: content.metadata,
        modified: Timestamp(row.get(8)?),
    }))
}

fn read_intent(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Intent>> {
    let Some(content) = read_content(row, 9)? else {
        return Ok(None);
    };
    let PartMd5sColumn(part_md5s) = row.get(15)?;
    let upload: Option<Parsed<UploadId>> = row.get(16)?;
    Ok(Some(Intent {
        size: content.size,
        etag: content.etag,
        part_md5s,
        part_sizes: content.part_sizes,
        metadata: content.metadata,
        upload: upload.map(|Parsed(id)| id),
    }))
}

/// Notes an intent in place of the key's last one.
pub(super) fn announce(
    db: &Connection,
    bucket: BucketNo,
    key: &ObjectKey,
    intent: &Intent,
) -> rusqlite::Result<()> {
    let (digest, parts) = etag_columns(&intent.etag)?;
    db.prepare_cached(
        "INSERT OR REPLACE INTO intents (bucket_id, key, size, digest, parts, part_sizes,
             content_type, metadata, part_md5s, upload)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        bucket.0,
        key.as_str(),
        UnsignedColumn(intent.size),
        digest,
        parts,
        PartSizesColumn(&intent.part_sizes),
        intent.metadata.content_type,
        HeadersColumn(&intent.metadata),
        PartMd5sColumn(intent.part_md5s.as_slice()),
        intent.upload.as_ref().map(UploadId::as_str),
    ])?;
    Ok(())
}

/// Puts a row in place of the key's last row and intent; the intent's upload goes as well.
pub(super) fn settle(
    db: &Connection,
    bucket: BucketNo,
    key: &ObjectKey,
    row: &Row,
) -> rusqlite::Result<()> {
    let (digest, parts) = etag_columns(&row.etag)?;
    db.prepare_cached(
        "INSERT OR REPLACE INTO objects (bucket_id, key, size, digest, parts, part_sizes,
             content_type, metadata, id, version, modified)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        bucket.0,
        key.as_str(),
        UnsignedColumn(row.size),
        digest,
        parts,
        PartSizesColumn(&row.part_sizes),
        row.metadata.content_type,
        HeadersColumn(&row.metadata),
        row.state.id,
        row.state.version,
        row.modified.0,
    ])?;
    let upload: Option<Option<Parsed<UploadId>>> = db
        .prepare_cached("DELETE FROM intents WHERE bucket_id = ?1 AND key = ?2 RETURNING upload")?
        .query_row(params![bucket.0, key.as_str()], |row| row.get(0))
        .optional()?;
    match upload {
        Some(Some(Parsed(id))) => delete_upload(db, bucket, &id),
        Some(None) | None => Ok(()),
    }
}

/// Drops an intent.
pub(super) fn withdraw(db: &Connection, bucket: BucketNo, key: &ObjectKey) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM intents WHERE bucket_id = ?1 AND key = ?2")?
        .execute(params![bucket.0, key.as_str()])?;
    Ok(())
}

/// Drops rows and intents.
pub(super) fn forget(
    db: &Connection,
    bucket: BucketNo,
    keys: &[ObjectKey],
) -> rusqlite::Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM objects WHERE bucket_id = ?1 AND key = ?2")?;
    for key in keys {
        delete.execute(params![bucket.0, key.as_str()])?;
        withdraw(db, bucket, key)?;
    }
    Ok(())
}

/// All open intents of a namespace.
pub(super) fn intents(
    db: &Connection,
    namespace: NamespaceNo,
) -> rusqlite::Result<Vec<(Bucket, ObjectKey)>> {
    db.prepare_cached(
        "SELECT name, key FROM buckets JOIN intents USING (bucket_id) WHERE namespace_id = ?1",
    )?
    .query_map([namespace.0], |row| {
        let bucket = match row.get_ref(0)?.as_str()? {
            "" => Bucket::Root,
            name => Bucket::Named(name.parse().map_err(FromSqlError::other)?),
        };
        let Parsed(key) = row.get(1)?;
        Ok((bucket, key))
    })?
    .collect()
}

/// Notes an upload. Its id must be new in the bucket.
pub(super) fn create_upload(
    db: &Connection,
    bucket: BucketNo,
    upload: &UploadRow,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO uploads (bucket_id, id, key, store_id, started, content_type, metadata)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        bucket.0,
        upload.id.as_str(),
        upload.key.as_str(),
        upload.store_id,
        upload.started.0,
        upload.metadata.content_type,
        HeadersColumn(&upload.metadata),
    ])?;
    Ok(())
}

fn read_upload(row: &rusqlite::Row<'_>) -> rusqlite::Result<UploadRow> {
    let (Parsed(id), Parsed(key)) = (row.get(0)?, row.get(1)?);
    Ok(UploadRow {
        id,
        key,
        store_id: row.get(2)?,
        started: Timestamp(row.get(3)?),
        metadata: read_metadata(row, 4)?,
    })
}

/// One upload of a bucket.
pub(super) fn upload(
    db: &Connection,
    bucket: BucketNo,
    id: &UploadId,
) -> rusqlite::Result<Option<UploadRow>> {
    db.prepare_cached(
        "SELECT id, key, store_id, started, content_type, metadata FROM uploads
         WHERE bucket_id = ?1 AND id = ?2",
    )?
    .query_row(params![bucket.0, id.as_str()], read_upload)
    .optional()
}

/// A page of a bucket's uploads in the order of key, start and id.
///
/// When the upload that `after` names has gone, its place among those of its key is not known:
/// they are listed from the first on. So a client that aborts what it has listed misses none.
pub(super) fn uploads(
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
        "SELECT id, key, store_id, started, content_type, metadata FROM uploads
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
pub(super) fn store_uploads(
    db: &Connection,
    namespace: NamespaceNo,
) -> rusqlite::Result<Vec<String>> {
    db.prepare_cached(
        "SELECT store_id FROM buckets JOIN uploads USING (bucket_id) WHERE namespace_id = ?1",
    )?
    .query_map([namespace.0], |row| row.get(0))?
    .collect()
}

/// Drops an upload and its parts.
pub(super) fn delete_upload(
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
pub(super) fn put_part(
    db: &Connection,
    bucket: BucketNo,
    id: &UploadId,
    part: &PartRow,
) -> rusqlite::Result<bool> {
    let noted = db
        .prepare_cached(
            "INSERT OR REPLACE INTO parts (upload_no, number, size, md5, token, modified)
             SELECT upload_no, ?3, ?4, ?5, ?6, ?7 FROM uploads WHERE bucket_id = ?1 AND id = ?2",
        )?
        .execute(params![
            bucket.0,
            id.as_str(),
            part.number.get(),
            UnsignedColumn(part.size),
            part.md5,
            part.token,
            part.modified.0,
        ])?;
    Ok(noted > 0)
}

/// A page of an upload's parts in the order of their numbers.
pub(super) fn parts(
    db: &Connection,
    bucket: BucketNo,
    id: &UploadId,
    after: u16,
    limit: usize,
) -> rusqlite::Result<Vec<PartRow>> {
    db.prepare_cached(
        "SELECT number, parts.size, md5, token, modified FROM uploads JOIN parts USING (upload_no)
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
            Ok(PartRow {
                number: PartNumber::new(number).ok_or(FromSqlError::OutOfRange(number.into()))?,
                size,
                md5: row.get(2)?,
                token: row.get(3)?,
                modified: Timestamp(row.get(4)?),
            })
        },
    )?
    .collect()
}
