//! Rows of objects, and intents.

use super::portable::{Run, dequeue, enqueue};
use super::{BucketNo, NamespaceNo, Numbers, delete_upload};
use crate::cache::rows::{
    HeadersColumn, Parsed, PartMd5sColumn, PartSizesColumn, Unfit, UnsignedColumn, etag,
    etag_columns,
};
use crate::cache::sums::{self, ChecksumColumn, PartChecksumsColumn};
use crate::model::{
    Bucket, Checksum, ETag, Metadata, ObjectChecksum, ObjectKey, ObjectState, PartSizes, Timestamp,
    UploadId,
};
use crate::service::ports::{Intent, Lesson, Remembered, Row};
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension, params};

/// What is known about some keys, in their order. A key without a row of its own may have one
/// that was imported.
pub(in crate::cache) fn look_up<'k>(
    db: &Connection,
    bucket: Numbers,
    keys: impl IntoIterator<Item = &'k ObjectKey>,
) -> rusqlite::Result<Vec<Remembered>> {
    let mut statement = db.prepare_cached(
        "SELECT o.size, o.digest, o.parts, o.part_sizes, o.content_type, o.metadata, o.checksum,
                o.id, o.version, o.modified,
                i.size, i.digest, i.parts, i.part_sizes, i.content_type, i.metadata, i.checksum,
                i.part_md5s, i.part_checksums, i.upload
         FROM (SELECT 1)
         LEFT JOIN objects o ON o.bucket_id = ?1 AND o.key = ?2
         LEFT JOIN intents i ON i.bucket_id = ?1 AND i.key = ?2",
    )?;
    let mut look = |bucket: Option<BucketNo>, key: &ObjectKey| {
        let Some(BucketNo(number)) = bucket else {
            return Ok(Remembered::default());
        };
        statement.query_row(params![number, key.as_str()], |row| {
            Ok(Remembered {
                row: read_object(row)?,
                intent: read_intent(row, 10)?,
            })
        })
    };
    keys.into_iter()
        .map(|key| {
            let mut found = look(bucket.own, key)?;
            if found.row.is_none() && bucket.imported.is_some() {
                found.row = look(bucket.imported, key)?.row;
            }
            Ok(found)
        })
        .collect()
}

/// What rows of objects and of intents have in common: seven columns in this order.
struct Content {
    size: u64,
    etag: Option<ETag>,
    part_sizes: PartSizes,
    metadata: Metadata,
    checksum: Option<ObjectChecksum>,
}

/// `None` when there is no row.
fn read_content(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Option<Content>> {
    let Some(UnsignedColumn(size)) = row.get(first)? else {
        return Ok(None);
    };
    let parts = row.get(first + 2)?;
    let digest: Option<[u8; 16]> = row.get(first + 1)?;
    let PartSizesColumn(part_sizes) = row.get(first + 3)?;
    Ok(Some(Content {
        size,
        etag: digest.map(|digest| etag(digest, parts)),
        part_sizes,
        metadata: read_metadata(row, first + 4)?,
        checksum: sums::of_object(row.get_ref(first + 6)?, parts)?,
    }))
}

/// From the columns for the content type and the other headers.
pub(super) fn read_metadata(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Metadata> {
    let HeadersColumn(headers) = row.get(first + 1)?;
    Ok(Metadata {
        content_type: row.get(first)?,
        ..headers
    })
}

/// From the first ten columns, as [`look_up`] has them.
pub(super) fn read_object(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Row>> {
    let Some(content) = read_content(row, 0)? else {
        return Ok(None);
    };
    let version: Option<String> = row.get(8)?;
    Ok(Some(Row {
        state: ObjectState {
            id: row.get(7)?,
            version: version.unwrap_or_default(),
        },
        size: content.size,
        etag: content.etag,
        checksum: content.checksum,
        part_sizes: content.part_sizes,
        metadata: content.metadata,
        modified: Timestamp(row.get(9)?),
    }))
}

/// From ten columns, as [`look_up`] has them.
pub(super) fn read_intent(
    row: &rusqlite::Row<'_>,
    first: usize,
) -> rusqlite::Result<Option<Intent>> {
    let Some(content) = read_content(row, first)? else {
        return Ok(None);
    };
    let etag = content
        .etag
        .ok_or_else(|| FromSqlError::other(Unfit("an intent has no digest")))?;
    let PartMd5sColumn(part_md5s) = row.get(first + 7)?;
    let PartChecksumsColumn(part_checksums) = row.get(first + 8)?;
    let upload: Option<Parsed<UploadId>> = row.get(first + 9)?;
    Ok(Some(Intent {
        size: content.size,
        etag,
        part_md5s,
        checksum: content.checksum,
        part_checksums,
        part_sizes: content.part_sizes,
        metadata: content.metadata,
        upload: upload.map(|Parsed(id)| id),
    }))
}

/// Notes an intent, unless the key has one: `false`.
pub(in crate::cache) fn announce(
    db: &Connection,
    bucket: BucketNo,
    key: &ObjectKey,
    intent: &Intent,
) -> rusqlite::Result<bool> {
    let (digest, parts) = etag_columns(Some(&intent.etag))?;
    let noted = db
        .prepare_cached(
            "INSERT INTO intents (bucket_id, key, size, digest, parts, part_sizes,
                 content_type, metadata, part_md5s, upload, checksum, part_checksums)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT DO NOTHING",
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
            ChecksumColumn(intent.checksum.as_ref()),
            PartChecksumsColumn(intent.part_checksums.as_slice()),
        ])?;
    Ok(noted > 0)
}

/// Puts a row in place of the key's last row. `met`: since when the object is known to have the key,
/// if that row was about another one.
pub(super) fn put_row(
    db: &Connection,
    bucket: BucketNo,
    key: &ObjectKey,
    row: &Row,
    met: Timestamp,
) -> rusqlite::Result<()> {
    let (digest, parts) = etag_columns(row.etag.as_ref())?;
    let version = &row.state.version;
    db.prepare_cached(
        "INSERT OR REPLACE INTO objects (bucket_id, key, size, digest, parts, part_sizes,
             content_type, metadata, id, version, modified, checksum, met)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, coalesce(
             (SELECT met FROM objects WHERE bucket_id = ?1 AND key = ?2 AND id = ?9), ?13))",
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
        (!version.is_empty()).then_some(version),
        row.modified.0,
        ChecksumColumn(row.checksum.as_ref()),
        met.0,
    ])?;
    Ok(())
}

