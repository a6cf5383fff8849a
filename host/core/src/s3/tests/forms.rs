//! Forms, from their bytes to the object.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

const BOUNDARY: &str = "----WebKitFormBoundaryAb1";

/// A form with these fields and then a file.
fn form(fields: &[(&str, &str)], file: &str) -> String {
    let field = |(name, value): &(&str, &str)| {
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
    };
    let text: String = fields.iter().map(field).collect();
    text + &format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"cat.gif\"\r\nContent-Type: image/gif\r\n\r\n{file}\r\n--{BOUNDARY}--\r\n"
    )
}

async fn post(s3: &Gateway, target: &str, form: &str) -> Answer {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let request = http::Request::post(target)
        .header("host", "localhost")
        .header("content-type", kind)
        .header("content-length", form.len());
    // In pieces, as it comes from a socket.
    let pieces: Vec<_> = form
        .as_bytes()
        .chunks(1000)
        .map(Bytes::copy_from_slice)
        .collect();
    let body = stream::iter(pieces.into_iter().map(Ok)).boxed();
    Answer::of(s3.respond_at(request.body(body).unwrap(), NOW).await).await
}

async fn stored() -> Gateway {
    let s3 = open();
    send(&s3, "PUT", "/abc", &[], "").await;
    s3
}

#[tokio::test]
async fn a_file_becomes_an_object_with_the_fields_as_headers() {
    let s3 = stored().await;
    let fields = [
        ("key", "user/${filename}"),
        ("Content-Type", "text/x"),
        ("x-amz-meta-a", "b"),
        ("acl", "private"),
        ("submit", "Upload"),
    ];
    let answer = post(&s3, "/abc", &form(&fields, "meow")).await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (204, ""));
    assert_eq!(
        answer.header("location"),
        "http://localhost/abc/user/cat.gif"
    );
    assert_eq!(
        answer.header("etag"),
        "\"4a4be40c96ac6314e91d93f38043a634\""
    );
    let get = send(&s3, "GET", "/abc/user/cat.gif", &[], "").await;
    assert_eq!(&*get.text, "meow");
    assert_eq!(get.header("content-type"), "text/x");
    assert_eq!(get.header("x-amz-meta-a"), "b");
}

#[tokio::test]
async fn the_answer_is_the_one_that_the_form_asks_for() {
    let s3 = stored().await;
    for (status, expected) in [("200", 200), ("201", 201), ("204", 204), ("404", 204)] {
        let fields = [("key", "a&b"), ("success_action_status", status)];
        let answer = post(&s3, "/abc/", &form(&fields, "x")).await;
        assert_eq!(answer.status, expected, "{status}");
        if expected == 201 {
            assert_eq!(answer.element("Key"), "a&amp;b", "{}", answer.text);
            assert_eq!(answer.element("Bucket"), "abc");
            assert_eq!(answer.element("Location"), "http://localhost/abc/a%26b");
        }
    }
    for (address, target) in [
        (
            "http://example.com/done",
            "http://example.com/done?bucket=abc&key=k%26&etag=%229dd4e461268c8034f5c8564e155c67a6%22",
        ),
        (
            "https://example.com/?a=1",
            "https://example.com/?a=1&bucket=abc&key=k%26&etag=%229dd4e461268c8034f5c8564e155c67a6%22",
        ),
    ] {
        let fields = [("key", "k&"), ("success_action_redirect", address)];
        let answer = post(&s3, "/abc", &form(&fields, "x")).await;
        assert_eq!((answer.status.as_u16(), &*answer.text), (303, ""));
        assert_eq!(answer.header("location"), target);
    }
    let fields = [("key", "k"), ("success_action_redirect", "nowhere")];
    assert_eq!(post(&s3, "/abc", &form(&fields, "x")).await.status, 204);
}

