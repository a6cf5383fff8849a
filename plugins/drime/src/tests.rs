//! The logic against a small account in memory that answers, and fails, as told.

mod batch;
mod fake;
mod folders;
mod replaced;

use super::*;
use fake::{Fake, Trick};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::rc::Rc;

/// Nothing here ever waits for anything outside.
fn now<T>(future: impl Future<Output = T>) -> T {
    Box::pin(future).now_or_never().expect("ready at once")
}

fn open(fake: &Fake) -> Result<Drime<Fake>, Error> {
    let pairs = [("api_key", "1|x"), ("root_folder", "back/s3")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    now(Drime::start(
        fake.clone(),
        Settings::read(&pairs, false).unwrap(),
    ))
}

fn started() -> (Fake, Drime<Fake>) {
    let fake = Fake::default();
    let drime = open(&fake).unwrap();
    now(drime.create_bucket("bucket")).unwrap();
    (fake, drime)
}

fn put(drime: &Drime<Fake>, key: &str, bytes: &[u8], known: Option<&Info>) -> Result<Info, Error> {
    let known = known.map(|info| Known {
        id: info.id.clone(),
        version: info.version.clone(),
    });
    let gate = std::future::ready(true).boxed_local();
    let size = bytes.len() as u64;
    now(drime.put(("bucket", key), size, (None, known), bytes.to_vec(), gate))
}

/// How many requests there were whose URL contains this.
fn asked(fake: &Fake, part: &str) -> usize {
    let account = fake.0.borrow();
    let log = account.log.iter();
    log.filter(|line| line.contains(part)).count()
}

fn get(drime: &Drime<Fake>, key: &str, range: Option<(u64, u64)>) -> Result<Vec<u8>, Error> {
    let range = range.map(|(offset, length)| Range { offset, length });
    Ok(now(drime.get("bucket", key, range, None))?.body)
}

#[test]
fn the_root_folder_is_made_on_demand_and_found_the_next_time() {
    let (fake, first) = started();
    let second = open(&fake).unwrap();
    assert_eq!(first.namespace(), second.namespace());
    assert_eq!(fake.0.borrow().rows.len(), 3);
}

#[test]
fn a_rejected_token_and_a_missing_workspace_are_said_in_one_line() {
    let fake = Fake::default();
    let nobody = Trick::Status(200, json!({"user": null}));
    fake.0.borrow_mut().tricks.push_back(("loggedUser", nobody));
    assert!(matches!(open(&fake), Err(Error::Denied(why)) if why.contains("API key")));
    let pairs = [("api_key", "1|x"), ("workspace_id", "9")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let workspaces = Trick::Status(200, json!({"workspaces": [{"id": 1873, "name": "team"}]}));
    fake.0
        .borrow_mut()
        .tricks
        .push_back(("me/workspaces", workspaces));
    let missing = now(Drime::start(fake, Settings::read(&pairs, false).unwrap()));
    assert!(matches!(missing, Err(Error::Other(why)) if why.contains("1873 (team)")));
}

#[test]
fn odd_keys_come_back_with_their_bytes() {
    let (_, drime) = started();
    let long = "é".repeat(500);
    let keys = [
        "a", "a/b", "a//b", "a/", "a/../b", " x /\\y", "0/0", "%%41", &long,
    ];
    for key in keys {
        put(&drime, key, key.as_bytes(), None).unwrap();
    }
    for key in keys {
        assert_eq!(get(&drime, key, None).unwrap(), key.as_bytes(), "{key:?}");
    }
    let query = Query {
        limit: 1000,
        ..Query::default()
    };
    let page = now(drime.walk("bucket", &query)).unwrap();
    let listed: Vec<&str> = page.entries.iter().map(|item| item.key.as_str()).collect();
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    assert_eq!(listed, sorted);
}

#[test]
fn an_overwrite_deletes_the_old_one_and_a_failed_one_does_not() {
    let (fake, drime) = started();
    let first = put(&drime, "k", b"one", None).unwrap();
    fake.0
        .borrow_mut()
        .tricks
        .push_back(("uploads", Trick::LostBefore));
    assert!(matches!(
        put(&drime, "k", b"two", Some(&first)),
        Err(Error::Unavailable(_))
    ));
    assert_eq!(get(&drime, "k", None).unwrap(), b"one");
    let second = put(&drime, "k", b"three", Some(&first)).unwrap();
    assert_ne!(first.version, second.version);
    assert_eq!(get(&drime, "k", None).unwrap(), b"three");
    assert_eq!(fake.0.borrow().names(), ["k"]);
}

#[test]
fn an_upload_whose_answer_was_lost_is_seen_by_the_next_look() {
    let (fake, drime) = started();
    put(&drime, "k", b"old", None).unwrap();
    assert_eq!(get(&drime, "k", None).unwrap(), b"old");
    fake.0
        .borrow_mut()
        .tricks
        .push_back(("uploads", Trick::LostAfter));
    assert!(put(&drime, "k", b"new", None).is_err());
    assert_eq!(get(&drime, "k", None).unwrap(), b"new", "the newest of two");
    let known = now(drime.stat("bucket", "k")).unwrap();
    put(&drime, "k", b"newest", Some(&known)).unwrap();
    assert_eq!(
        fake.0.borrow().names(),
        ["k"],
        "duplicates go with the next write"
    );
}

#[test]
fn an_upload_that_comes_out_wrong_is_taken_back() {
    let (fake, drime) = started();
    put(&drime, "k", b"one", None).unwrap();
    let root = fake.0.borrow().rows.last().unwrap().0["parent_id"].clone();
    let wrong = json!({"fileEntry": {"id": 5, "name": "k", "type": "file", "file_size": 1,
        "parent_id": root, "workspace_id": 0}});
    fake.0
        .borrow_mut()
        .tricks
        .push_back(("uploads", Trick::Status(201, wrong)));
    assert!(
        matches!(put(&drime, "k", b"two", None), Err(Error::Unavailable(why)) if why.contains("size"))
    );
    assert_eq!(get(&drime, "k", None).unwrap(), b"one");
}

#[test]
fn a_refused_verdict_stores_nothing() {
    let (fake, drime) = started();
    let gate = std::future::ready(false).boxed_local();
    let stored = now(drime.put(("bucket", "k"), 3, (None, None), b"bad".to_vec(), gate));
    assert!(stored.is_err());
    assert!(fake.0.borrow().names().is_empty());
}

#[test]
fn ranges_are_right_even_if_the_server_ignores_them() {
    let (fake, drime) = started();
    put(&drime, "k", b"0123456789", None).unwrap();
    for ignores in [false, true] {
        fake.0.borrow_mut().ignores_range = ignores;
        // What follows behind the range is cut by the gateway.
        assert!(get(&drime, "k", Some((3, 4))).unwrap().starts_with(b"3456"));
        assert_eq!(get(&drime, "k", Some((10, 1))), Err(Error::InvalidRange));
    }
}

#[test]
fn a_known_id_is_read_in_one_call_and_a_dead_one_is_found_again() {
    let (fake, drime) = started();
    let info = put(&drime, "k", b"one", None).unwrap();
    let known = |info: &Info| {
        Some(Known {
            id: info.id.clone(),
            version: info.version.clone(),
        })
    };
    let before = fake.0.borrow().log.len();
    now(drime.get("bucket", "k", None, known(&info))).unwrap();
    assert_eq!(fake.0.borrow().log.len(), before + 1);
    put(&drime, "k", b"two", Some(&info)).unwrap();
    let found = now(drime.get("bucket", "k", None, known(&info))).unwrap();
    assert_eq!(found.body, b"two");
    assert_ne!(found.info.id, info.id);
}

#[test]
fn a_folder_that_another_client_made_meanwhile_is_used() {
    let (fake, drime) = started();
    put(&drime, "x", b"", None).unwrap();
    let bucket = fake.0.borrow().rows.last().unwrap().0["parent_id"]
        .as_i64()
        .unwrap();
    assert!(matches!(get(&drime, "dir/a", None), Err(Error::NoSuchKey)));
    fake.0.borrow_mut().add("dir", bucket, true, Vec::new());
    put(&drime, "dir/a", b"a", None).unwrap();
    let folders = fake
        .0
        .borrow()
        .rows
        .iter()
        .filter(|(row, _)| row["name"] == "dir")
        .count();
    assert_eq!(folders, 1);
}

#[test]
fn questions_are_asked_again_and_patience_is_kept() {
    let (fake, drime) = started();
    put(&drime, "k", b"one", None).unwrap();
    let slow = || Trick::Status(429, json!({}));
    fake.0.borrow_mut().tricks.extend([
        ("download", slow()),
        ("download", Trick::LostBefore),
        ("download", Trick::Status(503, json!({}))),
    ]);
    let start = fake.1.get();
    assert_eq!(get(&drime, "k", None).unwrap(), b"one");
    assert!(fake.1.get() > start);
}

#[test]
fn a_scan_brings_every_row_of_a_folder_page_by_page() {
    let (fake, drime) = started();
    fake.0.borrow_mut().page_cap = 3;
    let long = "x".repeat(400);
    for key in ["a", "b", "c", "d", "e/f", "e/g", &long] {
        put(&drime, key, b"", None).unwrap();
    }
    let (mut keys, mut folders, mut cursor) = (Vec::new(), Vec::new(), None);
    loop {
        let page = now(drime.scan("bucket", "", cursor.as_deref())).unwrap();
        keys.extend(page.entries.into_iter().map(|item| item.key));
        folders.extend(page.folders);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys, ["a", "b", "c", "d", long.as_str()]);
    folders.dedup();
    assert_eq!(folders, ["e/"]);
}

#[test]
fn a_scan_loses_no_row_when_others_delete_and_create_meanwhile() {
    for meddled in ["orderDir=desc", "/count", "page=2&", "page=3&", "page=4&"] {
        let (fake, writer) = started();
        for n in 0..12 {
            put(&writer, &format!("k{n:02}"), b"", None).unwrap();
        }
        fake.0.borrow_mut().page_cap = 4;
        let reader = open(&fake).unwrap();
        let trick = Trick::Meddled("k00", "new");
        fake.0.borrow_mut().tricks.push_back((meddled, trick));
        let (mut keys, mut cursor, mut last) = (BTreeSet::new(), None, None);
        loop {
            let page = now(reader.scan("bucket", "", cursor.as_deref())).unwrap();
            keys.extend(page.entries.into_iter().map(|item| item.key));
            if page.next.is_none() {
                break;
            }
            cursor.clone_from(&page.next);
            last = page.next;
        }
        assert!(fake.0.borrow().tricks.is_empty(), "{meddled}");
        for n in 1..12 {
            assert!(keys.contains(&format!("k{n:02}")), "{meddled}: {n} is lost");
        }
        // What is gone may be among them, so that its end alone does not tell about the folder.
        assert!(
            now(reader.scan("bucket", "", last.as_deref())).is_err(),
            "{meddled}"
        );
    }
}

#[test]
fn an_undisturbed_scan_asks_for_each_page_once() {
    let (fake, writer) = started();
    for n in 0..12 {
        put(&writer, &format!("k{n:02}"), b"", None).unwrap();
    }
    fake.0.borrow_mut().page_cap = 4;
    let reader = open(&fake).unwrap();
    let mut cursor = None;
    let mut pages = 0;
    loop {
        let page = now(reader.scan("bucket", "", cursor.as_deref())).unwrap();
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, 4);
}

fn known_of(info: &Info) -> Known {
    Known {
        id: info.id.clone(),
        version: info.version.clone(),
    }
}

#[test]
fn a_delete_by_an_id_that_is_gone_takes_what_has_the_name_now() {
    let (fake, one) = started();
    let first = put(&one, "d/k", b"one", None).unwrap();
    let other = open(&fake).unwrap();
    put(&other, "d/k", b"by the other", Some(&first)).unwrap();
    now(one.delete("bucket", "d/k", Some(known_of(&first)))).unwrap();
    assert!(fake.0.borrow().names().is_empty());
}

#[test]
fn an_overwrite_of_an_id_that_is_gone_takes_what_has_the_name_now() {
    let (fake, one) = started();
    let first = put(&one, "d/k", b"one", None).unwrap();
    let other = open(&fake).unwrap();
    put(&other, "d/k", b"by the other", Some(&first)).unwrap();
    put(&one, "d/k", b"three", Some(&first)).unwrap();
    assert_eq!(fake.0.borrow().names(), ["k"]);
    assert_eq!(get(&one, "d/k", None).unwrap(), b"three");
}

#[test]
fn two_writes_at_a_time_leave_one_entry_however_old_the_listing_is() {
    let (fake, drime) = started();
    put(&drime, "d/seed", b"", None).unwrap();
    fake.1.set(fake.1.get() + 120_000);
    // Neither knows of the other.
    put(&drime, "d/k", b"one", None).unwrap();
    put(&drime, "d/k", b"two", None).unwrap();
    assert_eq!(fake.0.borrow().names(), ["seed", "k"]);
}

#[test]
fn a_copy_is_left_to_the_gateway_where_it_could_hit_something_else() {
    let (fake, drime) = started();
    let source = put(&drime, "p/src", b"source", None).unwrap();
    let old = put(&drime, "q/dst", b"old", None).unwrap();
    put(&drime, "q/src", b"precious", None).unwrap();
    let targets = [("q/dst", Some(&old)), ("q/new", None), ("q/src", None)];
    for (target, known) in targets {
        let copied = now(drime.copy(
            ("bucket", "p/src", &known_of(&source)),
            ("bucket", target),
            known.map(known_of),
            6,
        ));
        assert_eq!(copied, Err(Error::Unsupported), "{target}");
    }
    assert_eq!(fake.0.borrow().names(), ["src", "dst", "src"]);
}

#[test]
fn a_copy_whose_answer_was_lost_goes_when_the_gateway_has_written_another() {
    let (fake, drime) = started();
    let source = put(&drime, "p/k", b"source", None).unwrap();
    put(&drime, "q/other", b"", None).unwrap();
    let lost = Trick::LostAfter;
    fake.0.borrow_mut().tricks.push_back(("duplicate", lost));
    let copied = now(drime.copy(
        ("bucket", "p/k", &known_of(&source)),
        ("bucket", "q/k"),
        None,
        6,
    ));
    assert_eq!(copied, Err(Error::Unsupported));
    assert_eq!(fake.0.borrow().names(), ["k", "other", "k"]);
    put(&drime, "q/k", b"source", None).unwrap();
    assert_eq!(fake.0.borrow().names(), ["k", "other", "k"]);
    now(drime.delete("bucket", "q/k", None)).unwrap();
    assert_eq!(fake.0.borrow().names(), ["k", "other"]);
}

#[test]
fn a_service_that_allows_no_calls_at_the_start_is_waited_for() {
    let fake = Fake::default();
    let slow = || Trick::Status(429, json!({}));
    let tricks = (0..8).map(|_| ("loggedUser", slow()));
    fake.0.borrow_mut().tricks.extend(tricks);
    assert!(open(&fake).is_ok());
    let tricks = (0..500).map(|_| ("loggedUser", slow()));
    fake.0.borrow_mut().tricks.extend(tricks);
    let begun = fake.1.get();
    assert!(matches!(open(&fake), Err(Error::Unavailable(why)) if why.contains("try again in")));
    assert!(fake.1.get() - begun < 60_000);
}

#[test]
fn a_bucket_with_a_file_is_not_deleted() {
    let (_, drime) = started();
    put(&drime, "deep/er/k", b"", None).unwrap();
    assert_eq!(now(drime.delete_bucket("bucket")), Err(Error::NotEmpty));
    now(drime.delete("bucket", "deep/er/k", None)).unwrap();
    now(drime.delete_bucket("bucket")).unwrap();
    assert_eq!(
        now(drime.stat_bucket("bucket")).err(),
        Some(Error::NoSuchBucket)
    );
}
