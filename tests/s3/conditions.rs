//! If-Match and its kin, on reads and on writes.

use pys3local_tests::data::md5_hex;
use pys3local_tests::{Gateway, S3};

const PAST: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
const FUTURE: &str = "Sat, 21 Oct 2090 07:28:00 GMT";

async fn object() -> (Gateway, S3, String) {
    let (gateway, s3) = Gateway::with_bucket().await;
    let etag = format!("\"{}\"", s3.store("bucket", "key", "body").await);
    (gateway, s3, etag)
}

async fn read(s3: &S3, conditions: &[(&str, &str)]) -> u16 {
    let mut call = s3.get("bucket", "key");
    for (name, value) in conditions {
        call = call.header(name, value);
    }
    let reply = call.send().await;
    match reply.status.as_u16() {
        304 => {
            assert!(reply.body.is_empty());
            assert_eq!(reply.etag(), md5_hex(b"body"));
            304
        }
        412 => reply
            .expect_error(412, "PreconditionFailed")
            .status
            .as_u16(),
        other => other,
    }
}

#[tokio::test]
async fn conditions_of_a_read_follow_the_rfc() {
    let (_gateway, s3, etag) = object().await;
    let etag = etag.as_str();
    let bare = etag.trim_matches('"');
    let other = "\"00000000000000000000000000000000\"";
    let list = format!("{other}, {etag}");
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[("if-match", etag)], 200),
        (&[("if-match", bare)], 200),
        (&[("if-match", &list)], 200),
        (&[("if-match", "*")], 200),
        (&[("if-match", other)], 412),
        (&[("if-none-match", etag)], 304),
        (&[("if-none-match", &list)], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", other)], 200),
        (&[("if-modified-since", PAST)], 200),
        (&[("if-modified-since", FUTURE)], 304),
        (&[("if-unmodified-since", PAST)], 412),
        (&[("if-unmodified-since", FUTURE)], 200),
        // A tag outweighs a date.
        (&[("if-match", etag), ("if-unmodified-since", PAST)], 200),
        (
            &[("if-none-match", other), ("if-modified-since", FUTURE)],
            200,
        ),
        (&[("if-none-match", etag), ("if-modified-since", PAST)], 304),
        (&[("if-modified-since", "not a date")], 200),
    ];
    for (conditions, status) in cases {
        assert_eq!(read(&s3, conditions).await, *status, "{conditions:?}");
    }
}

#[tokio::test]
async fn an_object_is_not_modified_since_its_own_time() {
    let (_gateway, s3, _) = object().await;
    let head = s3.head("bucket", "key").send().await.expect(200);
    let modified = head.header("last-modified").unwrap();
    assert_eq!(read(&s3, &[("if-modified-since", modified)]).await, 304);
    assert_eq!(read(&s3, &[("if-unmodified-since", modified)]).await, 200);
}

#[tokio::test]
async fn who_has_the_object_already_is_told_how_long_it_is_fresh() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let put = s3
        .put("bucket", "key", "body")
        .header("cache-control", "max-age=60")
        .header("expires", FUTURE);
    put.send().await.expect(200);
    for method in ["GET", "HEAD"] {
        let call = s3.object(method, "bucket", "key");
        let whole = call.clone().send().await.expect(200);
        let known = call.clone().header("if-none-match", "*");
        let reply = known.clone().send().await.expect(304);
        for name in ["etag", "last-modified", "cache-control", "expires"] {
            assert!(whole.header(name).is_some(), "{name}");
            assert_eq!(reply.header(name), whole.header(name), "{method} {name}");
        }
        assert_eq!(reply.header("content-type"), None);
        let other = known.query("response-cache-control", "no-store");
        let reply = other.send().await.expect(304);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("expires"), Some(FUTURE));
    }
}

#[tokio::test]
async fn head_obeys_conditions_and_has_no_body() {
    let (_gateway, s3, etag) = object().await;
    let reply = s3
        .head("bucket", "key")
        .header("if-none-match", &etag)
        .send()
        .await;
    assert!(reply.expect(304).body.is_empty());
    let reply = s3
        .head("bucket", "key")
        .header("if-match", "\"00\"")
        .send()
        .await;
    assert!(reply.expect(412).body.is_empty());
}

#[tokio::test]
async fn a_put_that_must_not_replace_fails_when_the_object_is_there() {
    let (_gateway, s3, _) = object().await;
    let put = s3
        .put("bucket", "key", "other")
        .header("if-none-match", "*");
    put.send().await.expect_error(412, "PreconditionFailed");
    assert_eq!(s3.fetch("bucket", "key").await, "body");
    s3.put("bucket", "new", "new")
        .header("if-none-match", "*")
        .send()
        .await
        .expect(200);
    assert_eq!(s3.fetch("bucket", "new").await, "new");
}

#[tokio::test]
async fn a_put_that_must_replace_fails_when_the_object_is_another_or_missing() {
    let (_gateway, s3, etag) = object().await;
    let stale = s3
        .put("bucket", "key", "x")
        .header("if-match", &format!("\"{}\"", md5_hex(b"?")));
    stale.send().await.expect_error(412, "PreconditionFailed");
    let missing = s3.put("bucket", "none", "x").header("if-match", &etag);
    missing.send().await.expect_error(404, "NoSuchKey");
    s3.put("bucket", "key", "next")
        .header("if-match", &etag)
        .send()
        .await
        .expect(200);
    assert_eq!(s3.fetch("bucket", "key").await, "next");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_racing_creators_exactly_one_wins() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    for round in 0..5 {
        let key = format!("lock/{round}");
        let mut racers = Vec::new();
        for racer in 0..12 {
            let put = s3
                .put("bucket", &key, format!("racer {racer}"))
                .header("if-none-match", "*");
            racers.push(tokio::spawn(async move {
                (racer, put.send().await.status.as_u16())
            }));
        }
        let mut winners = Vec::new();
        for racer in racers {
            let (racer, status) = racer.await.unwrap();
            match status {
                200 => winners.push(racer),
                409 | 412 => {}
                other => panic!("status {other}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(
            s3.fetch("bucket", &key).await,
            format!("racer {}", winners[0])
        );
    }
}