#[tokio::test]
async fn a_large_file_streams_when_it_is_last() {
    let s3 = stored().await;
    let file = "0123456789abcdef".repeat(40_000);
    let answer = post(&s3, "/abc", &form(&[("key", "k")], &file)).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    assert_eq!(send(&s3, "GET", "/abc/k", &[], "").await.text, file);
    // What follows it would have been needed to know its size.
    let late = form(&[("key", "late")], &file).replace(
        &format!("--{BOUNDARY}--"),
        &format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n--{BOUNDARY}--"
        ),
    );
    let answer = post(&s3, "/abc", &late).await;
    assert_eq!(answer.element("Code"), "IncompleteBody");
    assert_eq!(send(&s3, "HEAD", "/abc/late", &[], "").await.status, 404);
}

#[tokio::test]
async fn a_form_that_cannot_be_stored_says_why_and_stores_nothing() {
    let s3 = stored().await;
    let no_file = form(&[("key", "k")], "x").replace("name=\"file\"", "name=\"fill\"");
    let cut = form(&[("key", "k")], "x").replace(&format!("\r\n--{BOUNDARY}--"), "");
    let long = "k".repeat(1025);
    let wide = "x".repeat(21_000);
    for (form, code) in [
        (form(&[], "x"), "UserKeyMustBeSpecified"),
        (form(&[("key", "")], "x"), "UserKeyMustBeSpecified"),
        (
            form(&[("key", "k"), ("KEY", "k")], "x"),
            "MalformedPOSTRequest",
        ),
        (form(&[("key", &long)], "x"), "KeyTooLongError"),
        (
            form(&[("key", "k"), ("acl", "public-read")], "x"),
            "AccessControlListNotSupported",
        ),
        (
            form(
                &[("key", "k"), ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")],
                "x",
            ),
            "BadDigest",
        ),
        (
            form(&[("key", "k"), ("x-ignore-a", &wide)], "x"),
            "MaxPostPreDataLengthExceededError",
        ),
        (no_file, "IncorrectNumberOfFilesInPostRequest"),
        (cut, "MalformedPOSTRequest"),
        ("nonsense".to_owned(), "MalformedPOSTRequest"),
    ] {
        let answer = post(&s3, "/abc", &form).await;
        assert_eq!(answer.element("Code"), code, "{}", answer.text);
    }
    assert_eq!(send(&s3, "HEAD", "/abc/k", &[], "").await.status, 404);
    let missing = post(&s3, "/missing", &form(&[("key", "k")], "x")).await;
    assert_eq!(missing.element("Code"), "NoSuchBucket");
}

const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";

/// Fields that sign a policy with these conditions beside those about the signature.
fn signed(conditions: &str, expiration: &str) -> Vec<(&'static str, String)> {
    let policy = format!(
        "{{\"expiration\": \"{expiration}\", \"conditions\": [{{\"bucket\": \"abc\"}}, [\"starts-with\", \"$key\", \"user/\"],\
         {{\"x-amz-algorithm\": \"AWS4-HMAC-SHA256\"}}, {{\"x-amz-credential\": \"{CREDENTIAL}\"}}, {{\"x-amz-date\": \"20130524T000000Z\"}}{conditions}]}}"
    );
    let policy = BASE64.encode(policy);
    let signature = Signer::default().sign_policy(&policy);
    vec![
        ("key", "user/${filename}".into()),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256".into()),
        ("x-amz-credential", CREDENTIAL.into()),
        ("x-amz-date", "20130524T000000Z".into()),
        ("policy", policy),
        ("x-amz-signature", signature),
    ]
}

const LATER: &str = "2013-05-25T00:00:00.000Z";

fn change(fields: &mut [(&'static str, String)], name: &str, value: &str) {
    for (have, old) in fields {
        if *have == name {
            value.clone_into(old);
        }
    }
}

async fn post_fields(s3: &Gateway, fields: &[(&'static str, String)], file: &str) -> Answer {
    let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
    post(s3, "/abc", &form(&fields, file)).await
}

async fn guarded(rights: crate::s3::auth::Rights) -> Gateway {
    let mut owner = credentials();
    owner.rights = rights;
    let s3 = gateway(Access::keys(vec![owner]), REGION);
    let bucket = http::Request::put("/abc").header("content-length", 0);
    send_signed(&s3, Signer::default().sign(bucket, "UNSIGNED-PAYLOAD"), "").await;
    s3
}

#[tokio::test]
async fn a_signed_policy_lets_its_form_in_and_no_other() {
    let s3 = guarded(crate::s3::auth::Rights::default()).await;
    let good = signed(", [\"content-length-range\", 1, 4]", LATER);
    assert_eq!(post_fields(&s3, &good, "meow").await.status, 204);
    for (file, code) in [("", "EntityTooSmall"), ("meoww", "EntityTooLarge")] {
        assert_eq!(post_fields(&s3, &good, file).await.element("Code"), code);
    }
    for (name, value, code) in [
        ("key", "other/x", "AccessDenied"),
        ("x-amz-signature", "00", "SignatureDoesNotMatch"),
        ("policy", "e30=", "SignatureDoesNotMatch"),
        ("x-amz-algorithm", "other", "InvalidArgument"),
        (
            "x-amz-date",
            "20130525T000000Z",
            "AuthorizationQueryParametersError",
        ),
        ("x-amz-date", "soon", "AccessDenied"),
        (
            "x-amz-credential",
            "nobody/20130524/us-east-1/s3/aws4_request",
            "InvalidAccessKeyId",
        ),
        (
            "x-amz-credential",
            "a/20130524/eu-west-1/s3/aws4_request",
            "AuthorizationQueryParametersError",
        ),
        ("x-amz-credential", "a", "AuthorizationQueryParametersError"),
    ] {
        let mut fields = good.clone();
        change(&mut fields, name, value);
        let answer = post_fields(&s3, &fields, "meow").await;
        assert_eq!(
            answer.element("Code"),
            code,
            "{name}={value}: {}",
            answer.text
        );
    }
    let mut extra = good.clone();
    extra.push(("Content-Type", "text/html".into()));
    let answer = post_fields(&s3, &extra, "meow").await;
    assert!(
        answer
            .element("Message")
            .contains("Extra input fields: content-type")
    );
    let mut token = good.clone();
    token.push(("x-amz-security-token", "t".into()));
    let answer = post_fields(&s3, &token, "meow").await;
    assert_eq!(answer.element("Code"), "InvalidToken");
    let old = signed("", "2013-05-23T00:00:00Z");
    let answer = post_fields(&s3, &old, "meow").await;
    assert!(answer.element("Message").contains("Policy expired"));
    let unsigned = form(&[("key", "user/x")], "x");
    let answer = post(&s3, "/abc", &unsigned).await;
    assert_eq!(answer.element("Code"), "AccessDenied");
}

#[tokio::test]
async fn a_policy_gives_no_more_than_its_signer_has() {
    let reader = crate::s3::auth::Rights {
        read_only: true,
        ..Default::default()
    };
    let s3 = guarded(reader).await;
    let answer = post_fields(&s3, &signed("", LATER), "meow").await;
    assert_eq!(answer.element("Code"), "AccessDenied");
}

#[tokio::test]
async fn a_policy_may_be_signed_by_version_2() {
    let s3 = guarded(crate::s3::auth::Rights::default()).await;
    let policy = BASE64.encode(format!(
        "{{\"expiration\": \"{LATER}\", \"conditions\": [{{\"bucket\": \"abc\"}}, [\"eq\", \"$key\", \"k\"]]}}"
    ));
    let signature = crate::s3::auth::signer::sign_policy_v2(&policy);
    let fields = |signature: &str| {
        vec![
            ("key", "k".to_owned()),
            ("AWSAccessKeyId", "AKIAIOSFODNN7EXAMPLE".to_owned()),
            ("policy", policy.clone()),
            ("signature", signature.to_owned()),
        ]
    };
    assert_eq!(post_fields(&s3, &fields(&signature), "x").await.status, 204);
    let forged = post_fields(&s3, &fields("AAAAAAAAAAAAAAAAAAAAAAAAAAA="), "x").await;
    assert_eq!(forged.element("Code"), "SignatureDoesNotMatch");
}
