//! Buckets, in advanced mode.

use pys3local_tests::gateway::Options;
use pys3local_tests::{Gateway, S3};

#[tokio::test]
async fn a_bucket_is_there_from_creation_to_deletion_even_when_empty() {
    let mut gateway = Options::default().start();
    let s3 = gateway.s3();
    s3.bucket("HEAD", "first").send().await.expect(404);
    s3.create_bucket("first").await;
    s3.create_bucket("second").await;
    s3.bucket("HEAD", "first").send().await.expect(200);
    gateway.restart();
    let s3 = gateway.s3();
    let list = s3.call("GET", "/").send().await.expect(200).xml();
    assert_eq!(list.name, "ListAllMyBucketsResult");
    assert!(list.find("Owner/ID").is_some());
    let buckets = list.find("Buckets").unwrap();
    assert_eq!(buckets.texts("Bucket", "Name"), ["first", "second"]);
    assert!(buckets.text("Bucket/CreationDate").ends_with('Z'));
    s3.bucket("DELETE", "first").send().await.expect(204);
    s3.bucket("HEAD", "first").send().await.expect(404);
    s3.bucket("DELETE", "first")
        .send()
        .await
        .expect_error(404, "NoSuchBucket");
}

#[tokio::test]
async fn a_bucket_with_objects_is_not_deleted() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "deep/down/key", "x").await;
    s3.bucket("DELETE", "bucket")
        .send()
        .await
        .expect_error(409, "BucketNotEmpty");
    assert_eq!(s3.fetch("bucket", "deep/down/key").await, "x");
    s3.delete("bucket", "deep/down/key")
        .send()
        .await
        .expect(204);
    s3.bucket("DELETE", "bucket").send().await.expect(204);
}

fn in_region(region: &str) -> (Gateway, S3) {
    let gateway = Options::default().arg("--region").arg(region).start();
    let mut s3 = gateway.s3();
    s3.credentials.region = region.into();
    (gateway, s3)
}

#[tokio::test]
async fn creating_a_bucket_again_changes_nothing_in_us_east_1() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "x").await;
    s3.bucket("PUT", "bucket").send().await.expect(200);
    assert_eq!(s3.fetch("bucket", "key").await, "x");
}

#[tokio::test]
async fn creating_a_bucket_again_says_that_it_is_yours_in_other_regions() {
    let (_gateway, s3) = in_region("eu-central-1");
    s3.create_bucket("bucket").await;
    s3.store("bucket", "key", "x").await;
    let again = s3.bucket("PUT", "bucket").send().await;
    again.expect_error(409, "BucketAlreadyOwnedByYou");
    assert_eq!(s3.fetch("bucket", "key").await, "x");
}

#[tokio::test]
async fn a_location_constraint_must_be_the_region_of_the_server() {
    let (_gateway, s3) = in_region("eu-central-1");
    let create = |bucket: &str, region: &str| {
        let document = format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        );
        s3.bucket("PUT", bucket).body(document)
    };
    create("here", "eu-central-1").send().await.expect(200);
    let reply = create("elsewhere", "eu-west-1").send().await;
    reply.expect_error(400, "IllegalLocationConstraintException");
    s3.bucket("HEAD", "elsewhere").send().await.expect(404);
}

#[tokio::test]
async fn a_name_that_is_no_bucket_name_is_refused() {
    let gateway = Options::default().start();
    let s3 = gateway.s3();
    for name in [
        "ab",
        "UPPER",
        "under_score",
        "-dash",
        "a..b",
        "192.168.1.1",
        &"x".repeat(64),
    ] {
        s3.bucket("PUT", name)
            .send()
            .await
            .expect_error(400, "InvalidBucketName");
    }
    assert!(gateway.files().is_empty());
}

#[tokio::test]
async fn the_location_of_us_east_1_is_empty() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let location = s3
        .bucket("GET", "bucket")
        .query("location", "")
        .send()
        .await
        .expect(200)
        .xml();
    assert_eq!(
        (location.name.as_str(), location.text.as_str()),
        ("LocationConstraint", "")
    );
    let missing = s3
        .bucket("GET", "missing")
        .query("location", "")
        .send()
        .await;
    missing.expect_error(404, "NoSuchBucket");
}

#[tokio::test]
async fn the_location_of_another_region_is_its_name() {
    let (_gateway, s3) = in_region("eu-central-1");
    s3.create_bucket("bucket").await;
    let location = s3
        .bucket("GET", "bucket")
        .query("location", "")
        .send()
        .await
        .expect(200)
        .xml();
    assert_eq!(location.text, "eu-central-1");
}

#[tokio::test]
async fn buckets_keep_their_objects_apart() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.create_bucket("second").await;
    s3.store("bucket", "key", "first").await;
    s3.store("second", "key", "second").await;
    assert_eq!(s3.fetch("bucket", "key").await, "first");
    s3.delete("bucket", "key").send().await.expect(204);
    assert_eq!(s3.fetch("second", "key").await, "second");
}
