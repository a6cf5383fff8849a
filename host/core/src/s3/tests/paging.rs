//! Listings in pages are the whole listing, whatever their parameters.

use super::*;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What a listing consists of: a key, or keys rolled up, in order.
type Items = BTreeSet<(String, bool)>;

/// The definition: keys with the prefix, rolled up at the delimiter behind it, strictly behind
/// `after`.
fn model(keys: &BTreeSet<String>, prefix: &str, delimiter: &str, after: &str) -> Items {
    let with_prefix = keys.iter().filter_map(|key| {
        let rest = key.strip_prefix(prefix)?;
        Some(
            match rest.find(delimiter).filter(|_| !delimiter.is_empty()) {
                Some(at) => (format!("{prefix}{}{delimiter}", &rest[..at]), true),
                None => (key.clone(), false),
            },
        )
    });
    with_prefix
        .filter(|(name, _)| name.as_str() > after)
        .collect()
}

/// The texts of all elements of this name.
fn texts<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let pieces = text.split(&open).skip(1);
    pieces
        .map(|piece| piece.split(&close).next().unwrap())
        .collect()
}

/// The items of a page.
fn items(page: &str) -> Vec<(String, bool)> {
    let keys = texts(page, "Key")
        .into_iter()
        .map(|key| (key.to_owned(), false));
    let rolled = texts(page, "CommonPrefixes").into_iter();
    let rolled = rolled.map(|group| (texts(group, "Prefix")[0].to_owned(), true));
    keys.chain(rolled).collect()
}

