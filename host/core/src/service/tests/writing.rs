use super::*;
use crate::service::memory::Fault;
use crate::service::memory_cache::CacheFault;

#[tokio::test]
async fn what_was_put_is_what_is_read() {
    let f = Fixture::new();
    let large: Vec<u8> = (0..1_000_003u32).map(|i| (i % 251) as u8).collect();
    for bytes in [b"".as_slice(), b"x", &large] {
        let written = f.put("k", bytes).await.unwrap();
        assert_eq!(written.etag, md5(bytes));
        f.assert_holds("k", bytes).await;
    }
}

#[tokio::test]
async fn an_upload_that_fails_at_its_end_leaves_the_old_object_and_no_intent() {
    let f = Fixture::new();
    f.put("k", b"old").await.unwrap();
    for size in [0, 3, 500_000] {
        let upload = bad(&vec![1; size], UploadError::TooLong);
        let outcome = f.service.put_object(put_request("k"), upload).await;
        assert!(matches!(
            outcome,
            Err(ServiceError::Upload(UploadError::TooLong))
        ));
        f.assert_holds("k", b"old").await;
        assert_eq!(f.cache.open_intents(), 0);
    }
}

#[tokio::test]
async fn a_put_without_conditions_costs_one_announcement_and_one_row() {
    let f = Fixture::new();
    f.put("k", b"bytes").await.unwrap();
    assert_eq!(f.cache.take_calls(), 2);
    f.get("k").await.unwrap();
    assert_eq!(f.cache.take_calls(), 1);
}

#[tokio::test]
async fn a_store_that_fails_before_publishing_leaves_the_old_object() {
    let f = Fixture::new();
    f.put("k", b"old").await.unwrap();
    f.store.fail_next(Fault::FailBefore);
    let outcome = f.put("k", b"new").await;
    assert!(matches!(outcome, Err(ServiceError::Unavailable(_))));
    f.assert_holds("k", b"old").await;
    assert_eq!(f.cache.open_intents(), 0);
    f.store.fail_next(Fault::FailBefore);
    assert!(f.put("other", b"new").await.is_err());
    assert!(matches!(f.get("other").await, Err(ServiceError::NoSuchKey)));
}

#[tokio::test]
async fn a_store_that_fails_after_publishing_has_stored_the_object() {
    let f = Fixture::new();
    f.put("k", b"old").await.unwrap();
    f.store.fail_next(Fault::FailAfter);
    let written = f.put("k", b"new").await.unwrap();
    assert_eq!(written.etag, md5(b"new"));
    f.assert_holds("k", b"new").await;
    assert_eq!(f.cache.open_intents(), 0);
}

#[tokio::test]
async fn the_same_bytes_put_again_replace_the_metadata_and_nothing_else_does() {
    let f = Fixture::new();
    f.put("k", b"same").await.unwrap();
    let mut request = put_request("k");
    request.metadata.user.clear();
    f.store.fail_next(Fault::FailBefore);
    let outcome = f.service.put_object(request.clone(), good(b"same")).await;
    assert!(outcome.is_err());
    f.assert_holds("k", b"same").await;
    f.service.put_object(request, good(b"same")).await.unwrap();
    assert!(f.get("k").await.unwrap().0.metadata.user.is_empty());
}

#[tokio::test]
async fn a_write_whose_row_cannot_be_committed_is_settled_by_the_next_reader() {
    let f = Fixture::new();
    f.put("k", b"old").await.unwrap();
    f.cache.fail_next(CacheFault::FailSettle);
    assert!(f.put("k", b"new").await.is_err());
    assert_eq!(f.cache.open_intents(), 1);
    f.assert_holds("k", b"new").await;
    assert_eq!(f.cache.open_intents(), 0);
}

