//! Range of GetObject.

use pys3local_tests::{Gateway, S3, data};

async fn read(s3: &S3, range: &str) -> pys3local_tests::Reply {
    s3.get("bucket", "key").header("range", range).send().await
}

#[tokio::test]
async fn a_range_gives_206_and_exactly_its_bytes() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let size = 300_000;
    let body = data::bytes(1, size);
    s3.store("bucket", "key", body.clone()).await;
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=65535-65536", 65_535, 65_537),
        ("bytes=100-", 100, size),
        ("bytes=299999-", size - 1, size),
        ("bytes=-1", size - 1, size),
        ("bytes=-100000", size - 100_000, size),
        // More than there is means all that there is.
        ("bytes=-999999", 0, size),
        ("bytes=200000-999999999", 200_000, size),
    ] {
        let reply = read(&s3, range).await.expect(206);
        assert!(reply.body == body.slice(from..to), "{range}");
        let header = format!("bytes {from}-{}/{size}", to - 1);
        assert_eq!(
            reply.header("content-range"),
            Some(header.as_str()),
            "{range}"
        );
        assert_eq!(
            reply.header("content-length"),
            Some((to - from).to_string().as_str())
        );
        assert_eq!(
            reply.etag(),
            data::md5_hex(&body),
            "the tag of the whole object"
        );
    }
}

#[tokio::test]
async fn a_range_of_a_replaced_object_gives_the_new_one_whole() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let tag = s3.store("bucket", "key", "ten bytes.").await;
    let head = s3.head("bucket", "key").send().await.expect(200);
    let modified = head.header("last-modified").unwrap();
    let tag = format!("\"{tag}\"");
    let weak = format!("W/{tag}");
    let earlier = "Wed, 21 Oct 2015 07:28:00 GMT";
    let other = "\"00000000000000000000000000000000\"";
    for (condition, status) in [
        (tag.as_str(), 206),
        (modified, 206),
        (weak.as_str(), 200),
        (other, 200),
        (earlier, 200),
        ("rubbish", 200),
    ] {
        for method in ["GET", "HEAD"] {
            let call = s3
                .object(method, "bucket", "key")
                .header("range", "bytes=4-8")
                .header("if-range", condition);
            let reply = call.send().await.expect(status);
            let (length, range, body) = match status {
                206 => ("5", Some("bytes 4-8/10"), "bytes"),
                _ => ("10", None, "ten bytes."),
            };
            assert_eq!(reply.header("content-length"), Some(length), "{condition}");
            assert_eq!(reply.header("content-range"), range, "{condition}");
            if method == "GET" {
                assert_eq!(reply.body, body, "{condition}");
            }
        }
    }
    // One that nobody can have of what is there now.
    let beyond = s3
        .get("bucket", "key")
        .header("range", "bytes=10-")
        .header("if-range", other);
    assert_eq!(beyond.send().await.expect(200).body, "ten bytes.");
}

#[tokio::test]
async fn a_range_behind_the_end_is_invalid() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "ten bytes.").await;
    for range in [
        "bytes=10-",
        "bytes=10-20",
        "bytes=18446744073709551615-",
        "bytes=-0",
    ] {
        read(&s3, range).await.expect_error(416, "InvalidRange");
    }
}

#[tokio::test]
async fn any_range_of_an_empty_object_is_invalid() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "").await;
    read(&s3, "bytes=0-0")
        .await
        .expect_error(416, "InvalidRange");
}

#[tokio::test]
async fn a_range_that_is_none_is_ignored() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "ten bytes.").await;
    for range in [
        "bytes=abc",
        "bytes=5-2",
        "items=0-1",
        "bytes",
        "bytes=",
        "bytes=0-1,3-4",
    ] {
        let reply = read(&s3, range).await.expect(200);
        assert_eq!(reply.text(), "ten bytes.", "{range}");
        assert_eq!(reply.header("content-range"), None, "{range}");
    }
}

#[tokio::test]
async fn head_with_a_range_tells_its_length() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "ten bytes.").await;
    let reply = s3
        .head("bucket", "key")
        .header("range", "bytes=2-4")
        .send()
        .await
        .expect(206);
    assert_eq!(reply.header("content-range"), Some("bytes 2-4/10"));
    assert_eq!(reply.header("content-length"), Some("3"));
    assert!(reply.body.is_empty());
}