/// Since when the object of a key is known to have it; 0 if nobody has noted that.
pub(super) fn met(
    db: &Connection,
    bucket: Numbers,
    key: &ObjectKey,
) -> rusqlite::Result<Option<Timestamp>> {
    let mut statement = db
        .prepare_cached("SELECT coalesce(met, 0) FROM objects WHERE bucket_id = ?1 AND key = ?2")?;
    for BucketNo(number) in [bucket.own, bucket.imported].into_iter().flatten() {
        let met = statement.query_row(params![number, key.as_str()], |row| row.get(0));
        if let Some(met) = met.optional()? {
            return Ok(Some(Timestamp(met)));
        }
    }
    Ok(None)
}

/// Puts a row in place of the key's last row and intent; the intent's upload goes as well. With
/// `portable`, which is the run, the object is put into the queue of portable texts.
pub(in crate::cache) fn settle(
    db: &Connection,
    bucket: BucketNo,
    key: &ObjectKey,
    row: &Row,
    portable: Option<Run>,
) -> rusqlite::Result<()> {
    if let Some(run) = portable {
        let replaces = db
            .prepare_cached("SELECT 1 FROM objects WHERE bucket_id = ?1 AND key = ?2 AND id <> ?3")?
            .exists(params![bucket.0, key.as_str(), row.state.id])?;
        enqueue(db, bucket, key, replaces.then_some(run))?;
    }
    put_row(db, bucket, key, row, Timestamp::now())?;
    let parts = db
        .prepare_cached(
            "INSERT OR REPLACE INTO part_checksums (bucket_id, key, checksums)
             SELECT bucket_id, key, part_checksums FROM intents
             WHERE bucket_id = ?1 AND key = ?2 AND part_checksums IS NOT NULL",
        )?
        .execute(params![bucket.0, key.as_str()])?;
    if parts == 0 {
        forget_parts(db, bucket, key)?;
    }
    let upload: Option<Option<Parsed<UploadId>>> = db
        .prepare_cached("DELETE FROM intents WHERE bucket_id = ?1 AND key = ?2 RETURNING upload")?
        .query_row(params![bucket.0, key.as_str()], |row| row.get(0))
        .optional()?;
    match upload {
        Some(Some(Parsed(id))) => delete_upload(db, bucket, &id),
        Some(None) | None => Ok(()),
    }
}

