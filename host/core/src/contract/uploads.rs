//! Uploads in parts.

use super::data;
use super::{Rig, filled, key};
use crate::model::{PartNumber, Timestamp};
use crate::service::ports::{PartOptions, StoreError, StoreListQuery, StoredPart};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use std::io;

const SIZE: usize = 100_000;

/// Part `number` of any upload here.
fn bytes(number: u32) -> Bytes {
    data::bytes(number.into(), SIZE)
}

async fn keys(rig: &Rig) -> Vec<String> {
    let query = StoreListQuery {
        prefix: String::new(),
        after: None,
        shallow: false,
        limit: 1000,
    };
    let page = rig.store.list(&rig.bucket, query).await.unwrap();
    page.entries
        .into_iter()
        .map(|(key, _)| key.to_string())
        .collect()
}

/// Starts an upload with part 1.
async fn begun(rig: &Rig, name: &str) -> (String, StoredPart) {
    let upload = rig.begin(name).await;
    let part = rig.part((name, &upload), 1, bytes(1), None).await.unwrap();
    (upload, part)
}

pub(super) async fn parts_may_come_in_any_order_and_with_gaps(rig: &Rig) {
    let files = rig.files();
    let upload = rig.begin("dir/key").await;
    let to = ("dir/key", upload.as_str());
    let mut parts = Vec::new();
    for number in [10_000, 2, 7, 5] {
        parts.push(rig.part(to, number, bytes(number), None).await.unwrap());
    }
    parts.sort_by_key(|part| part.number.get());
    // Part 5 has arrived and is not wanted.
    parts.remove(1);
    let stored = rig.complete(to, &parts).await.unwrap();
    assert_eq!(stored, rig.stat("dir/key").await.unwrap());
    assert!(rig.bytes("dir/key").await == [bytes(2), bytes(7), bytes(10_000)].concat());
    assert!(rig.files() <= files + 1, "parts were left behind");
}

pub(super) async fn parts_with_places_become_one_object(rig: &Rig) {
    let upload = rig.begin("key").await;
    let to = ("key", upload.as_str());
    let size = SIZE as u64;
    let last = bytes(4).slice(..77);
    let four = rig.part(to, 4, last.clone(), Some(3 * size)).await.unwrap();
    let two = rig.part(to, 2, bytes(2), Some(size)).await.unwrap();
    let one = rig.part(to, 1, bytes(1), Some(0)).await.unwrap();
    // Its place was offered to an arrival that failed, so it has none.
    let three = rig.part(to, 3, bytes(3), None).await.unwrap();
    rig.complete(to, &[one, two, three, four]).await.unwrap();
    assert!(rig.bytes("key").await == [bytes(1), bytes(2), bytes(3), last].concat());
}

/// What a client sends that has opened an upload for a stream and found it empty.
pub(super) async fn an_upload_of_nothing_is_an_empty_object(rig: &Rig) {
    let files = rig.files();
    for number in [1, 7] {
        let upload = rig.begin("key").await;
        let to = ("key", upload.as_str());
        let part = rig.part(to, number, Bytes::new(), None).await.unwrap();
        let stored = rig.complete(to, std::slice::from_ref(&part)).await.unwrap();
        assert_eq!(stored, rig.stat("key").await.unwrap());
        assert_eq!(stored.size, 0);
        assert!(rig.bytes("key").await.is_empty());
        is_over(rig, &upload, part).await;
    }
    assert!(rig.files() <= files + 1, "something was left behind");
}

pub(super) async fn a_part_can_be_replaced_and_the_earlier_one_stays_good(rig: &Rig) {
    for (kept, offset) in [
        (false, None),
        (true, None),
        (false, Some(0)),
        (true, Some(0)),
    ] {
        let upload = rig.begin("key").await;
        let to = ("key", upload.as_str());
        let first = rig.part(to, 1, bytes(1), offset).await.unwrap();
        let second = rig.part(to, 1, bytes(2), None).await.unwrap();
        let (part, expected) = if kept {
            (first, bytes(1))
        } else {
            (second, bytes(2))
        };
        rig.complete(to, &[part]).await.unwrap();
        assert!(rig.bytes("key").await == expected, "{kept} {offset:?}");
    }
}

pub(super) async fn a_failed_part_costs_only_itself(rig: &Rig) {
    let (upload, one) = begun(rig, "key").await;
    let error = stream::once(async { Err(io::ErrorKind::ConnectionReset.into()) });
    let broken = filled(3, SIZE as u64 / 2).chain(error).boxed();
    let number = PartNumber::new(1).unwrap();
    let options = PartOptions {
        number,
        size: SIZE as u64,
        offset: None,
    };
    let failed = rig
        .store
        .put_part(&rig.bucket, &key("key"), &upload, options, broken)
        .await;
    assert!(failed.is_err(), "{failed:?}");
    rig.complete(("key", &upload), &[one]).await.unwrap();
    assert!(rig.bytes("key").await == bytes(1));
}

