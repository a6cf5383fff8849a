use super::*;
use crate::model::{ETag, RangeSpec, Section, Timestamp};
use crate::s3::address::{Address, AddressError};
use crate::s3::auth::{Access, AuthError, Authenticator};
use crate::s3::error::Code;
use crate::s3::route::route;
use crate::s3::tests::md5_of;
use crate::service::{ETagCondition, RangeCondition, WriteConditions};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use proptest::prelude::*;

/// Parses a request up to the point where the service would be called.
async fn parse_request(request: http::Request<ByteStream>) -> Result<Operation, Error> {
    let (parts, body) = request.into_parts();
    let address = Address::parse(&parts, &crate::s3::address::Domains::default())?;
    let query = Query::parse(parts.uri.query())?;
    let gate = Authenticator::new(Access::Open, "eu-west-1");
    let identity = gate.authenticate(&parts, Timestamp::now())?;
    let route = route(&parts.method, address, &query, &parts.headers)?;
    let request = Request {
        parts: &parts,
        query: &query,
        identity: &identity,
        region: "eu-west-1",
        scheme: "http",
        authenticator: &gate,
        now: Timestamp(0),
    };
    Operation::parse(route, &request, body).await
}

async fn parse(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &'static str,
) -> Result<Operation, Error> {
    let mut request = http::Request::builder().method(method).uri(target);
    request = request.header("host", "localhost:10001");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if body.starts_with('<') {
        request = request.header("content-md5", md5_of(body));
    }
    let body = stream::iter([Ok(Bytes::from_static(body.as_bytes()))]).boxed();
    parse_request(request.body(body).unwrap()).await
}

async fn code(method: &str, target: &str, headers: &[(&str, &str)], body: &'static str) -> Code {
    match parse(method, target, headers, body).await {
        Ok(_) => panic!("{method} {target} was accepted"),
        Err(error) => error.code(),
    }
}

