//! Presigned URLs.

use pys3local_tests::sign::Credentials;
use pys3local_tests::{Gateway, S3};
use time::{Duration, OffsetDateTime};

async fn stored() -> (Gateway, S3) {
    let (gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "a key/é+", "body").await;
    (gateway, s3)
}

#[tokio::test]
async fn a_presigned_url_reads_and_writes() {
    let (_gateway, s3) = stored().await;
    let reply = s3
        .get("bucket", "a key/é+")
        .presign(60)
        .send()
        .await
        .expect(200);
    assert_eq!(reply.text(), "body");
    let put = s3.put("bucket", "new", "presigned").presign(604_800);
    put.send().await.expect(200);
    assert_eq!(s3.fetch("bucket", "new").await, "presigned");
    s3.head("bucket", "new")
        .presign(60)
        .send()
        .await
        .expect(200);
    s3.delete("bucket", "new")
        .presign(60)
        .send()
        .await
        .expect(204);
}

#[tokio::test]
async fn a_presigned_url_keeps_its_parameters() {
    let (_gateway, s3) = stored().await;
    let get = s3
        .get("bucket", "a key/é+")
        .query("response-content-type", "text/x; a=b");
    let reply = get.presign(60).send().await.expect(200);
    assert_eq!(reply.header("content-type"), Some("text/x; a=b"));
    let list = s3
        .list("bucket")
        .query("prefix", "a ")
        .presign(60)
        .send()
        .await
        .expect(200);
    assert_eq!(list.xml().texts("Contents", "Key"), ["a key/é+"]);
}

#[tokio::test]
async fn an_expired_url_is_denied() {
    let (_gateway, s3) = stored().await;
    let signed_at = OffsetDateTime::now_utc() - Duration::seconds(100);
    let get = |expires| s3.get("bucket", "a key/é+").at(signed_at).presign(expires);
    get(200).send().await.expect(200);
    get(90).send().await.expect_error(403, "AccessDenied");
    // A long life outlasts the fifteen minutes that a header signature has.
    let old = OffsetDateTime::now_utc() - Duration::days(6);
    let get = s3.get("bucket", "a key/é+").at(old).presign(604_800);
    get.send().await.expect(200);
}

#[tokio::test]
async fn a_url_of_the_future_is_denied() {
    let (_gateway, s3) = stored().await;
    let later = OffsetDateTime::now_utc() + Duration::hours(1);
    let reply = s3
        .get("bucket", "a key/é+")
        .at(later)
        .presign(600)
        .send()
        .await;
    assert_eq!(reply.status, 403, "{}", reply.text());
}

#[tokio::test]
async fn a_changed_url_is_refused() {
    let (_gateway, s3) = stored().await;
    let signed = || s3.get("bucket", "a key/é+").presign(60);
    for (from, to) in [
        ("X-Amz-Expires=60", "X-Amz-Expires=61"),
        ("/bucket/a", "/bucket/b"),
    ] {
        let mut changed = signed();
        changed.request.target = changed.request.target.replace(from, to);
        changed
            .send()
            .await
            .expect_error(403, "SignatureDoesNotMatch");
    }
    let mut more = signed();
    more.request.target.push_str("&acl");
    let reply = more.send().await;
    assert_eq!(reply.status, 403, "{}", reply.text());
    let mut method = signed();
    method.request.method = "DELETE".into();
    method
        .send()
        .await
        .expect_error(403, "SignatureDoesNotMatch");
    assert_eq!(s3.fetch("bucket", "a key/é+").await, "body");
}

#[tokio::test]
async fn a_url_of_somebody_else_is_refused() {
    let (_gateway, s3) = stored().await;
    let liar = Credentials {
        secret_key: "wrong".into(),
        ..Credentials::default()
    };
    let get = s3.get("bucket", "a key/é+").credentials(liar).presign(60);
    get.send().await.expect_error(403, "SignatureDoesNotMatch");
    let stranger = Credentials {
        access_key: "stranger".into(),
        ..Credentials::default()
    };
    let get = s3
        .get("bucket", "a key/é+")
        .credentials(stranger)
        .presign(60);
    get.send().await.expect_error(403, "InvalidAccessKeyId");
}

#[tokio::test]
async fn a_malformed_url_says_what_is_wrong() {
    let (_gateway, s3) = stored().await;
    let signed = || s3.get("bucket", "a key/é+").presign(60);
    for (from, to) in [
        ("X-Amz-Expires=60", "X-Amz-Expires=604801"),
        ("X-Amz-Expires=60", "X-Amz-Expires=-1"),
        ("X-Amz-Expires=60", "X-Amz-Expires=soon"),
        ("&X-Amz-Expires=60", ""),
        ("X-Amz-Credential=test", "X-Amz-Credential="),
        ("X-Amz-Date=", "X-Amz-Date=x"),
    ] {
        let mut wrong = signed();
        assert!(wrong.request.target.contains(from), "{from}");
        wrong.request.target = wrong.request.target.replace(from, to);
        wrong
            .send()
            .await
            .expect_error(400, "AuthorizationQueryParametersError");
    }
}

#[tokio::test]
async fn a_url_that_does_not_sign_its_host_is_refused() {
    let (_gateway, s3) = stored().await;
    let mut wrong = s3.get("bucket", "a key/é+").presign(60);
    wrong.request.target = wrong
        .request
        .target
        .replace("SignedHeaders=host", "SignedHeaders=date");
    let reply = wrong.send().await;
    assert!(
        [400, 403].contains(&reply.status.as_u16()),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn signing_in_two_places_at_once_is_refused() {
    let (_gateway, s3) = stored().await;
    let header = s3.get("bucket", "a key/é+").sign();
    let authorization = header.request.header("authorization").unwrap().to_owned();
    let both = s3
        .get("bucket", "a key/é+")
        .presign(60)
        .set("authorization", &authorization);
    both.send().await.expect_error(400, "InvalidArgument");
}