fn query(pairs: &[(&str, &str)]) -> String {
    let encode = |text: &str| percent::encode(text).to_string();
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    let pairs = pairs.map(|(name, value)| format!("{name}={}", encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

async fn page(s3: &Gateway, target: &str, pairs: &[(&str, &str)]) -> Answer {
    let answer = send(s3, "GET", &format!("{target}&{}", query(pairs)), &[], "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(test);
}

/// A bucket with an empty object, or an upload, for each key.
async fn filled<'k>(keys: impl IntoIterator<Item = &'k String>, uploads: bool) -> Gateway {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    for key in keys {
        let target = format!("/abc/{}", percent::encode(key));
        let answer = if uploads {
            send(&s3, "POST", &format!("{target}?uploads"), &[], "").await
        } else {
            send(&s3, "PUT", &target, &[], "").await
        };
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    s3
}

/// Pages of the three operations, by turns as `kinds` says, each from where the last one ended.
async fn objects(
    s3: &Gateway,
    (prefix, delimiter, after): (&str, &str, &str),
    limit: usize,
    kinds: &[u8],
) -> Items {
    let max = limit.to_string();
    let mut found = Items::new();
    let (mut after, mut token) = (after.to_owned(), String::new());
    for turn in 0.. {
        let common = [
            ("prefix", prefix),
            ("delimiter", delimiter),
            ("max-keys", &max),
        ];
        let kind = kinds[turn % kinds.len()];
        let v2 = kind == 2;
        let (target, place) = match (kind, token.is_empty()) {
            (2, true) => ("/abc?list-type=2", vec![("start-after", &*after)]),
            // Beside a token the other one counts for nothing.
            (2, false) => (
                "/abc?list-type=2",
                vec![("continuation-token", &*token), ("start-after", "a")],
            ),
            (1, _) => ("/abc?x", vec![("marker", &*after)]),
            _ => ("/abc?versions", vec![("key-marker", &*after)]),
        };
        let answer = page(s3, target, &[&common[..], &place].concat()).await;
        let here = items(&answer.text);
        assert!(here.len() <= limit);
        if v2 {
            assert_eq!(answer.element("KeyCount"), here.len().to_string());
        }
        let last = here.iter().max().cloned();
        for item in here {
            assert!(found.insert(item), "twice");
        }
        if answer.element("IsTruncated") == "false" {
            assert_eq!(answer.element("NextContinuationToken"), "-");
            return found;
        }
        let (last, _) = last.unwrap();
        token = if v2 {
            answer.element("NextContinuationToken").to_owned()
        } else {
            String::new()
        };
        if kind == 0 {
            assert_eq!(answer.element("NextKeyMarker"), last);
        }
        if kind == 1 && !delimiter.is_empty() {
            assert_eq!(answer.element("NextMarker"), last);
        }
        after = last;
    }
    unreachable!()
}

async fn uploads(
    s3: &Gateway,
    (prefix, delimiter, after): (&str, &str, &str),
    limit: usize,
) -> (Vec<(String, bool)>, Vec<String>) {
    let max = limit.to_string();
    let (mut found, mut ids) = (Vec::new(), Vec::new());
    let mut place = (after.to_owned(), String::new());
    loop {
        let pairs = [
            ("prefix", prefix),
            ("delimiter", delimiter),
            ("max-uploads", &max),
            ("key-marker", &place.0),
            ("upload-id-marker", &place.1),
        ];
        let answer = page(s3, "/abc?uploads", &pairs).await;
        let here = items(&answer.text);
        assert!(here.len() <= limit);
        found.extend(here);
        let named = texts(&answer.text, "UploadId");
        ids.extend(named.iter().map(|id| (*id).to_owned()));
        if answer.element("IsTruncated") == "false" {
            return (found, ids);
        }
        let next = |name| answer.element(name).to_owned();
        place = (next("NextKeyMarker"), next("NextUploadIdMarker"));
    }
}

const KEY: &str = "[ab/é]{1,5}";

fn delimiter() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just("/".to_owned()), "[ab/é]{1,2}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn objects_in_pages_are_all_objects(
        keys in btree_set(KEY, 0..20),
        prefix in "[ab/é]{0,2}",
        delimiter in delimiter(),
        after in "[ab/é]{0,4}",
        limit in 1..6_usize,
        kinds in vec(0..3_u8, 1..5),
    ) {
        run(async {
            let s3 = filled(&keys, false).await;
            let asked = (&*prefix, &*delimiter, &*after);
            let found = objects(&s3, asked, limit, &kinds).await;
            assert_eq!(found, model(&keys, &prefix, &delimiter, &after));
        });
    }

    #[test]
    fn uploads_in_pages_are_all_uploads(
        keys in vec(KEY, 0..12),
        prefix in "[ab/é]{0,2}",
        delimiter in delimiter(),
        after in "[ab/é]{0,4}",
        limit in 1..6_usize,
    ) {
        run(async {
            let s3 = filled(&keys, true).await;
            let asked = (&*prefix, &*delimiter, &*after);
            let (found, ids) = uploads(&s3, asked, limit).await;
            let (whole, all_ids) = uploads(&s3, asked, 1000).await;
            assert_eq!(ids, all_ids, "another order, or not all");
            let (mut found_sorted, mut whole_sorted) = (found, whole);
            found_sorted.sort();
            whole_sorted.sort();
            assert_eq!(found_sorted, whole_sorted);
            let distinct: Items = found_sorted.iter().cloned().collect();
            let names: BTreeSet<String> = keys.iter().cloned().collect();
            assert_eq!(distinct, model(&names, &prefix, &delimiter, &after));
            // Of each key that is not rolled up, as many as were begun.
            for (key, rolled) in &distinct {
                let listed = found_sorted.iter().filter(|item| item.0 == *key).count();
                let begun = keys.iter().filter(|other| *other == key).count();
                assert_eq!(listed, if *rolled { 1 } else { begun }, "{key}");
            }
        });
    }

    #[test]
    fn parts_in_pages_are_all_parts(
        numbers in btree_set(1..10_001_u32, 0..12),
        after in 0..10_001_u32,
        limit in 1..6_usize,
    ) {
        run(async {
            let key = "k".to_owned();
            let s3 = filled([&key], true).await;
            let all = page(&s3, "/abc?uploads", &[]).await;
            let target = format!("/abc/k?uploadId={}", all.element("UploadId"));
            for number in &numbers {
                let put = format!("{target}&partNumber={number}");
                assert_eq!(send(&s3, "PUT", &put, &[], "x").await.status, 200);
            }
            let mut found = Vec::new();
            let mut marker = after.to_string();
            loop {
                let pairs = [("max-parts", &*limit.to_string()), ("part-number-marker", &marker)];
                let answer = page(&s3, &target, &pairs).await;
                let here = texts(&answer.text, "PartNumber");
                assert!(here.len() <= limit);
                found.extend(here.iter().map(|number| number.parse::<u32>().unwrap()));
                if answer.element("IsTruncated") == "false" {
                    break;
                }
                marker = answer.element("NextPartNumberMarker").to_owned();
            }
            let expected: Vec<u32> = numbers.into_iter().filter(|number| *number > after).collect();
            assert_eq!(found, expected);
        });
    }
}

#[tokio::test]
async fn a_listing_goes_on_where_its_token_says() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    for key in ["a", "b/1", "b/2", "c"] {
        assert_eq!(
            send(&s3, "PUT", &format!("/abc/{key}"), &[], "x")
                .await
                .status,
            200
        );
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let target = format!("/abc?list-type=2&delimiter=/&max-keys=1{token}");
        let page = send(&s3, "GET", &target, &[], "").await;
        assert_eq!(page.element("KeyCount"), "1", "{}", page.text);
        let prefix = page.text.split_once("<CommonPrefixes><Prefix>");
        let prefix = prefix.and_then(|(_, text)| text.split('<').next());
        seen.push(prefix.unwrap_or(page.element("Key")).to_owned());
        if page.element("IsTruncated") == "false" {
            break;
        }
        token = format!(
            "&continuation-token={}",
            page.element("NextContinuationToken")
        );
    }
    assert_eq!(seen, ["a", "b/", "c"]);
}

#[tokio::test]
async fn buckets_can_be_listed_by_page_and_prefix() {
    let s3 = open();
    for name in ["abc", "abd", "xyz"] {
        send(&s3, "PUT", &format!("/{name}"), &[], "").await;
    }
    let first = send(&s3, "GET", "/?max-buckets=1&prefix=ab", &[], "").await;
    assert_eq!(first.element("Name"), "abc");
    let token = first.element("ContinuationToken");
    let target = format!("/?max-buckets=1&prefix=ab&continuation-token={token}");
    let second = send(&s3, "GET", &target, &[], "").await;
    assert_eq!(second.element("Name"), "abd");
    assert_eq!(second.element("ContinuationToken"), "-");
}
