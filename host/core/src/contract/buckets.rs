//! Buckets with names.

use super::{Rig, accepted, body, key};
use crate::model::Bucket;
use crate::service::ports::{PutOptions, StoreError, StoreListQuery};
use bytes::Bytes;

pub(super) async fn a_bucket_is_there_from_its_creation_to_its_deletion(rig: &Rig) {
    let (store, new) = (&rig.store, rig.bucket_name(".new-bucket.1"));
    let first = rig.bucket_name("");
    assert!(matches!(
        store.stat_bucket(&new).await,
        Err(StoreError::NoSuchBucket)
    ));
    store.create_bucket(&new).await.unwrap();
    assert!(matches!(
        store.create_bucket(&new).await,
        Err(StoreError::BucketExists)
    ));
    assert_eq!(store.stat_bucket(&new).await.unwrap().name, new);
    assert_eq!(rig.bucket_names().await, [first.clone(), new.clone()]);
    store.delete_bucket(&new).await.unwrap();
    assert!(matches!(
        store.delete_bucket(&new).await,
        Err(StoreError::NoSuchBucket)
    ));
    assert!(matches!(
        store.stat_bucket(&new).await,
        Err(StoreError::NoSuchBucket)
    ));
    assert_eq!(rig.bucket_names().await, [first]);
}

pub(super) async fn a_bucket_with_an_object_is_not_deleted(rig: &Rig) {
    let bucket = rig.bucket_name("");
    // Deep enough that a storage has to make directories, which are no objects.
    rig.put("a/b/c", "x").await;
    assert!(matches!(
        rig.store.delete_bucket(&bucket).await,
        Err(StoreError::BucketNotEmpty)
    ));
    assert_eq!(rig.bytes("a/b/c").await, "x");
    rig.store
        .delete(&rig.bucket, &key("a/b/c"), None)
        .await
        .unwrap();
    rig.store.delete_bucket(&bucket).await.unwrap();
    rig.store.create_bucket(&bucket).await.unwrap();
    assert!(matches!(
        rig.stat("a/b/c").await,
        Err(StoreError::NoSuchKey)
    ));
}

pub(super) async fn nothing_is_found_in_a_bucket_that_is_not_there(rig: &Rig) {
    let (store, key) = (&rig.store, key("a"));
    let missing = Bucket::Named(rig.bucket_name("-missing"));
    let query = StoreListQuery {
        prefix: String::new(),
        after: None,
        shallow: false,
        limit: 10,
    };
    let options = PutOptions::default;
    let put = store.put(
        &missing,
        &key,
        1,
        options(),
        body(Bytes::from_static(b"x")),
        accepted(1),
    );
    let answers = [
        put.await.err(),
        store.get(&missing, &key, None, None).await.err(),
        store.stat(&missing, &key, None).await.err(),
        store.list(&missing, query).await.err(),
        store.begin_upload(&missing, &key, options()).await.err(),
    ];
    for (call, answer) in ["put", "get", "stat", "list", "begin"]
        .into_iter()
        .zip(answers)
    {
        assert!(
            matches!(answer, Some(StoreError::NoSuchBucket)),
            "{call}: {answer:?}"
        );
    }
}

pub(super) async fn buckets_do_not_share_keys(rig: &Rig) {
    let other = rig.bucket_name("-other");
    rig.store.create_bucket(&other).await.unwrap();
    rig.put("key", "x").await;
    let found = rig
        .store
        .stat(&Bucket::Named(other), &key("key"), None)
        .await;
    assert!(matches!(found, Err(StoreError::NoSuchKey)), "{found:?}");
}