async fn list(query: &str) -> (ListObjects, ListEcho) {
    match parse("GET", &format!("/abc?{query}"), &[], "").await {
        Ok(Operation::ListObjects(request, echo)) => (request, echo),
        Ok(_) => panic!("another operation"),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_listing_has_all_its_parameters() {
    let (request, echo) =
        list("prefix=a%2Fb&delimiter=%2F&marker=a%2Fb%2Fc&max-keys=7&encoding-type=url").await;
    assert_eq!(request.prefix, "a/b");
    assert_eq!(request.delimiter.as_deref(), Some("/"));
    assert_eq!(request.after.as_deref(), Some("a/b/c"));
    assert_eq!(request.max_keys, 7);
    let version = Version::V1 {
        marker: "a/b/c".into(),
    };
    assert_eq!(
        echo,
        ListEcho {
            encode: true,
            version
        }
    );
}

#[tokio::test]
async fn an_empty_parameter_is_as_good_as_none() {
    let (request, echo) = list("prefix=&delimiter=&marker=&max-keys=&encoding-type=").await;
    assert_eq!((request.delimiter, request.after), (None, None));
    assert_eq!(request.max_keys, 1000);
    assert!(!echo.encode);
}

#[tokio::test]
async fn a_continuation_token_wins_over_start_after() {
    let token = crate::s3::token::encode("k1");
    let (request, echo) = list(&format!(
        "list-type=2&start-after=k0&continuation-token={token}&fetch-owner=true"
    ))
    .await;
    assert_eq!(request.after.as_deref(), Some("k1"));
    let version = Version::V2 {
        start_after: Some("k0".into()),
        token: Some(token),
        owner: true,
    };
    assert_eq!(echo.version, version);
    let (request, _) = list("list-type=2&start-after=k0").await;
    assert_eq!(request.after.as_deref(), Some("k0"));
}

#[tokio::test]
async fn too_many_keys_are_lowered_and_a_bad_number_is_refused() {
    assert_eq!(list("max-keys=1001").await.0.max_keys, 1000);
    assert_eq!(list("max-keys=2147483647").await.0.max_keys, 1000);
    assert_eq!(list("max-keys=0").await.0.max_keys, 0);
    for query in [
        "max-keys=-1",
        "max-keys=ten",
        "max-keys=2147483648",
        "encoding-type=base64",
        "list-type=3",
        "list-type=2&continuation-token=key",
        "list-type=2&continuation-token=",
        "uploads&max-uploads=-1",
        "uploads&key-marker=a&upload-id-marker=%20",
    ] {
        let code = code("GET", &format!("/abc?{query}"), &[], "").await;
        assert_eq!(code, Code::InvalidArgument, "{query}");
    }
}

#[tokio::test]
async fn an_upload_id_marker_counts_only_beside_a_key_marker() {
    let marker = |query: &'static str| async move {
        match parse("GET", query, &[], "").await.unwrap() {
            Operation::ListMultipartUploads(request, _) => request.upload_id_marker,
            _ => panic!("another operation"),
        }
    };
    assert_eq!(marker("/abc?uploads&upload-id-marker=u").await, None);
    let both = "/abc?uploads&upload-id-marker=u&key-marker=k";
    assert_eq!(marker(both).await, Some("u".parse().unwrap()));
}

async fn get(headers: &[(&str, &str)]) -> ReadObject {
    match parse("GET", "/abc/k?versionId=null", headers, "").await {
        Ok(Operation::GetObject(read, _)) => read,
        Ok(_) => panic!("another operation"),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_range_may_depend_on_the_object() {
    let range = get(&[("range", "bytes=1-2")]).await;
    let asked = Some(Section::Range(RangeSpec::FromTo(1, 2)));
    assert_eq!((range.section, range.if_range), (asked, None));
    let depends = get(&[("range", "bytes=1-2"), ("if-range", "\"x\"")]).await;
    let tag = RangeCondition::Tag(ETag::parse("x").unwrap());
    assert_eq!((depends.section, depends.if_range), (asked, Some(tag)));
}

#[tokio::test]
async fn there_are_no_versions_but_null() {
    for (method, target) in [
        ("GET", "/abc/k?versionId=1"),
        ("HEAD", "/abc/k?versionId="),
        ("DELETE", "/abc/k?versionId=1"),
        ("PUT", "/abc/k?versionId=null"),
    ] {
        let code = code(method, target, &[("content-length", "0")], "").await;
        assert_eq!(code, Code::InvalidArgument, "{method} {target}");
    }
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
        let untouchable = stream::poll_fn(|_| panic!("the body was read")).boxed();
        let request = http::Request::put("/abc/k")
            .header("content-length", 1)
            .header(name, value)
            .body(untouchable)
            .unwrap();
        let refused = parse_request(request).await.err().map(|e| e.code());
        assert_eq!(refused, Some(Code::NotImplemented), "{name}");
    }
}

#[tokio::test]
async fn nobody_else_gets_at_anything() {
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
        let untouchable = stream::poll_fn(|_| panic!("the body was read")).boxed();
        let request = http::Request::put(target)
            .header("content-length", size)
            .body(untouchable)
            .unwrap();
        let refused = parse_request(request).await.err().map(|e| e.code());
        assert_eq!(refused, expected, "{target} {size}");
    }
}

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
async fn an_unknown_storage_class_is_refused() {
    let headers = [("content-length", "0"), ("x-amz-storage-class", "GOLD")];
    assert_eq!(
        code("PUT", "/abc/k", &headers, "").await,
        Code::InvalidStorageClass
    );
    let upload = code("POST", "/abc/k?uploads", &headers, "").await;
    assert_eq!(upload, Code::InvalidStorageClass);
}

async fn copy(headers: &[(&str, &str)]) -> Result<CopyObject, Code> {
    match parse("PUT", "/abc/k", headers, "").await {
        Ok(Operation::CopyObject(copy)) => Ok(copy),
        Ok(_) => panic!("another operation"),
        Err(error) => Err(error.code()),
    }
}

#[tokio::test]
async fn a_copy_replaces_metadata_only_when_told_to() {
    let source = ("x-amz-copy-source", "def/k");
    let sent = ("content-type", "text/plain");
    let kept = copy(&[source, sent]).await.unwrap();
    assert_eq!(kept.metadata, None);
    let directive = |value| ("x-amz-metadata-directive", value);
    let kept = copy(&[source, sent, directive("COPY")]).await.unwrap();
    assert_eq!(kept.metadata, None);
    let replaced = copy(&[source, sent, directive("REPLACE")]).await.unwrap();
    let content_type = replaced.metadata.unwrap().content_type;
    assert_eq!(content_type.as_deref(), Some("text/plain"));
    let odd = copy(&[source, directive("MERGE")]).await;
    assert_eq!(odd.err(), Some(Code::InvalidArgument));
}

fn source(raw: &[u8]) -> Result<(String, String), Code> {
    match object::parse_source(raw) {
        Ok((bucket, key)) => Ok((bucket.to_string(), key.to_string())),
        Err(error) => Err(error.code()),
    }
}

#[test]
fn a_copy_source_is_read_encoded_or_not_with_or_without_slash() {
    let expected = Ok(("abc".to_owned(), "a b/ü+1".to_owned()));
    for raw in [
        "abc/a b/ü%2B1",
        "/abc/a+b/%C3%BC%2B1",
        "abc%2Fa%20b%2F%C3%BC%2B1",
        "/abc/a%20b/%C3%BC%2b1?versionId=null",
    ] {
        assert_eq!(source(raw.as_bytes()), expected, "{raw}");
    }
    let odd = Ok(("abc".to_owned(), "/a//b?c".to_owned()));
    assert_eq!(source(b"abc//a//b%3Fc"), odd);
}

#[test]
fn a_copy_source_that_names_no_object_is_refused() {
    for raw in [
        "",
        "/",
        "abc",
        "abc/",
        "abc/%zz",
        "abc/%ff",
        "abc/k?versionId=3",
        "abc/k?versionId=",
    ] {
        assert_eq!(source(raw.as_bytes()), Err(Code::InvalidArgument), "{raw}");
    }
    assert_eq!(source(b"abc/\xff"), Err(Code::InvalidArgument));
    assert_eq!(source(b"A_B/k"), Err(Code::InvalidBucketName));
    let arn = b"arn:aws:s3:us-west-2:123456789012:accesspoint/x/object/k";
    assert_eq!(source(arn), Err(Code::NotImplemented));
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
    assert_eq!(code("POST", target, &[], "<x/>").await, Code::MalformedXml);
}

#[tokio::test]
async fn the_marker_of_parts_may_be_any_number() {
    let query = |query: &'static str| async move {
        match parse("GET", query, &[], "").await.unwrap() {
            Operation::ListParts(_, query) => (query.after, query.limit),
            _ => panic!("another operation"),
        }
    };
    assert_eq!(query("/abc/k?uploadId=u").await, (0, 1000));
    let large = "/abc/k?uploadId=u&part-number-marker=70000&max-parts=2";
    assert_eq!(query(large).await, (u16::MAX, 2));
}

