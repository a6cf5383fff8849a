//! What clients have configured of buckets.

use super::BucketNo;
use crate::model::BucketSetting;
use rusqlite::{Connection, OptionalExtension, params};

/// A setting of a bucket.
pub(in crate::cache) fn setting(
    db: &Connection,
    bucket: BucketNo,
    setting: BucketSetting,
) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT document FROM bucket_settings WHERE bucket_id = ?1 AND name = ?2")?
        .query_row(params![bucket.0, setting.name()], |row| row.get(0))
        .optional()
}

/// Replaces a setting of a bucket, or removes it.
pub(in crate::cache) fn set_setting(
    db: &Connection,
    bucket: BucketNo,
    setting: BucketSetting,
    document: Option<&str>,
) -> rusqlite::Result<()> {
    let name = setting.name();
    match document {
        Some(document) => db
            .prepare_cached(
                "INSERT INTO bucket_settings (bucket_id, name, document) VALUES (?1, ?2, ?3)
                 ON CONFLICT (bucket_id, name) DO UPDATE SET document = excluded.document",
            )?
            .execute(params![bucket.0, name, document])?,
        None => db
            .prepare_cached("DELETE FROM bucket_settings WHERE bucket_id = ?1 AND name = ?2")?
            .execute(params![bucket.0, name])?,
    };
    Ok(())
}

/// Removes all settings of a bucket.
pub(in crate::cache) fn forget_settings(db: &Connection, bucket: BucketNo) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM bucket_settings WHERE bucket_id = ?1")?
        .execute([bucket.0])?;
    Ok(())
}
