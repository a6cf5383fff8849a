//! Objects from their upload to their deletion.

use super::*;

#[tokio::test]
async fn what_was_put_can_be_read_in_parts_and_deleted() {
    let s3 = open();
    let created = send(&s3, "PUT", "/abc", &[], "").await;
    assert_eq!(created.status, 200);
    assert_eq!(created.header("location"), "/abc");
    let headers = [("content-type", "text/plain"), ("x-amz-meta-a", "b")];
    let put = send(&s3, "PUT", "/abc/d/k%20", &headers, "0123456789").await;
    assert_eq!(put.status, 200);
    assert_eq!(put.header("etag"), "\"781e5e245d69b566979b86e28d23f2c7\"");

    let get = send(&s3, "GET", "/abc/d/k%20", &[], "").await;
    assert_eq!((get.status.as_u16(), &*get.text), (200, "0123456789"));
    assert_eq!(get.header("content-type"), "text/plain");
    assert_eq!(get.header("x-amz-meta-a"), "b");
    let range = [("range", "bytes=-3")];
    let part = send(&s3, "GET", "/abc/d/k%20", &range, "").await;
    assert_eq!((part.status.as_u16(), &*part.text), (206, "789"));
    assert_eq!(part.header("content-range"), "bytes 7-9/10");
    let head = send(&s3, "HEAD", "/abc/d/k%20", &[], "").await;
    assert_eq!(head.header("content-length"), "10");
    assert_eq!(head.text, "");
    let beyond = send(&s3, "GET", "/abc/d/k%20", &[("range", "bytes=10-")], "").await;
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.header("content-range"), "bytes */10");
    assert_eq!(beyond.element("ActualObjectSize"), "10");

    let gone = send(&s3, "DELETE", "/abc/d/k%20", &[], "").await;
    assert_eq!(gone.status, 204);
    let missing = send(&s3, "GET", "/abc/d/k%20", &[], "").await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.element("Code"), "NoSuchKey");
    assert_eq!(missing.element("Resource"), "/abc/d/k%20");
    assert_eq!(
        missing.element("RequestId"),
        missing.header("x-amz-request-id")
    );
}

#[tokio::test]
async fn of_an_empty_object_there_is_nothing_in_part_1_and_in_the_last_bytes() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    send(&s3, "PUT", "/abc/k", &[], "").await;
    for method in ["GET", "HEAD"] {
        let part = send(&s3, method, "/abc/k?partNumber=1", &[], "").await;
        let last = send(&s3, method, "/abc/k", &[("range", "bytes=-1")], "").await;
        for answer in [part, last] {
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(answer.header("content-length"), "0");
            assert_eq!(answer.header("content-range"), "-");
        }
        let first = send(&s3, method, "/abc/k", &[("range", "bytes=0-0")], "").await;
        assert_eq!(first.status, 416);
    }
}

#[tokio::test]
async fn conditions_are_answered_as_http_asks() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    let put = send(&s3, "PUT", "/abc/k", &[("if-none-match", "*")], "x").await;
    let tag = put.header("etag").to_owned();
    let again = send(&s3, "PUT", "/abc/k", &[("if-none-match", "*")], "x").await;
    assert_eq!(again.status, 412);
    assert_eq!(again.element("Code"), "PreconditionFailed");
    let cached = send(&s3, "GET", "/abc/k", &[("if-none-match", &tag)], "").await;
    assert_eq!((cached.status.as_u16(), &*cached.text), (304, ""));
    assert_eq!(cached.header("etag"), tag);
}