#[tokio::test]
async fn a_bucket_is_created_only_in_our_region() {
    let create = |location: &str| {
        let document = format!(
            "<CreateBucketConfiguration><LocationConstraint>{location}</LocationConstraint>\
             </CreateBucketConfiguration>"
        );
        async move {
            let request = http::Request::put("/abc").header("content-length", document.len());
            let body = stream::iter([Ok(Bytes::from(document))]).boxed();
            parse_request(request.body(body).unwrap())
                .await
                .err()
                .map(|e| e.code())
        }
    };
    assert_eq!(create("eu-west-1").await, None);
    assert_eq!(create("EU").await, None);
    assert_eq!(create("").await, None);
    let other = create("us-gov-west-1").await;
    assert_eq!(other, Some(Code::IllegalLocationConstraint));
    for nowhere in ["mars", "eu-west", "eu--1"] {
        assert_eq!(
            create(nowhere).await,
            Some(Code::InvalidLocation),
            "{nowhere}"
        );
    }
    let directory = "<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket></CreateBucketConfiguration>";
    assert_eq!(
        code("PUT", "/abc", &[], directory).await,
        Code::NotImplemented
    );
    assert!(parse("PUT", "/abc", &[], "").await.is_ok());
    let lock = [("x-amz-bucket-object-lock-enabled", "true")];
    assert_eq!(code("PUT", "/abc", &lock, "").await, Code::NotImplemented);
}

