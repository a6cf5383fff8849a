//! DeleteObject and DeleteObjects.

use pys3local_tests::Gateway;

#[tokio::test]
async fn a_deleted_object_is_gone_and_can_be_deleted_again() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "dir/key", "body").await;
    for _ in 0..2 {
        let reply = s3.delete("bucket", "dir/key").send().await.expect(204);
        assert!(reply.body.is_empty());
        s3.get("bucket", "dir/key")
            .send()
            .await
            .expect_error(404, "NoSuchKey");
    }
    assert!(s3.keys("bucket").await.is_empty());
}

#[tokio::test]
async fn deleting_in_a_bucket_that_is_not_there_is_an_error() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.delete("missing", "key")
        .send()
        .await
        .expect_error(404, "NoSuchBucket");
}

#[tokio::test]
async fn deleting_one_key_leaves_its_neighbours() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    for key in ["a", "a/", "a/b", "a/b/c", "ab"] {
        s3.store("bucket", key, key.to_owned()).await;
    }
    s3.delete("bucket", "a").send().await.expect(204);
    s3.delete("bucket", "a/b").send().await.expect(204);
    assert_eq!(s3.keys("bucket").await, ["a/", "a/b/c", "ab"]);
    assert_eq!(s3.fetch("bucket", "a/b/c").await, "a/b/c");
}

#[tokio::test]
async fn many_objects_go_in_one_request() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    for key in ["a", "b&c", "d/e", "keep"] {
        s3.store("bucket", key, "x").await;
    }
    let document = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <Object><Key>a</Key></Object><Object><Key>b&amp;c</Key></Object>\
        <Object><Key>not there</Key></Object><Object><Key>d/e</Key></Object></Delete>";
    let result = s3
        .delete_many("bucket", document)
        .send()
        .await
        .expect(200)
        .xml();
    assert_eq!(result.name, "DeleteResult");
    assert_eq!(
        result.texts("Deleted", "Key"),
        ["a", "b&c", "not there", "d/e"]
    );
    assert_eq!(result.all("Error").count(), 0);
    assert_eq!(s3.keys("bucket").await, ["keep"]);
}

#[tokio::test]
async fn a_quiet_request_names_no_deleted_keys() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "a", "x").await;
    let document = "<Delete><Quiet>true</Quiet><Object><Key>a</Key></Object></Delete>";
    let result = s3
        .delete_many("bucket", document)
        .send()
        .await
        .expect(200)
        .xml();
    assert_eq!(result.all("Deleted").count(), 0);
    assert!(s3.keys("bucket").await.is_empty());
}

#[tokio::test]
async fn a_broken_list_of_keys_deletes_nothing() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "a", "x").await;
    let many = "<Object><Key>many</Key></Object>".repeat(1000);
    for document in [
        "<Delete><Object><Key>a</Key></Object>".to_owned(),
        "<Delete></Delete>".to_owned(),
        "<Other><Object><Key>a</Key></Object></Other>".to_owned(),
        "a".to_owned(),
        format!("<Delete><Object><Key>a</Key></Object>{many}</Delete>"),
    ] {
        s3.delete_many("bucket", &document)
            .send()
            .await
            .expect_error(400, "MalformedXML");
    }
    assert_eq!(s3.keys("bucket").await, ["a"]);
}
