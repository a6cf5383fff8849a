//! Buckets: how they are made, whose they are, and lists of keys to delete in them.

use super::*;

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
        ("x-amz-checksum-algorithm", "CRC32", false),
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
