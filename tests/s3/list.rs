//! ListObjects and ListObjectsV2, against a naive model of what they must answer.

use pys3local_tests::data::{Random, md5_hex};
use pys3local_tests::xml::Element;
use pys3local_tests::{Call, Gateway, S3};
use std::collections::BTreeSet;

const KEYS: [&str; 14] = [
    "a", "a!", "a-b", "a/", "a/b", "a/b/c", "a/b/d", "a0", "ab", "b/x", "b/y", "c", "c//d", "é",
];

async fn filled() -> (Gateway, S3) {
    let (gateway, s3) = Gateway::with_bucket().await;
    for key in KEYS {
        s3.store("bucket", key, key.to_owned()).await;
    }
    (gateway, s3)
}

/// Keys and common prefixes that a listing must give, in one order.
fn model(keys: &[&str], prefix: &str, delimiter: &str, after: &str) -> Vec<String> {
    let mut items = BTreeSet::new();
    for key in keys.iter().filter(|key| key.starts_with(prefix)) {
        let rest = &key[prefix.len()..];
        let rolled = match delimiter {
            "" => None,
            delimiter => rest
                .find(delimiter)
                .map(|at| &key[..prefix.len() + at + delimiter.len()]),
        };
        let item = rolled.unwrap_or(key);
        // Keys behind the marker count, but those below a prefix that was the marker do not.
        if *key > after && item > after {
            items.insert(item.to_owned());
        }
    }
    items.into_iter().collect()
}

/// Whether `after` lies below a common prefix and is not that prefix itself.
fn is_inside_a_prefix(prefix: &str, delimiter: &str, after: &str) -> bool {
    let Some(rest) = after.strip_prefix(prefix) else {
        return false;
    };
    match rest.find(delimiter) {
        Some(at) => !delimiter.is_empty() && at + delimiter.len() < rest.len(),
        None => false,
    }
}

/// Keys and common prefixes of a page, merged into one order as S3 counts them.
fn items(page: &Element) -> Vec<String> {
    let mut items = page.texts("Contents", "Key");
    assert!(items.is_sorted(), "{items:?}");
    let prefixes = page.texts("CommonPrefixes", "Prefix");
    assert!(prefixes.is_sorted(), "{prefixes:?}");
    items.extend(prefixes);
    items.sort();
    items
}