#[tokio::test]
async fn an_upload_in_parts_becomes_an_object() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    let created = send(&s3, "POST", "/abc/k?uploads", &[], "").await;
    let id = created.element("UploadId").to_owned();
    let target = format!("/abc/k?partNumber=1&uploadId={id}");
    let part = send(&s3, "PUT", &target, &[], "hello").await;
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>\
         </CompleteMultipartUpload>",
        part.header("etag")
    );
    let target = format!("/abc/k?uploadId={id}");
    let listed = send(&s3, "GET", &target, &[], "").await;
    assert_eq!(
        listed.element("NextPartNumberMarker"),
        "1",
        "{}",
        listed.text
    );
    let complete = send(&s3, "POST", &target, &[], &document).await;
    assert_eq!(complete.element("Key"), "k", "{}", complete.text);
    assert!(complete.element("ETag").ends_with("-1&quot;"));
    assert_eq!(send(&s3, "GET", "/abc/k", &[], "").await.text, "hello");
    let again = send(&s3, "DELETE", &target, &[], "").await;
    assert_eq!(again.element("Code"), "NoSuchUpload");
}

#[tokio::test]
async fn a_copy_has_the_tag_of_its_source_and_must_change_something() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    send(&s3, "PUT", "/abc/a", &[], "x").await;
    let source = [("x-amz-copy-source", "/abc/a")];
    let copy = send(&s3, "PUT", "/abc/b", &source, "").await;
    assert_eq!(
        copy.element("ETag"),
        "&quot;9dd4e461268c8034f5c8564e155c67a6&quot;"
    );
    let onto_itself = send(&s3, "PUT", "/abc/a", &source, "").await;
    assert_eq!(onto_itself.element("Code"), "InvalidRequest");
}

#[tokio::test]
async fn a_deletion_of_many_leaves_the_key_that_it_refuses_and_no_other() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    send(&s3, "PUT", "/abc/a", &[], "x").await;
    send(&s3, "PUT", "/abc/b", &[], "x").await;
    let document = "<Delete><Object><Key>a</Key></Object><Object><Key>b</Key>\
        <VersionId>7</VersionId></Object></Delete>";
    let deleted = send(&s3, "POST", "/abc?delete", &[], document).await;
    assert!(deleted.text.contains("<Deleted><Key>a</Key></Deleted>"));
    assert_eq!(deleted.element("Code"), "NoSuchVersion");
    assert_eq!(send(&s3, "HEAD", "/abc/a", &[], "").await.status, 404);
    assert_eq!(send(&s3, "HEAD", "/abc/b", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_checksum_that_nobody_can_verify_stores_nothing() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    for name in ["x-amz-checksum-sha512", "x-amz-checksum-xxhash64"] {
        let put = send(&s3, "PUT", "/abc/k", &[(name, "AAAA")], "x").await;
        assert_eq!(put.element("Code"), "InvalidRequest", "{name}");
    }
    assert_eq!(send(&s3, "HEAD", "/abc/k", &[], "").await.status, 404);
}

#[tokio::test]
async fn a_listing_tells_which_checksums_there_are() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    let sum = [("x-amz-checksum-crc32", "NSRBwg==")];
    send(&s3, "PUT", "/abc/k", &sum, "abc").await;
    let list = send(&s3, "GET", "/abc?list-type=2", &[], "").await;
    assert_eq!(
        (
            list.element("ChecksumAlgorithm"),
            list.element("ChecksumType")
        ),
        ("CRC32", "FULL_OBJECT")
    );
}

#[tokio::test]
async fn the_checksum_of_the_whole_is_not_told_of_a_range() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    let sum = ("x-amz-checksum-crc32", "NSRBwg=="); // of "abc"
    assert_eq!(send(&s3, "PUT", "/abc/k", &[sum], "abc").await.status, 200);
    let asked = ("x-amz-checksum-mode", "ENABLED");
    for method in ["GET", "HEAD"] {
        let whole = send(&s3, method, "/abc/k", &[asked], "").await;
        assert_eq!(whole.header(sum.0), sum.1);
        let some = send(&s3, method, "/abc/k", &[asked, ("range", "bytes=1-1")], "").await;
        assert_eq!((some.status.as_u16(), some.header(sum.0)), (206, "-"));
    }
}
