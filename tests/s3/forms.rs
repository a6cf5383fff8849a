//! PostObject: forms of browsers, with and without a signed policy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use pys3local_tests::client::Reply;
use pys3local_tests::gateway::{Gateway, Options};
use pys3local_tests::s3::S3;
use pys3local_tests::sign::{self, SigningKey};
use time::{Duration, OffsetDateTime};

const BOUNDARY: &str = "----formboundary7MA4YWxk";

/// A form: its fields, then the file, then what is behind it.
fn form(fields: &[(&str, String)], file: &[u8], behind: &str) -> Bytes {
    let mut form = Vec::new();
    for (name, value) in fields {
        let field = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        form.extend_from_slice(field.as_bytes());
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b.txt\"\r\nContent-Type: text/plain\r\n\r\n"
    );
    form.extend_from_slice(head.as_bytes());
    form.extend_from_slice(file);
    form.extend_from_slice(b"\r\n");
    form.extend_from_slice(behind.as_bytes());
    form.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    form.into()
}

async fn post(s3: &S3, fields: &[(&str, String)], file: &[u8]) -> Reply {
    post_raw(s3, form(fields, file, "")).await
}

async fn post_raw(s3: &S3, form: Bytes) -> Reply {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let call = s3.bucket("POST", "bucket").header("content-type", &kind);
    call.body(form).anonymous().send().await
}

/// Fields of a policy that the default key has signed for keys below `user/`.
fn signed(more: &str, valid_for: Duration) -> Vec<(&'static str, String)> {
    let now = OffsetDateTime::now_utc();
    let stamp = sign::stamp(now);
    let key = SigningKey::new(&sign::Credentials::default(), &stamp);
    let until = now + valid_for;
    let expiration = format!(
        "{}T{:02}:{:02}:{:02}Z",
        until.date(),
        until.hour(),
        until.minute(),
        until.second()
    );
    let credential = key.credential();
    let policy = BASE64.encode(format!(
        "{{\"expiration\": \"{expiration}\", \"conditions\": [{{\"bucket\": \"bucket\"}}, [\"starts-with\", \"$key\", \"user/\"], \
         {{\"x-amz-algorithm\": \"AWS4-HMAC-SHA256\"}}, {{\"x-amz-credential\": \"{credential}\"}}, {{\"x-amz-date\": \"{stamp}\"}}{more}]}}"
    ));
    vec![
        ("key", "user/${filename}".into()),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256".into()),
        ("x-amz-credential", credential),
        ("x-amz-date", stamp),
        ("x-amz-signature", key.sign(&policy)),
        ("policy", policy),
    ]
}

const HOUR: Duration = Duration::HOUR;

#[tokio::test]
async fn a_signed_form_stores_its_file_with_what_its_fields_say() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let more = ", {\"Content-Type\": \"image/png\"}, {\"x-amz-meta-who\": \"me\"}, [\"starts-with\", \"$tagging\", \"\"]";
    let mut fields = signed(more, HOUR);
    fields.push(("Content-Type", "image/png".into()));
    fields.push(("x-amz-meta-who", "me".into()));
    fields.push((
        "tagging",
        "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>".into(),
    ));
    let reply = post(&s3, &fields, b"meow").await.expect(204);
    assert!(
        reply
            .header("location")
            .unwrap()
            .ends_with("/bucket/user/a%20b.txt")
    );
    let stored = s3.get("bucket", "user/a b.txt").send().await.expect(200);
    assert_eq!(stored.body, "meow");
    assert_eq!(stored.header("content-type"), Some("image/png"));
    assert_eq!(stored.header("x-amz-meta-who"), Some("me"));
    assert_eq!(stored.header("x-amz-tagging-count"), Some("1"));
    assert_eq!(stored.etag(), reply.etag());
}

