//! Signatures in the `Authorization` header, right and wrong.

use pys3local_tests::gateway::Options;
use pys3local_tests::sign::Credentials;
use pys3local_tests::{Gateway, S3};
use time::{Duration, OffsetDateTime};

async fn stored() -> (Gateway, S3) {
    let (gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "body").await;
    (gateway, s3)
}

#[tokio::test]
async fn an_unknown_access_key_is_refused() {
    let (_gateway, s3) = stored().await;
    let stranger = Credentials {
        access_key: "stranger".into(),
        ..Credentials::default()
    };
    let get = s3.get("bucket", "key").credentials(stranger);
    get.send().await.expect_error(403, "InvalidAccessKeyId");
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let (_gateway, s3) = stored().await;
    let liar = Credentials {
        secret_key: "tesT".into(),
        ..Credentials::default()
    };
    let get = s3.get("bucket", "key").credentials(liar.clone());
    get.send().await.expect_error(403, "SignatureDoesNotMatch");
    let put = s3.put("bucket", "key", "other").credentials(liar);
    put.send().await.expect_error(403, "SignatureDoesNotMatch");
    assert_eq!(s3.fetch("bucket", "key").await, "body");
}

#[tokio::test]
async fn a_request_without_a_signature_is_denied() {
    let (_gateway, s3) = stored().await;
    for call in [
        s3.get("bucket", "key"),
        s3.put("bucket", "key", "x"),
        s3.call("GET", "/"),
    ] {
        call.anonymous()
            .send()
            .await
            .expect_error(403, "AccessDenied");
    }
}

#[tokio::test]
async fn anything_that_changes_after_signing_spoils_the_signature() {
    let (_gateway, s3) = stored().await;
    let signed = || {
        s3.get("bucket", "key")
            .header("x-amz-meta-a", "1")
            .query("b", "2")
            .sign()
    };
    signed().send().await.expect(200);
    let mut path = signed();
    path.request.target = path.request.target.replace("/key", "/kez");
    let mut query = signed();
    query.request.target = query.request.target.replace("b=2", "b=3");
    let mut method = signed();
    method.request.method = "DELETE".into();
    for spoiled in [
        path,
        query,
        method,
        signed().set("x-amz-meta-a", "2"),
        signed().without("x-amz-meta-a"),
        signed().set("host", "other.example"),
    ] {
        spoiled
            .send()
            .await
            .expect_error(403, "SignatureDoesNotMatch");
    }
    assert_eq!(s3.fetch("bucket", "key").await, "body");
}

#[tokio::test]
async fn a_clock_that_is_off_by_more_than_a_quarter_of_an_hour_is_too_skewed() {
    let (_gateway, s3) = stored().await;
    let now = OffsetDateTime::now_utc();
    for minutes in [-14, 14] {
        s3.get("bucket", "key")
            .at(now + Duration::minutes(minutes))
            .send()
            .await
            .expect(200);
    }
    for minutes in [-16, 16, -60 * 24 * 400] {
        let get = s3.get("bucket", "key").at(now + Duration::minutes(minutes));
        get.send().await.expect_error(403, "RequestTimeTooSkewed");
    }
}

#[tokio::test]
async fn a_malformed_authorization_is_called_so() {
    let (_gateway, s3) = stored().await;
    let signed = || s3.get("bucket", "key").sign();
    let right = signed().request.header("authorization").unwrap().to_owned();
    for wrong in [
        "AWS4-HMAC-SHA256".to_owned(),
        "AWS4-HMAC-SHA256 Credential=test".to_owned(),
        right.replace("Signature=", "Sig="),
        right.replace("SignedHeaders=", "Headers="),
        right.replace("Credential=test/", "Credential="),
        right.replace("/s3/", "/sqs/"),
        right.replace("/us-east-1/", "/mars-1/"),
    ] {
        let reply = signed().set("authorization", &wrong).send().await;
        reply.expect_error(400, "AuthorizationHeaderMalformed");
    }
}

