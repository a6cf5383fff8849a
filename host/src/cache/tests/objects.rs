use super::*;
use crate::service::ports::{Cache, Remembered};

#[tokio::test]
async fn a_settled_row_comes_back_unchanged() {
    let (_directory, cache) = fresh();
    let mut whole = row(3);
    whole.metadata = everything();
    let mut in_parts = row(12);
    in_parts.etag = Some(ETag::Multipart {
        digest: [9; 16],
        parts: 3.try_into().unwrap(),
    });
    in_parts.part_sizes = [5, 5, 2].into_iter().collect();
    in_parts.modified = Timestamp(-1);
    in_parts.state = ObjectState::default();
    for (key, row) in [(key("whole"), whole), (key("in/parts"), in_parts)] {
        cache
            .settle(&Bucket::Root, &key, row.clone(), false)
            .await
            .unwrap();
        let found = cache.object(&Bucket::Root, &key).await.unwrap();
        assert_eq!(found.row, Some(row));
        assert_eq!(found.intent, None);
    }
}

#[tokio::test]
async fn a_key_never_heard_of_is_not_remembered() {
    let (_directory, cache) = fresh();
    let unknown = Remembered::default();
    assert_eq!(
        cache.object(&Bucket::Root, &key("a")).await.unwrap(),
        unknown
    );
    cache
        .settle(&Bucket::Root, &key("a"), row(1), false)
        .await
        .unwrap();
    assert_eq!(
        cache.object(&Bucket::Root, &key("A")).await.unwrap(),
        unknown
    );
    assert_eq!(
        cache.object(&bucket("other"), &key("a")).await.unwrap(),
        unknown
    );
}

#[tokio::test]
async fn an_intent_stands_beside_the_row_until_it_is_settled() {
    let (_directory, cache) = fresh();
    let at = key("a");
    cache
        .settle(&Bucket::Root, &at, row(1), false)
        .await
        .unwrap();
    let mut announced = intent(&row(2));
    announced.metadata = everything();
    announced.part_md5s = vec![[1; 16], [2; 16]];
    announced.part_sizes = [1, 1].into_iter().collect();
    announced.upload = Some("up-1".parse().unwrap());
    cache
        .announce(&Bucket::Root, &at, announced.clone())
        .await
        .unwrap();
    let found = cache.object(&Bucket::Root, &at).await.unwrap();
    assert_eq!(found.row, Some(row(1)));
    assert_eq!(found.intent, Some(announced));
    assert_eq!(cache.intents().await.unwrap(), [(Bucket::Root, at.clone())]);

    cache
        .settle(&Bucket::Root, &at, row(2), false)
        .await
        .unwrap();
    let found = cache.object(&Bucket::Root, &at).await.unwrap();
    assert_eq!(found.row, Some(row(2)));
    assert_eq!(found.intent, None);
    assert_eq!(cache.intents().await.unwrap(), []);
}

#[tokio::test]
async fn an_intent_stays_until_it_is_settled_or_withdrawn() {
    let (_directory, cache) = fresh();
    let at = key("a");
    for (size, is_noted) in [(1, true), (2, false)] {
        let noted = cache.announce(&Bucket::Root, &at, intent(&row(size)));
        assert_eq!(noted.await.unwrap(), is_noted);
    }
    let found = cache.object(&Bucket::Root, &at).await.unwrap();
    assert_eq!(found.intent, Some(intent(&row(1))));
}

#[tokio::test]
async fn withdrawing_drops_the_intent_and_keeps_the_row() {
    let (_directory, cache) = fresh();
    let at = key("a");
    cache.withdraw(&Bucket::Root, &at).await.unwrap();
    cache
        .settle(&Bucket::Root, &at, row(1), false)
        .await
        .unwrap();
    cache
        .announce(&Bucket::Root, &at, intent(&row(2)))
        .await
        .unwrap();
    cache.withdraw(&Bucket::Root, &at).await.unwrap();
    let found = cache.object(&Bucket::Root, &at).await.unwrap();
    assert_eq!((found.row, found.intent), (Some(row(1)), None));
}

#[tokio::test]
async fn forgetting_drops_rows_and_intents_of_these_keys_only() {
    let (_directory, cache) = fresh();
    let (a, b, c) = (key("a"), key("b"), key("c"));
    cache.forget(&Bucket::Root, &[&a]).await.unwrap();
    for at in [&a, &b, &c] {
        cache
            .settle(&Bucket::Root, at, row(1), false)
            .await
            .unwrap();
        cache
            .announce(&Bucket::Root, at, intent(&row(2)))
            .await
            .unwrap();
    }
    cache
        .forget(&Bucket::Root, &[&a, &c, &key("never there")])
        .await
        .unwrap();
    assert_eq!(
        cache.object(&Bucket::Root, &a).await.unwrap(),
        Remembered::default()
    );
    assert_eq!(
        cache.object(&Bucket::Root, &c).await.unwrap(),
        Remembered::default()
    );
    let kept = cache.object(&Bucket::Root, &b).await.unwrap();
    assert!(kept.row.is_some() && kept.intent.is_some());
}

