use super::*;
use crate::model::{BucketSetting, PartNumber, UploadId};
use crate::service::memory_cache::CacheFault;
use crate::service::ports::StoreError;
use crate::service::{ListObjects, ListUploads, UploadRef};

async fn begin(f: &Fixture, bucket: &BucketName, at: &str) -> Result<UploadId, ServiceError> {
    let metadata = Metadata::default();
    f.service
        .create_upload(bucket, key(at), metadata, None)
        .await
}

#[tokio::test]
async fn in_default_mode_there_is_one_bucket_and_no_other() {
    let f = Fixture::new();
    let buckets = f.service.list_buckets().await.unwrap();
    let names: Vec<_> = buckets.iter().map(|b| b.name.as_str()).collect();
    assert_eq!(names, ["default"]);
    f.service.create_bucket(&name("other"), None).await.unwrap();
    f.service
        .create_bucket(&name("default"), None)
        .await
        .unwrap();
    assert_eq!(f.service.list_buckets().await.unwrap().len(), 1);
    f.service.head_bucket(&name("default")).await.unwrap();
    let missing = f.service.head_bucket(&name("other")).await;
    assert!(matches!(missing, Err(ServiceError::NoSuchBucket)));
    let kept = f.service.delete_bucket(&name("default")).await;
    assert!(matches!(kept, Err(ServiceError::BucketNotEmpty)));
    f.service.delete_bucket(&name("other")).await.unwrap();
}

#[tokio::test]
async fn buckets_are_listed_by_name_and_exist_once() {
    let f = Fixture::advanced().await;
    f.service
        .create_bucket(&name("another"), None)
        .await
        .unwrap();
    let buckets = f.service.list_buckets().await.unwrap();
    let names: Vec<_> = buckets.iter().map(|b| b.name.as_str()).collect();
    assert_eq!(names, ["another", "first"]);
    let again = f.service.create_bucket(&name("first"), None).await;
    assert!(matches!(again, Err(ServiceError::BucketExists)));
}

#[tokio::test]
async fn a_bucket_whose_setting_could_not_be_kept_is_not_there_and_can_be_made_again() {
    let f = Fixture::advanced().await;
    let bucket = name("second");
    let tags = |text: &str| Some((BucketSetting::Tagging, text.to_owned()));
    f.cache.fail_next(CacheFault::FailSetting);
    let failed = f.service.create_bucket(&bucket, tags("a")).await;
    assert!(failed.is_err());
    let head = f.service.head_bucket(&bucket).await;
    assert!(matches!(head, Err(ServiceError::NoSuchBucket)), "{head:?}");
    f.service.create_bucket(&bucket, tags("b")).await.unwrap();
    // One that is there keeps what it has.
    let again = f.service.create_bucket(&bucket, tags("c")).await;
    assert!(matches!(again, Err(ServiceError::BucketExists)));
    let kept = f.service.bucket_setting(&bucket, BucketSetting::Tagging);
    assert_eq!(kept.await.unwrap().as_deref(), Some("b"));
}

#[tokio::test]
async fn a_bucket_goes_when_it_is_empty_and_takes_its_uploads_with_it() {
    let f = Fixture::advanced().await;
    let bucket = name("first");
    let request = PutObject {
        bucket: bucket.clone(),
        ..put_request("k")
    };
    f.service.put_object(request, good(b"x")).await.unwrap();
    let kept = f.service.delete_bucket(&bucket).await;
    assert!(matches!(kept, Err(ServiceError::BucketNotEmpty)));
    f.service
        .delete_object(&bucket, &key("k"), WriteConditions::default())
        .await
        .unwrap();
    for upload in ["a", "b"] {
        begin(&f, &bucket, upload).await.unwrap();
    }
    f.service.delete_bucket(&bucket).await.unwrap();
    assert_eq!(f.store.open_uploads(), 0);
    assert_eq!(f.cache.store_uploads().await.unwrap().len(), 0);
    let gone = f.service.delete_bucket(&bucket).await;
    assert!(matches!(gone, Err(ServiceError::NoSuchBucket)));
}

