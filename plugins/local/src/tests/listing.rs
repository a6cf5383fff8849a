use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, SystemTime};

/// What a page must be, from all keys.
fn oracle(keys: &BTreeSet<String>, query: &Query) -> (Vec<String>, Vec<String>, bool) {
    let (mut entries, mut prefixes) = (Vec::new(), Vec::<String>::new());
    let after = query.after.as_deref();
    for key in keys {
        let Some(rest) = key.strip_prefix(&query.prefix) else {
            continue;
        };
        if after.is_some_and(|after| key.as_str() <= after) {
            continue;
        }
        let up = rest
            .find('/')
            .filter(|_| query.shallow)
            .map(|at| &key[..=query.prefix.len() + at]);
        if up.is_some() && (up == after || up == prefixes.last().map(String::as_str)) {
            continue;
        }
        if entries.len() + prefixes.len() == query.limit {
            return (entries, prefixes, true);
        }
        match up {
            Some(up) => prefixes.push(up.to_owned()),
            None => entries.push(key.clone()),
        }
    }
    (entries, prefixes, false)
}

fn listed(store: &Store, query: &Query) -> (Vec<String>, Vec<String>, bool) {
    let page = store.list(query);
    let keys = page.entries.into_iter().map(|entry| entry.key).collect();
    (keys, page.prefixes, page.more)
}