#[tokio::test]
async fn a_new_bucket_has_one_owner_and_no_list_of_others() {
    for (name, value, refused) in [
        ("x-amz-acl", "private", None),
        ("x-amz-acl", "public-read", Some(Code::InvalidBucketAcl)),
        (
            "x-amz-acl",
            "bucket-owner-read",
            Some(Code::InvalidBucketAcl),
        ),
        ("x-amz-acl", "everybody", Some(Code::InvalidArgument)),
        (
            "x-amz-grant-read",
            "id=somebody",
            Some(Code::InvalidBucketAcl),
        ),
        ("x-amz-object-ownership", "BucketOwnerEnforced", None),
        (
            "x-amz-object-ownership",
            "ObjectWriter",
            Some(Code::NotImplemented),
        ),
        (
            "x-amz-object-ownership",
            "Nobody",
            Some(Code::InvalidArgument),
        ),
    ] {
        let outcome = parse("PUT", "/abc", &[(name, value)], "").await;
        let code = outcome.err().map(|error| error.code());
        assert_eq!(code, refused, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_client_that_expects_another_owner_is_refused() {
    for name in [
        "x-amz-expected-bucket-owner",
        "x-amz-source-expected-bucket-owner",
    ] {
        for (owner, refused) in [
            ("000000000000", None),
            ("pys3local", None),
            ("123456789012", Some(Code::AccessDenied)),
            ("", Some(Code::AccessDenied)),
        ] {
            for (method, target) in [("GET", "/abc"), ("GET", "/abc/k"), ("DELETE", "/abc/k")] {
                let outcome = parse(method, target, &[(name, owner)], "").await;
                let code = outcome.err().map(|error| error.code());
                assert_eq!(code, refused, "{method} {target} {owner:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_list_of_keys_to_delete_needs_a_digest() {
    let document = "<Delete><Object><Key>a</Key></Object></Delete>";
    for (name, value, accepted) in [
        ("x-other", "", false),
        ("content-md5", md5_of(document).as_str(), true),
        ("x-amz-checksum-crc32", "bt9NdQ==", true),
        ("x-amz-sdk-checksum-algorithm", "CRC32", false),
    ] {
        let request = http::Request::post("/abc?delete").header(name, value);
        let body = stream::iter([Ok(Bytes::from_static(document.as_bytes()))]).boxed();
        let outcome = parse_request(request.body(body).unwrap()).await;
        let message = outcome.err().map(|error| error.message().into_owned());
        let missing = message.is_some_and(|text| text.starts_with("Missing required header"));
        assert_eq!(missing, !accepted, "{name}");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_deleted_do_not_stop_the_others() {
    let document = "<Delete><Quiet>true</Quiet><Object><Key>a</Key></Object>\
        <Object><Key>b</Key><VersionId>3</VersionId></Object>\
        <Object><Key>c</Key><VersionId>null</VersionId></Object>\
        <Object><Key>d</Key><Size>1</Size></Object></Delete>";
    let Ok(Operation::DeleteObjects(delete)) = parse("POST", "/abc?delete", &[], document).await
    else {
        panic!("no deletion");
    };
    assert!(delete.quiet);
    let outcomes: Vec<_> = delete
        .entries
        .iter()
        .map(|((name, _), key)| (name.as_str(), key.as_ref().err().map(Error::code)))
        .collect();
    let expected = [
        ("a", None),
        ("b", Some(Code::NoSuchVersion)),
        ("c", None),
        ("d", Some(Code::NotImplemented)),
    ];
    assert_eq!(outcomes, expected);
}

#[tokio::test]
async fn a_listing_of_buckets_can_be_paged() {
    let token = crate::s3::token::encode("b");
    let target = format!("/?max-buckets=2&prefix=x&continuation-token={token}");
    let Ok(Operation::ListBuckets(query, _)) = parse("GET", &target, &[], "").await else {
        panic!("no listing");
    };
    let expected = BucketsQuery {
        elsewhere: false,
        prefix: "x".into(),
        after: Some("b".into()),
        limit: 2,
        regions: true,
    };
    assert_eq!(query, expected);
    let none = code("GET", "/?max-buckets=0", &[], "").await;
    assert_eq!(none, Code::InvalidArgument);
}

#[tokio::test]
async fn a_deletion_can_demand_a_tag_and_nothing_else() {
    let tag = [("if-match", "*")];
    let Ok(Operation::DeleteObject(_, _, conditions)) = parse("DELETE", "/abc/k", &tag, "").await
    else {
        panic!("no deletion");
    };
    assert!(!conditions.is_empty());
    let absent = [("if-none-match", "*")];
    let refused = code("DELETE", "/abc/k", &absent, "").await;
    assert_eq!(refused, Code::NotImplemented);
}

#[tokio::test]
async fn an_upload_without_length_is_refused() {
    let refused = parse("PUT", "/abc/k", &[], "x").await.err();
    assert!(
        matches!(refused, Some(Error::Auth(AuthError::MissingContentLength))),
        "{refused:?}"
    );
}

proptest! {
    #[test]
    fn any_encoded_key_survives_as_a_copy_source(key in "\\PC{1,200}|[\\x00-\\x20/%+?.]{1,40}") {
        let raw = format!("/abc/{}", crate::s3::percent::encode(&key));
        prop_assert_eq!(source(raw.as_bytes()), Ok(("abc".to_owned(), key)));
    }

    #[test]
    fn no_copy_source_makes_the_parser_panic(raw: Vec<u8>, text: String) {
        let _ = object::parse_source(&raw);
        let _ = object::parse_source(text.as_bytes());
    }

    #[test]
    fn a_key_that_is_too_long_is_called_that(extra in 1usize..100) {
        let raw = format!("abc/{}", "k".repeat(1024 + extra));
        let refused = object::parse_source(raw.as_bytes()).err();
        let named = matches!(refused, Some(Error::Address(AddressError::KeyTooLong(_))));
        prop_assert!(named);
    }
}
