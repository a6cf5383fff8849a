//! What a plugin may use of the host: no more than it was granted.

use super::{Hostile, RECOVERY, bucket};
use crate::rig::{filled, key};
use futures_util::{StreamExt as _, stream};
use pys3local::backend::Grants;
use pys3local_core::service::ports::PutOptions;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_sees_granted_variables_and_nothing_else_of_our_environment() {
    assert!(std::env::vars().next().is_some());
    let env = [("COLOUR".to_owned(), "red".to_owned())].into();
    let hostile = Hostile::start_with(Grants {
        env,
        ..Grants::default()
    })
    .await;
    let answer = hostile.stat("environment", "key").await.unwrap_err();
    let text = answer.to_string();
    assert!(text.contains(r#"[("COLOUR", "red")] 0"#), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_calls_run_at_once_than_are_granted() {
    let grants = Grants {
        max_calls: std::num::NonZeroUsize::new(1),
        ..Grants::default()
    };
    // Calls wait for their turn for so long.
    let hostile = Hostile::start_waiting(RECOVERY, grants).await;
    let (sender, verdict) = oneshot::channel();
    let (asks, begun) = oneshot::channel();
    let (more, rest) = oneshot::channel();
    let body = filled(1, 9).chain(stream::once(async move {
        let _ = asks.send(());
        let _ = rest.await;
        let _ = sender.send(pys3local_core::contract::receipt(10));
        Ok(vec![1].into())
    }));
    let (store, to) = (Arc::clone(&hostile.backend.store), bucket("fine"));
    let put = tokio::spawn(async move {
        let (key, options) = (key("key"), PutOptions::default());
        store
            .put(&to, &key, 10, options, body.boxed(), verdict)
            .await
    });
    // The upload has begun, and its client pauses.
    begun.await.unwrap();
    let mut stat = std::pin::pin!(hostile.stat("fine", "other"));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut stat).await;
    assert!(early.is_err(), "{early:?}");
    // What the upload itself may have to wait for does not wait for the upload.
    hostile.stat("fine", "key").await.unwrap();
    more.send(()).unwrap();
    put.await.unwrap().unwrap();
    stat.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_floods_the_log_still_answers() {
    let hostile = Hostile::start_waiting(RECOVERY, Grants::default()).await;
    hostile.stat("log-flood", "key").await.unwrap();
    hostile.recovers().await;
}
