//! The pipeline from a request to its answer, over a store in memory.

use super::auth::signer::{NOW, REGION, Signer, credentials};
use super::auth::{Access, Authenticator};
use super::*;
use crate::service::BucketMode;
use crate::service::memory::MemoryStore;
use crate::service::memory_cache::MemoryCache;
use crate::service::ports::RowTrust;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Method, StatusCode, request};

fn gateway(access: Access, region: &str) -> Gateway {
    let store = Arc::new(MemoryStore::new(RowTrust::Check));
    let cache = Arc::new(MemoryCache::default());
    let service = Arc::new(Service::new(store, cache, BucketMode::Advanced));
    let options = GatewayOptions {
        region: region.into(),
        domains: vec!["s3.example.com".into()],
        secure: false,
    };
    Gateway::new(service, Authenticator::new(access, region), options)
}

fn open() -> Gateway {
    gateway(Access::Open, REGION)
}

fn body(bytes: impl Into<Bytes>) -> ByteStream {
    stream::iter([Ok(bytes.into())]).boxed()
}

fn untouchable() -> ByteStream {
    stream::poll_fn(|_| panic!("the body was read")).boxed()
}

/// Status, headers and text of an answer.
struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    text: String,
}

impl Answer {
    async fn of(reply: Reply) -> Self {
        let (parts, body) = reply.into_parts();
        let bytes = match body {
            ReplyBody::Empty => Vec::new(),
            ReplyBody::Full(bytes) => bytes.to_vec(),
            ReplyBody::Late(stream) => {
                let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
                pieces.concat()
            }
            ReplyBody::Stream { length, stream } => {
                let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
                let bytes = pieces.concat();
                assert_eq!(bytes.len() as u64, length, "the length was a lie");
                bytes
            }
        };
        Self {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes).unwrap(),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("-", |value| value.to_str().unwrap())
    }

    fn element(&self, name: &str) -> &str {
        let behind = self.text.split_once(&format!("<{name}>"));
        behind
            .and_then(|(_, text)| text.split('<').next())
            .unwrap_or("-")
    }
}

async fn send(
    gateway: &Gateway,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    content: &str,
) -> Answer {
    let mut request = http::Request::builder().method(method).uri(target);
    request = request.header("content-length", content.len());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    // S3 wants one with some documents, and takes it with any.
    if content.starts_with('<') {
        request = request.header("content-md5", md5_of(content));
    }
    let request = request.body(body(content.to_owned())).unwrap();
    Answer::of(gateway.respond(request).await).await
}