#[tokio::test]
async fn a_bucket_that_went_without_us_leaves_no_upload_to_the_next_of_its_name() {
    let f = Fixture::advanced().await;
    let bucket = name("first");
    begin(&f, &bucket, "k").await.unwrap();
    f.store.delete_bucket(&bucket).await.unwrap();
    f.service.create_bucket(&bucket, None).await.unwrap();
    assert_eq!(f.store.open_uploads(), 0);
    assert_eq!(f.cache.store_uploads().await.unwrap().len(), 0);
}

#[tokio::test]
async fn an_upload_that_cannot_be_noted_is_not_left_to_the_store() {
    let f = Fixture::new();
    f.cache.fail_next(CacheFault::FailBegin);
    assert!(begin(&f, &name("default"), "k").await.is_err());
    assert_eq!(f.store.open_uploads(), 0);
}

#[tokio::test]
async fn uploads_of_a_bucket_that_is_gone_are_not_those_of_the_next_one_if_the_storage_keeps_them()
{
    let f = Fixture::advanced().await;
    let bucket = name("first");
    for upload in ["a", "b"] {
        begin(&f, &bucket, upload).await.unwrap();
    }
    let error = StoreError::Unavailable("not now".into());
    f.store.fail_next_abort(error);
    f.service.delete_bucket(&bucket).await.unwrap();
    assert_eq!(f.store.open_uploads(), 1);
    f.service.create_bucket(&bucket, None).await.unwrap();
    assert!(uploads(&f).await.is_empty());
}

#[tokio::test]
async fn every_operation_on_a_missing_bucket_says_so() {
    for f in [Fixture::new(), Fixture::advanced().await] {
        let bucket = name("missing");
        let service = &f.service;
        let read = || ReadObject {
            bucket: bucket.clone(),
            ..read_request("k")
        };
        let list = |max_keys| ListObjects {
            bucket: bucket.clone(),
            prefix: String::new(),
            delimiter: None,
            after: None,
            max_keys,
        };
        let uploads = ListUploads {
            bucket: bucket.clone(),
            prefix: String::new(),
            delimiter: None,
            key_marker: None,
            upload_id_marker: None,
            max_uploads: 10,
        };
        let upload = UploadRef {
            bucket: bucket.clone(),
            key: key("k"),
            id: "abc".parse().unwrap(),
        };
        let put = |conditions| PutObject {
            bucket: bucket.clone(),
            conditions,
            ..put_request("k")
        };
        let number = PartNumber::new(1).unwrap();
        let metadata = Metadata::default();
        let outcomes = [
            service.head_bucket(&bucket).await.err(),
            service.get_object(read()).await.err(),
            service.head_object(read()).await.err(),
            service
                .put_object(put(WriteConditions::default()), good(b"x"))
                .await
                .err(),
            service.put_object(put(absent()), good(b"x")).await.err(),
            service
                .delete_object(&bucket, &key("k"), WriteConditions::default())
                .await
                .err(),
            service.delete_objects(&bucket, vec![key("k")]).await.err(),
            service.list_objects(list(10)).await.err(),
            service.list_objects(list(0)).await.err(),
            service.list_uploads(uploads).await.err(),
            service
                .create_upload(&bucket, key("k"), metadata, None)
                .await
                .err(),
            service
                .upload_part(upload.clone(), number, good(b"x"))
                .await
                .err(),
            service.list_parts(&upload, 0, 10).await.err(),
            service.abort_upload(&upload).await.err(),
        ];
        for (operation, error) in outcomes.into_iter().enumerate() {
            assert!(
                matches!(error, Some(ServiceError::NoSuchBucket)),
                "operation {operation}: {error:?}"
            );
        }
        assert_eq!(f.cache.open_intents(), 0);
    }
}

