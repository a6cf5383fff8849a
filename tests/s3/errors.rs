//! Shapes of errors, and what is not implemented.

use pys3local_tests::client::Socket;
use pys3local_tests::{Gateway, data, sign};
use std::collections::HashSet;

#[tokio::test]
async fn an_error_is_a_document_with_code_message_resource_and_request_id() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let reply = s3
        .get("bucket", "no & such")
        .send()
        .await
        .expect_error(404, "NoSuchKey");
    assert_eq!(reply.header("content-type"), Some("application/xml"));
    let root = reply.xml();
    assert!(!root.text("Message").is_empty());
    assert_eq!(root.text("Resource"), "/bucket/no%20%26%20such");
    assert_eq!(
        Some(root.text("RequestId")),
        reply.header("x-amz-request-id")
    );
    assert!(
        reply
            .text()
            .starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")
    );
}

#[tokio::test]
async fn an_error_says_what_was_wrong_and_what_would_have_been_right() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let stored = s3.store("bucket", "key", "body").await;
    let beyond = s3.get("bucket", "key").header("range", "bytes=9-");
    let beyond = beyond.send().await.expect_error(416, "InvalidRange").xml();
    assert_eq!(beyond.text("RangeRequested"), "bytes=9-");
    assert_eq!(beyond.text("ActualObjectSize"), "4");

    let wrong = s3
        .put("bucket", "key", "body")
        .header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
    let wrong = wrong.send().await.expect_error(400, "BadDigest").xml();
    assert_eq!(wrong.text("ExpectedDigest"), "0".repeat(32));
    assert_eq!(wrong.text("CalculatedDigest"), "hBotaJrYa9FhFEdFPCLG/A==");
    assert_eq!(stored, "841a2d689ad86bd1611447453c22c6fc");

    let upload = s3.create_upload("bucket", "large").await;
    let parts = "<CompleteMultipartUpload><Part><PartNumber>3</PartNumber><ETag>abc</ETag></Part></CompleteMultipartUpload>";
    let missing = s3
        .object("POST", "bucket", "large")
        .query("uploadId", &upload)
        .body(parts);
    let missing = missing.send().await.expect_error(400, "InvalidPart").xml();
    assert_eq!(missing.text("UploadId"), upload);
    assert_eq!(missing.text("PartNumber"), "3");
    assert_eq!(missing.text("ETag"), "abc");
}

#[tokio::test]
async fn who_signs_wrongly_sees_what_should_have_been_signed() {
    let (_gateway, mut s3) = Gateway::with_bucket().await;
    s3.credentials.secret_key = "another".into();
    let signed = s3.get("bucket", "key").sign();
    let authorization = signed.request.header("authorization").unwrap().to_owned();
    let reply = signed
        .send()
        .await
        .expect_error(403, "SignatureDoesNotMatch");
    let refused = reply.xml();
    assert_eq!(refused.text("AWSAccessKeyId"), "test");
    let sent = refused.text("SignatureProvided");
    assert!(!sent.is_empty() && authorization.ends_with(sent), "{sent}");
    let canonical = refused.text("CanonicalRequest");
    assert!(canonical.starts_with("GET\n/bucket/key\n"), "{canonical}");
    let text = refused.text("StringToSign");
    assert!(text.starts_with("AWS4-HMAC-SHA256\n"), "{text}");
    assert!(
        text.ends_with(&sign::sha256_hex(canonical.as_bytes())),
        "{text}"
    );
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let mut seen = HashSet::new();
    for call in [
        s3.put("bucket", "key", "x"),
        s3.get("bucket", "key"),
        s3.head("bucket", "key"),
        s3.head("bucket", "missing"),
        s3.get("bucket", "missing"),
        s3.list("bucket"),
        s3.call("GET", "/"),
        s3.bucket("GET", "bucket").query("acl", ""),
        s3.delete("bucket", "key"),
        s3.get("bucket", "key").at(time::OffsetDateTime::UNIX_EPOCH),
    ] {
        let reply = call.send().await;
        let id = reply.header("x-amz-request-id").expect("a request id");
        assert!(!id.is_empty() && seen.insert(id.to_owned()), "{id:?} again");
    }
}

#[tokio::test]
async fn an_error_of_head_has_no_body() {
    let (gateway, s3) = Gateway::with_bucket().await;
    for path in ["/bucket/missing", "/missing", "/missing/key"] {
        let signed = s3.call("HEAD", path).sign();
        let mut socket = Socket::open(gateway.address()).await.unwrap();
        let mut request = signed.request;
        request.set("connection", "close");
        socket.send(&request.head()).await.unwrap();
        let all = String::from_utf8(socket.rest().await.unwrap()).unwrap();
        assert!(all.starts_with("HTTP/1.1 404"), "{all}");
        assert!(
            all.ends_with("\r\n\r\n") && all.matches("\r\n\r\n").count() == 1,
            "{all}"
        );
    }
}

