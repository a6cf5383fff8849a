//! User metadata and system headers.

use pys3local_tests::Gateway;

#[tokio::test]
async fn system_headers_come_back_as_they_were_sent() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let headers = [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "max-age=60, private"),
        ("content-disposition", "attachment; filename=\"a b.txt\""),
        ("content-encoding", "gzip"),
        ("content-language", "de-CH"),
        ("expires", "Thu, 01 Dec 2050 16:00:00 GMT"),
    ];
    let mut put = s3.put("bucket", "key", "x");
    for (name, value) in headers {
        put = put.header(name, value);
    }
    put.send().await.expect(200);
    for method in ["GET", "HEAD"] {
        let reply = s3.object(method, "bucket", "key").send().await.expect(200);
        for (name, value) in headers {
            assert_eq!(reply.header(name), Some(value), "{method} {name}");
        }
    }
}

#[tokio::test]
async fn a_list_that_comes_in_several_lines_is_kept_whole() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let mut put = s3.put("bucket", "key", "x");
    for (name, value) in [
        ("cache-control", "no-cache"),
        ("cache-control", "max-age=60"),
        ("content-encoding", "aws-chunked"),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("content-language", "en"),
        ("x-amz-meta-list", "1"),
        ("x-amz-meta-list", "2"),
    ] {
        put = put.header(name, value);
    }
    put.send().await.expect(200);
    let reply = s3.head("bucket", "key").send().await.expect(200);
    for (name, value) in [
        ("cache-control", "no-cache,max-age=60"),
        ("content-encoding", "gzip"),
        ("content-language", "de,en"),
        ("x-amz-meta-list", "1,2"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn an_object_without_a_type_is_a_stream_of_octets() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "page.html", "x").await;
    let reply = s3.head("bucket", "page.html").send().await.expect(200);
    assert_eq!(reply.header("content-type"), Some("binary/octet-stream"));
    for name in [
        "cache-control",
        "content-disposition",
        "content-encoding",
        "expires",
    ] {
        assert_eq!(reply.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn user_metadata_comes_back_in_lower_case() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let put = s3
        .put("bucket", "key", "x")
        .header("X-Amz-Meta-Colour", "Light Blue")
        .header("x-amz-meta-mtime", "1700000000.123456789")
        .header("x-amz-meta-under_score.dot", "a,b;c=\"d\"");
    put.send().await.expect(200);
    let reply = s3.head("bucket", "key").send().await.expect(200);
    assert_eq!(reply.header("x-amz-meta-colour"), Some("Light Blue"));
    assert_eq!(
        reply.header("x-amz-meta-mtime"),
        Some("1700000000.123456789")
    );
    assert_eq!(
        reply.header("x-amz-meta-under_score.dot"),
        Some("a,b;c=\"d\"")
    );
}

#[tokio::test]
async fn more_than_two_kilobytes_of_user_metadata_are_refused() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let put = s3
        .put("bucket", "key", "x")
        .header("x-amz-meta-a", &"v".repeat(2000));
    put.send().await.expect(200);
    let put = s3
        .put("bucket", "key", "x")
        .header("x-amz-meta-a", &"v".repeat(2100));
    put.send().await.expect_error(400, "MetadataTooLarge");
}

#[tokio::test]
async fn any_number_of_entries_comes_back_that_two_kilobytes_have_room_for() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    // Every name of one byte, and then those of two.
    let bytes = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
    let mut names: Vec<String> = bytes.chars().map(String::from).collect();
    let two = bytes
        .chars()
        .flat_map(|a| bytes.chars().map(move |b| format!("{a}{b}")));
    names.extend(two.take((2048 - names.len()) / 2));
    for count in [95, 300, names.len()] {
        let mut put = s3.put("bucket", "key", "x");
        for name in &names[..count] {
            put = put.header(&format!("x-amz-meta-{name}"), "");
        }
        put.send().await.expect(200);
        let reply = s3.head("bucket", "key").send().await.expect(200);
        let kept = reply.headers.keys();
        let kept = kept.filter(|name| name.as_str().starts_with("x-amz-meta-"));
        assert_eq!(kept.count(), count);
    }
    let mut put = s3.put("bucket", "key", "x");
    for name in &names {
        put = put.header(&format!("x-amz-meta-{name}"), "v");
    }
    put.send().await.expect_error(400, "MetadataTooLarge");
}

#[tokio::test]
async fn response_parameters_override_headers_of_one_answer() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.put("bucket", "key", "x")
        .header("content-type", "text/plain")
        .send()
        .await
        .expect(200);
    let get = s3
        .get("bucket", "key")
        .query("response-content-type", "image/png")
        .query("response-cache-control", "no-cache")
        .query(
            "response-content-disposition",
            "attachment; filename=\"b.txt\"",
        )
        .query("response-content-language", "fr")
        .query("response-content-encoding", "br")
        .query("response-expires", "Thu, 01 Dec 2050 16:00:00 GMT");
    let reply = get.send().await.expect(200);
    assert_eq!(reply.header("content-type"), Some("image/png"));
    assert_eq!(reply.header("cache-control"), Some("no-cache"));
    assert_eq!(reply.header("content-language"), Some("fr"));
    assert_eq!(reply.header("content-encoding"), Some("br"));
    assert_eq!(
        reply.header("expires"),
        Some("Thu, 01 Dec 2050 16:00:00 GMT")
    );
    assert_eq!(
        reply.header("content-disposition"),
        Some("attachment; filename=\"b.txt\"")
    );
    let plain = s3.get("bucket", "key").send().await.expect(200);
    assert_eq!(plain.header("content-type"), Some("text/plain"));
    assert_eq!(plain.header("cache-control"), None);
}

#[tokio::test]
async fn metadata_survives_a_restart() {
    let (mut gateway, s3) = Gateway::with_bucket().await;
    let put = s3
        .put("bucket", "key", "body")
        .header("content-type", "text/plain")
        .header("x-amz-meta-a", "1");
    let etag = put.send().await.expect(200).etag().to_owned();
    gateway.restart();
    let reply = gateway.s3().head("bucket", "key").send().await.expect(200);
    assert_eq!(reply.etag(), etag);
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    assert_eq!(reply.header("x-amz-meta-a"), Some("1"));
}
