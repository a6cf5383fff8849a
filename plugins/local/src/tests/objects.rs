use super::*;
use crate::Range;
use std::fs;
use std::time::{Duration, SystemTime};

#[test]
fn an_object_comes_back_as_it_was_put() {
    let store = Store::buckets(Layout::Objects);
    let info = store.put("dir/name", b"content");
    assert_eq!(store.get("dir/name").unwrap(), b"content");
    assert_eq!(now(store.local.stat("bucket", "dir/name")).unwrap(), info);
    assert_eq!(
        fs::read(store.path("bucket/objects/dir/name")).unwrap(),
        b"content"
    );
}

#[test]
fn the_plain_layout_has_keys_below_the_bucket() {
    let store = Store::buckets(Layout::Plain);
    store.put("dir/name", b"content");
    assert_eq!(store.tree(), ["bucket/", "bucket/dir/", "bucket/dir/name"]);
}

#[test]
fn a_file_put_there_by_hand_is_an_object() {
    let store = Store::single();
    fs::create_dir(store.path("dir")).unwrap();
    fs::write(store.path("dir/100%% sure.txt"), b"hand-made").unwrap();
    assert_eq!(store.keys(10), ["dir/100%% sure.txt"]);
    assert_eq!(store.get("dir/100%% sure.txt").unwrap(), b"hand-made");
}

/// Keys that are hard for a file system.
fn odd_keys() -> Vec<String> {
    let mut keys: Vec<String> = [
        "a//b",
        "/a",
        "//",
        "a/",
        "a/.",
        "a/..",
        "..",
        ".",
        "../../etc/passwd",
        "a/../b",
        "a\0b",
        "a\\b",
        "C:\\x",
        "\n",
        "\u{1f980}",
        "%%",
        "%%e",
        "%%25",
        "%%f",
        "x%%f",
        "x%%d",
        "x%%c",
        ".pys3local",
        ".pys3local/tmp/x",
        "%%2Epys3local",
        "a/.pys3local",
        " ",
        "~",
        "*",
        "con",
    ]
    .map(str::to_owned)
    .into();
    keys.push("x".repeat(1024));
    keys.push("/".repeat(1024));
    keys.push("\0".repeat(1024));
    keys.push("x/".repeat(512));
    keys.push("%".repeat(1024));
    keys.push("%%f".repeat(341));
    keys.push("\u{1f980}".repeat(256));
    keys.push(format!("{}/{}", "y".repeat(511), "z".repeat(512)));
    for length in 250..=260 {
        keys.push("n".repeat(length));
        keys.push(format!("{}/below", "m".repeat(length)));
        keys.push(format!("{}%%f", "f".repeat(length)));
        keys.push(format!("{}\u{1f980}", "u".repeat(length)));
    }
    keys
}

#[test]
fn any_key_round_trips_and_is_listed_and_leaves_nothing_behind() {
    let store = Store::single();
    let mut keys = odd_keys();
    for key in &keys {
        store.put(key, key.as_bytes());
    }
    for key in &keys {
        assert_eq!(store.get(key).unwrap(), key.as_bytes(), "{key:?}");
    }
    keys.sort();
    assert_eq!(store.keys(7), keys);
    for key in &keys {
        store.delete(key);
        assert_eq!(store.get(key), Err(Error::NoSuchKey));
    }
    assert_eq!(store.tree(), [""; 0]);
}

#[test]
fn any_key_goes_alone_too() {
    for key in odd_keys() {
        let store = Store::buckets(Layout::Plain);
        store.put(&key, b"1");
        store.put(&key, b"22");
        assert_eq!(store.get(&key).unwrap(), b"22");
        assert_eq!(store.keys(1), [key.as_str()]);
        store.delete(&key);
        assert_eq!(store.tree(), ["bucket/"], "{key:?}");
    }
}

#[test]
fn every_put_changes_the_version_even_within_one_tick_of_the_clock() {
    let store = Store::single();
    let mut versions: Vec<String> = (0..200)
        .map(|_| store.put("key", b"same").version)
        .collect();
    let stored = now(store.local.stat("", "key")).unwrap();
    assert_eq!(Some(&stored.version), versions.last());
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), 200);
}

