use super::*;
use crate::model::{ETag, UploadError};
use crate::s3::auth::Mismatch;
use crate::s3::error::RequestError;
use crate::s3::response::tests::{header, request_id, stored, xml};
use crate::s3::response::{ReplyBody, finish};
use crate::s3::setting::Setting;
use http::{Method, StatusCode};
use std::time::Duration;

fn asked_with(resource: &str, headers: &[(&str, &str)]) -> Asked<'static> {
    let mut request = http::Request::get(resource);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    Asked::of(&parts, &Domains::default()).into_owned()
}

fn asked(resource: &str) -> Asked<'static> {
    asked_with(resource, &[])
}

#[test]
fn an_error_names_what_is_missing() {
    let asked = asked("/abc/a%20b");
    let document = |failure: ServiceError| xml(&error(&failure.into(), &asked, &request_id()));
    assert!(document(ServiceError::NoSuchKey).contains("<Key>a b</Key>"));
    assert!(document(ServiceError::NoSuchBucket).contains("<BucketName>abc</BucketName>"));
    assert!(!document(ServiceError::NoSpace).contains("<Key>"));
}

#[test]
fn an_error_is_a_document_without_namespace() {
    let failure = Error::from(RequestError::Argument {
        name: "max-keys",
        value: "<x>".into(),
        message: "not a number",
    });
    let reply = error(&failure, &asked("/abc/a%20b"), &request_id());
    assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        xml(&reply),
        "<Error><Code>InvalidArgument</Code><Message>not a number</Message>\
         <ArgumentName>max-keys</ArgumentName><ArgumentValue>&lt;x&gt;</ArgumentValue>\
         <Resource>/abc/a%20b</Resource><RequestId>ID</RequestId><HostId>HOST</HostId></Error>"
    );
}