#[tokio::test]
async fn a_page_is_answered_in_the_order_of_its_keys_with_duplicates_and_misses() {
    let (_directory, cache) = fresh();
    for (size, text) in [(1, "a"), (2, "b"), (3, "ä/\u{1F600}\u{0}")] {
        cache
            .settle(&Bucket::Root, &key(text), row(size), false)
            .await
            .unwrap();
    }
    cache
        .announce(&Bucket::Root, &key("c"), intent(&row(4)))
        .await
        .unwrap();
    let keys = ["b", "missing", "ä/\u{1F600}\u{0}", "b", "a", "c"].map(key);
    let page = cache
        .objects(&Bucket::Root, &keys.iter().collect::<Vec<_>>())
        .await
        .unwrap();
    let sizes: Vec<_> = page
        .iter()
        .map(|found| found.row.as_ref().map(|row| row.size))
        .collect();
    assert_eq!(sizes, [Some(2), None, Some(3), Some(2), Some(1), None]);
    assert_eq!(page[5].intent, Some(intent(&row(4))));
    assert!(page[..5].iter().all(|found| found.intent.is_none()));

    let unknown = cache
        .objects(&bucket("unknown"), &[&keys[0], &keys[1]])
        .await
        .unwrap();
    assert_eq!(unknown, [Remembered::default(), Remembered::default()]);
}

#[tokio::test]
async fn a_tag_that_is_no_digest_is_refused_and_changes_nothing() {
    let (_directory, cache) = fresh();
    let at = key("a");
    cache
        .settle(&Bucket::Root, &at, row(1), false)
        .await
        .unwrap();
    let mut opaque = row(2);
    opaque.etag = Some(ETag::Opaque("x-1".into()));
    cache
        .settle(&Bucket::Root, &at, opaque, false)
        .await
        .unwrap_err();
    assert_eq!(
        cache.object(&Bucket::Root, &at).await.unwrap().row,
        Some(row(1))
    );
}

#[tokio::test]
async fn a_write_that_fails_does_not_fail_those_it_shares_a_commit_with() {
    let (_directory, cache) = fresh();
    let mut opaque = row(2);
    opaque.etag = Some(ETag::Opaque("x-1".into()));
    // All are queued before the first is answered, and the first comes with nothing to share.
    let names: Vec<_> = (0..50).map(|n| key(&n.to_string())).collect();
    let writes = names.iter().enumerate().map(|(n, at)| {
        let row = if n % 10 == 5 { opaque.clone() } else { row(1) };
        cache.settle(&Bucket::Root, at, row, false)
    });
    let outcomes = join_all(writes).await;
    for (n, outcome) in outcomes.iter().enumerate() {
        let found = cache.object(&Bucket::Root, &names[n]).await.unwrap();
        assert_eq!(outcome.is_ok(), n % 10 != 5, "{n}");
        assert_eq!(found.row.is_some(), outcome.is_ok(), "{n}");
    }
}

/// Polls all of them from the start.
async fn join_all<F: Future<Output: Send + 'static>>(
    all: impl Iterator<Item = F>,
) -> Vec<F::Output> {
    let mut running: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, slot) in running.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *slot = Some(output);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn namespaces_do_not_see_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).unwrap();
    let one = database.namespace(&LOCAL).unwrap();
    let other = NamespaceBinding {
        name: "local:/srv/other",
        label: Some(1465),
        ..LOCAL
    };
    let other = database.namespace(&other).unwrap();
    let at = key("a");
    one.settle(&Bucket::Root, &at, row(1), false).await.unwrap();
    one.announce(&Bucket::Root, &at, intent(&row(1)))
        .await
        .unwrap();
    one.create_upload(&Bucket::Root, upload("u", "a", 1))
        .await
        .unwrap();
    other
        .settle(&Bucket::Root, &key("b"), row(2), false)
        .await
        .unwrap();

    assert_eq!(
        other.object(&Bucket::Root, &at).await.unwrap(),
        Remembered::default()
    );
    assert_eq!(other.intents().await.unwrap(), []);
    assert_eq!(other.store_uploads().await.unwrap(), [""; 0]);
    assert_eq!(
        other
            .upload(&Bucket::Root, &"u".parse().unwrap())
            .await
            .unwrap(),
        None
    );
    other.forget(&Bucket::Root, &[&at]).await.unwrap();
    other.withdraw(&Bucket::Root, &at).await.unwrap();
    let kept = one.object(&Bucket::Root, &at).await.unwrap();
    assert!(kept.row.is_some() && kept.intent.is_some());
}

#[tokio::test]
async fn a_namespace_is_refused_to_another_type_of_plugin() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path()).unwrap();
    let first = database.namespace(&LOCAL).unwrap();
    first
        .settle(&Bucket::Root, &key("a"), row(1), false)
        .await
        .unwrap();
    let stranger = NamespaceBinding {
        component: "other",
        ..LOCAL
    };
    let refusal = database.namespace(&stranger).map(drop).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        r#"the namespace "local:/srv/s3" belongs to plugin "local", not to "other""#
    );
    let again = database.namespace(&LOCAL).unwrap();
    let found = again.object(&Bucket::Root, &key("a")).await.unwrap();
    assert_eq!(found.row, Some(row(1)));
}
