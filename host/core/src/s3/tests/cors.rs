//! Which web pages may use a bucket, and what a browser is told of that.

use super::*;

pub(super) const RULES: &str = "<CORSConfiguration>\
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
