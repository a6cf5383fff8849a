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

/// The same as [`look_up`], and several times as fast for keys that are in order and close to each
/// other, as those of a listing are.
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

#[cfg(test)]
mod tests {
    use super::super::announce;
    use super::super::objects::put_row;
    use super::*;
    use crate::cache::schema;
    use crate::model::{ETag, ObjectState, Timestamp};
    use crate::service::ports::{Intent, Row};
    use proptest::collection::btree_set;
    use proptest::prelude::*;
    use std::path::Path;

    fn key(number: u16) -> ObjectKey {
        // Of several lengths, so that some are starts of others, and of characters of all sizes.
        let digits = format!("{number:b}")
            .replace("00", "é")
            .replace("11", "\u{fffd}");
        digits.replace("10", "\u{1f600}").parse().unwrap()
    }

    fn row(size: u64) -> Row {
        Row {
            state: ObjectState::default(),
            size,
            etag: Some(ETag::Md5([1; 16])),
            checksum: None,
            part_sizes: [].into_iter().collect(),
            metadata: crate::model::Metadata::default(),
            modified: Timestamp(7),
        }
    }

    fn intent(size: u64) -> Intent {
        Intent {
            size,
            etag: ETag::Md5([2; 16]),
            part_md5s: Vec::new(),
            checksum: None,
            part_checksums: Vec::new(),
            part_sizes: [].into_iter().collect(),
            metadata: crate::model::Metadata::default(),
            upload: None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_page_is_what_each_of_its_keys_is_by_itself(
            own in btree_set(0_u16..200, 0..150),
            imported in btree_set(0_u16..200, 0..150),
            announced in btree_set(0_u16..200, 0..50),
            asked in btree_set(0_u16..200, 0..100),
            backwards in prop::bool::weighted(0.1),
        ) {
            let mut db = Connection::open_in_memory().unwrap();
            schema::migrate(&mut db, Path::new("none")).unwrap();
            let numbers = Numbers { own: Some(BucketNo(1)), imported: Some(BucketNo(2)) };
            for (bucket, size, rows) in [(1, 1000, &own), (2, 2000, &imported), (3, 3000, &own)] {
                for n in rows {
                    let row = row(size + u64::from(*n));
                    put_row(&db, BucketNo(bucket), &key(*n), &row, Timestamp(0)).unwrap();
                }
            }
            for n in &announced {
                for bucket in [1, 2] {
                    announce(&db, BucketNo(bucket), &key(*n), &intent(u64::from(*n))).unwrap();
                }
            }
            let asked: Vec<_> = asked.into_iter().map(key).collect();
            let mut keys: Vec<_> = asked.iter().collect();
            keys.sort();
            if backwards {
                keys.reverse();
            }
            let none = Numbers::default();
            let only = Numbers { imported: None, ..numbers };
            let old = Numbers { own: None, ..numbers };
            for numbers in [numbers, only, old, none] {
                let page = look_up_page(&db, numbers, &keys).unwrap();
                let each = look_up(&db, numbers, keys.iter().copied()).unwrap();
                prop_assert_eq!(page, each);
            }
        }
    }
}