#[tokio::test]
async fn no_value_of_authorization_crashes_or_admits() {
    let (mut gateway, s3) = stored().await;
    let right = s3.get("bucket", "key").sign().request;
    let right = right.header("authorization").unwrap().to_owned();
    for end in 0..right.len() {
        let reply = s3
            .get("bucket", "key")
            .sign()
            .set("authorization", &right[..end])
            .send()
            .await;
        assert!(
            [400, 403].contains(&reply.status.as_u16()),
            "{end}: {}",
            reply.status
        );
    }
    for odd in [
        "Basic dGVzdDp0ZXN0",
        "Bearer x",
        "AWS test:",
        "AWS :x",
        "AWS4-ECDSA-P256-SHA256 x",
    ] {
        let reply = s3
            .get("bucket", "key")
            .sign()
            .set("authorization", odd)
            .send()
            .await;
        assert!(
            [400, 403].contains(&reply.status.as_u16()),
            "{odd}: {}",
            reply.status
        );
    }
    assert!(gateway.is_running());
}

#[tokio::test]
async fn a_body_that_is_not_the_signed_one_is_not_stored() {
    let (_gateway, s3) = stored().await;
    let put = s3.put("bucket", "key", "signed").sign().with_body("forged");
    put.send()
        .await
        .expect_error(400, "XAmzContentSHA256Mismatch");
    assert_eq!(s3.fetch("bucket", "key").await, "body");
}

#[tokio::test]
async fn a_payload_that_is_left_out_of_the_signature_is_stored() {
    let (_gateway, s3) = stored().await;
    let put = s3
        .put("bucket", "key", "unsigned")
        .payload("UNSIGNED-PAYLOAD");
    put.send().await.expect(200);
    assert_eq!(s3.fetch("bucket", "key").await, "unsigned");
}

#[tokio::test]
async fn a_payload_mode_that_nobody_knows_is_refused() {
    let (_gateway, s3) = stored().await;
    for payload in [
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        "SIGNED",
        "abc",
        &"0".repeat(63),
    ] {
        let reply = s3.put("bucket", "key", "x").payload(payload).send().await;
        assert!(
            [400, 501].contains(&reply.status.as_u16()),
            "{payload}: {}",
            reply.status
        );
    }
    assert_eq!(s3.fetch("bucket", "key").await, "body");
}

#[tokio::test]
async fn spaces_in_header_values_are_squeezed_before_signing() {
    let (_gateway, s3) = stored().await;
    let put = s3
        .put("bucket", "key", "x")
        .header("x-amz-meta-a", "  a    b  ");
    put.send().await.expect(200);
}

#[tokio::test]
async fn other_keys_and_regions_can_be_configured() {
    let gateway = Options::default()
        .arg("--access-key-id")
        .arg("AKIAEXAMPLE")
        .arg("--secret-access-key")
        .arg("s3cr3t/with+signs")
        .arg("--region")
        .arg("eu-west-1")
        .start();
    let mut s3 = gateway.s3();
    let reply = s3.bucket("PUT", "bucket").send().await;
    assert!(reply.status.is_client_error());
    s3.credentials = Credentials {
        access_key: "AKIAEXAMPLE".into(),
        secret_key: "s3cr3t/with+signs".into(),
        region: "eu-west-1".into(),
    };
    s3.create_bucket("bucket").await;
}

#[tokio::test]
async fn without_authentication_anything_is_accepted() {
    let gateway = Options::default().arg("--no-auth").start();
    let s3 = gateway.s3();
    s3.bucket("PUT", "bucket")
        .anonymous()
        .send()
        .await
        .expect(200);
    s3.put("bucket", "key", "body")
        .anonymous()
        .send()
        .await
        .expect(200);
    let stranger = Credentials {
        access_key: "stranger".into(),
        secret_key: "strange".into(),
        region: "mars".into(),
    };
    let reply = s3
        .get("bucket", "key")
        .credentials(stranger)
        .send()
        .await
        .expect(200);
    assert_eq!(reply.text(), "body");
    let reply = s3.get("bucket", "key").presign(60).send().await.expect(200);
    assert_eq!(reply.text(), "body");
}