#[tokio::test]
async fn every_combination_of_parameters_gives_what_the_model_gives() {
    let (_gateway, s3) = filled().await;
    for prefix in ["", "a", "a/", "a/b", "a/b/", "b", "c/", "x", "é"] {
        for delimiter in ["", "/", "b", "//", "x"] {
            for after in ["", "a", "a/", "a/b/c", "b", "zzz"] {
                if is_inside_a_prefix(prefix, delimiter, after) {
                    continue; // Servers differ about the rest of such a prefix.
                }
                for limit in [1, 3, 1000] {
                    let first = s3
                        .list("bucket")
                        .query("prefix", prefix)
                        .query("delimiter", delimiter)
                        .query("start-after", after)
                        .query("max-keys", &limit.to_string());
                    let pages = s3.pages(first).await;
                    let found: Vec<_> = pages.iter().flat_map(items).collect();
                    let expected = model(&KEYS, prefix, delimiter, after);
                    let what = format!("{prefix:?} {delimiter:?} {after:?} {limit}");
                    assert_eq!(found, expected, "{what}");
                    for page in &pages {
                        assert!(items(page).len() <= limit, "{what}");
                        assert_eq!(
                            page.text("KeyCount"),
                            items(page).len().to_string(),
                            "{what}"
                        );
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn version_one_pages_by_marker() {
    let (_gateway, s3) = filled().await;
    for delimiter in ["", "/"] {
        for limit in [1, 4] {
            let mut found = Vec::new();
            let mut marker = String::new();
            loop {
                let call = s3
                    .bucket("GET", "bucket")
                    .query("delimiter", delimiter)
                    .query("marker", &marker)
                    .query("max-keys", &limit.to_string());
                let page = call.send().await.expect(200).xml();
                assert_eq!(page.text("Marker"), marker);
                let here = items(&page);
                found.extend(here.clone());
                if page.text("IsTruncated") == "false" {
                    break;
                }
                let last = here.last().unwrap().clone();
                // NextMarker is only promised beside a delimiter.
                match page.find("NextMarker") {
                    Some(next) => assert_eq!(next.text, last),
                    None => assert_eq!(delimiter, "", "{page:?}"),
                }
                marker = last;
            }
            assert_eq!(
                found,
                model(&KEYS, "", delimiter, ""),
                "{delimiter:?} {limit}"
            );
        }
    }
}

#[tokio::test]
async fn an_entry_tells_key_size_tag_time_and_class() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "12345").await;
    let page = s3.list("bucket").send().await.expect(200).xml();
    assert_eq!(page.name, "ListBucketResult");
    assert_eq!(
        page.namespace.as_deref(),
        Some("http://s3.amazonaws.com/doc/2006-03-01/")
    );
    assert_eq!((page.text("Name"), page.text("Prefix")), ("bucket", ""));
    assert_eq!(
        (page.text("MaxKeys"), page.text("IsTruncated")),
        ("1000", "false")
    );
    let entry = page.find("Contents").unwrap();
    assert_eq!((entry.text("Key"), entry.text("Size")), ("key", "5"));
    assert_eq!(entry.text("ETag"), format!("\"{}\"", md5_hex(b"12345")));
    assert_eq!(entry.text("StorageClass"), "STANDARD");
    let time = entry.text("LastModified");
    assert!(
        time.len() == 24 && time.ends_with('Z') && time.as_bytes()[10] == b'T',
        "{time}"
    );
    assert!(entry.find("Owner").is_none());
    let page = s3
        .list("bucket")
        .query("fetch-owner", "true")
        .send()
        .await
        .expect(200)
        .xml();
    assert!(page.find("Contents/Owner/ID").is_some());
}

#[tokio::test]
async fn zero_keys_are_an_empty_page_that_is_not_truncated() {
    let (_gateway, s3) = filled().await;
    let page = s3
        .list("bucket")
        .query("max-keys", "0")
        .send()
        .await
        .expect(200)
        .xml();
    assert!(items(&page).is_empty());
    assert_eq!(
        (page.text("IsTruncated"), page.text("KeyCount")),
        ("false", "0")
    );
}

#[tokio::test]
async fn a_too_large_page_size_is_lowered_and_a_wrong_one_refused() {
    let (_gateway, s3) = filled().await;
    let list = |size: &str| s3.list("bucket").query("max-keys", size);
    let page = list("5000").send().await.expect(200).xml();
    assert_eq!(page.text("MaxKeys"), "1000");
    for size in ["-1", "ten", "1.5"] {
        list(size).send().await.expect_error(400, "InvalidArgument");
    }
}

#[tokio::test]
async fn a_made_up_token_is_refused() {
    let (_gateway, s3) = filled().await;
    let list = s3.list("bucket").query("continuation-token", "!made up!");
    list.send().await.expect_error(400, "InvalidArgument");
}

#[tokio::test]
async fn a_token_outweighs_start_after() {
    let (_gateway, s3) = filled().await;
    let first = s3
        .list("bucket")
        .query("start-after", "a")
        .query("max-keys", "2");
    let page = first.clone().send().await.expect(200).xml();
    assert_eq!(page.text("StartAfter"), "a");
    let token = page.text("NextContinuationToken").to_owned();
    let second = first
        .query("continuation-token", &token)
        .send()
        .await
        .expect(200)
        .xml();
    assert_eq!(items(&second), model(&KEYS, "", "", "a")[2..4]);
    assert_eq!(second.text("ContinuationToken"), token);
}

#[tokio::test]
async fn encoding_type_url_encodes_every_name_in_the_answer() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let keys = ["a b/c+d", "a b/\u{1}", "a b/é&<>\"'"];
    for key in keys {
        s3.store("bucket", key, "x").await;
    }
    let call = s3
        .list("bucket")
        .query("encoding-type", "url")
        .query("prefix", "a b/");
    let page = call.clone().send().await.expect(200).xml();
    assert_eq!(page.text("EncodingType"), "url");
    let decode = |raw: String| {
        assert!(raw.is_ascii() && !raw.contains(['&', '<', '"']), "{raw}");
        let raw = raw.replace('+', " ");
        percent_encoding::percent_decode_str(&raw)
            .decode_utf8()
            .unwrap()
            .into_owned()
    };
    assert_eq!(decode(page.text("Prefix").to_owned()), "a b/");
    let found: Vec<_> = page
        .texts("Contents", "Key")
        .into_iter()
        .map(decode)
        .collect();
    let mut sorted = keys;
    sorted.sort_unstable();
    assert_eq!(found, sorted);
    let rolled = s3
        .list("bucket")
        .query("encoding-type", "url")
        .query("delimiter", "/");
    let page = rolled.send().await.expect(200).xml();
    assert_eq!(
        decode(page.text("CommonPrefixes/Prefix").to_owned()),
        "a b/"
    );
    let wrong = s3.list("bucket").query("encoding-type", "base64");
    wrong.send().await.expect_error(400, "InvalidArgument");
}

#[tokio::test]
async fn a_listing_of_a_bucket_that_is_not_there_is_an_error() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.list("missing")
        .send()
        .await
        .expect_error(404, "NoSuchBucket");
    s3.bucket("GET", "missing")
        .send()
        .await
        .expect_error(404, "NoSuchBucket");
}

#[tokio::test(flavor = "multi_thread")]
async fn paging_through_thousands_of_keys_meets_each_once() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let mut random = Random::new(5);
    let mut keys = BTreeSet::new();
    while keys.len() < 2500 {
        let depth = 1 + random.below(3);
        let name: Vec<_> = (0..depth)
            .map(|_| format!("{:x}", random.below(40)))
            .collect();
        keys.insert(format!("{}/{}", name.join("/"), keys.len()));
    }
    let all: Vec<String> = keys.iter().cloned().collect();
    let mut workers = Vec::new();
    for part in all.chunks(all.len() / 4 + 1).map(<[String]>::to_vec) {
        let (s3, address) = (s3.clone(), gateway.address());
        workers.push(tokio::spawn(async move {
            let mut connection = pys3local_tests::client::Connection::open(address)
                .await
                .unwrap();
            for key in part {
                let put: Call = s3.put("bucket", &key, "");
                connection
                    .send(put.sign().request)
                    .await
                    .unwrap()
                    .expect(200);
            }
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(s3.keys("bucket").await, all);
    let sevens = s3
        .pages(
            s3.list("bucket")
                .query("max-keys", "7")
                .query("prefix", "1"),
        )
        .await;
    let found: Vec<_> = sevens.iter().flat_map(items).collect();
    let expected: Vec<_> = all
        .iter()
        .filter(|key| key.starts_with('1'))
        .cloned()
        .collect();
    assert_eq!(found, expected);
}
