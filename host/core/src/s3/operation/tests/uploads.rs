//! Objects that are uploaded, whole or in parts.

use super::*;
use crate::s3::auth::AuthError;
use crate::s3::tests::untouchable;
use crate::service::ETagCondition;

#[tokio::test]
async fn a_put_carries_metadata_and_conditions() {
    let headers = [
        ("content-length", "2"),
        ("content-type", "text/plain"),
        ("x-amz-meta-a", "1"),
        ("x-amz-acl", "private"),
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-tagging", ""),
        ("if-none-match", "*"),
    ];
    let Ok(Operation::PutObject(put, upload)) = parse("PUT", "/abc/k", &headers, "ab").await else {
        panic!("no put");
    };
    assert_eq!(upload.size, 2);
    assert_eq!(put.metadata.content_type.as_deref(), Some("text/plain"));
    assert_eq!(put.metadata.user, vec![("a".to_owned(), "1".to_owned())]);
    let conditions = WriteConditions {
        if_match: None,
        if_none_match: Some(ETagCondition::Any),
    };
    assert_eq!(put.conditions, conditions);
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_before_the_body_is_read() {
    for (name, value) in [
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-server-side-encryption-customer-key", "x"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-website-redirect-location", "/"),
        ("x-amz-write-offset-bytes", "1"),
        ("if-none-match", "\"tag\""),
        ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ] {
        let request = http::Request::put("/abc/k")
            .header("content-length", 1)
            .header(name, value)
            .body(untouchable())
            .unwrap();
        let refused = parse_request(request).await.err().map(|e| e.code());
        assert_eq!(refused, Some(Code::NotImplemented), "{name}");
    }
}

#[tokio::test]
async fn an_access_list_for_others_is_refused_and_a_private_one_is_not() {
    let refused = Code::AccessControlListNotSupported;
    for (name, value, expected) in [
        ("x-amz-acl", "public-read", refused),
        ("x-amz-acl", "secret", Code::InvalidArgument),
        ("x-amz-grant-read", "id=1", refused),
    ] {
        for (method, target) in [
            ("PUT", "/abc/k"),
            ("PUT", "/abc?acl"),
            ("PUT", "/abc/k?acl"),
        ] {
            let headers = [("content-length", "0"), (name, value)];
            assert_eq!(
                code(method, target, &headers, "").await,
                expected,
                "{target}"
            );
        }
    }
    let acl = [("content-length", "0"), ("x-amz-acl", "private")];
    for target in ["/abc", "/abc/k", "/abc?acl", "/abc/k?acl"] {
        assert!(parse("PUT", target, &acl, "").await.is_ok(), "{target}");
    }
    let bucket = [
        ("content-length", "0"),
        ("x-amz-acl", "bucket-owner-full-control"),
    ];
    assert_eq!(
        code("PUT", "/abc", &bucket, "").await,
        Code::InvalidBucketAcl
    );
}

#[tokio::test]
async fn a_put_of_more_than_five_gibibytes_is_refused_before_the_body_is_read() {
    for (target, size, expected) in [
        ("/abc/k", "5368709121", Some(Code::EntityTooLarge)),
        ("/abc/k", "5368709120", None),
        (
            "/abc/k?partNumber=1&uploadId=u",
            "5368709121",
            Some(Code::EntityTooLarge),
        ),
    ] {
        let request = http::Request::put(target)
            .header("content-length", size)
            .body(untouchable())
            .unwrap();
        let refused = parse_request(request).await.err().map(|e| e.code());
        assert_eq!(refused, expected, "{target} {size}");
    }
}

#[tokio::test]
async fn an_unknown_storage_class_is_refused() {
    let headers = [("content-length", "0"), ("x-amz-storage-class", "GOLD")];
    assert_eq!(
        code("PUT", "/abc/k", &headers, "").await,
        Code::InvalidStorageClass
    );
    let upload = code("POST", "/abc/k?uploads", &headers, "").await;
    assert_eq!(upload, Code::InvalidStorageClass);
}

#[tokio::test]
async fn an_upload_without_length_is_refused() {
    let refused = parse("PUT", "/abc/k", &[], "x").await.err();
    assert!(
        matches!(refused, Some(Error::Auth(AuthError::MissingContentLength))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn parts_have_numbers_and_uploads_have_ids() {
    let target = "/abc/k?partNumber=10000&uploadId=u";
    let length = [("content-length", "0")];
    let Ok(Operation::UploadPart(upload, number, _)) = parse("PUT", target, &length, "").await
    else {
        panic!("no part");
    };
    assert_eq!((upload.id.as_str(), number.get()), ("u", 10_000));
    for number in ["0", "10001", "-1", "x", ""] {
        let target = format!("/abc/k?partNumber={number}&uploadId=u");
        let code = code("PUT", &target, &length, "").await;
        assert_eq!(code, Code::InvalidArgument, "{number}");
    }
    for (method, target) in [
        ("PUT", "/abc/k?partNumber=1&uploadId="),
        ("GET", "/abc/k?uploadId=%2F"),
        ("DELETE", "/abc/k?uploadId=a.b"),
    ] {
        let code = code(method, target, &length, "").await;
        assert_eq!(code, Code::NoSuchUpload, "{method} {target}");
    }
}

#[tokio::test]
async fn a_completed_upload_knows_its_parts_and_its_address() {
    let document = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>\
        <ETag>\"abababababababababababababababab\"</ETag></Part></CompleteMultipartUpload>";
    let target = "/abc/a%20b?uploadId=u";
    let Ok(Operation::CompleteMultipartUpload(complete, location)) =
        parse("POST", target, &[], document).await
    else {
        panic!("no completion");
    };
    let part = crate::model::NamedPart {
        number: PartNumber::new(1).unwrap(),
        etag: ETag::Md5([0xab; 16]),
        checksum: None,
    };
    assert_eq!(complete.parts, vec![part]);
    assert_eq!(location, "http://localhost:10001/abc/a%20b");
    let request = http::Request::post("/a%20b?uploadId=u").header("host", "abc.example.com:9000");
    let body = stream::iter([Ok(Bytes::from_static(document.as_bytes()))]).boxed();
    let request = request.header("content-md5", md5_of(document)).body(body);
    let Ok(Operation::CompleteMultipartUpload(_, location)) = parse_request(request.unwrap()).await
    else {
        panic!("no completion");
    };
    assert_eq!(location, "http://abc.example.com:9000/a%20b");
    assert_eq!(code("POST", target, &[], "<x/>").await, Code::MalformedXml);
}
