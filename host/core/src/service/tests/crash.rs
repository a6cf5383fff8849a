use super::*;
use crate::service::memory::Fault;
use crate::service::memory_cache::CacheFault;
use crate::service::ports::StoreError;

/// Dies at one step of a put, restarts, and answers which object is there.
async fn after_death(old: Option<&[u8]>, plan: impl FnOnce(&Fixture), recover: bool) -> Vec<u8> {
    let f = Fixture::new();
    if let Some(old) = old {
        f.put("k", old).await.unwrap();
    }
    plan(&f);
    f.die_in(f.put("k", b"new")).await;
    let f = f.restarted();
    let open = f.cache.open_intents();
    if recover {
        f.service.recover().await.unwrap();
    }
    let left = f.cache.open_intents();
    let found = match f.get("k").await {
        Ok((head, bytes)) => {
            assert_eq!(head.etag, md5(&bytes));
            assert_eq!(head.metadata, put_request("k").metadata);
            bytes
        }
        Err(ServiceError::NoSuchKey) => Vec::new(),
        Err(other) => panic!("{other}"),
    };
    // Where nothing is at all, nobody can tell.
    let told = recover && !found.is_empty();
    assert_eq!(left, if told { 0 } else { open });
    // And the key can be written as ever.
    f.put("k", b"next").await.unwrap();
    f.assert_holds("k", b"next").await;
    assert_eq!(f.cache.open_intents(), 0);
    found
}

#[tokio::test]
async fn after_a_crash_at_any_step_the_old_object_or_the_new_one_is_there_whole() {
    type Plan = fn(&Fixture);
    let steps: [(Plan, bool); 6] = [
        (|f| f.cache.fail_next(CacheFault::HangBeforeAnnounce), false),
        (|f| f.cache.fail_next(CacheFault::HangAfterAnnounce), false),
        (|f| f.store.fail_next(Fault::HangBefore), false),
        (|f| f.store.fail_next(Fault::HangAfter), true),
        (|f| f.cache.fail_next(CacheFault::HangBeforeSettle), true),
        (|f| f.cache.fail_next(CacheFault::HangAfterSettle), true),
    ];
    for (step, (plan, published)) in steps.into_iter().enumerate() {
        for recover in [true, false] {
            for old in [None, Some(b"old".as_slice()), Some(b"of another size")] {
                let expected = if published {
                    b"new"
                } else {
                    old.unwrap_or_default()
                };
                let found = after_death(old, plan, recover).await;
                assert_eq!(found, expected, "step {step}, recover {recover}");
            }
        }
    }
}

#[tokio::test]
async fn recovery_drops_an_intent_whose_object_somebody_else_has_replaced() {
    let f = Fixture::new();
    f.store.fail_next(Fault::HangBefore);
    f.die_in(f.put("k", b"new")).await;
    // Of the same size.
    let bytes = Bytes::from_static(b"xyz");
    f.store.plant(&root(), &key("k"), bytes).unwrap();
    let f = f.restarted();
    f.service.recover().await.unwrap();
    let (head, bytes) = f.get("k").await.unwrap();
    assert_eq!(bytes, b"xyz");
    assert!(matches!(head.etag, ETag::Opaque(_)));
}

#[tokio::test]
async fn a_disk_that_is_not_there_at_the_start_after_a_crash_costs_no_metadata() {
    let f = Fixture::new();
    f.cache.fail_next(CacheFault::HangBeforeSettle);
    f.die_in(f.put("k", b"new")).await;
    let (root, key) = (root(), key("k"));
    f.store.uproot(&root, &key);
    let f = f.restarted();
    f.service.recover().await.unwrap();
    f.store
        .plant(&root, &key, Bytes::from_static(b"new"))
        .unwrap();
    let f = f.restarted();
    f.service.recover().await.unwrap();
    assert_eq!(f.cache.open_intents(), 0);
    f.assert_holds("k", b"new").await;
    assert_eq!(
        f.get("k").await.unwrap().0.metadata,
        put_request("k").metadata
    );
}

#[tokio::test]
async fn a_bucket_that_cannot_be_listed_does_not_stop_the_recovery_of_others() {
    let f = Fixture::advanced().await;
    f.service
        .create_bucket(&name("second"), None)
        .await
        .unwrap();
    for bucket in ["first", "second"] {
        let request = PutObject {
            bucket: name(bucket),
            ..put_request("k")
        };
        f.cache.fail_next(CacheFault::HangBeforeSettle);
        f.die_in(f.service.put_object(request, good(b"new"))).await;
    }
    let f = f.restarted();
    f.store
        .fail_next_list(StoreError::Unavailable("for a moment".into()));
    assert!(f.service.recover().await.is_err());
    assert_eq!(f.cache.open_intents(), 1);
    f.service.recover().await.unwrap();
    assert_eq!(f.cache.open_intents(), 0);
}

#[tokio::test]
async fn an_overwrite_that_fails_keeps_what_a_crash_had_published() {
    let f = Fixture::new();
    f.put("k", b"old").await.unwrap();
    f.store.fail_next(Fault::HangAfter);
    f.die_in(f.put("k", b"new")).await;
    let f = f.restarted();
    f.store.fail_next(Fault::FailBefore);
    assert!(f.put("k", b"newer").await.is_err());
    f.assert_holds("k", b"new").await;
}

#[tokio::test]
async fn a_deletion_after_a_crash_leaves_nothing_to_recover() {
    let f = Fixture::new();
    f.store.fail_next(Fault::HangAfter);
    f.die_in(f.put("k", b"new")).await;
    let f = f.restarted();
    f.delete("k").await.unwrap();
    f.service.recover().await.unwrap();
    assert!(matches!(f.get("k").await, Err(ServiceError::NoSuchKey)));
}
