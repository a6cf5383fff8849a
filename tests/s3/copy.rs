//! CopyObject.

use pys3local_tests::data::{self, md5_hex};
use pys3local_tests::{Gateway, S3};

async fn source() -> (Gateway, S3) {
    let (gateway, s3) = Gateway::with_bucket().await;
    let put = s3
        .put("bucket", "source", "the source")
        .header("content-type", "text/plain")
        .header("x-amz-meta-colour", "blue");
    put.send().await.expect(200);
    (gateway, s3)
}

#[tokio::test]
async fn a_copy_has_the_bytes_tag_and_metadata_of_its_source() {
    let (_gateway, s3) = source().await;
    let copy = s3
        .put("bucket", "copy", "")
        .header("x-amz-copy-source", "/bucket/source");
    let result = copy.send().await.expect(200).xml();
    assert_eq!(result.name, "CopyObjectResult");
    assert_eq!(
        result.text("ETag"),
        format!("\"{}\"", md5_hex(b"the source"))
    );
    assert!(result.text("LastModified").ends_with('Z'));
    let reply = s3.get("bucket", "copy").send().await.expect(200);
    assert_eq!(reply.text(), "the source");
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    assert_eq!(reply.header("x-amz-meta-colour"), Some("blue"));
    assert_eq!(s3.fetch("bucket", "source").await, "the source");
}

#[tokio::test]
async fn a_copy_takes_no_range() {
    let (_gateway, s3) = source().await;
    let copy = s3
        .put("bucket", "copy", "")
        .header("x-amz-copy-source", "/bucket/source")
        .header("x-amz-copy-source-range", "bytes=0-2");
    let refused = copy.send().await.expect_error(400, "InvalidArgument").xml();
    assert_eq!(refused.text("ArgumentName"), "x-amz-copy-source-range");
    assert_eq!(refused.text("ArgumentValue"), "bytes=0-2");
    s3.head("bucket", "copy").send().await.expect(404);
}

#[tokio::test]
async fn a_copy_is_no_link() {
    let (_gateway, s3) = source().await;
    let copy = s3
        .put("bucket", "copy", "")
        .header("x-amz-copy-source", "bucket/source");
    copy.send().await.expect(200);
    s3.store("bucket", "source", "changed").await;
    assert_eq!(s3.fetch("bucket", "copy").await, "the source");
    s3.delete("bucket", "source").send().await.expect(204);
    assert_eq!(s3.fetch("bucket", "copy").await, "the source");
}

#[tokio::test]
async fn replacing_the_metadata_takes_none_from_the_source() {
    let (_gateway, s3) = source().await;
    let copy = s3
        .put("bucket", "copy", "")
        .header("x-amz-copy-source", "bucket/source")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("content-type", "text/html")
        .header("x-amz-meta-size", "big");
    copy.send().await.expect(200);
    let head = s3.head("bucket", "copy").send().await.expect(200);
    assert_eq!(head.header("content-type"), Some("text/html"));
    assert_eq!(head.header("x-amz-meta-size"), Some("big"));
    assert_eq!(head.header("x-amz-meta-colour"), None);
}

#[tokio::test]
async fn a_copy_onto_itself_must_change_something() {
    let (_gateway, s3) = source().await;
    let copy = s3
        .put("bucket", "source", "")
        .header("x-amz-copy-source", "bucket/source");
    copy.clone()
        .send()
        .await
        .expect_error(400, "InvalidRequest");
    let touch = copy
        .header("x-amz-metadata-directive", "REPLACE")
        .header("x-amz-meta-n", "1");
    touch.send().await.expect(200);
    let reply = s3.get("bucket", "source").send().await.expect(200);
    assert_eq!(reply.text(), "the source");
    assert_eq!(reply.header("x-amz-meta-n"), Some("1"));
    assert_eq!(reply.header("x-amz-meta-colour"), None);
}

#[tokio::test]
async fn a_copy_crosses_buckets_and_decodes_its_source() {
    let (_gateway, s3) = source().await;
    s3.create_bucket("second").await;
    let key = "odd +%/é";
    let body = data::bytes(3, 3_000_000);
    s3.store("bucket", key, body.clone()).await;
    let from = format!("/bucket/{}", pys3local_tests::sign::encode_path(key));
    let copy = s3
        .put("second", "copy", "")
        .header("x-amz-copy-source", &from);
    copy.send().await.expect(200);
    let reply = s3.get("second", "copy").send().await.expect(200);
    assert!(reply.body == body);
    assert_eq!(reply.etag(), md5_hex(&body));
}

#[tokio::test]
async fn a_copy_of_nothing_fails() {
    let (_gateway, s3) = source().await;
    for (from, code) in [
        ("bucket/none", "NoSuchKey"),
        ("missing/source", "NoSuchBucket"),
    ] {
        let copy = s3
            .put("bucket", "copy", "")
            .header("x-amz-copy-source", from);
        copy.send().await.expect_error(404, code);
    }
    let copy = s3
        .put("bucket", "copy", "")
        .header("x-amz-copy-source", "nonsense");
    copy.send().await.expect_error(400, "InvalidArgument");
    let copy = s3
        .put("missing", "copy", "")
        .header("x-amz-copy-source", "bucket/source");
    copy.send().await.expect_error(404, "NoSuchBucket");
    assert_eq!(s3.keys("bucket").await, ["source"]);
}

#[tokio::test]
async fn conditions_on_the_source_of_a_copy_are_obeyed() {
    let (_gateway, s3) = source().await;
    let etag = format!("\"{}\"", md5_hex(b"the source"));
    let copy = || {
        s3.put("bucket", "copy", "")
            .header("x-amz-copy-source", "bucket/source")
    };
    let other = "\"00000000000000000000000000000000\"";
    for (name, value) in [
        ("x-amz-copy-source-if-match", other),
        ("x-amz-copy-source-if-none-match", etag.as_str()),
        (
            "x-amz-copy-source-if-unmodified-since",
            "Wed, 21 Oct 2015 07:28:00 GMT",
        ),
    ] {
        let reply = copy().header(name, value).send().await;
        reply.expect_error(412, "PreconditionFailed");
    }
    s3.head("bucket", "copy").send().await.expect(404);
    copy()
        .header("x-amz-copy-source-if-match", &etag)
        .send()
        .await
        .expect(200);
}
