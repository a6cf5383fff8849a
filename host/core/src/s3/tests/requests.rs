//! Any request at all: how it is addressed, signed, refused, and held while it is under way.

use super::*;
use http::Method;

#[tokio::test]
async fn a_request_with_two_hosts_is_refused() {
    let s3 = open();
    let hosts = [("host", "a.s3.example.com"), ("host", "b.s3.example.com")];
    let refused = send(&s3, "GET", "/k", &hosts, "").await;
    assert_eq!(refused.element("Code"), "InvalidRequest");
}

#[tokio::test]
async fn a_bucket_can_be_the_host() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    let host = [("host", "abc.s3.example.com:10001")];
    assert_eq!(send(&s3, "PUT", "/k", &host, "x").await.status, 200);
    assert_eq!(send(&s3, "GET", "/abc/k", &[], "").await.text, "x");
}

#[tokio::test]
async fn headers_that_a_presigner_has_moved_into_the_query_count() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    let signed = |key: &str, more: &str| format!("/abc/{key}?X-Amz-Signature=0&{more}");
    let target = signed(
        "k",
        "x-amz-meta-foo=bar&X-Amz-Tagging=a%3Db&x-amz-checksum-crc32=odd",
    );
    assert_eq!(send(&s3, "PUT", &target, &[], "abc").await.status, 200);
    let head = send(&s3, "HEAD", "/abc/k", &[], "").await;
    assert_eq!(head.header("x-amz-meta-foo"), "bar");
    assert_eq!(head.header("x-amz-tagging-count"), "1");
    let copy = signed("copy", "x-amz-copy-source=abc%2Fk");
    assert_eq!(send(&s3, "PUT", &copy, &[], "").await.status, 200);
    assert_eq!(send(&s3, "GET", "/abc/copy", &[], "").await.text, "abc");
    for (more, code) in [
        ("x-amz-acl=public-read", "AccessControlListNotSupported"),
        ("x-amz-server-side-encryption=AES256", "NotImplemented"),
    ] {
        let refused = send(&s3, "PUT", &signed("no", more), &[], "x").await;
        assert_eq!(refused.element("Code"), code);
    }
    // Who did not sign has no reason to do that.
    send(&s3, "PUT", "/abc/plain?x-amz-meta-foo=bar", &[], "x").await;
    let head = send(&s3, "HEAD", "/abc/plain", &[], "").await;
    assert_eq!(head.header("x-amz-meta-foo"), "-");
}

#[tokio::test]
async fn a_refused_request_is_answered_without_its_body() {
    let signed = gateway(Access::keys(vec![credentials()]), REGION);
    let s3 = open();
    for (s3, method, target, status, code) in [
        (&signed, "PUT", "/abc/k", 403, "AccessDenied"),
        (&signed, "GET", "/", 403, "AccessDenied"),
        (&s3, "PUT", "/abc/%zz", 400, "InvalidURI"),
        (&s3, "PUT", "/A_C/k", 400, "InvalidBucketName"),
        (&s3, "PUT", "/abc/k?torrent", 501, "NotImplemented"),
        (&s3, "PUT", "/abc/k?prefix=%ff", 400, "InvalidURI"),
        (&s3, "PATCH", "/abc/k", 405, "MethodNotAllowed"),
        (&s3, "POST", "/abc", 400, "RequestIsNotMultiPartContent"),
        (&s3, "OPTIONS", "/abc/k", 400, "BadRequest"),
    ] {
        let request = http::Request::builder().method(method).uri(target);
        let request = request.header("content-length", 5).body(untouchable());
        let answer = Answer::of(s3.respond(request.unwrap()).await).await;
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(answer.element("Code"), code, "{method} {target}");
        assert_eq!(answer.header("content-type"), "application/xml");
        assert_eq!(answer.header("server"), "pys3local");
    }
    let long = format!("/abc/{}", "k".repeat(1025));
    let answer = send(&s3, "HEAD", &long, &[], "").await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (400, ""));
}

#[tokio::test]
async fn a_signed_request_is_let_in_and_its_body_is_checked() {
    let s3 = gateway(Access::keys(vec![credentials()]), REGION);
    let signer = Signer::default();
    let sha256_of_x = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    let put = |target: &'static str| {
        let builder = http::Request::put(target).header("content-length", 1);
        signer.sign(builder, sha256_of_x)
    };
    let bucket = http::Request::put("/abc").header("content-length", 0);
    let bucket = signer.sign(bucket, "UNSIGNED-PAYLOAD");
    assert_eq!(send_signed(&s3, bucket, "").await.status, 200);
    assert_eq!(send_signed(&s3, put("/abc/k"), "x").await.status, 200);
    let broken = send_signed(&s3, put("/abc/k"), "y").await;
    assert_eq!(broken.status, 400);
    assert_eq!(broken.element("Code"), "XAmzContentSHA256Mismatch");

    let url = signer.presign("/abc/k", "&response-content-type=a%2Fb", "60");
    let get = send_signed(&s3, url, "").await;
    assert_eq!((get.status.as_u16(), &*get.text), (200, "x"));
    assert_eq!(get.header("content-type"), "a/b");

    let stale = http::Request::from_parts(put("/abc/k"), body("x"));
    let later = Timestamp(NOW.0 + 3_600_000_000_000);
    let stale = Answer::of(s3.respond_at(stale, later).await).await;
    assert_eq!(stale.element("Code"), "RequestTimeTooSkewed");
}

#[test]
fn ids_of_requests_differ() {
    let ids = RequestIds::default();
    let (one, two) = (ids.next(), ids.next());
    assert_ne!(one.id, two.id);
    assert_eq!(one.id.len(), 16);
    assert_eq!(one.host, two.host);
}

#[test]
fn answers_can_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let s3 = open();
    let request = http::Request::builder().method(Method::GET).uri("/");
    is_send(&s3.respond(request.body(body("")).unwrap()));
}

#[test]
fn a_request_in_progress_is_small_enough_to_be_moved_about() {
    let s3 = open();
    let progress = s3.respond(http::Request::new(body("")));
    let size = size_of_val(&progress);
    assert!(size < 4 << 10, "{size} bytes");
}
