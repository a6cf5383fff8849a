use super::*;
use crate::service::{ListObjects, ObjectPage};
use proptest::prelude::*;
use std::collections::BTreeSet;

pub(super) fn request(max_keys: u16) -> ListObjects {
    ListObjects {
        bucket: name("default"),
        prefix: String::new(),
        delimiter: None,
        after: None,
        max_keys,
    }
}

async fn filled(keys: &[&str]) -> Fixture {
    let f = Fixture::new();
    for key in keys {
        f.put(key, key.as_bytes()).await.unwrap();
    }
    f
}

fn names(page: &ObjectPage) -> Vec<&str> {
    page.objects.iter().map(|o| o.key.as_str()).collect()
}

#[tokio::test]
async fn keys_with_a_delimiter_are_rolled_up() {
    let f = filled(&["a", "b/1", "b/2", "c", "d/x/y"]).await;
    let query = ListObjects {
        delimiter: Some("/".into()),
        ..request(1000)
    };
    let page = f.service.list_objects(query).await.unwrap();
    assert_eq!(names(&page), ["a", "c"]);
    assert_eq!(page.prefixes, ["b/", "d/"]);
    assert_eq!(page.next, None);
    assert_eq!(page.objects[0].etag, md5(b"a"));
}

#[tokio::test]
async fn a_page_that_is_exactly_full_is_not_truncated() {
    let f = filled(&["a", "b/1", "b/2"]).await;
    for delimiter in ["/", "b/", "1"] {
        let query = |max_keys| ListObjects {
            delimiter: Some(delimiter.into()),
            ..request(max_keys)
        };
        let all = f.service.list_objects(query(1000)).await.unwrap();
        let items = all.objects.len() + all.prefixes.len();
        let full = u16::try_from(items).unwrap();
        let page = f.service.list_objects(query(full)).await.unwrap();
        assert_eq!(page, all, "{delimiter}");
    }
}

#[tokio::test]
async fn no_keys_wanted_is_an_empty_page_and_not_a_truncated_one() {
    let f = filled(&["a"]).await;
    let page = f.service.list_objects(request(0)).await.unwrap();
    assert_eq!(page, ObjectPage::default());
}

#[tokio::test]
async fn a_start_at_a_common_prefix_or_within_it_skips_its_keys() {
    let f = filled(&["a/1", "a/2", "b"]).await;
    for after in ["a/", "a/1", "a/9"] {
        for delimiter in ["/", "a/"] {
            let query = ListObjects {
                delimiter: Some(delimiter.into()),
                after: Some(after.into()),
                ..request(10)
            };
            let page = f.service.list_objects(query).await.unwrap();
            assert_eq!(names(&page), ["b"], "{after} {delimiter}");
            assert!(page.prefixes.is_empty());
        }
    }
}

#[tokio::test]
async fn an_object_put_by_hand_is_listed_with_a_tag_that_is_no_md5() {
    let f = filled(&["a", "b"]).await;
    for by_hand in ["b", "c"] {
        let bytes = Bytes::from_static(b"by hand");
        f.store.plant(&root(), &key(by_hand), bytes).unwrap();
    }
    let page = f.service.list_objects(request(10)).await.unwrap();
    assert_eq!(names(&page), ["a", "b", "c"]);
    assert_eq!(page.objects[0].etag, md5(b"a"));
    for object in &page.objects[1..] {
        assert!(matches!(object.etag, ETag::Opaque(_)));
        assert_eq!(object.size, 7);
        let (head, _) = f.get(object.key.as_str()).await.unwrap();
        assert_eq!(head.etag, object.etag);
    }
}

#[tokio::test]
async fn more_keys_than_a_page_of_the_store_are_rolled_up_in_one_answer() {
    let f = Fixture::new();
    for number in 0..2500 {
        let key = key(&format!("group-{number:04}"));
        f.store.plant(&root(), &key, Bytes::new()).unwrap();
    }
    f.store.plant(&root(), &key("z"), Bytes::new()).unwrap();
    let query = ListObjects {
        delimiter: Some("-".into()),
        ..request(1000)
    };
    let page = f.service.list_objects(query).await.unwrap();
    assert_eq!(page.prefixes, ["group-"]);
    assert_eq!(names(&page), ["z"]);
}

/// What S3 says, said naively: roll up, sort, cut.
fn oracle(keys: &BTreeSet<String>, query: &ListObjects) -> Vec<String> {
    let roll = |key: &String| {
        let rest = key.strip_prefix(&query.prefix)?;
        let cut = query.delimiter.as_ref().and_then(|delimiter| {
            let at = rest.find(delimiter)?;
            Some(query.prefix.len() + at + delimiter.len())
        });
        Some(key[..cut.unwrap_or(key.len())].to_owned())
    };
    let items: BTreeSet<String> = keys.iter().filter_map(roll).collect();
    let mut items: Vec<String> = items.into_iter().collect();
    items.retain(|item| query.after.as_ref().is_none_or(|after| item > after));
    items
}

fn text() -> impl Strategy<Value = String> {
    "[ab/é\u{10FFFF}]{0,5}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn pages_joined_are_the_whole_listing(
        keys in prop::collection::btree_set("[ab/é\u{10FFFF}]{1,6}", 0..40),
        prefix in prop_oneof![Just(String::new()), text()],
        delimiter in prop::option::of("[ab/é]{1,2}"),
        after in prop::option::of(text()),
        max_keys in 1u16..8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let query = ListObjects { prefix, delimiter, after, ..request(max_keys) };
        let expected = oracle(&keys, &query);
        let found = runtime.block_on(async {
            let f = Fixture::new();
            for key in &keys {
                f.store.plant(&root(), &key.parse().unwrap(), Bytes::new()).unwrap();
            }
            let mut found = Vec::new();
            let mut query = query;
            loop {
                let page = f.service.list_objects(query.clone()).await.unwrap();
                let mut items: Vec<String> = page.prefixes.clone();
                items.extend(page.objects.iter().map(|o| o.key.as_str().to_owned()));
                items.sort();
                assert!(items.len() <= max_keys.into());
                assert!(page.next.is_none() || items.len() == usize::from(max_keys));
                assert!(page.next.is_none() || page.next.as_ref() == items.last());
                found.extend(items);
                match page.next {
                    Some(next) => query.after = Some(next),
                    None => return found,
                }
            }
        });
        prop_assert_eq!(found, expected);
    }
}