#[test]
fn an_unsatisfiable_range_tells_the_size() {
    let failure = Error::from(ServiceError::InvalidRange { size: 10 });
    let reply = error(&failure, &asked("/"), &request_id());
    assert_eq!(reply.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(header(&reply, "content-range"), "bytes */10");
    assert!(xml(&reply).contains("<ActualObjectSize>10</ActualObjectSize>"));
}

#[test]
fn errors_set_the_headers_that_go_with_their_status() {
    let busy = ServiceError::Busy {
        retry_after: Some(Duration::from_millis(1500)),
    };
    let reply = error(&busy.into(), &asked("/"), &request_id());
    assert_eq!(header(&reply, "retry-after"), "2");
    let method = RouteError::MethodNotAllowed { allow: "GET" };
    let reply = error(&method.into(), &asked("/"), &request_id());
    assert_eq!(header(&reply, "allow"), "GET");
}

#[test]
fn not_modified_has_a_tag_but_neither_body_nor_length() {
    let mut object = stored();
    object.metadata.cache_control = Some("max-age=60".into());
    object.metadata.expires = Some("0".into());
    object.metadata.content_type = Some("text/plain".into());
    let failure = Error::from(ServiceError::NotModified(Box::new(object)));
    let reply = error(&failure, &asked("/"), &request_id());
    let head = error(&failure, &asked("/"), &request_id());
    let head = finish(head, &Method::HEAD, &request_id());
    assert_eq!(header(&head, "content-length"), "10");
    let reply = finish(reply, &Method::GET, &request_id());
    assert_eq!(reply.status(), StatusCode::NOT_MODIFIED);
    assert!(matches!(reply.body(), ReplyBody::Empty));
    assert_eq!(
        header(&reply, "etag"),
        "\"abababababababababababababababab\""
    );
    for (name, value) in [
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("cache-control", "max-age=60"),
        ("expires", "0"),
        // Of the bytes that are not sent nothing is said.
        ("content-type", "-"),
        ("content-length", "-"),
    ] {
        assert_eq!(header(&reply, name), value, "{name}");
    }
}

/// `elements` are what the answer to `target` has about a failure.
fn assert_repeats(target: &str, failure: impl Into<Error>, elements: &str) {
    let headers = [
        ("range", "bytes=9-"),
        ("content-md5", "odd"),
        ("x-amz-copy-source-range", "bytes=1-9"),
    ];
    let reply = error(
        &failure.into(),
        &asked_with(target, &headers),
        &request_id(),
    );
    let text = xml(&reply);
    let expected = format!("</Message>{elements}<Resource>");
    assert!(text.contains(&expected), "{expected} in {text}");
}

const TAG: ETag = ETag::Md5([0xab; 16]);

#[test]
fn an_error_says_which_bytes_and_parts_were_asked_for() {
    use ServiceError as S;
    let part = "/abc/k?partNumber=7&uploadId=u1";
    assert_repeats(
        "/abc/k",
        S::InvalidRange { size: 3 },
        "<ActualObjectSize>3</ActualObjectSize><RangeRequested>bytes=9-</RangeRequested>",
    );
    assert_repeats(
        part,
        S::NoSuchPart { parts: 2 },
        "<ActualPartCount>2</ActualPartCount><PartNumberRequested>7</PartNumberRequested>",
    );
    assert_repeats(
        "/abc/k",
        S::CopyRange { size: 3 },
        "<ArgumentName>x-amz-copy-source-range</ArgumentName><ArgumentValue>bytes=1-9</ArgumentValue>",
    );
    assert_repeats(part, S::NoSuchUpload, "<UploadId>u1</UploadId>");
    assert_repeats(
        part,
        S::InvalidPart {
            number: 3,
            etag: TAG,
        },
        "<PartNumber>3</PartNumber><ETag>abababababababababababababababab</ETag><UploadId>u1</UploadId>",
    );
    assert_repeats(
        part,
        S::PartTooSmall {
            number: 3,
            size: 5,
            etag: TAG,
        },
        "<ProposedSize>5</ProposedSize><MinSizeAllowed>5242880</MinSizeAllowed>\
         <PartNumber>3</PartNumber><ETag>abababababababababababababababab</ETag>",
    );
}

#[test]
fn an_error_says_what_does_not_match() {
    assert_repeats(
        "/abc/k",
        ServiceError::Upload(UploadError::Md5Mismatch {
            expected: [0xab; 16],
            computed: [0; 16],
        }),
        "<ExpectedDigest>abababababababababababababababab</ExpectedDigest>\
         <CalculatedDigest>AAAAAAAAAAAAAAAAAAAAAA==</CalculatedDigest>",
    );
    assert_repeats(
        "/abc/k",
        AuthError::InvalidDigest,
        "<Content-MD5>odd</Content-MD5>",
    );
    let mismatch = Mismatch {
        access_key_id: "AKID".into(),
        signature: "abc".into(),
        text: b"1\n2".to_vec(),
        canonical: Some(b"GET".to_vec()),
    };
    assert_repeats(
        "/abc/k",
        AuthError::SignatureDoesNotMatch(Box::new(mismatch)),
        "<AWSAccessKeyId>AKID</AWSAccessKeyId><StringToSign>1\n2</StringToSign>\
         <SignatureProvided>abc</SignatureProvided><CanonicalRequest>GET</CanonicalRequest>",
    );
    assert_repeats(
        "/abc/k",
        RequestError::Tag {
            message: "no",
            key: "k".into(),
            value: Some("v".into()),
        },
        "<TagKey>k</TagKey><TagValue>v</TagValue>",
    );
}

#[test]
fn an_error_says_what_it_is_that_does_not_allow_something() {
    assert_repeats(
        "/abc?tagging",
        Error::NotConfigured(Setting::Tagging),
        "<BucketName>abc</BucketName>",
    );
    assert_repeats(
        "/abc?delete",
        RouteError::MethodNotAllowed { allow: "POST" },
        "<Method>GET</Method><ResourceType>BUCKET</ResourceType>",
    );
    assert_repeats(
        "/abc/k",
        CorsError::NotEnabled,
        "<Method>OPTIONS</Method><ResourceType>BUCKET</ResourceType>",
    );
    assert_repeats(
        "/abc/k",
        CorsError::NotAllowed,
        "<Method>OPTIONS</Method><ResourceType>OBJECT</ResourceType>",
    );
}

#[test]
fn what_a_copy_lacks_may_be_its_source() {
    let asked = asked_with("/abc/k", &[("x-amz-copy-source", "other/k")]);
    for failure in [ServiceError::NoSuchKey, ServiceError::NoSuchBucket] {
        let text = xml(&error(&failure.into(), &asked, &request_id()));
        assert!(text.contains("</Message><Resource>"), "{text}");
    }
}