fn query(prefix: &str, after: Option<&str>, shallow: bool, limit: usize) -> Query {
    Query {
        prefix: prefix.into(),
        after: after.map(Into::into),
        shallow,
        limit,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_page_is_what_the_sorted_keys_say(
        keys in prop::collection::btree_set("[ab/!%.0é\u{1f980}]{1,7}", 1..40),
        queries in prop::collection::vec(
            ("[ab/!%.0]{0,3}", prop::option::of("[ab/!%.0é]{0,4}"), any::<bool>(), 1..9usize),
            1..20,
        ),
    ) {
        let store = Store::single();
        for key in &keys {
            store.put(key, b"");
        }
        for (prefix, after, shallow, limit) in queries {
            let query = Query { prefix, after, shallow, limit };
            prop_assert_eq!(listed(&store, &query), oracle(&keys, &query), "{:?}", query);
        }
    }

    #[test]
    fn pages_joined_are_the_whole_shallow_listing(
        keys in prop::collection::btree_set("[ab/]{1,8}", 1..40),
        prefix in "[ab/]{0,2}",
        limit in 1..4usize,
    ) {
        let store = Store::single();
        for key in &keys {
            store.put(key, b"");
        }
        let whole = oracle(&keys, &query(&prefix, None, true, 1000));
        let mut pages = (Vec::new(), Vec::new());
        let mut after: Option<String> = None;
        loop {
            let page = listed(&store, &query(&prefix, after.as_deref(), true, limit));
            after = page.0.last().max(page.1.last()).cloned();
            pages.0.extend(page.0);
            pages.1.extend(page.1);
            if !page.2 {
                break;
            }
        }
        prop_assert_eq!(pages, (whole.0, whole.1));
    }
}

/// Make a directory look untouched for long, so that it may be remembered.
fn age(store: &Store, path: &str) {
    let old = SystemTime::now() - Duration::from_mins(1);
    File::open(store.path(path))
        .unwrap()
        .set_modified(old)
        .unwrap();
}

#[test]
fn a_directory_of_many_windows_is_listed_once_and_in_order() {
    let store = Store::single();
    fs::create_dir(store.path("dir")).unwrap();
    let mut expected = Vec::new();
    for number in 0..3000u32 {
        let key = format!("dir/{:08x}", number.wrapping_mul(0x9e37_79b1));
        fs::write(store.path(&key), b"").unwrap();
        expected.push(key);
    }
    expected.sort();
    for aged in [false, true] {
        if aged {
            age(&store, "dir");
        }
        for limit in [7, 100, 1000] {
            assert_eq!(store.keys(limit), expected);
        }
    }
}

#[test]
fn a_remembered_directory_shows_what_has_changed_since() {
    let store = Store::single();
    for number in 0..50 {
        store.put(&format!("dir/{number:02}"), b"");
    }
    age(&store, "dir");
    let first = store.keys(10);
    assert_eq!(first.len(), 50);
    store.put("dir/255", b"");
    store.delete("dir/07");
    let second = store.keys(10);
    assert!(second.contains(&"dir/255".to_owned()) && !second.contains(&"dir/07".to_owned()));
    assert_eq!(second.len(), 50);
}

#[test]
fn what_follows_a_deep_directory_is_listed_with_its_state() {
    let store = Store::single();
    let mut keys = BTreeSet::new();
    for depth in 0..40 {
        let above = "d/".repeat(depth);
        keys.insert(format!("{above}a"));
        keys.insert(format!("{above}z"));
    }
    for (length, key) in keys.iter().enumerate() {
        store.put(key, &vec![b'x'; length]);
    }
    let page = store.list(&query("", None, false, 1000));
    let found = page
        .entries
        .iter()
        .map(|entry| (entry.key.as_str(), entry.info.size));
    let wanted = keys.iter().map(String::as_str).zip(0..);
    assert!(found.eq(wanted), "{:?}", page.entries);
}

#[test]
fn an_empty_directory_is_no_prefix() {
    let store = Store::single();
    fs::create_dir_all(store.path("empty/inside")).unwrap();
    store.put("full/inside/key", b"");
    let page = listed(&store, &query("", None, true, 10));
    assert_eq!(page, (vec![], vec!["full/".to_owned()], false));
    assert_eq!(store.keys(10), ["full/inside/key"]);
}

#[test]
fn an_empty_directory_behind_the_page_is_not_more() {
    let store = Store::single();
    store.put("a", b"");
    fs::create_dir(store.path("b")).unwrap();
    assert_eq!(
        listed(&store, &query("", None, false, 1)),
        (vec!["a".into()], vec![], false)
    );
    assert_eq!(
        listed(&store, &query("", None, true, 1)),
        (vec!["a".into()], vec![], false)
    );
}

#[test]
fn private_files_are_never_listed() {
    let store = Store::single();
    store.put("key", b"");
    now(store.local.begin("")).unwrap();
    assert_eq!(store.keys(10), ["key"]);
    let page = listed(&store, &query("", None, true, 10));
    assert_eq!(page, (vec!["key".into()], vec![], false));
    let page = listed(&store, &query(".pys3local/", None, false, 10));
    assert_eq!(page, (vec![], vec![], false));
}

#[test]
fn names_that_are_no_text_or_no_keys_are_skipped() {
    use std::os::unix::ffi::OsStrExt;
    let store = Store::single();
    store.put("key", b"");
    fs::write(
        store
            .path("")
            .join(std::ffi::OsStr::from_bytes(b"\xff\xfe")),
        b"",
    )
    .unwrap();
    fs::write(store.path("x%%d"), b"").unwrap();
    fs::create_dir(store.path("x%%f")).unwrap();
    fs::create_dir(store.path("short%%c")).unwrap();
    fs::write(store.path("short%%c/name"), b"").unwrap();
    assert_eq!(store.keys(10), ["key"]);
}

#[test]
fn each_entry_has_the_state_that_a_stat_gives() {
    let store = Store::single();
    let info = store.put("a/b", b"content");
    let page = store.list(&query("a/", None, true, 10));
    assert_eq!(
        page.entries,
        [crate::Entry {
            key: "a/b".into(),
            info
        }]
    );
}

#[test]
fn a_bucket_that_is_not_there_is_not_listed_as_empty() {
    let store = Store::buckets(Layout::Plain);
    let query = query("", None, false, 10);
    assert_eq!(
        now(store.local.list("nobucket", &query)),
        Err(Error::NoSuchBucket)
    );
    assert_eq!(now(store.local.list("bucket", &query)), Ok(Page::default()));
}
