//! What is known about a page of keys: one pass over the rows instead of a search for each.

use super::objects::{look_up, read_intent, read_object};
use super::{BucketNo, Numbers};
use crate::model::ObjectKey;
use crate::service::ports::Remembered;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

/// So few keys are looked up one by one.
const FEW: usize = 8;

/// So many rows between two keys are passed; the key behind more of them is searched for.
const PASSED: usize = 8;

/// The same as [`look_up`], and faster for keys that are in order and close to each other, as those of
/// a listing are.
pub(in crate::cache) fn look_up_page(
    db: &Connection,
    bucket: Numbers,
    keys: &[&ObjectKey],
) -> rusqlite::Result<Vec<Remembered>> {
    if keys.len() <= FEW || !keys.is_sorted_by(|a, b| a < b) {
        return look_up(db, bucket, keys.iter().copied());
    }
    let mut found = vec![Remembered::default(); keys.len()];
    if let Some(own) = bucket.own {
        pass(db, OBJECTS, own, keys, |at, row| {
            if let Some(found) = found.get_mut(at) {
                found.row = read_object(row)?;
            }
            Ok(())
        })?;
        pass(db, INTENTS, own, keys, |at, row| {
            if let Some(found) = found.get_mut(at) {
                found.intent = read_intent(row, 0)?;
            }
            Ok(())
        })?;
    }
    if let Some(imported) = bucket.imported {
        pass(db, OBJECTS, imported, keys, |at, row| {
            match found.get_mut(at) {
                Some(found) if found.row.is_none() => found.row = read_object(row)?,
                _ => {}
            }
            Ok(())
        })?;
    }
    Ok(found)
}

const OBJECTS: &str = "SELECT size, digest, parts, part_sizes, content_type, metadata, checksum,
         id, version, modified, key
     FROM objects WHERE bucket_id = ?1 AND key >= ?2 ORDER BY key";
const INTENTS: &str = "SELECT size, digest, parts, part_sizes, content_type, metadata, checksum,
         part_md5s, part_checksums, upload, key
     FROM intents WHERE bucket_id = ?1 AND key >= ?2 ORDER BY key";
/// Of both.
const KEY: usize = 10;

/// Hands on each row whose key is one of `keys`, with the place of that.
fn pass(
    db: &Connection,
    query: &str,
    BucketNo(bucket): BucketNo,
    keys: &[&ObjectKey],
    mut each: impl FnMut(usize, &Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(query)?;
    let mut at = 0;
    'search: while let Some(first) = keys.get(at) {
        let mut rows = statement.query(params![bucket, first.as_str()])?;
        let mut passed = 0;
        while let Some(row) = rows.next()? {
            // As bytes: a damaged key of a neighbour is no matter of ours. What is no text sorts
            // behind all that is.
            let ValueRef::Text(key) = row.get_ref(KEY)? else {
                return Ok(());
            };
            while keys.get(at).is_some_and(|wanted| text(wanted) < key) {
                at += 1;
            }
            match keys.get(at) {
                None => return Ok(()),
                Some(wanted) if text(wanted) == key => {
                    each(at, row)?;
                    at += 1;
                    passed = 0;
                }
                Some(_) if passed == PASSED => continue 'search,
                Some(_) => passed += 1,
            }
        }
        break;
    }
    Ok(())
}

fn text(key: &ObjectKey) -> &[u8] {
    key.as_str().as_bytes()
}
