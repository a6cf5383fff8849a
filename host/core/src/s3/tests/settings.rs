//! What clients configure of a bucket, and which web pages may use it.

use super::*;

const RULES: &str = "<CORSConfiguration>\
    <CORSRule><AllowedOrigin>https://page.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod>\
    <AllowedMethod>HEAD</AllowedMethod><AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
    <MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>";
const PAGE: (&str, &str) = ("origin", "https://page.example");
const OTHER: (&str, &str) = ("origin", "https://other.example");

async fn stored() -> Gateway {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    send(&s3, "PUT", "/abc/k", &[], "x").await;
    assert_eq!(send(&s3, "PUT", "/abc?cors", &[], RULES).await.status, 200);
    s3
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

#[tokio::test]
async fn the_checksum_of_the_whole_is_not_told_of_a_range() {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    let sum = ("x-amz-checksum-crc32", "NSRBwg=="); // of "abc"
    assert_eq!(send(&s3, "PUT", "/abc/k", &[sum], "abc").await.status, 200);
    let asked = ("x-amz-checksum-mode", "ENABLED");
    for method in ["GET", "HEAD"] {
        let whole = send(&s3, method, "/abc/k", &[asked], "").await;
        assert_eq!(whole.header(sum.0), sum.1);
        let some = send(&s3, method, "/abc/k", &[asked, ("range", "bytes=1-1")], "").await;
        assert_eq!((some.status.as_u16(), some.header(sum.0)), (206, "-"));
    }
}

#[tokio::test]
async fn a_page_that_a_rule_allows_is_told_so_also_of_errors() {
    let s3 = stored().await;
    for (method, target, status) in [
        ("GET", "/abc/k", 200),
        ("HEAD", "/abc/k", 200),
        ("GET", "/abc?list-type=2", 200),
        ("GET", "/abc/missing", 404),
    ] {
        let answer = send(&s3, method, target, &[PAGE], "").await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), PAGE.1);
        assert_eq!(answer.header("access-control-expose-headers"), "ETag");
        assert!(answer.header("vary").contains("Origin"));
    }
    for (method, target, page) in [
        ("GET", "/abc/k", OTHER),
        ("PUT", "/abc/k", PAGE),
        ("GET", "/", PAGE),
        ("GET", "/missing/k", PAGE),
    ] {
        let answer = send(&s3, method, target, &[page], "").await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "-",
            "{method} {target}"
        );
    }
    let silent = send(&s3, "GET", "/abc/k", &[], "").await;
    assert_eq!(silent.header("access-control-allow-origin"), "-");
}

#[tokio::test]
async fn a_preflight_needs_no_signature_and_says_what_is_allowed() {
    let s3 = gateway(Access::keys(vec![credentials()]), REGION);
    let sign = |request: request::Builder, text: &str| {
        let request = request.header("content-length", text.len());
        let request = request.header("content-md5", md5_of(text));
        Signer::default().sign(request, "UNSIGNED-PAYLOAD")
    };
    send_signed(&s3, sign(http::Request::put("/abc"), ""), "").await;
    let asked = [PAGE, ("access-control-request-method", "GET")];
    let off = send(&s3, "OPTIONS", "/abc/k", &asked, "").await;
    assert_eq!(off.status, 403);
    assert!(
        off.element("Message").contains("CORS is not enabled"),
        "{}",
        off.text
    );
    let missing = send(&s3, "OPTIONS", "/missing/k", &asked, "").await;
    assert_eq!(missing.element("Message"), off.element("Message"));
    let nowhere = send(&s3, "OPTIONS", "/", &asked, "").await;
    assert_eq!(nowhere.element("Code"), "AccessForbidden");
    assert!(
        nowhere.element("Message").ends_with("Bucket not found"),
        "{}",
        nowhere.text
    );
    // Where nothing is allowed, it does not matter what the page wants to do.
    let anything = send(&s3, "OPTIONS", "/abc/k", &[PAGE], "").await;
    assert_eq!(anything.element("Message"), off.element("Message"));
    send_signed(&s3, sign(http::Request::put("/abc?cors"), RULES), RULES).await;
    let with = [
        asked[0],
        asked[1],
        ("access-control-request-headers", "Range"),
    ];
    let answer = send(&s3, "OPTIONS", "/abc/k", &with, "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-length"), "0");
    for (name, value) in [
        ("access-control-allow-origin", PAGE.1),
        ("access-control-allow-methods", "GET, HEAD"),
        ("access-control-allow-headers", "range"),
        ("access-control-max-age", "60"),
    ] {
        assert_eq!(answer.header(name), value);
    }
    for (headers, status, code) in [
        (vec![OTHER, asked[1]], 403, "AccessForbidden"),
        (
            vec![PAGE, ("access-control-request-method", "PUT")],
            403,
            "AccessForbidden",
        ),
        (vec![asked[1]], 400, "BadRequest"),
        (vec![PAGE], 400, "BadRequest"),
    ] {
        let refused = send(&s3, "OPTIONS", "/abc/k", &headers, "").await;
        assert_eq!(
            (refused.status.as_u16(), refused.element("Code")),
            (status, code)
        );
        assert_eq!(refused.header("access-control-allow-origin"), "-");
    }
    // Even who may not read learns that from the page that it is on.
    let denied = send(&s3, "GET", "/abc/k", &[PAGE], "").await;
    assert_eq!(denied.element("Code"), "AccessDenied");
    assert_eq!(denied.header("access-control-allow-origin"), PAGE.1);
}