#[tokio::test]
async fn what_is_acknowledged_while_its_bucket_is_deleted_is_not_lost() {
    let f = Fixture::advanced().await;
    let bucket = name("first");
    let held = f.store.hold_bucket_deletions().await;
    let deleting = {
        let (service, bucket) = (Arc::clone(&f.service), bucket.clone());
        tokio::spawn(async move { service.delete_bucket(&bucket).await })
    };
    while f.store.emptied_buckets() == 0 {
        tokio::task::yield_now().await;
    }
    let writing = {
        let service = Arc::clone(&f.service);
        let request = PutObject {
            bucket: bucket.clone(),
            ..put_request("k")
        };
        tokio::spawn(async move { service.put_object(request, good(b"x")).await })
    };
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(held);
    deleting.await.unwrap().unwrap();
    let written = writing.await.unwrap();
    assert!(
        matches!(written, Err(ServiceError::NoSuchBucket)),
        "{written:?}"
    );
    // A new bucket of this name is none of theirs.
    f.service.create_bucket(&bucket, None).await.unwrap();
    let request = PutObject {
        bucket,
        ..put_request("k")
    };
    f.service.put_object(request, good(b"x")).await.unwrap();
}

#[tokio::test]
async fn a_bucket_that_is_made_while_its_predecessor_is_deleted_keeps_its_uploads() {
    let f = Fixture::advanced().await;
    let bucket = name("first");
    let create_upload = async |service: &Service| {
        let (bucket, metadata) = (name("first"), Metadata::default());
        let created = service.create_upload(&bucket, key("k"), metadata, None);
        created.await
    };
    let old = create_upload(&f.service).await.unwrap();
    let ongoing = f.service.inner.uploads.claim(&old);
    let held = ongoing.finishing.lock().await;
    let deleting = {
        let (service, bucket) = (Arc::clone(&f.service), bucket.clone());
        tokio::spawn(async move { service.delete_bucket(&bucket).await })
    };
    while f.service.head_bucket(&bucket).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let making = {
        let (service, bucket) = (Arc::clone(&f.service), bucket.clone());
        tokio::spawn(async move {
            service.create_bucket(&bucket, None).await.unwrap();
            create_upload(&service).await.unwrap()
        })
    };
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(held);
    deleting.await.unwrap().unwrap();
    let new = making.await.unwrap();
    assert_eq!(uploads(&f).await, [new]);
}

#[tokio::test]
async fn an_upload_that_begins_while_its_bucket_is_deleted_is_refused() {
    let f = Fixture::advanced().await;
    let bucket = name("first");
    let held = f.store.hold_bucket_deletions().await;
    let deleting = {
        let (service, bucket) = (Arc::clone(&f.service), bucket.clone());
        tokio::spawn(async move { service.delete_bucket(&bucket).await })
    };
    while f.store.emptied_buckets() == 0 {
        tokio::task::yield_now().await;
    }
    let beginning = {
        let (service, bucket) = (Arc::clone(&f.service), bucket.clone());
        let metadata = Metadata::default();
        tokio::spawn(async move {
            let begun = service.create_upload(&bucket, key("k"), metadata, None);
            begun.await
        })
    };
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(held);
    deleting.await.unwrap().unwrap();
    let begun = beginning.await.unwrap();
    assert!(
        matches!(begun, Err(ServiceError::NoSuchBucket)),
        "{begun:?}"
    );
    f.service.create_bucket(&bucket, None).await.unwrap();
    assert_eq!(uploads(&f).await, []);
}

/// The uploads in the bucket `first`.
async fn uploads(f: &Fixture) -> Vec<UploadId> {
    let request = ListUploads {
        bucket: name("first"),
        prefix: String::new(),
        delimiter: None,
        key_marker: None,
        upload_id_marker: None,
        max_uploads: 10,
    };
    let page = f.service.list_uploads(request).await.unwrap();
    page.uploads.into_iter().map(|upload| upload.id).collect()
}
