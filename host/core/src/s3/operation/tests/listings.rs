//! Listings of objects, uploads, parts and buckets.

use super::*;

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