#[tokio::test]
async fn a_request_with_two_hosts_is_refused() {
    let s3 = open();
    let hosts = [("host", "a.s3.example.com"), ("host", "b.s3.example.com")];
    let refused = send(&s3, "GET", "/k", &hosts, "").await;
    assert_eq!(refused.element("Code"), "InvalidRequest");
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
async fn a_checksum_that_nobody_can_verify_stores_nothing() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    for name in ["x-amz-checksum-sha512", "x-amz-checksum-xxhash64"] {
        let put = send(&s3, "PUT", "/abc/k", &[(name, "AAAA")], "x").await;
        assert_eq!(put.element("Code"), "InvalidRequest", "{name}");
    }
    assert_eq!(send(&s3, "HEAD", "/abc/k", &[], "").await.status, 404);
    let list = "<Delete><Object><Key>k</Key></Object></Delete>";
    let request = http::Request::post("/abc?delete").header("x-amz-checksum-algorithm", "CRC32");
    let request = request.header("content-length", list.len());
    let reply = s3.respond(request.body(body(list)).unwrap()).await;
    let answer = Answer::of(reply).await;
    assert!(
        answer.text.contains("Missing required header"),
        "{}",
        answer.text
    );
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

/// What `Content-MD5` says of a body.
pub(in crate::s3) fn md5_of(content: &str) -> String {
    use base64::Engine as _;
    use md5::{Digest as _, Md5};
    base64::engine::general_purpose::STANDARD.encode(Md5::digest(content))
}

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
async fn a_listing_goes_on_where_its_token_says() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    for key in ["a", "b/1", "b/2", "c"] {
        assert_eq!(
            send(&s3, "PUT", &format!("/abc/{key}"), &[], "x")
                .await
                .status,
            200
        );
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let target = format!("/abc?list-type=2&delimiter=/&max-keys=1{token}");
        let page = send(&s3, "GET", &target, &[], "").await;
        assert_eq!(page.element("KeyCount"), "1", "{}", page.text);
        let prefix = page.text.split_once("<CommonPrefixes><Prefix>");
        let prefix = prefix.and_then(|(_, text)| text.split('<').next());
        seen.push(prefix.unwrap_or(page.element("Key")).to_owned());
        if page.element("IsTruncated") == "false" {
            break;
        }
        token = format!(
            "&continuation-token={}",
            page.element("NextContinuationToken")
        );
    }
    assert_eq!(seen, ["a", "b/", "c"]);
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
async fn a_copy_and_a_deletion_of_many() {
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
    let document = "<Delete><Object><Key>a</Key></Object><Object><Key>b</Key>\
        <VersionId>7</VersionId></Object></Delete>";
    let deleted = send(&s3, "POST", "/abc?delete", &[], document).await;
    assert!(deleted.text.contains("<Deleted><Key>a</Key></Deleted>"));
    assert_eq!(deleted.element("Code"), "NoSuchVersion");
    assert_eq!(send(&s3, "HEAD", "/abc/a", &[], "").await.status, 404);
    assert_eq!(send(&s3, "HEAD", "/abc/b", &[], "").await.status, 200);
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
async fn buckets_are_created_twice_only_where_aws_forgives_it() {
    for (region, status) in [("us-east-1", 200), ("eu-west-1", 409)] {
        let s3 = gateway(Access::Open, region);
        assert_eq!(send(&s3, "PUT", "/abc", &[], "").await.status, 200);
        let again = send(&s3, "PUT", "/abc", &[], "").await;
        assert_eq!(again.status, status, "{region}");
    }
    let s3 = gateway(Access::Open, "eu-west-1");
    send(&s3, "PUT", "/abc", &[], "").await;
    let location = send(&s3, "GET", "/abc?location", &[], "").await;
    assert!(location.text.ends_with(">eu-west-1</LocationConstraint>"));
    let head = send(&s3, "HEAD", "/abc", &[], "").await;
    assert_eq!(head.header("x-amz-bucket-region"), "eu-west-1");
    assert_eq!(send(&s3, "GET", "/abd?location", &[], "").await.status, 404);
}

#[tokio::test]
async fn buckets_can_be_listed_by_page_and_prefix() {
    let s3 = open();
    for name in ["abc", "abd", "xyz"] {
        send(&s3, "PUT", &format!("/{name}"), &[], "").await;
    }
    let first = send(&s3, "GET", "/?max-buckets=1&prefix=ab", &[], "").await;
    assert_eq!(first.element("Name"), "abc");
    let token = first.element("ContinuationToken");
    let target = format!("/?max-buckets=1&prefix=ab&continuation-token={token}");
    let second = send(&s3, "GET", &target, &[], "").await;
    assert_eq!(second.element("Name"), "abd");
    assert_eq!(second.element("ContinuationToken"), "-");
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

async fn send_signed(s3: &Gateway, head: request::Parts, bytes: &'static str) -> Answer {
    let request = http::Request::from_parts(head, body(bytes));
    Answer::of(s3.respond_at(request, NOW).await).await
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

#[tokio::test]
async fn settings_that_nobody_made_have_s3s_answers() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    send(&s3, "PUT", "/abc/k", &[], "x").await;
    for (method, target, status, code) in [
        ("GET", "/abc?policy", 404, "NoSuchBucketPolicy"),
        ("GET", "/abc?cors", 404, "NoSuchCORSConfiguration"),
        ("GET", "/abc?lifecycle", 404, "NoSuchLifecycleConfiguration"),
        (
            "GET",
            "/abc?encryption",
            404,
            "ServerSideEncryptionConfigurationNotFoundError",
        ),
        (
            "GET",
            "/abc?publicAccessBlock",
            404,
            "NoSuchPublicAccessBlockConfiguration",
        ),
        (
            "GET",
            "/abc?object-lock",
            404,
            "ObjectLockConfigurationNotFoundError",
        ),
        (
            "GET",
            "/abc?replication",
            404,
            "ReplicationConfigurationNotFoundError",
        ),
        ("GET", "/abc?website", 404, "NoSuchWebsiteConfiguration"),
        ("GET", "/abc?logging", 200, "-"),
        ("GET", "/abc?acl", 200, "-"),
        ("GET", "/abc/k?acl", 200, "-"),
        ("PUT", "/abc?acl", 400, "MissingSecurityHeader"),
        ("PUT", "/abc?policy", 501, "NotImplemented"),
        ("DELETE", "/abc?policy", 204, "-"),
        ("DELETE", "/abc?logging", 405, "MethodNotAllowed"),
        ("GET", "/missing?acl", 404, "NoSuchBucket"),
        ("DELETE", "/missing?cors", 404, "NoSuchBucket"),
        ("GET", "/abc/missing?acl", 404, "NoSuchKey"),
    ] {
        let answer = send(&s3, method, target, &[], "").await;
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.text);
        assert_eq!(answer.element("Code"), code, "{method} {target}");
    }
    let acl = send(&s3, "GET", "/abc?acl", &[], "").await;
    assert_eq!(acl.element("Permission"), "FULL_CONTROL");
    let again = send(&s3, "PUT", "/abc?acl", &[], &acl.text).await;
    assert_eq!(again.status, 200, "{}", again.text);
    let canned = [("x-amz-acl", "private")];
    assert_eq!(
        send(&s3, "PUT", "/abc/k?acl", &canned, "").await.status,
        200
    );
    assert_eq!(send(&s3, "GET", "/abc/k", &[], "").await.text, "x");
}

mod forms;
mod paging;
mod settings;

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