/// The same for an object that was put in one piece, some time after it was published. Meanwhile
/// another process may have put another one in its place: its intent stays, and so does its row.
pub(in crate::cache) fn settle_late(
    db: &Connection,
    bucket: BucketNo,
    key: &ObjectKey,
    row: &Row,
) -> rusqlite::Result<()> {
    let (digest, _) = etag_columns(row.etag.as_ref())?;
    let own = db
        .prepare_cached(
            "DELETE FROM intents WHERE bucket_id = ?1 AND key = ?2 AND size = ?3 AND digest = ?4
                 AND part_sizes IS NULL AND upload IS NULL",
        )?
        .execute(params![
            bucket.0,
            key.as_str(),
            UnsignedColumn(row.size),
            digest
        ])?;
    let is_outdated = own == 0
        && db
            .prepare_cached(
                "SELECT 1 FROM objects WHERE bucket_id = ?1 AND key = ?2 AND modified >= ?3
                     AND (id, version) IS NOT (?4, ?5)",
            )?
            .exists(params![
                bucket.0,
                key.as_str(),
                row.modified.0,
                row.state.id,
                row.state.version
            ])?;
    if is_outdated {
        return Ok(());
    }
    put_row(db, bucket, key, row, Timestamp::now())?;
    forget_parts(db, bucket, key)
}

/// Whether an imported row has turned out to be about this very object. One that is not may be
/// about an object of another store.
fn takes_over(lesson: &Lesson) -> bool {
    lesson.expected.as_ref().is_some_and(|old| {
        old.state.version.is_empty()
            && old.metadata == lesson.row.metadata
            && (old.etag.is_none() || old.etag == lesson.row.etag)
    })
}

/// Puts the row of each lesson in place of the one that it expects, an imported one included, if
/// that is still there and the key has no intent; `false` if some were not.
pub(in crate::cache) fn learn(
    db: &Connection,
    bucket: BucketNo,
    imported: Option<BucketNo>,
    lessons: &[Lesson],
) -> rusqlite::Result<bool> {
    let own = Some(bucket);
    let numbers = Numbers { own, imported };
    let found = look_up(db, numbers, lessons.iter().map(|lesson| &lesson.key))?;
    let mut all = true;
    for (lesson, found) in lessons.iter().zip(found) {
        if found.row != lesson.expected || found.intent.is_some() {
            all = false;
            continue;
        }
        put_row(db, bucket, &lesson.key, &lesson.row, Timestamp::now())?;
        if lesson.portable {
            enqueue(db, bucket, &lesson.key, None)?;
        }
        if let Some(imported) = imported
            && takes_over(lesson)
        {
            db.prepare_cached("DELETE FROM objects WHERE bucket_id = ?1 AND key = ?2")?
                .execute(params![imported.0, lesson.key.as_str()])?;
        }
    }
    Ok(all)
}

fn forget_parts(db: &Connection, bucket: BucketNo, key: &ObjectKey) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM part_checksums WHERE bucket_id = ?1 AND key = ?2")?
        .execute(params![bucket.0, key.as_str()])?;
    Ok(())
}

/// Checksums of the parts of the object that was settled last.
pub(in crate::cache) fn part_checksums(
    db: &Connection,
    bucket: BucketNo,
    key: &ObjectKey,
) -> rusqlite::Result<Vec<Checksum>> {
    let found = db
        .prepare_cached("SELECT checksums FROM part_checksums WHERE bucket_id = ?1 AND key = ?2")?
        .query_row(params![bucket.0, key.as_str()], |row| row.get(0))
        .optional()?;
    Ok(found.map_or_else(Vec::new, |PartChecksumsColumn(sums)| sums))
}

/// Drops an intent.
pub(in crate::cache) fn withdraw(
    db: &Connection,
    bucket: BucketNo,
    key: &ObjectKey,
) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM intents WHERE bucket_id = ?1 AND key = ?2")?
        .execute(params![bucket.0, key.as_str()])?;
    Ok(())
}

/// Drops rows and intents.
pub(in crate::cache) fn forget(
    db: &Connection,
    bucket: BucketNo,
    keys: &[ObjectKey],
) -> rusqlite::Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM objects WHERE bucket_id = ?1 AND key = ?2")?;
    for key in keys {
        delete.execute(params![bucket.0, key.as_str()])?;
        forget_parts(db, bucket, key)?;
        dequeue(db, bucket, key)?;
        withdraw(db, bucket, key)?;
    }
    Ok(())
}

/// All open intents of a namespace.
pub(in crate::cache) fn intents(
    db: &Connection,
    namespace: NamespaceNo,
) -> rusqlite::Result<Vec<(Bucket, ObjectKey)>> {
    db.prepare_cached(
        "SELECT name, key FROM buckets JOIN intents USING (bucket_id) WHERE namespace_id = ?1",
    )?
    .query_map([namespace.0], |row| {
        let Parsed(key) = row.get(1)?;
        Ok((read_bucket(row, 0)?, key))
    })?
    .collect()
}

/// From the column with its name.
pub(super) fn read_bucket(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Bucket> {
    Ok(match row.get_ref(column)?.as_str()? {
        "" => Bucket::Root,
        name => Bucket::Named(name.parse().map_err(FromSqlError::other)?),
    })
}
