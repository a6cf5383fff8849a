//! Listings while any things happen, in any order.

use super::*;
use proptest::prelude::*;

/// What happens to the storage, and who does it.
#[derive(Debug, Clone)]
enum Event {
    Put(String),
    Delete(String),
    Plant(String),
    Uproot(String),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let segment = prop::sample::select(vec!["a", "b", "a.b", "c"]);
    let key = prop::collection::vec(segment, 1..4).prop_map(|parts| parts.join("/"));
    let event = (key, 0..4u8).prop_map(|(key, kind)| match kind {
        0 => Event::Put(key),
        1 => Event::Delete(key),
        2 => Event::Plant(key),
        _ => Event::Uproot(key),
    });
    prop::collection::vec(event, 1..30)
}

/// More than a folder of these keys can have: then a look at it is a look at all of it.
const WHOLE: usize = 9;

/// The same page of the storage and of the index.
async fn assert_same(f: &Fixture, prefix: &str, shallow: bool, after: Option<&str>, limit: u16) {
    let query = StoreListQuery {
        prefix: prefix.into(),
        after: after.map(str::to_owned),
        shallow,
        limit,
    };
    let expected = f.store.list(&root(), query.clone()).await.unwrap();
    let found = f.service.inner.list_page(&root(), query).await.unwrap();
    let names = |page: &crate::service::ports::StorePage| {
        let names = page.entries.iter();
        let names = names.map(|(key, o)| (key.clone(), o.state.clone()));
        names.collect::<Vec<_>>()
    };
    let what = format!("{prefix} {shallow} {after:?}");
    assert_eq!(names(&found), names(&expected), "{what}");
    // An emptied folder that nobody has looked into may still be shown.
    if !shallow {
        assert_eq!(found.prefixes, expected.prefixes, "{what}");
        assert_eq!(found.more, expected.more, "{what}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn a_listing_of_the_index_is_that_of_the_storage(
        events in events(),
        rows in prop::sample::select(vec![1, 2, 3, 4, WHOLE]),
        steps in 1..8usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let f = indexed(rows, Duration::ZERO, false);
            let mut ours = std::collections::HashSet::new();
            for some in events.chunks(steps) {
                for event in some {
                    match event {
                        Event::Put(key) => drop(f.put(key, key.as_bytes()).await.unwrap()),
                        Event::Delete(key) => f.delete(key).await.unwrap(),
                        Event::Plant(key) => f.plant(key, b"planted"),
                        // What we have just written is not given up so easily.
                        Event::Uproot(raw) if ours.contains(raw) => {}
                        Event::Uproot(raw) => f.store.uproot(&root(), &key(raw)),
                    }
                    match event {
                        Event::Put(key) => drop(ours.insert(key)),
                        Event::Delete(key) => drop(ours.remove(key)),
                        // Of a folder of several pages only the end is looked at: one thing more and
                        // another less are not noticed at once.
                        Event::Plant(_) | Event::Uproot(_) if rows < WHOLE => {
                            assert_same(&f, "", false, None, 1000).await;
                        }
                        Event::Plant(_) | Event::Uproot(_) => {}
                    }
                }
                for (prefix, shallow, after) in [
                    ("", false, None), ("", true, None), ("a", true, None), ("a/", true, None),
                    ("a/b", false, None), ("a/b/", true, None), ("", false, Some("a/b")),
                    ("", true, Some("a/")), ("b/", false, Some("b/a/a")),
                ] {
                    assert_same(&f, prefix, shallow, after, 4).await;
                }
            }
        });
    }
}
