//! Answers that break the contract: bodies, pages, uploads and texts.

use super::{Hostile, SIZE, bucket};
use crate::rig::{accepted, collect, filled, key};
use futures_util::{StreamExt as _, stream};
use pys3local_core::service::ports::{PutOptions, StoreError};
use std::sync::Arc;
use tokio::sync::oneshot;

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_ends_in_an_error() {
    for misdeed in [
        "short-body",
        "dropped-body",
        "stalled-body",
        "trap-in-body",
        "spin-in-body",
    ] {
        let hostile = Hostile::start().await;
        let (mut seen, mut error) = (0, None);
        let mut body = hostile.get(misdeed).await.unwrap();
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => seen += piece.len(),
                Err(broken) => error = Some(broken),
            }
        }
        assert!(error.is_some(), "{misdeed}: a whole body of {seen} bytes");
        assert!(seen <= SIZE / 2, "{misdeed}: {seen}");
        hostile.recovers().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_never_longer_than_its_object() {
    let hostile = Hostile::start().await;
    for misdeed in ["long-body", "endless-body"] {
        let body = collect(hostile.get(misdeed).await.unwrap()).await.unwrap();
        assert_eq!(body.len(), SIZE);
        assert!(body.iter().all(|&byte| byte == b'x'));
    }
    hostile.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_breaks_the_contract_is_refused() {
    let hostile = Hostile::start().await;
    assert_eq!(hostile.list("fine").await.unwrap().entries.len(), 2);
    for misdeed in [
        "wrong-order",
        "doubled-key",
        "outside-prefix",
        "too-many",
        "empty-more",
        "long-keys",
    ] {
        let answer = hostile.list(misdeed).await;
        assert!(
            matches!(answer, Err(StoreError::Other(_))),
            "{misdeed}: {answer:?}"
        );
    }
    let answer = hostile.stat("long-version", "key").await;
    assert!(matches!(answer, Err(StoreError::Other(_))), "{answer:?}");
    let buckets = hostile.backend.store.list_buckets().await.unwrap();
    let names: Vec<_> = buckets.iter().map(|bucket| bucket.name.as_str()).collect();
    assert_eq!(names, ["fine"], "a name that no client could use is shown");
    hostile.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_plugin_spoils_ends_in_an_error() {
    for misdeed in ["trap", "spin", "memory-bomb", "never", "verdict-first"] {
        let hostile = Hostile::start().await;
        // The verdict is given when the body was read, as the service does.
        let (sender, verdict) = oneshot::channel();
        let last = stream::once(async move {
            let _ = sender.send(pys3local_core::contract::receipt(SIZE as u64));
            Ok(vec![1; SIZE / 2].into())
        });
        let body = filled(1, SIZE as u64 / 2).chain(last).boxed();
        let (store, to) = (Arc::clone(&hostile.backend.store), bucket(misdeed));
        let put = store
            .put(
                &to,
                &key("key"),
                SIZE as u64,
                PutOptions::default(),
                body,
                verdict,
            )
            .await;
        assert!(
            matches!(put, Err(StoreError::Unavailable(_))),
            "{misdeed}: {put:?}"
        );
        let (fine, body) = (bucket("fine"), filled(1, 10));
        hostile.recovers().await;
        store
            .put(
                &fine,
                &key("key"),
                10,
                PutOptions::default(),
                body,
                accepted(10),
            )
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_too_large_for_the_host_costs_one_instance() {
    let hostile = Hostile::start().await;
    // Keys that are long, and entries that are many.
    for misdeed in ["flood", "millions"] {
        match hostile.list(misdeed).await {
            Err(StoreError::Unavailable(_)) => {}
            answer => panic!("{misdeed}: {:?}", answer.map(|page| page.entries.len())),
        }
        hostile.recovers().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_text_of_a_plugin_is_cut() {
    let hostile = Hostile::start().await;
    let answer = hostile.stat("huge-text", "key").await.unwrap_err();
    assert!(
        answer.to_string().len() < 1000,
        "{}",
        answer.to_string().len()
    );
    hostile.recovers().await;
}
