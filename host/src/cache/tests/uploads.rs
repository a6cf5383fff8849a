use super::*;
use crate::model::UploadId;
use crate::service::ports::{Cache, Remembered};
use proptest::prelude::*;

fn id(text: &str) -> UploadId {
    text.parse().unwrap()
}

async fn ids(
    cache: &NamespaceCache,
    prefix: &str,
    after: Option<(&str, Option<&UploadId>)>,
    limit: usize,
) -> Vec<String> {
    let page = cache.uploads(&Bucket::Root, prefix, after, limit).await;
    page.unwrap()
        .iter()
        .map(|upload| upload.id.to_string())
        .collect()
}

#[tokio::test]
async fn an_upload_comes_back_unchanged_in_its_bucket_only() {
    let (_directory, cache) = fresh();
    let mut noted = upload("up", "some/key", 5);
    noted.metadata = everything();
    cache
        .create_upload(&bucket("one"), noted.clone())
        .await
        .unwrap();
    cache
        .create_upload(&bucket("two"), upload("other", "k", 1))
        .await
        .unwrap();
    assert_eq!(
        cache.upload(&bucket("one"), &id("up")).await.unwrap(),
        Some(noted)
    );
    assert_eq!(cache.upload(&bucket("two"), &id("up")).await.unwrap(), None);
    assert_eq!(cache.upload(&Bucket::Root, &id("up")).await.unwrap(), None);
    let mut names = cache.store_uploads().await.unwrap();
    names.sort();
    assert_eq!(names, ["store-other", "store-up"]);
}

#[tokio::test]
async fn an_upload_id_cannot_be_used_twice_in_a_bucket() {
    let (_directory, cache) = fresh();
    cache
        .create_upload(&Bucket::Root, upload("up", "a", 1))
        .await
        .unwrap();
    cache
        .create_upload(&Bucket::Root, upload("up", "b", 2))
        .await
        .unwrap_err();
    let kept = cache.upload(&Bucket::Root, &id("up")).await.unwrap();
    assert_eq!(kept, Some(upload("up", "a", 1)));
}

#[tokio::test]
async fn uploads_are_listed_by_key_then_start_then_id() {
    let (_directory, cache) = fresh();
    for (id, key, started) in [
        ("c", "b", 1),
        ("b", "a", 2),
        ("a", "a", 2),
        ("z", "a", 1),
        ("y", "ab", -5),
        ("x", "é", 0),
        ("w", "a/b", 0),
    ] {
        cache
            .create_upload(&Bucket::Root, upload(id, key, started))
            .await
            .unwrap();
    }
    let all = ids(&cache, "", None, 100).await;
    assert_eq!(all, ["z", "a", "b", "w", "y", "c", "x"]);
    assert_eq!(ids(&cache, "", None, 2).await, ["z", "a"]);
    assert_eq!(ids(&cache, "a/", None, 100).await, ["w"]);
    assert_eq!(ids(&cache, "ab", None, 100).await, ["y"]);
    assert_eq!(ids(&cache, "nothing", None, 100).await, [""; 0]);
    assert_eq!(
        cache.uploads(&bucket("other"), "", None, 9).await.unwrap(),
        []
    );

    // Behind one upload, and behind all uploads of its key.
    assert_eq!(
        ids(&cache, "", Some(("a", Some(&id("z")))), 2).await,
        ["a", "b"]
    );
    assert_eq!(ids(&cache, "", Some(("a", None)), 2).await, ["w", "y"]);
    // A place in front of the prefix, inside it, and behind it.
    assert_eq!(ids(&cache, "b", Some(("a", None)), 9).await, ["c"]);
    assert_eq!(ids(&cache, "a", Some(("a/b", None)), 9).await, ["y"]);
    assert_eq!(ids(&cache, "a", Some(("c", None)), 9).await, [""; 0]);
}

#[tokio::test]
async fn a_page_behind_an_upload_that_has_gone_misses_none_of_its_key() {
    let (_directory, cache) = fresh();
    for (id, started) in [("m", 1), ("z", 2), ("a", 3)] {
        cache
            .create_upload(&Bucket::Root, upload(id, "k", started))
            .await
            .unwrap();
    }
    assert_eq!(ids(&cache, "", None, 2).await, ["m", "z"]);
    for gone in ["m", "z"] {
        cache.delete_upload(&Bucket::Root, &id(gone)).await.unwrap();
    }
    assert_eq!(ids(&cache, "", Some(("k", Some(&id("z")))), 2).await, ["a"]);
}

