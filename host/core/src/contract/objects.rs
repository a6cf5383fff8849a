//! Single objects.

use super::data;
use super::{Rig, accepted, body, filled, key, receipt};
use crate::service::ports::StoreError;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use std::io;
use tokio::sync::oneshot;

pub(super) async fn an_object_comes_back_as_it_was_put(rig: &Rig) {
    for (name, size) in [("one", 1), ("odd", 65_537), ("some", 1_000_003)] {
        let bytes = data::bytes(1, size);
        let put = rig.put(name, bytes.clone()).await;
        assert_eq!(put.size, size as u64);
        assert_eq!(rig.stat(name).await.unwrap(), put);
        let (got, read) = rig.get(name, None).await.unwrap();
        assert_eq!(got, put);
        assert!(read == bytes, "{name}");
    }
}

pub(super) async fn an_empty_object_is_an_object(rig: &Rig) {
    let put = rig.put("empty", "").await;
    assert_eq!(put.size, 0);
    assert_eq!(rig.stat("empty").await.unwrap(), put);
    assert!(rig.bytes("empty").await.is_empty());
    let range = rig.get("empty", Some(0..1)).await;
    assert!(matches!(range, Err(StoreError::InvalidRange)), "{range:?}");
}

pub(super) async fn a_deleted_object_is_gone_and_deleting_nothing_is_no_error(rig: &Rig) {
    rig.put("a", "x").await;
    rig.put("a/b", "y").await;
    rig.store
        .delete(&rig.bucket, &key("a"), None)
        .await
        .unwrap();
    assert!(matches!(rig.stat("a").await, Err(StoreError::NoSuchKey)));
    assert!(matches!(
        rig.get("a", None).await,
        Err(StoreError::NoSuchKey)
    ));
    assert_eq!(rig.bytes("a/b").await, "y");
    for nothing in ["a", "never", "a/b/c", "a/", "..", "x/y/z"] {
        rig.store
            .delete(&rig.bucket, &key(nothing), None)
            .await
            .unwrap();
    }
    assert_eq!(rig.bytes("a/b").await, "y");
}

pub(super) async fn each_of_many_deletions_is_answered(rig: &Rig) {
    let names: Vec<String> = (0..300).map(|n| format!("d{}/{n}", n % 7)).collect();
    for name in &names[..200] {
        rig.put(name, "x").await;
    }
    rig.put("stays", "x").await;
    let deletions = names.iter().map(|name| (key(name), None)).collect();
    let answers = rig.store.delete_many(&rig.bucket, deletions).await.unwrap();
    assert_eq!(answers.len(), names.len());
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    for name in &names {
        assert!(
            matches!(rig.stat(name).await, Err(StoreError::NoSuchKey)),
            "{name}"
        );
    }
    rig.stat("stays").await.unwrap();
    assert!(
        rig.store
            .delete_many(&rig.bucket, Vec::new())
            .await
            .unwrap()
            .is_empty()
    );
}

pub(super) async fn a_range_is_exactly_the_bytes_asked_for(rig: &Rig) {
    let bytes = data::bytes(2, 200_000);
    let put = rig.put("key", bytes.clone()).await;
    let ranges = [
        0..1,
        199_999..200_000,
        65_535..65_537,
        0..200_000,
        0..65_536,
        131_072..199_000,
    ];
    for range in ranges {
        let (info, got) = rig
            .get("key", Some(range.start as u64..range.end as u64))
            .await
            .unwrap();
        assert_eq!(info, put, "{range:?}");
        assert!(got == bytes[range.clone()], "{range:?}");
    }
    for behind in [200_000..200_001, 1 << 40..1 << 41] {
        let got = rig.get("key", Some(behind)).await;
        assert!(matches!(got, Err(StoreError::InvalidRange)), "{got:?}");
    }
}

pub(super) async fn an_overwrite_changes_the_version_even_if_the_bytes_are_the_same(rig: &Rig) {
    let mut states = Vec::new();
    for round in 0..20 {
        states.push(rig.put("key", "same").await.state);
        assert_eq!(rig.stat("key").await.unwrap().state, states[round]);
    }
    for pair in states.windows(2) {
        assert_ne!(pair[0], pair[1]);
    }
    let longer = rig.put("key", "longer").await;
    assert_eq!((longer.size, rig.bytes("key").await), (6, "longer".into()));
}

