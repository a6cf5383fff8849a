//! An object `a` beside objects `a/…`.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::thread;

/// Check the store against what should be in it.
fn check(store: &Store, expected: &BTreeMap<String, Vec<u8>>) {
    let keys: Vec<&String> = expected.keys().collect();
    assert_eq!(store.keys(2).iter().collect::<Vec<_>>(), keys);
    for (key, data) in expected {
        assert_eq!(store.get(key).as_ref(), Ok(data), "{key:?}");
    }
}

fn permutations(keys: &[&'static str]) -> Vec<Vec<&'static str>> {
    if keys.len() < 2 {
        return vec![keys.to_vec()];
    }
    let mut all = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let mut others = keys.to_vec();
        others.remove(at);
        for mut order in permutations(&others) {
            order.push(key);
            all.push(order);
        }
    }
    all
}

#[test]
fn every_order_of_creation_and_deletion_works() {
    let keys = ["a", "a/", "a/b", "a/b/c"];
    for creation in permutations(&keys) {
        for deletion in permutations(&keys) {
            let store = Store::single();
            let mut expected = BTreeMap::new();
            for key in &creation {
                store.put(key, key.as_bytes());
                expected.insert((*key).to_owned(), key.as_bytes().to_vec());
                check(&store, &expected);
            }
            for key in &deletion {
                store.delete(key);
                expected.remove(*key);
                check(&store, &expected);
            }
            assert_eq!(store.tree(), [""; 0]);
        }
    }
}

#[test]
fn the_later_one_takes_the_other_name() {
    let store = Store::single();
    store.put("file", b"");
    store.put("file/below", b"");
    store.put("dir/below", b"");
    store.put("dir", b"");
    let tree = [
        "dir%%f",
        "dir/",
        "dir/below",
        "file",
        "file%%d/",
        "file%%d/below",
    ];
    assert_eq!(store.tree(), tree);
}

#[test]
fn an_object_keeps_its_place_when_the_reason_for_it_is_gone() {
    let store = Store::single();
    store.put("a/b", b"1");
    store.put("a", b"2");
    store.delete("a/b");
    store.put("a", b"3");
    assert_eq!(store.tree(), ["a%%f"]);
    store.put("a/b", b"4");
    store.delete("a");
    store.put("a/b", b"5");
    assert_eq!(store.get("a/b").unwrap(), b"5");
    assert_eq!(store.keys(10), ["a/b"]);
}

#[test]
fn a_directory_made_by_hand_beside_its_alternate_is_merged() {
    let store = Store::single();
    store.put("a", b"");
    store.put("a/z", b"1");
    store.delete("a");
    fs::create_dir(store.path("a")).unwrap();
    fs::write(store.path("a/y"), b"2").unwrap();
    assert_eq!(store.keys(1), ["a/y", "a/z"]);
    store.put("a/z", b"3");
    assert_eq!(store.get("a/z").unwrap(), b"3");
    assert_eq!(store.keys(10), ["a/y", "a/z"]);
}

#[test]
fn writers_of_neighbours_at_the_same_time_all_succeed() {
    for store in [Store::single(), Store::buckets(Layout::Plain)] {
        let empty = store.tree();
        race(&store);
        assert_eq!((store.tree(), store.leftovers()), (empty, 0));
    }
}

fn race(store: &Store) {
    thread::scope(|scope| {
        for key in ["a", "a/b", "a/b/c", "a/b/c/d"] {
            let store = store.again();
            scope.spawn(move || {
                for round in 0..200u32 {
                    store.put(key, &round.to_le_bytes());
                    assert_eq!(store.get(key).unwrap(), round.to_le_bytes(), "{key}");
                    if round % 3 != 0 {
                        store.delete(key);
                        assert_eq!(store.get(key), Err(Error::NoSuchKey), "{key}");
                    }
                }
                store.put(key, b"end");
            });
        }
    });
    assert_eq!(store.keys(10), ["a", "a/b", "a/b/c", "a/b/c/d"]);
    for key in ["a", "a/b", "a/b/c", "a/b/c/d"] {
        assert_eq!(store.get(key).unwrap(), b"end");
        store.delete(key);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn puts_and_deletes_in_any_order_keep_exactly_what_is_there(
        steps in prop::collection::vec(("[ab./%]{1,6}", any::<bool>(), any::<u8>()), 1..40),
    ) {
        let store = Store::single();
        let mut expected = BTreeMap::new();
        for (key, put, byte) in steps {
            if put {
                store.put(&key, &[byte]);
                expected.insert(key, vec![byte]);
            } else {
                store.delete(&key);
                expected.remove(&key);
            }
        }
        check(&store, &expected);
    }
}