#[tokio::test]
async fn parts_are_replaced_by_number_and_listed_in_order() {
    let (_directory, cache) = fresh();
    let up = id("up");
    cache
        .create_upload(&Bucket::Root, upload("up", "k", 1))
        .await
        .unwrap();
    for noted in [part(10_000, 1), part(2, 2), part(10, 3), part(2, 4)] {
        assert!(cache.put_part(&Bucket::Root, &up, noted).await.unwrap());
    }
    let all = cache.parts(&Bucket::Root, &up, 0, 100).await.unwrap();
    assert_eq!(all, [part(2, 4), part(10, 3), part(10_000, 1)]);
    let page = cache.parts(&Bucket::Root, &up, 2, 1).await.unwrap();
    assert_eq!(page, [part(10, 3)]);
    assert_eq!(cache.parts(&bucket("other"), &up, 0, 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_part_of_an_upload_that_is_gone_is_not_noted() {
    let (_directory, cache) = fresh();
    let up = id("up");
    assert!(
        !cache
            .put_part(&Bucket::Root, &up, part(1, 1))
            .await
            .unwrap()
    );
    cache
        .create_upload(&Bucket::Root, upload("up", "k", 1))
        .await
        .unwrap();
    assert!(
        cache
            .put_part(&Bucket::Root, &up, part(1, 1))
            .await
            .unwrap()
    );
    cache.delete_upload(&bucket("other"), &up).await.unwrap();
    assert!(
        cache
            .put_part(&Bucket::Root, &up, part(1, 1))
            .await
            .unwrap()
    );
    cache.delete_upload(&Bucket::Root, &up).await.unwrap();
    assert!(
        !cache
            .put_part(&Bucket::Root, &up, part(1, 1))
            .await
            .unwrap()
    );
    // Nothing of the old one comes back with a new one of its name.
    cache
        .create_upload(&Bucket::Root, upload("up", "k", 2))
        .await
        .unwrap();
    assert_eq!(cache.parts(&Bucket::Root, &up, 0, 9).await.unwrap(), []);
}

#[tokio::test]
async fn settling_ends_the_upload_that_the_intent_names_with_its_parts() {
    let (directory, cache) = fresh();
    let at = key("k");
    for text in ["ours", "other"] {
        cache
            .create_upload(&Bucket::Root, upload(text, "k", 1))
            .await
            .unwrap();
        cache
            .put_part(&Bucket::Root, &id(text), part(1, 1))
            .await
            .unwrap();
    }
    let mut announced = intent(&row(1));
    announced.upload = Some(id("ours"));
    cache.announce(&Bucket::Root, &at, announced).await.unwrap();
    assert!(
        cache
            .upload(&Bucket::Root, &id("ours"))
            .await
            .unwrap()
            .is_some()
    );

    cache
        .settle(&Bucket::Root, &at, row(1), false)
        .await
        .unwrap();
    assert_eq!(
        cache.upload(&Bucket::Root, &id("ours")).await.unwrap(),
        None
    );
    assert_eq!(
        cache
            .parts(&Bucket::Root, &id("other"), 0, 9)
            .await
            .unwrap(),
        [part(1, 1)]
    );
    let found = cache.object(&Bucket::Root, &at).await.unwrap();
    assert_eq!(
        found,
        Remembered {
            row: Some(row(1)),
            intent: None
        }
    );
    let db = rusqlite::Connection::open(directory.path().join("metadata.db")).unwrap();
    let parts: i64 = db
        .query_row("SELECT count(*) FROM parts", [], |row| row.get(0))
        .unwrap();
    assert_eq!(parts, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pages_of_any_size_join_to_the_whole_list(
        noted in prop::collection::vec(("[ab/é]{1,3}", 0i64..3), 0..20),
        prefix in "[ab/é]{0,2}",
        limit in 1usize..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_directory, cache) = fresh();
            let mut expected = Vec::new();
            for (n, (key, started)) in noted.iter().enumerate() {
                let row = upload(&format!("u{}", n * 7 % 20), key, *started);
                cache.create_upload(&Bucket::Root, row.clone()).await.unwrap();
                if key.starts_with(&prefix) {
                    expected.push((row.key, row.started, row.id));
                }
            }
            expected.sort();
            let mut listed: Vec<(ObjectKey, Timestamp, UploadId)> = Vec::new();
            loop {
                let after = listed.last().map(|(key, _, id)| (key.as_str(), Some(id)));
                let page = cache.uploads(&Bucket::Root, &prefix, after, limit).await.unwrap();
                if page.is_empty() {
                    break;
                }
                assert!(page.len() <= limit);
                listed.extend(page.into_iter().map(|row| (row.key, row.started, row.id)));
            }
            assert_eq!(listed, expected);
        });
    }
}