/// An upload that fails: over an object, and where nothing was.
async fn fails_without_a_trace<F: Future<Output = Result<(), StoreError>>>(
    rig: &Rig,
    fail: impl Fn(&'static str) -> F,
) {
    let old = rig.put("dir/old", "old").await;
    let files = rig.files();
    for name in ["dir/old", "dir/new", "new/new"] {
        let failed = fail(name).await;
        // A broken body may show as a failed write: the gateway knows the reason itself.
        assert!(failed.is_err(), "{name}");
    }
    assert_eq!(rig.stat("dir/old").await.unwrap(), old);
    assert_eq!(rig.bytes("dir/old").await, "old");
    assert!(matches!(
        rig.stat("dir/new").await,
        Err(StoreError::NoSuchKey)
    ));
    assert!(matches!(
        rig.stat("new/new").await,
        Err(StoreError::NoSuchKey)
    ));
    assert_eq!(rig.files(), files, "something was left behind");
}

pub(super) async fn a_body_that_errs_leaves_the_old_object_and_nothing_else(rig: &Rig) {
    fails_without_a_trace(rig, async |name| {
        let (sender, verdict) = oneshot::channel();
        // Whoever sees the body break gives no verdict.
        let broken = stream::once(async move {
            drop(sender);
            Err(io::ErrorKind::ConnectionReset.into())
        });
        let body = filled(1, 300_000).chain(broken).boxed();
        rig.put_stream(name, 400_000, body, verdict).await.map(drop)
    })
    .await;
}

pub(super) async fn a_withheld_verdict_leaves_the_old_object_and_nothing_else(rig: &Rig) {
    fails_without_a_trace(rig, async |name| {
        let (sender, verdict) = oneshot::channel();
        drop(sender);
        let bytes = data::bytes(3, 100_000);
        rig.put_stream(name, 100_000, body(bytes), verdict)
            .await
            .map(drop)
    })
    .await;
}

pub(super) async fn a_large_body_passes_through(rig: &Rig) {
    let size = rig.large;
    let put = rig
        .put_stream("large", size, filled(0, size), accepted(size))
        .await
        .unwrap();
    assert_eq!(put.size, size);
    let (_, mut body) = rig
        .store
        .get(&rig.bucket, &key("large"), None, None)
        .await
        .unwrap();
    let mut seen = 0;
    while let Some(piece) = body.next().await {
        let piece: Bytes = piece.unwrap();
        assert!(
            piece.iter().all(|&byte| byte == 0),
            "another byte behind {seen}"
        );
        seen += piece.len() as u64;
    }
    assert_eq!(seen, size);
    let (_, end) = rig.get("large", Some(size - 3..size)).await.unwrap();
    assert_eq!(end, [0; 3].as_slice());
}

pub(super) async fn a_copy_has_the_bytes_of_its_source(rig: &Rig) {
    let bytes = data::bytes(4, 100_000);
    let source = rig.put("source", bytes.clone()).await;
    rig.put("there", "old").await;
    for name in ["new/target", "there", "source"] {
        let from = (&rig.bucket, &key("source"), &source.state);
        let to = (&rig.bucket, &key(name), None);
        match rig.store.copy(from, to, receipt(100_000)).await {
            // The service reads and writes instead.
            Err(StoreError::Unsupported) => return,
            copied => assert_eq!(copied.unwrap(), rig.stat(name).await.unwrap()),
        }
        assert!(rig.bytes(name).await == bytes, "{name}");
    }
}

pub(super) async fn a_copy_of_another_state_is_refused(rig: &Rig) {
    let stale = rig.put("source", "first").await.state;
    rig.put("source", "other").await;
    let copy = async || {
        let (source, target) = (key("source"), key("target"));
        let from = (&rig.bucket, &source, &stale);
        rig.store
            .copy(from, (&rig.bucket, &target, None), receipt(5))
            .await
    };
    let copied = copy().await;
    assert!(
        matches!(copied, Err(StoreError::Changed | StoreError::Unsupported)),
        "{copied:?}"
    );
    rig.store
        .delete(&rig.bucket, &key("source"), None)
        .await
        .unwrap();
    let copied = copy().await;
    let refused = matches!(
        copied,
        Err(StoreError::Changed | StoreError::NoSuchKey | StoreError::Unsupported)
    );
    assert!(refused, "{copied:?}");
    assert!(matches!(
        rig.stat("target").await,
        Err(StoreError::NoSuchKey)
    ));
}