#[test]
fn a_file_from_the_far_future_does_not_pass_its_date_on() {
    let store = Store::single();
    store.put("key", b"same");
    let future = SystemTime::now() + Duration::from_secs(1_000_000);
    File::options()
        .write(true)
        .open(store.path("key"))
        .unwrap()
        .set_modified(future)
        .unwrap();
    let before = now(store.local.stat("", "key")).unwrap();
    let after = store.put("key", b"same");
    assert_ne!(before.version, after.version);
    assert!(after.modified < before.modified);
}

#[test]
fn a_refused_put_leaves_the_old_object_and_nothing_else() {
    let store = Store::single();
    store.put("key", b"old");
    let body = Bytes::Memory(b"new".to_vec());
    let put = now(store
        .local
        .put("", "key", body, async { Err(Error::Aborted) }));
    assert_eq!(put, Err(Error::Aborted));
    assert_eq!(
        (store.get("key").unwrap(), store.leftovers()),
        (b"old".to_vec(), 0)
    );
}

#[test]
fn a_put_of_the_wrong_length_is_not_stored() {
    let store = Store::single();
    let body = Bytes::Memory(b"new".to_vec());
    let put = now(store
        .local
        .put("", "dir/key", body, async { Ok(Receipt { size: 4 }) }));
    assert!(matches!(put, Err(Error::Other(_))), "{put:?}");
    assert_eq!((store.tree(), store.leftovers()), (vec![], 0));
}

#[test]
fn a_put_whose_bytes_could_not_be_written_fails_without_a_verdict() {
    let store = Store::single();
    let body = Bytes::Broken(b"new".to_vec());
    let verdict = async { panic!("asked for the verdict") };
    let put = now(store.local.put("", "key", body, verdict));
    assert!(matches!(put, Err(Error::Other(_))), "{put:?}");
    assert_eq!((store.tree(), store.leftovers()), (vec![], 0));
}

#[test]
fn a_put_into_a_bucket_that_is_not_there_does_not_read_the_body() {
    let store = Store::buckets(Layout::Objects);
    let verdict = async { panic!("asked for the verdict") };
    let put = now(store
        .local
        .put("nobucket", "key", Bytes::Memory(vec![]), verdict));
    assert_eq!(put, Err(Error::NoSuchBucket));
}

#[test]
fn a_bucket_deleted_during_a_put_does_not_come_back() {
    for layout in [Layout::Objects, Layout::Plain] {
        let store = Store::buckets(layout);
        let put = now(store
            .local
            .put("bucket", "dir/key", Bytes::Memory(vec![]), async {
                store.local.delete_bucket("bucket").await?;
                Ok(Receipt { size: 0 })
            }));
        assert_eq!((put, store.tree()), (Err(Error::NoSuchBucket), vec![]));
    }
}

#[test]
fn a_range_starts_where_it_says_and_must_start_inside() {
    let store = Store::single();
    store.put("key", b"0123456789");
    let get = |offset| {
        let range = Range { offset, length: 1 };
        now(store.local.get("", "key", Some(range), true)).map(|object| object.body.read().unwrap())
    };
    assert_eq!(get(7).unwrap(), b"789");
    assert_eq!(get(10), Err(Error::InvalidRange));
    store.put("empty", b"");
    assert_eq!(store.get("empty").unwrap(), b"");
}

#[test]
fn what_is_missing_is_named() {
    let store = Store::buckets(Layout::Objects);
    assert_eq!(store.get("key"), Err(Error::NoSuchKey));
    assert_eq!(
        now(store.local.stat("bucket", "a/key")),
        Err(Error::NoSuchKey)
    );
    assert_eq!(
        now(store.local.stat("nobucket", "key")),
        Err(Error::NoSuchBucket)
    );
    assert_eq!(now(store.local.delete("bucket", "a/b/key")), Ok(()));
    assert_eq!(
        now(store.local.delete("nobucket", "key")),
        Err(Error::NoSuchBucket)
    );
    assert_eq!(now(store.local.stat("", "key")), Err(Error::NoSuchBucket));
    assert_eq!(
        now(store.local.stat("../etc", "passwd")),
        Err(Error::NoSuchBucket)
    );
}

