//! Answers of a plugin that are wrong: no client takes them for right ones.

use super::{SIZE, assert_no_panic, fine_in_the_end, hostile, hostile_with, is_fine};
use pys3local_tests::data;

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_whole_never_ends_well() {
    let (mut gateway, s3) = hostile();
    for misdeed in ["short-body", "stalled-body", "trap-in-body", "spin-in-body"] {
        let reply = s3.get(misdeed, "key").try_send().await;
        if let Ok(reply) = reply {
            assert!(
                reply.status.is_server_error(),
                "{misdeed}: {}",
                reply.status
            );
        }
        fine_in_the_end(&s3).await;
    }
    // What a plugin sends beyond the size that it has told reaches nobody.
    if let Ok(reply) = s3.get("long-body", "key").try_send().await {
        if reply.status == 200 {
            assert!(reply.body.len() == SIZE && !reply.body.contains(&b'y'));
        } else {
            assert!(reply.status.is_server_error(), "{}", reply.status);
        }
    }
    assert!(gateway.is_running());
    fine_in_the_end(&s3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_breaks_the_rules_is_an_error_and_no_endless_one() {
    let (mut gateway, s3) = hostile();
    s3.list("fine").send().await.expect(200);
    for misdeed in [
        "wrong-order",
        "doubled-key",
        "outside-prefix",
        "too-many",
        "empty-more",
    ] {
        let list = s3
            .list(misdeed)
            .query("prefix", "p/")
            .query("max-keys", "5");
        let reply = list.send().await;
        assert!(
            reply.status.is_server_error(),
            "{misdeed}: {}\n{}",
            reply.status,
            reply.text()
        );
    }
    assert!(gateway.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_plugin_has_not_stored_is_not_acknowledged() {
    let (mut gateway, s3) = hostile();
    for misdeed in ["unread", "verdict-first"] {
        let put = s3.put(misdeed, "key", vec![b'x'; SIZE]).try_send().await;
        if let Ok(reply) = put {
            let status = reply.status;
            assert!(status.is_server_error(), "{misdeed}: {status}");
        }
        fine_in_the_end(&s3).await;
    }
    assert!(gateway.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_publishes_too_early_never_has_the_tag_of_the_bad_upload() {
    let (_gateway, s3) = hostile();
    let body = data::bytes(1, SIZE);
    let bad = s3
        .put("unasked", "key", body.clone())
        .header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
    bad.send().await.expect_error(400, "BadDigest");
    let head = s3.head("unasked", "key").send().await.expect(200);
    assert!(head.etag().starts_with("x-"), "{}", head.etag());
    // The same plugin with an upload that is right.
    let etag = s3.store("unasked", "key", body).await;
    let head = s3.head("unasked", "key").send().await.expect(200);
    assert_eq!(head.etag(), etag);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_plugin_claims_to_be_shorter_is_not_acknowledged() {
    let (_gateway, s3) = hostile();
    let put = s3.put("lying-size", "key", vec![b'y'; SIZE]).send().await;
    assert!(put.status.is_server_error(), "{}", put.status);
    // What it has instead is nothing that the upload's tag stands for.
    let head = s3.head("lying-size", "key").send().await.expect(200);
    assert!(head.etag().starts_with("x-"), "{}", head.etag());
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_those_of_the_upload_never_arrive_whole() {
    let (_gateway, s3) = hostile();
    // It says that it has stored this, and has not: what it sends are other bytes.
    s3.store("fine", "lost", vec![b'y'; SIZE]).await;
    if let Ok(reply) = s3.get("fine", "lost").try_send().await {
        panic!("status {} and {} bytes", reply.status, reply.body.len());
    }
    is_fine(&s3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_belongs_to_an_object_of_another_bucket_brings_nothing_along() {
    for keys in ["", "misdeed = \"configure:indexed\"\n"] {
        let (mut gateway, s3) = hostile_with(keys);
        let (ours, theirs) = ("one-id-a", "one-id-b");
        let put = |bucket: &str, body: u8| {
            let put = s3.put(bucket, "key", vec![body; SIZE]);
            put.header("x-amz-meta-of", bucket).send()
        };
        let reply = put(ours, b'x').await.expect(200);
        let etag = reply.etag();
        // The plugin answers with the same id here, and nothing that is known of the other
        // object is said of this one.
        for reply in [
            s3.head(theirs, "key").send().await.expect(200),
            s3.get(theirs, "key").send().await.expect(200),
        ] {
            assert!(reply.etag().starts_with("x-"), "{}", reply.etag());
            assert!(reply.header("x-amz-meta-of").is_none(), "{reply:?}");
        }
        let list = s3.list(theirs).send().await.expect(200);
        assert!(list.text().contains("<Key>key</Key>"), "{}", list.text());
        assert!(!list.text().contains(etag), "{}", list.text());
        // Nor is the plugin ever told an id that it has not said of this very key.
        s3.head(theirs, "never-told").send().await.expect(200);
        s3.delete(theirs, "key").send().await.expect(204);
        let other = put(theirs, b'y').await.expect(200);
        for (bucket, etag) in [(ours, etag), (theirs, other.etag())] {
            let head = s3.head(bucket, "key").send().await.expect(200);
            assert_eq!(head.etag(), etag, "{bucket}");
            assert_eq!(head.header("x-amz-meta-of"), Some(bucket));
        }
        // It sends the bytes of the other object, which never arrive whole.
        if let Ok(reply) = s3.get(theirs, "key").try_send().await {
            panic!("status {} and {} bytes", reply.status, reply.body.len());
        }
        let reply = s3.get(ours, "key").send().await.expect(200);
        assert_eq!((reply.etag(), reply.body.len()), (etag, SIZE));
        assert!(gateway.is_running());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_at_the_end_of_their_range_are_no_reason_to_panic() {
    let (mut gateway, s3) = hostile();
    for misdeed in ["huge-size", "long-ago", "odd-hash", "odd-type"] {
        let head = s3.head(misdeed, "key").send().await;
        assert!(head.header("x").is_none(), "{misdeed}: {:?}", head.headers);
        let list = s3.list(misdeed).query("prefix", "p/").send().await;
        assert_ne!(list.status, 400, "{misdeed}");
        for range in ["bytes=0-9", "bytes=-10", "bytes=18446744073709551000-"] {
            let _ = s3
                .get(misdeed, "key")
                .header("range", range)
                .try_send()
                .await;
        }
        let _ = s3.get(misdeed, "key").try_send().await;
        let put = s3.put("fine", "copy", "");
        let put = put.header("x-amz-copy-source", &format!("{misdeed}/key"));
        let _ = put.try_send().await;
        fine_in_the_end(&s3).await;
    }
    assert!(gateway.is_running());
    assert_no_panic(&gateway);
}

#[tokio::test]
async fn bucket_names_that_are_none_are_not_shown() {
    let (_gateway, s3) = hostile();
    let list = s3.call("GET", "/").send().await.expect(200).xml();
    assert_eq!(
        list.find("Buckets").unwrap().texts("Bucket", "Name"),
        ["fine"]
    );
}