pub(super) async fn an_upload_is_invisible_until_it_is_completed(rig: &Rig) {
    let (upload, part) = begun(rig, "dir/key").await;
    assert!(matches!(
        rig.stat("dir/key").await,
        Err(StoreError::NoSuchKey)
    ));
    assert!(keys(rig).await.is_empty());
    rig.complete(("dir/key", &upload), &[part]).await.unwrap();
    assert_eq!(keys(rig).await, ["dir/key"]);
}

pub(super) async fn an_upload_replaces_the_object_that_was_there(rig: &Rig) {
    let old = rig.put("key", "old").await;
    let (upload, part) = begun(rig, "key").await;
    assert_eq!(rig.stat("key").await.unwrap(), old);
    let new = rig.complete(("key", &upload), &[part]).await.unwrap();
    assert_ne!(new.state, old.state);
    assert!(rig.bytes("key").await == bytes(1));
}

pub(super) async fn a_completion_can_be_repeated_after_a_failure(rig: &Rig) {
    let old = rig.put("key", "old").await;
    let (upload, part) = begun(rig, "key").await;
    for token in ["", "/", "..", "p9-unknown", "@1", "no token"] {
        let bad = StoredPart {
            token: token.into(),
            ..part.clone()
        };
        let failed = rig.complete(("key", &upload), &[bad]).await;
        assert!(failed.is_err(), "{token:?}");
        assert_eq!(rig.stat("key").await.unwrap(), old, "{token:?}");
    }
    rig.complete(("key", &upload), &[part]).await.unwrap();
    assert!(rig.bytes("key").await == bytes(1));
}

async fn is_over(rig: &Rig, upload: &str, part: StoredPart) {
    let added = rig.part(("key", upload), 2, bytes(2), None).await;
    assert!(matches!(added, Err(StoreError::NoSuchUpload)), "{added:?}");
    let completed = rig.complete(("key", upload), &[part]).await;
    assert!(
        matches!(completed, Err(StoreError::NoSuchUpload)),
        "{completed:?}"
    );
    rig.abort(("key", upload)).await.unwrap();
}

pub(super) async fn nothing_can_be_added_to_an_upload_that_is_over(rig: &Rig) {
    let (upload, part) = begun(rig, "key").await;
    rig.complete(("key", &upload), std::slice::from_ref(&part))
        .await
        .unwrap();
    is_over(rig, &upload, part.clone()).await;
    assert!(rig.bytes("key").await == bytes(1));
    for unknown in ["never-begun", "../../x", "/", ""] {
        let added = rig.part(("key", unknown), 2, bytes(2), None).await;
        assert!(
            matches!(added, Err(StoreError::NoSuchUpload)),
            "{unknown:?}: {added:?}"
        );
        let completed = rig
            .complete(("key", unknown), std::slice::from_ref(&part))
            .await;
        assert!(
            matches!(completed, Err(StoreError::NoSuchUpload)),
            "{unknown:?}: {completed:?}"
        );
    }
}

pub(super) async fn an_aborted_upload_leaves_nothing(rig: &Rig) {
    let files = rig.files();
    let (upload, part) = begun(rig, "key").await;
    rig.abort(("key", &upload)).await.unwrap();
    assert_eq!(rig.files(), files);
    is_over(rig, &upload, part).await;
    assert!(matches!(rig.stat("key").await, Err(StoreError::NoSuchKey)));
    assert_eq!(rig.files(), files);
}

pub(super) async fn a_sweep_keeps_what_is_named_and_what_is_new(rig: &Rig) {
    rig.put("object", "x").await;
    let (kept, kept_part) = begun(rig, "key").await;
    let (lost, lost_part) = begun(rig, "key").await;
    let hour = 3_600_000_000_000;
    let now = Timestamp::now().0;
    let swept = rig
        .store
        .sweep(Timestamp(now - hour), Vec::new())
        .await
        .unwrap();
    assert_eq!(swept, 0);
    let swept = rig
        .store
        .sweep(Timestamp(now + hour), vec![kept.clone()])
        .await
        .unwrap();
    assert_eq!(swept, 1);
    is_over(rig, &lost, lost_part).await;
    rig.complete(("key", &kept), &[kept_part]).await.unwrap();
    assert!(rig.bytes("key").await == bytes(1));
    assert_eq!(rig.bytes("object").await, "x");
}