#[tokio::test]
async fn a_new_write_settles_what_the_last_one_left_open() {
    let f = Fixture::new();
    f.put("k", b"old").await.unwrap();
    f.cache.fail_next(CacheFault::FailSettle);
    assert!(f.put("k", b"middle").await.is_err());
    f.store.fail_next(Fault::FailBefore);
    assert!(f.put("k", b"new").await.is_err());
    f.assert_holds("k", b"middle").await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_end_leaves_nothing() {
    let f = Fixture::new();
    f.put("k", b"old").await.unwrap();
    let put = f.service.put_object(put_request("k"), stuck(b"half"));
    let moment = Duration::from_millis(20);
    assert!(tokio::time::timeout(moment, put).await.is_err());
    f.service.quiesce().await;
    f.assert_holds("k", b"old").await;
}

#[tokio::test]
async fn from_its_verdict_on_a_write_finishes_without_its_client() {
    let f = Fixture::new();
    {
        let mut put = Box::pin(f.put("k", b"bytes"));
        // Polled just until the intent is open, and then dropped.
        while f.cache.open_intents() == 0 {
            let moment = Duration::from_millis(1);
            tokio::select! {
                biased;
                _ = &mut put => panic!("the write ended before it was dropped"),
                () = tokio::task::yield_now() => {}
                () = tokio::time::sleep(moment) => {}
            }
        }
    }
    f.service.quiesce().await;
    f.assert_holds("k", b"bytes").await;
}

#[tokio::test]
async fn a_hopeless_put_is_refused_before_its_body_is_read() {
    let f = Fixture::new();
    f.put("k", b"old").await.unwrap();
    let request = PutObject {
        conditions: absent(),
        ..put_request("k")
    };
    let outcome = f.service.put_object(request, stuck(b"")).await;
    assert!(matches!(
        outcome,
        Err(ServiceError::PreconditionFailed("If-None-Match"))
    ));
}

#[tokio::test]
async fn a_condition_that_stops_holding_during_the_upload_fails_the_put() {
    let f = Fixture::new();
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let Upload { size, pieces, .. } = good(b"slow");
    let slow = Upload {
        on_demand: false,
        promised: None,
        wanted: Wanted::default(),
        size,
        pieces: futures_util::stream::once(async move {
            let _ = wait.await;
            pieces
        })
        .flatten()
        .boxed(),
    };
    let request = PutObject {
        conditions: absent(),
        ..put_request("k")
    };
    let service = Arc::clone(&f.service);
    let task = tokio::spawn(async move { service.put_object(request, slow).await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    f.put("k", b"fast").await.unwrap();
    go.send(()).unwrap();
    let outcome = task.await.unwrap();
    assert!(matches!(
        outcome,
        Err(ServiceError::PreconditionFailed("If-None-Match"))
    ));
    f.assert_holds("k", b"fast").await;
    assert_eq!(f.cache.open_intents(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_creators_exactly_one_wins() {
    let f = Arc::new(Fixture::new());
    for round in 0..20 {
        let key = format!("k{round}");
        let tasks: Vec<_> = (0..16u8)
            .map(|writer| {
                let (f, key) = (Arc::clone(&f), key.clone());
                tokio::spawn(async move { f.put_if(&key, &[writer; 10], absent()).await })
            })
            .collect();
        let mut winners = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Ok(written) => winners.push(written.etag),
                Err(ServiceError::PreconditionFailed(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(f.get(&key).await.unwrap().0.etag, winners[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_replacers_of_one_state_exactly_one_wins() {
    let f = Arc::new(Fixture::new());
    let start = f.put("k", b"start").await.unwrap().etag;
    let tasks: Vec<_> = (0..16u8)
        .map(|writer| {
            let (f, if_match) = (Arc::clone(&f), Some(only(start.clone())));
            let conditions = WriteConditions {
                if_match,
                if_none_match: None,
            };
            tokio::spawn(async move { f.put_if("k", &[writer; 10], conditions).await })
        })
        .collect();
    let mut winners = 0;
    for task in tasks {
        winners += usize::from(task.await.unwrap().is_ok());
    }
    assert_eq!(winners, 1);
}

#[tokio::test]
async fn deleting_is_the_same_whether_or_not_there_is_an_object() {
    let f = Fixture::new();
    f.delete("k").await.unwrap();
    f.put("k", b"x").await.unwrap();
    f.delete("k").await.unwrap();
    assert!(matches!(f.get("k").await, Err(ServiceError::NoSuchKey)));
}

#[tokio::test]
async fn each_of_many_deletions_has_its_own_answer() {
    let f = Fixture::new();
    for name in ["a", "b", "c"] {
        f.put(name, b"x").await.unwrap();
    }
    f.store.protect(key("b"));
    let keys = ["c", "b", "missing", "a", "b"].map(key).to_vec();
    let bucket = name("default");
    let answers = f.service.delete_objects(&bucket, keys).await.unwrap();
    let failed: Vec<bool> = answers.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, true, false, false, true]);
    assert!(matches!(answers[4], Err(ServiceError::Denied(_))));
    f.assert_holds("b", b"x").await;
    assert!(f.get("a").await.is_err() && f.get("c").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deletions_of_the_same_keys_in_any_order_do_not_wait_for_one_another_forever() {
    let f = Arc::new(Fixture::new());
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let f = Arc::clone(&f);
            tokio::spawn(async move {
                for round in 0..50 {
                    let mut keys: Vec<_> = (0..10).map(|i| key(&format!("k{i}"))).collect();
                    keys.rotate_left((task + round) % 10);
                    f.put(keys[0].as_str(), b"x").await.unwrap();
                    let bucket = name("default");
                    f.service.delete_objects(&bucket, keys).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        let limit = Duration::from_mins(1);
        tokio::time::timeout(limit, task).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_copy_has_the_bytes_and_the_metadata_of_its_source() {
    for inside in [true, false] {
        let f = Fixture::new();
        f.store.set_can_copy(inside);
        f.put("from", b"bytes").await.unwrap();
        let written = f.copy("from", "to").await.unwrap();
        assert_eq!(written.etag, md5(b"bytes"));
        f.assert_holds("to", b"bytes").await;
        assert_eq!(f.cache.open_intents(), 0);
    }
}

#[tokio::test]
async fn a_copy_onto_itself_must_replace_the_metadata_and_keeps_the_bytes() {
    for inside in [true, false] {
        let f = Fixture::new();
        f.store.set_can_copy(inside);
        f.put("k", b"bytes").await.unwrap();
        let outcome = f.copy("k", "k").await;
        assert!(matches!(outcome, Err(ServiceError::CopyOntoItself)));
        let request = CopyObject {
            metadata: Some(Metadata::default()),
            ..copy_request("k", "k")
        };
        f.service.copy_object(request).await.unwrap();
        let (head, bytes) = f.get("k").await.unwrap();
        assert_eq!(bytes, b"bytes");
        assert_eq!(head.metadata, Metadata::default());
        assert_eq!(head.etag, md5(b"bytes"));
    }
}

#[tokio::test]
async fn a_copy_of_an_object_with_unknown_md5_computes_it() {
    let f = Fixture::new();
    let bytes = Bytes::from_static(b"by hand");
    f.store.plant(&root(), &key("from"), bytes).unwrap();
    let written = f.copy("from", "to").await.unwrap();
    assert_eq!(written.etag, md5(b"by hand"));
}

#[tokio::test]
async fn a_copy_obeys_the_conditions_on_its_source_and_on_its_target() {
    let f = Fixture::new();
    let etag = f.put("from", b"bytes").await.unwrap().etag;
    let request = CopyObject {
        source_conditions: ReadConditions {
            if_none_match: Some(only(etag)),
            ..ReadConditions::default()
        },
        ..copy_request("from", "to")
    };
    assert!(matches!(
        f.service.copy_object(request).await,
        Err(ServiceError::PreconditionFailed(_))
    ));
    f.put("to", b"there").await.unwrap();
    let request = CopyObject {
        conditions: absent(),
        ..copy_request("from", "to")
    };
    assert!(matches!(
        f.service.copy_object(request).await,
        Err(ServiceError::PreconditionFailed("If-None-Match"))
    ));
    assert!(matches!(
        f.copy("missing", "to").await,
        Err(ServiceError::NoSuchKey)
    ));
    f.assert_holds("to", b"there").await;
}

#[tokio::test]
async fn a_copy_that_fails_half_way_is_settled_as_a_put_is() {
    let f = Fixture::new();
    f.put("from", b"bytes").await.unwrap();
    f.put("to", b"old").await.unwrap();
    f.store.fail_next(Fault::FailBefore);
    assert!(f.copy("from", "to").await.is_err());
    f.assert_holds("to", b"old").await;
    f.store.fail_next(Fault::FailAfter);
    f.copy("from", "to").await.unwrap();
    f.assert_holds("to", b"bytes").await;
}