#[tokio::test]
async fn a_large_file_streams_through_a_form() {
    const SIZE: usize = 40 << 20;
    let (gateway, s3) = Gateway::with_bucket().await;
    let before = gateway.peak_memory();
    let file: Vec<u8> = (0..=250).cycle().take(SIZE).collect();
    post(&s3, &signed("", HOUR), &file).await.expect(204);
    assert_eq!(s3.fetch("bucket", "user/a b.txt").await, file);
    let grown = gateway.peak_memory().saturating_sub(before);
    assert!(grown < SIZE as u64 / 2, "{grown}");
}

#[tokio::test]
async fn fields_behind_a_small_file_are_ignored() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let behind = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nUpload\r\n"
    );
    let form = form(&signed("", HOUR), b"meow", &behind);
    post_raw(&s3, form).await.expect(204);
    assert_eq!(s3.fetch("bucket", "user/a b.txt").await, "meow");
}

#[tokio::test]
async fn a_browser_is_sent_on_or_gets_the_status_that_was_asked_for() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    for (status, expected) in [("200", 200), ("201", 201), ("204", 204), ("404", 204)] {
        let mut fields = signed(
            ", [\"starts-with\", \"$success_action_status\", \"\"]",
            HOUR,
        );
        fields.push(("success_action_status", status.into()));
        let reply = post(&s3, &fields, b"x").await.expect(expected);
        if expected == 201 {
            let document = reply.xml();
            assert_eq!(document.text("Key"), "user/a b.txt");
            assert_eq!(document.text("Bucket"), "bucket");
        } else {
            assert!(reply.body.is_empty());
        }
    }
    let mut fields = signed(
        ", [\"starts-with\", \"$success_action_redirect\", \"\"]",
        HOUR,
    );
    fields.push((
        "success_action_redirect",
        "https://example.com/done?a=b".into(),
    ));
    let reply = post(&s3, &fields, b"x").await.expect(303);
    let to = reply.header("location").unwrap();
    let expected = "https://example.com/done?a=b&bucket=bucket&key=user%2Fa%20b.txt&etag=%22";
    assert!(to.starts_with(expected), "{to}");
}

#[tokio::test]
async fn a_form_that_is_not_allowed_stores_nothing() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let good = signed(", [\"content-length-range\", 1, 10]", HOUR);
    let changed = |name: &str, value: &str| {
        let mut fields = good.clone();
        for (have, old) in &mut fields {
            if *have == name {
                *old = value.to_owned();
            }
        }
        fields
    };
    let mut extra = good.clone();
    extra.push(("x-amz-meta-a", "b".into()));
    for (fields, file, status, code) in [
        (vec![("key", "user/x".into())], "x", 403, "AccessDenied"),
        (changed("key", "other"), "x", 403, "AccessDenied"),
        (
            changed("x-amz-signature", &"0".repeat(64)),
            "x",
            403,
            "SignatureDoesNotMatch",
        ),
        (changed("policy", "e30="), "x", 403, "SignatureDoesNotMatch"),
        (extra, "x", 403, "AccessDenied"),
        (signed("", -HOUR), "x", 403, "AccessDenied"),
        (good.clone(), "", 400, "EntityTooSmall"),
        (good.clone(), "eleven bytes", 400, "EntityTooLarge"),
        (
            signed(", {\"odd\": []}", HOUR),
            "x",
            400,
            "InvalidPolicyDocument",
        ),
    ] {
        let reply = post(&s3, &fields, file.as_bytes()).await;
        reply.expect_error(status, code);
    }
    let cut = form(&good, b"meow", "");
    let cut = cut.slice(..cut.len() - 30);
    post_raw(&s3, cut)
        .await
        .expect_error(400, "MalformedPOSTRequest");
    let kind = s3
        .bucket("POST", "bucket")
        .header("content-type", "text/plain");
    let reply = kind.body("x").anonymous().send().await;
    reply.expect_error(400, "RequestIsNotMultiPartContent");
    assert!(s3.keys("bucket").await.is_empty());
}

#[tokio::test]
async fn without_authentication_a_form_needs_no_policy() {
    let gateway = Options::default().arg("--no-auth").start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    post(&s3, &[("key", "k".into())], b"x").await.expect(204);
    assert_eq!(s3.fetch("bucket", "k").await, "x");
}
