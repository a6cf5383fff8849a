use super::super::queries::{BucketNo, Numbers, announce, look_up, look_up_page, settle};
use super::super::schema;
use super::*;
use proptest::collection::btree_set;
use proptest::prelude::*;
use rusqlite::Connection;

/// Of several lengths, so that some are starts of others, and of characters of all sizes.
fn key_of(number: u16) -> ObjectKey {
    let digits = format!("{number:b}").replace("00", "é");
    let digits = digits.replace("11", "\u{fffd}").replace("10", "\u{1f600}");
    key(&digits)
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
        for (bucket, size, rows) in [(1, 1000, &own), (2, 2000, &imported), (3, 3000, &own)] {
            for n in rows {
                let row = row(size + u64::from(*n));
                settle(&db, BucketNo(bucket), &key_of(*n), &row, None).unwrap();
            }
        }
        for n in &announced {
            for bucket in [1, 2] {
                let intent = intent(&row(u64::from(*n)));
                announce(&db, BucketNo(bucket), &key_of(*n), &intent).unwrap();
            }
        }
        let asked: Vec<_> = asked.into_iter().map(key_of).collect();
        let mut keys: Vec<_> = asked.iter().collect();
        keys.sort();
        if backwards {
            keys.reverse();
        }
        let (one, two) = (Some(BucketNo(1)), Some(BucketNo(2)));
        for (own, imported) in [(one, two), (one, None), (None, two), (None, None)] {
            let numbers = Numbers { own, imported };
            let page = look_up_page(&db, numbers, &keys).unwrap();
            let each = look_up(&db, numbers, keys.iter().copied()).unwrap();
            prop_assert_eq!(page, each);
        }
    }
}
