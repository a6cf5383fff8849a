//! Many calls at once.

use super::{Rig, accepted, filled, key, receipt};
use crate::service::ports::PutOptions;
use futures_util::{StreamExt as _, future};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::oneshot;

pub(super) async fn a_reader_sees_one_object_whole_while_it_is_overwritten(rig: &Rig) {
    // The size tells which of the objects it is.
    let size = |value: u8| 500_000 + u64::from(value) * 1000;
    let put = async |value: u8| {
        let (size, verdict) = (size(value), accepted(size(value)));
        rig.put_stream("key", size, filled(value, size), verdict)
            .await
            .unwrap();
    };
    put(0).await;
    let done = AtomicBool::new(false);
    let write = async {
        for value in 1..40 {
            put(value).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let read = async || {
        let mut reads = 0;
        while !done.load(Ordering::Relaxed) || reads == 0 {
            let (info, bytes) = rig.get("key", None).await.unwrap();
            assert_eq!((info.size, size(bytes[0])), (bytes.len() as u64, info.size));
            assert!(bytes.iter().all(|&byte| byte == bytes[0]), "a mixture");
            reads += 1;
        }
    };
    future::join4(write, read(), read(), read()).await;
    assert_eq!(rig.bytes("key").await.len() as u64, size(39));
}

pub(super) async fn many_objects_can_be_put_at_once(rig: &Rig) {
    let names: Vec<String> = (0..100).map(|n| format!("dir{}/sub/{n}", n % 5)).collect();
    let puts = names.iter().zip(0..).map(|(name, value)| async move {
        let size = 10_000 + u64::from(value);
        rig.put_stream(name, size, filled(value, size), accepted(size))
            .await
            .unwrap();
    });
    future::join_all(puts).await;
    for (name, value) in names.iter().zip(0_u8..) {
        assert_eq!(
            rig.bytes(name).await,
            vec![value; 10_000 + usize::from(value)]
        );
    }
}

/// Bodies may overlap; publications of one key never do.
pub(super) async fn uploads_of_one_key_do_not_mix(rig: &Rig) {
    let (mut puts, mut verdicts) = (Vec::new(), Vec::new());
    for value in 1..=5 {
        let (sender, verdict) = oneshot::channel();
        let (store, bucket) = (rig.store.clone(), rig.bucket.clone());
        puts.push(tokio::spawn(async move {
            let body = filled(value, 200_000);
            store
                .put(
                    &bucket,
                    &key("a/key"),
                    200_000,
                    PutOptions::default(),
                    body,
                    verdict,
                )
                .await
        }));
        verdicts.push((value, sender));
    }
    for (put, (value, verdict)) in puts.into_iter().zip(verdicts) {
        verdict.send(receipt(200_000)).unwrap();
        let stored = put.await.unwrap().unwrap();
        assert_eq!(rig.stat("a/key").await.unwrap(), stored);
        assert_eq!(rig.bytes("a/key").await, vec![value; 200_000]);
    }
}

pub(super) async fn a_body_that_nobody_reads_to_its_end_holds_up_nothing(rig: &Rig) {
    rig.put_stream("key", 4 << 20, filled(9, 4 << 20), accepted(4 << 20))
        .await
        .unwrap();
    let mut open = Vec::new();
    for _ in 0..40 {
        let (_, mut body) = rig
            .store
            .get(&rig.bucket, &key("key"), None, None)
            .await
            .unwrap();
        assert!(body.next().await.unwrap().is_ok());
        open.push(body);
    }
    // While they wait, and after they were given up.
    assert_eq!(rig.bytes("key").await.len(), 4 << 20);
    open.truncate(1);
    assert_eq!(rig.bytes("key").await.len(), 4 << 20);
    rig.put("other", "x").await;
    let mut rest = 0;
    let mut last = open.remove(0);
    while let Some(piece) = last.next().await {
        rest += piece.unwrap().len();
    }
    assert!(rest > 3 << 20, "{rest}");
}
