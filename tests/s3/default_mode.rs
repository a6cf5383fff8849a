//! The one virtual bucket `default` of a gateway without `--allow-bucket-creation`.

use pys3local_tests::gateway::Options;

#[tokio::test]
async fn there_is_one_bucket_and_it_is_the_directory_itself() {
    let gateway = Options::default().default_bucket().start();
    let s3 = gateway.s3();
    let list = s3.call("GET", "/").send().await.expect(200).xml();
    assert_eq!(
        list.find("Buckets").unwrap().texts("Bucket", "Name"),
        ["default"]
    );
    s3.bucket("HEAD", "default").send().await.expect(200);
    s3.store("default", "dir/key", "body").await;
    assert_eq!(
        std::fs::read(gateway.data().join("dir/key")).unwrap(),
        b"body"
    );
    assert_eq!(s3.keys("default").await, ["dir/key"]);
}

#[tokio::test]
async fn creating_a_bucket_answers_200_and_creates_nothing() {
    let gateway = Options::default().default_bucket().start();
    let s3 = gateway.s3();
    for name in ["default", "other"] {
        s3.bucket("PUT", name).send().await.expect(200);
    }
    assert!(!gateway.data().join("other").exists());
    s3.bucket("HEAD", "other").send().await.expect(404);
}

#[tokio::test]
async fn every_other_bucket_does_not_exist() {
    let gateway = Options::default().default_bucket().start();
    let s3 = gateway.s3();
    s3.put("other", "key", "x")
        .send()
        .await
        .expect_error(404, "NoSuchBucket");
    s3.get("other", "key")
        .send()
        .await
        .expect_error(404, "NoSuchBucket");
    s3.list("other")
        .send()
        .await
        .expect_error(404, "NoSuchBucket");
    let start = s3.object("POST", "other", "key").query("uploads", "");
    start.send().await.expect_error(404, "NoSuchBucket");
}

#[tokio::test]
async fn the_default_bucket_cannot_be_deleted() {
    let gateway = Options::default().default_bucket().start();
    let s3 = gateway.s3();
    s3.bucket("DELETE", "default")
        .send()
        .await
        .expect_error(409, "BucketNotEmpty");
    s3.bucket("DELETE", "other").send().await.expect(204);
    s3.bucket("HEAD", "default").send().await.expect(200);
}

#[tokio::test]
async fn uploads_in_parts_work_there_too() {
    let gateway = Options::default().default_bucket().start();
    let s3 = gateway.s3();
    let upload = s3.create_upload("default", "key").await;
    let etag = s3.store_part("default", "key", &upload, 1, "body").await;
    assert!(s3.keys("default").await.is_empty());
    s3.complete("default", "key", &upload, &[(1, etag)])
        .send()
        .await
        .expect(200);
    assert_eq!(s3.fetch("default", "key").await, "body");
    assert_eq!(s3.keys("default").await, ["key"]);
}