#[tokio::test]
async fn sub_resources_that_are_not_implemented_say_so_and_do_nothing() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "body").await;
    for name in ["torrent", "restore", "select"] {
        for method in ["GET", "PUT", "POST", "DELETE"] {
            let call = s3
                .object(method, "bucket", "key")
                .query(name, "")
                .body("<x/>");
            let status = call.send().await.status.as_u16();
            assert!([501, 405].contains(&status), "{method} ?{name}: {status}");
        }
    }
    for name in ["inventory", "analytics", "metrics"] {
        for (method, expected) in [("PUT", 501), ("POST", 405), ("DELETE", 404)] {
            let call = s3.bucket(method, "bucket").query(name, "").body("<x/>");
            call.query("id", "x").send().await.expect(expected);
        }
    }
    assert_eq!(s3.fetch("bucket", "key").await, "body");
    assert_eq!(s3.keys("bucket").await, ["key"]);
}

#[tokio::test]
async fn a_sub_resource_answers_not_implemented_as_s3_does() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let reply = s3.bucket("GET", "bucket").query("abac", "").send().await;
    reply.expect_error(501, "NotImplemented");
    let reply = s3.get("bucket", "key").query("torrent", "").send().await;
    reply.expect_error(501, "NotImplemented");
}

#[tokio::test]
async fn a_version_of_an_object_is_not_the_object() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "body").await;
    let get = s3
        .get("bucket", "key")
        .query("versionId", "3HL4kqtJlcpXroDTDmJ")
        .send()
        .await;
    assert!(
        get.status.is_client_error() || get.status == 501,
        "{}",
        get.status
    );
    let delete = s3
        .delete("bucket", "key")
        .query("versionId", "3HL4kqtJlcpXroDTDmJ")
        .send()
        .await;
    assert!(
        delete.status.is_client_error() || delete.status == 501,
        "{}",
        delete.status
    );
    assert_eq!(s3.fetch("bucket", "key").await, "body");
}

#[tokio::test]
async fn a_request_for_encryption_is_not_silently_ignored() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let put = s3
        .put("bucket", "key", "x")
        .header("x-amz-server-side-encryption-customer-algorithm", "AES256");
    let reply = put.send().await;
    assert!(
        [400, 501].contains(&reply.status.as_u16()),
        "{}",
        reply.status
    );
    s3.head("bucket", "key").send().await.expect(404);
}

#[tokio::test]
async fn a_key_of_more_than_1024_bytes_is_too_long() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let put = s3.put("bucket", &"k".repeat(1025), "x");
    put.send().await.expect_error(400, "KeyTooLongError");
}

#[tokio::test]
async fn a_key_that_is_no_utf8_is_refused() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let reply = s3.call("PUT", "/bucket/%FF%FE").body("x").send().await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(s3.keys("bucket").await.is_empty());
}

#[tokio::test]
async fn an_unknown_method_is_not_allowed() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "body").await;
    for method in ["PATCH", "PROPFIND"] {
        let reply = s3.object(method, "bucket", "key").send().await;
        assert!(
            [405, 501].contains(&reply.status.as_u16()),
            "{method}: {}",
            reply.status
        );
    }
}

#[tokio::test]
async fn bytes_that_are_no_http_cost_only_their_connection() {
    let (mut gateway, s3) = Gateway::with_bucket().await;
    for seed in 0..30 {
        let mut socket = Socket::open(gateway.address()).await.unwrap();
        // Both may fail when the gateway has closed the connection already.
        let _ = socket.send(&data::bytes(seed, 300)).await;
        let _ = socket.finish().await;
        let _ = socket.rest().await;
    }
    assert!(gateway.is_running());
    s3.store("bucket", "key", "still here").await;
}

#[tokio::test]
async fn a_document_that_is_too_large_is_refused_without_being_kept() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let before = gateway.peak_memory();
    let mut document = String::from("<Delete>");
    document.push_str(&" ".repeat(40 << 20));
    let reply = s3.delete_many("bucket", &document).try_send().await;
    // The gateway may close the connection on a sender that goes on.
    if let Ok(reply) = reply {
        assert!(reply.status.is_client_error(), "{}", reply.status);
    }
    let grown = gateway.peak_memory().saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes more");
}