#[test]
fn deleting_the_last_object_removes_its_directories_but_not_the_bucket() {
    let store = Store::buckets(Layout::Objects);
    store.put("a/b/c", b"");
    store.put("a/d", b"");
    store.delete("a/b/c");
    assert_eq!(
        store.tree(),
        [
            "bucket/",
            "bucket/objects/",
            "bucket/objects/a/",
            "bucket/objects/a/d"
        ]
    );
    store.delete("a/d");
    assert_eq!(store.tree(), ["bucket/", "bucket/objects/"]);
}

#[test]
fn pipes_and_broken_links_are_no_objects_and_nothing_waits_for_them() {
    let store = Store::single();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, store.path("pipe"), mode).unwrap();
    std::os::unix::fs::symlink("nowhere", store.path("broken")).unwrap();
    std::os::unix::fs::symlink("loop", store.path("loop")).unwrap();
    assert_eq!(store.get("pipe"), Err(Error::NoSuchKey));
    assert_eq!(store.get("broken"), Err(Error::NoSuchKey));
    assert_eq!(store.keys(10), [""; 0]);
}

#[test]
fn a_link_to_a_file_is_that_object_until_it_is_overwritten() {
    let store = Store::single();
    store.put("file", b"content");
    std::os::unix::fs::symlink("file", store.path("link")).unwrap();
    assert_eq!(store.keys(10), ["file", "link"]);
    assert_eq!(store.get("link").unwrap(), b"content");
    store.put("link", b"new");
    assert_eq!(store.get("file").unwrap(), b"content");
    assert_eq!(store.get("link").unwrap(), b"new");
    assert!(!store.path("link").is_symlink());
}

#[test]
fn a_copy_needs_the_state_it_was_asked_for() {
    let store = Store::single();
    let first = store.put("from", b"first");
    let receipt = Receipt { size: 5 };
    let copy = now(store
        .local
        .copy(("", "from"), &first.version, ("", "dir/to"), receipt));
    assert_eq!(copy.unwrap().size, 5);
    assert_eq!(store.get("dir/to").unwrap(), b"first");
    store.put("from", b"later");
    let copy = now(store
        .local
        .copy(("", "from"), &first.version, ("", "dir/to"), receipt));
    assert_eq!((copy, store.leftovers()), (Err(Error::Changed), 0));
}

#[test]
fn an_object_copied_onto_itself_is_a_new_state() {
    let store = Store::single();
    let old = store.put("key", b"content");
    let copy = now(store
        .local
        .copy(("", "key"), &old.version, ("", "key"), Receipt { size: 7 }));
    assert_ne!(copy.unwrap().version, old.version);
    assert_eq!(store.get("key").unwrap(), b"content");
}

#[test]
fn a_sweep_takes_what_is_old_and_nobody_needs() {
    let store = Store::single();
    store.put("key", b"content");
    fs::write(store.path(".pys3local/tmp/dead-1"), b"half").unwrap();
    let [kept, dropped] = [0, 1].map(|_| now(store.local.begin("")).unwrap());
    assert_eq!(now(store.local.sweep(0, &[""; 0])), Ok(0));
    assert_eq!(store.leftovers(), 3);
    assert_eq!(now(store.local.sweep(i64::MAX, &[&kept])), Ok(2));
    assert!(store.path(".pys3local/uploads").join(kept).exists());
    assert!(!store.path(".pys3local/uploads").join(dropped).exists());
    assert_eq!(store.get("key").unwrap(), b"content");
}

#[test]
fn a_read_only_tree_is_served_and_nothing_is_written_before_the_first_put() {
    let store = Store::single();
    assert_eq!(store.get("key"), Err(Error::NoSuchKey));
    store.delete("key");
    assert_eq!(store.keys(10), [""; 0]);
    assert_eq!(now(store.local.sweep(i64::MAX, &[""; 0])), Ok(0));
    assert_eq!(store.root.path().read_dir().unwrap().count(), 0);
}

#[test]
fn files_that_were_finished_within_a_moment_are_different_states() {
    let store = Store::single();
    let versions: std::collections::BTreeSet<String> = (0..50)
        .map(|number| store.put(&format!("{number}"), b"same").version)
        .collect();
    assert_eq!(versions.len(), 50);
}
