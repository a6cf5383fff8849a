//! What clients configure of a bucket, beginning with its region.

use super::cors::RULES;
use super::*;

#[tokio::test]
async fn buckets_are_created_twice_only_where_aws_forgives_it() {
    for (region, status) in [("us-east-1", 200), ("eu-west-1", 409)] {
        let s3 = gateway(Access::Open, region);
        assert_eq!(send(&s3, "PUT", "/abc", &[], "").await.status, 200);
        let again = send(&s3, "PUT", "/abc", &[], "").await;
        assert_eq!(again.status, status, "{region}");
    }
}

#[tokio::test]
async fn the_region_of_a_bucket_is_that_of_its_gateway() {
    let s3 = gateway(Access::Open, "eu-west-1");
    send(&s3, "PUT", "/abc", &[], "").await;
    let location = send(&s3, "GET", "/abc?location", &[], "").await;
    assert!(location.text.ends_with(">eu-west-1</LocationConstraint>"));
    let head = send(&s3, "HEAD", "/abc", &[], "").await;
    assert_eq!(head.header("x-amz-bucket-region"), "eu-west-1");
    assert_eq!(send(&s3, "GET", "/abd?location", &[], "").await.status, 404);
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

#[tokio::test]
async fn a_setting_stays_until_it_is_removed_or_its_bucket_goes() {
    let s3 = open();
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    let block = "<PublicAccessBlockConfiguration><IgnorePublicAcls>true</IgnorePublicAcls></PublicAccessBlockConfiguration>";
    for (name, document, missing, done) in [
        ("cors", RULES, "NoSuchCORSConfiguration", 200),
        ("tagging", tags, "NoSuchTagSet", 204),
        (
            "publicAccessBlock",
            block,
            "NoSuchPublicAccessBlockConfiguration",
            200,
        ),
    ] {
        let target = format!("/abc?{name}");
        let absent = send(&s3, "PUT", &target, &[], document).await;
        assert_eq!(absent.element("Code"), "NoSuchBucket");
        send(&s3, "PUT", "/abc", &[], "").await;
        let none = send(&s3, "GET", &target, &[], "").await;
        assert_eq!((none.status.as_u16(), none.element("Code")), (404, missing));
        assert_eq!(send(&s3, "PUT", &target, &[], document).await.status, done);
        let kept = send(&s3, "GET", &target, &[], "").await;
        assert_eq!(kept.header("content-type"), "application/xml");
        let again = send(&s3, "PUT", &target, &[], &kept.text).await;
        assert_eq!(again.status, done);
        assert_eq!(send(&s3, "GET", &target, &[], "").await.text, kept.text);
        let bad = send(&s3, "PUT", &target, &[], "<x/>").await;
        assert_eq!(bad.element("Code"), "MalformedXML");
        assert_eq!(send(&s3, "GET", &target, &[], "").await.text, kept.text);
        assert_eq!(send(&s3, "DELETE", &target, &[], "").await.status, 204);
        assert_eq!(
            send(&s3, "GET", &target, &[], "").await.element("Code"),
            missing
        );
        send(&s3, "PUT", &target, &[], document).await;
        send(&s3, "DELETE", "/abc", &[], "").await;
        send(&s3, "PUT", "/abc", &[], "").await;
        assert_eq!(
            send(&s3, "GET", &target, &[], "").await.element("Code"),
            missing
        );
        send(&s3, "DELETE", "/abc", &[], "").await;
    }
}

#[tokio::test]
async fn versioning_that_was_never_on_can_be_suspended() {
    let s3 = open();
    let target = "/abc?versioning";
    let document = |status: &str| {
        format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>")
    };
    let absent = send(&s3, "PUT", target, &[], &document("Suspended")).await;
    assert_eq!(absent.element("Code"), "NoSuchBucket");
    send(&s3, "PUT", "/abc", &[], "").await;
    let never = send(&s3, "GET", target, &[], "").await;
    assert_eq!(never.status, 200);
    assert!(!never.text.contains("Status"), "{}", never.text);
    let on = send(&s3, "PUT", target, &[], &document("Enabled")).await;
    assert_eq!(on.element("Code"), "NotImplemented");
    assert_eq!(send(&s3, "GET", target, &[], "").await.text, never.text);
    let off = send(&s3, "PUT", target, &[], &document("Suspended")).await;
    assert_eq!(off.status, 200);
    let status = send(&s3, "GET", target, &[], "").await;
    assert_eq!(status.element("Status"), "Suspended");
    let deleted = send(&s3, "DELETE", target, &[], "").await;
    assert_eq!(deleted.element("Code"), "MethodNotAllowed");
    assert_eq!(deleted.header("allow"), "GET, PUT");
    assert_eq!(send(&s3, "HEAD", "/abc", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_bucket_can_be_created_with_tags() {
    let s3 = open();
    let document = |value: &str| {
        format!(
            "<CreateBucketConfiguration><Tags><Tag><Key>a</Key><Value>{value}</Value></Tag></Tags>\
             </CreateBucketConfiguration>"
        )
    };
    let illegal = send(&s3, "PUT", "/abc", &[], &document("&#33;")).await;
    assert_eq!(illegal.element("Code"), "InvalidTag");
    assert_eq!(send(&s3, "HEAD", "/abc", &[], "").await.status, 404);
    assert_eq!(
        send(&s3, "PUT", "/abc", &[], &document("b")).await.status,
        200
    );
    send(&s3, "PUT", "/abc", &[], &document("c")).await;
    let tags = send(&s3, "GET", "/abc?tagging", &[], "").await;
    assert_eq!((tags.element("Key"), tags.element("Value")), ("a", "b"));
}

#[tokio::test]
async fn configurations_that_nobody_has_made_are_an_empty_list() {
    let s3 = open();
    let missing = send(&s3, "GET", "/abc?inventory", &[], "").await;
    assert_eq!(missing.element("Code"), "NoSuchBucket");
    send(&s3, "PUT", "/abc", &[], "").await;
    for name in ["analytics", "intelligent-tiering", "inventory", "metrics"] {
        let list = send(&s3, "GET", &format!("/abc?{name}"), &[], "").await;
        assert_eq!(
            (list.status.as_u16(), list.element("IsTruncated")),
            (200, "false")
        );
        let target = format!("/abc?{name}&id=x");
        for method in ["GET", "DELETE"] {
            let one = send(&s3, method, &target, &[], "").await;
            assert_eq!(one.status, 404);
            assert_eq!(
                one.element("Code"),
                "NoSuchConfiguration",
                "{method} {name}"
            );
        }
        let put = send(&s3, "PUT", &target, &[], "<x/>").await;
        assert_eq!(put.element("Code"), "NotImplemented");
    }
}

#[tokio::test]
async fn nothing_is_locked_in_a_bucket_without_object_lock() {
    let s3 = open();
    let missing = send(&s3, "GET", "/abc/k?retention", &[], "").await;
    assert_eq!(missing.element("Code"), "NoSuchBucket");
    send(&s3, "PUT", "/abc", &[], "").await;
    send(&s3, "PUT", "/abc/k", &[], "x").await;
    for name in ["retention", "legal-hold"] {
        for (method, document) in [("GET", ""), ("PUT", "<Retention/>")] {
            let answer = send(&s3, method, &format!("/abc/k?{name}"), &[], document).await;
            assert_eq!(
                (answer.element("Code"), answer.element("Message")),
                (
                    "InvalidRequest",
                    "Bucket is missing Object Lock Configuration"
                )
            );
        }
    }
    assert_eq!(send(&s3, "GET", "/abc/k", &[], "").await.text, "x");
}

#[tokio::test]
async fn only_the_methods_that_s3_has_for_a_setting_are_allowed() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    for (name, allow) in [
        ("acl", "GET, PUT"),
        ("object-lock", "GET, PUT"),
        ("policyStatus", "GET"),
    ] {
        let answer = send(&s3, "DELETE", &format!("/abc?{name}"), &[], "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("allow")),
            (405, allow)
        );
        assert_eq!(answer.element("ResourceType"), "BUCKET");
    }
    let nothing = send(&s3, "PUT", "/abc?acl", &[], "").await;
    assert_eq!(nothing.element("Code"), "MissingSecurityHeader");
    for method in ["PUT", "DELETE"] {
        let answer = send(&s3, method, "/abc?metadataAnnotationTable", &[], "").await;
        assert_eq!(answer.status, 501);
    }
    assert_eq!(send(&s3, "HEAD", "/abc", &[], "").await.status, 200);
}
