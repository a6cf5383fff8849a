//! Several keys with rights of their own, and buckets that anybody may read.

use pys3local_tests::gateway::Options;
use pys3local_tests::sign::Credentials;
use pys3local_tests::{Gateway, S3};

const FILE: &str = r#"
public = ["site"]

[[key]]
access_key_id = "auditor"
secret_access_key = "secret-of-auditor"
read_only = true

[[key]]
access_key_id = "logger"
secret_access_key = "secret-of-logger"
buckets = ["logs-*", "site"]
"#;

fn as_whom(s3: &S3, name: &str) -> S3 {
    let credentials = Credentials {
        access_key: name.into(),
        secret_key: format!("secret-of-{name}"),
        ..Credentials::default()
    };
    S3 {
        credentials,
        ..s3.clone()
    }
}

/// A gateway with the file, and the buckets `logs-1`, `photos` and `site` with a `key` each.
async fn start() -> (Gateway, S3) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.toml");
    std::fs::write(&path, FILE).unwrap();
    let options = Options::default().arg("--access-key-id").arg("test");
    let gateway = options.arg("--access-file").arg(path).start();
    let s3 = gateway.s3();
    for bucket in ["logs-1", "photos", "site"] {
        s3.create_bucket(bucket).await;
        s3.store(bucket, "key", bucket).await;
    }
    (gateway, s3)
}

#[tokio::test]
async fn who_may_only_read_changes_nothing() {
    let (_gateway, s3) = start().await;
    let auditor = as_whom(&s3, "auditor");
    assert_eq!(auditor.fetch("photos", "key").await, "photos");
    assert_eq!(auditor.keys("photos").await, ["key"]);
    for call in [
        auditor.put("photos", "key", "changed"),
        auditor.delete("photos", "key"),
        auditor.bucket("PUT", "new-bucket"),
        auditor.bucket("DELETE", "photos"),
        auditor.object("POST", "photos", "key").query("uploads", ""),
        auditor.delete_many("photos", "<Delete><Object><Key>key</Key></Object></Delete>"),
        auditor
            .object("PUT", "photos", "copy")
            .header("x-amz-copy-source", "photos/key"),
    ] {
        call.send().await.expect_error(403, "AccessDenied");
    }
    assert_eq!(s3.fetch("photos", "key").await, "photos");
    let url = auditor.put("photos", "key", "x").presign(60).send().await;
    url.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn a_key_for_some_buckets_sees_no_other() {
    let (_gateway, s3) = start().await;
    let logger = as_whom(&s3, "logger");
    logger.store("logs-1", "new", "x").await;
    logger.create_bucket("logs-2").await;
    for call in [
        logger.get("photos", "key"),
        logger.head("photos", "key").query("x", ""),
        logger.list("photos"),
        logger.put("photos", "key", "x"),
        logger.bucket("PUT", "other"),
        logger
            .object("PUT", "logs-1", "stolen")
            .header("x-amz-copy-source", "photos/key"),
    ] {
        assert_eq!(call.send().await.status, 403);
    }
    let names = |s3: S3| async move {
        let list = s3.call("GET", "/").send().await.expect(200);
        list.xml().find("Buckets").unwrap().texts("Bucket", "Name")
    };
    assert_eq!(names(logger).await, ["logs-1", "logs-2", "site"]);
    assert_eq!(names(s3).await, ["logs-1", "logs-2", "photos", "site"]);
}

#[tokio::test]
async fn a_public_bucket_can_be_read_without_a_key_and_no_other() {
    let (_gateway, s3) = start().await;
    let get = s3.get("site", "key").anonymous().send().await.expect(200);
    assert_eq!(get.text(), "site");
    s3.head("site", "key").anonymous().send().await.expect(200);
    s3.list("site").anonymous().send().await.expect(200);
    for call in [
        s3.put("site", "key", "x"),
        s3.delete("site", "key"),
        s3.get("photos", "key"),
        s3.list("photos"),
        s3.get("missing", "key"),
        s3.call("GET", "/"),
    ] {
        let reply = call.anonymous().send().await;
        reply.expect_error(403, "AccessDenied");
    }
    // Nor does anybody say how an object is shown.
    let page = || {
        s3.get("site", "key")
            .query("response-content-type", "text/html")
    };
    page().send().await.expect(200);
    let reply = page().anonymous().send().await;
    reply.expect_error(400, "InvalidRequest");
    // Who claims to be somebody has to prove it.
    let stranger = as_whom(&s3, "stranger").get("site", "key").send().await;
    stranger.expect_error(403, "InvalidAccessKeyId");
}

#[tokio::test]
async fn neither_secrets_nor_signatures_are_printed() {
    let (gateway, s3) = start().await;
    let url = as_whom(&s3, "auditor").get("photos", "key").presign(60);
    let (_, signature) = url.request.target.rsplit_once("Signature=").unwrap();
    let signature = signature.to_owned();
    url.send().await.expect(200);
    let said = gateway.stdout() + &gateway.stderr();
    assert!(!said.contains("secret-of-") && !said.contains(&signature));
}
