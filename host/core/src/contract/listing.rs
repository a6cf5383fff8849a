//! Keys and their order.

use super::data::{self, Random};
use super::{Rig, key};
use crate::service::ports::{StoreError, StoreListQuery, StorePage};

/// A page as plain texts: entries, prefixes, and whether more follow.
type Plain = (Vec<String>, Vec<String>, bool);

fn plain(page: StorePage) -> Plain {
    let keys = page.entries.into_iter().map(|(key, _)| key.to_string());
    (keys.collect(), page.prefixes, page.more)
}

/// The page by its definition: every key is looked at.
fn naive(keys: &[String], query: &StoreListQuery) -> Plain {
    let mut items: Vec<(String, bool)> = Vec::new();
    for key in keys {
        let Some(rest) = key.strip_prefix(&query.prefix) else {
            continue;
        };
        let slash = rest.find('/').filter(|_| query.shallow);
        let item = match slash {
            Some(at) => (key[..=query.prefix.len() + at].to_owned(), true),
            None => (key.clone(), false),
        };
        let behind = query
            .after
            .as_ref()
            .is_none_or(|after| key > after && item.0 != *after);
        if behind && !items.contains(&item) {
            items.push(item);
        }
    }
    let more = items.len() > usize::from(query.limit);
    items.truncate(query.limit.into());
    let (prefixes, keys): (Vec<_>, Vec<_>) = items.into_iter().partition(|(_, group)| *group);
    let texts = |items: Vec<(String, bool)>| items.into_iter().map(|(text, _)| text).collect();
    (texts(keys), texts(prefixes), more)
}

/// Stores an object for each key; its bytes tell it from every other.
async fn fill(rig: &Rig) -> Vec<String> {
    let keys = data::odd_keys();
    for key in &keys {
        rig.put(key, data::stamp_of(key)).await;
    }
    keys
}

async fn compare(rig: &Rig, keys: &[String], query: StoreListQuery) -> Plain {
    let expected = naive(keys, &query);
    let page = rig.store.list(&rig.bucket, query.clone()).await;
    let page = plain(page.unwrap_or_else(|error| panic!("{query:?}: {error}")));
    assert_eq!(page, expected, "{query:?}");
    page
}

pub(super) async fn every_odd_key_is_stored_and_told_from_every_other(rig: &Rig) {
    let keys = fill(rig).await;
    for key in &keys {
        assert_eq!(rig.bytes(key).await, data::stamp_of(key), "{key:?}");
    }
    // Half of them go; the others stay as they are.
    for gone in keys.iter().step_by(2) {
        rig.store
            .delete(&rig.bucket, &key(gone), None)
            .await
            .unwrap();
    }
    for (index, key) in keys.iter().enumerate() {
        if index % 2 == 0 {
            assert!(
                matches!(rig.stat(key).await, Err(StoreError::NoSuchKey)),
                "{key:?}"
            );
        } else {
            assert_eq!(rig.bytes(key).await, data::stamp_of(key), "{key:?}");
        }
    }
}

pub(super) async fn pages_are_those_of_a_naive_listing(rig: &Rig) {
    let keys = fill(rig).await;
    for prefix in [
        "", "a", "a/", "a//", "/", "d/d/", "é", "🦀", "zz", "..", "objects/", "%",
    ] {
        for (shallow, limit) in [
            (false, 7),
            (true, 1),
            (true, 5),
            (false, 1000),
            (true, 1000),
        ] {
            let mut after = None;
            loop {
                let query = StoreListQuery {
                    prefix: prefix.into(),
                    after,
                    shallow,
                    limit,
                };
                let (entries, prefixes, more) = compare(rig, &keys, query).await;
                if !more {
                    break;
                }
                after = entries.last().max(prefixes.last()).cloned();
            }
        }
    }
}

pub(super) async fn a_listed_object_is_described_as_by_stat(rig: &Rig) {
    fill(rig).await;
    let query = StoreListQuery {
        prefix: String::new(),
        after: None,
        shallow: false,
        limit: 1000,
    };
    for (key, listed) in rig.store.list(&rig.bucket, query).await.unwrap().entries {
        assert_eq!(listed, rig.stat(key.as_str()).await.unwrap(), "{key:?}");
    }
}

pub(super) async fn a_page_can_begin_behind_any_text(rig: &Rig) {
    let keys = fill(rig).await;
    let seed = Random::seed();
    let mut random = Random::new(seed);
    let mut texts = keys.clone();
    texts.extend(
        [
            "a/a",
            "a/b/b",
            "a/~",
            "b",
            "~/",
            "\u{10ffff}\u{10ffff}",
            "d/d",
            "\0",
        ]
        .map(Into::into),
    );
    for _ in 0..150 {
        let mut after = texts[random.below(texts.len())].clone();
        if random.below(3) == 0 {
            after.pop();
        }
        let prefix = ["", "", "a", "a/", "/", "d/"][random.below(6)].to_owned();
        let (shallow, limit) = (
            random.below(2) == 0,
            u16::try_from(1 + random.below(9)).unwrap(),
        );
        let query = StoreListQuery {
            prefix,
            after: Some(after),
            shallow,
            limit,
        };
        compare(rig, &keys, query).await;
    }
}
