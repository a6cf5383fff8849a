//! PutObject, GetObject, HeadObject.

use bytes::Bytes;
use pys3local_tests::Gateway;
use pys3local_tests::client::Connection;
use pys3local_tests::data::{self, md5_hex};

#[tokio::test]
async fn what_was_put_is_what_is_read_at_any_size() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let sizes = [
        0, 1, 4095, 4096, 65_535, 65_536, 65_537, 131_073, 1_048_577, 5_000_003,
    ];
    for size in sizes {
        let body = data::bytes(size as u64, size);
        let key = format!("size/{size}");
        let etag = s3.store("bucket", &key, body.clone()).await;
        assert_eq!(etag, md5_hex(&body), "{size}");
        let reply = s3.get("bucket", &key).send().await.expect(200);
        assert_eq!(reply.etag(), etag, "{size}");
        assert_eq!(
            reply.header("content-length"),
            Some(size.to_string().as_str())
        );
        assert!(reply.body == body, "other bytes at size {size}");
    }
}

#[tokio::test]
async fn head_tells_what_get_would_tell_and_sends_no_body() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "twelve bytes").await;
    let get = s3.get("bucket", "key").send().await.expect(200);
    let head = s3.head("bucket", "key").send().await.expect(200);
    assert!(head.body.is_empty());
    for name in [
        "content-length",
        "content-type",
        "etag",
        "last-modified",
        "accept-ranges",
    ] {
        assert_eq!(head.header(name), get.header(name), "{name}");
        assert!(head.header(name).is_some(), "{name}");
    }
    assert_eq!(head.header("content-length"), Some("12"));
    assert_eq!(head.header("accept-ranges"), Some("bytes"));
}

#[tokio::test]
async fn a_second_put_replaces_bytes_tag_and_metadata() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let first = s3
        .put("bucket", "key", "a long first body")
        .header("x-amz-meta-a", "1");
    first.send().await.expect(200);
    let second = s3
        .put("bucket", "key", "second")
        .header("x-amz-meta-b", "2");
    second.send().await.expect(200);
    let reply = s3.get("bucket", "key").send().await.expect(200);
    assert_eq!(reply.text(), "second");
    assert_eq!(reply.etag(), md5_hex(b"second"));
    assert_eq!(reply.header("x-amz-meta-a"), None);
    assert_eq!(reply.header("x-amz-meta-b"), Some("2"));
}

#[tokio::test]
async fn a_body_of_unknown_length_is_refused() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let mut signed = s3
        .put("bucket", "key", "")
        .payload("UNSIGNED-PAYLOAD")
        .sign();
    signed.request.remove("content-length");
    signed.request.set("transfer-encoding", "chunked");
    let mut socket = pys3local_tests::client::Socket::open(gateway.address())
        .await
        .unwrap();
    socket.send(&signed.request.head()).await.unwrap();
    socket.send(b"5\r\nhello\r\n0\r\n\r\n").await.unwrap();
    let (status, _, body) = socket.answer().await.unwrap().unwrap();
    let body = String::from_utf8(body).unwrap();
    assert_eq!(status, 501, "{body}");
    assert!(
        body.contains("<Header>Transfer-Encoding</Header>"),
        "{body}"
    );
    s3.head("bucket", "key").send().await.expect(404);
}

#[tokio::test]
async fn content_md5_is_checked() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "before").await;
    let right = s3
        .put("bucket", "key", "hello")
        .header("content-md5", "XUFAKrxLKna5cZ2REBfFkg==");
    right.send().await.expect(200);
    let wrong = s3
        .put("bucket", "key", "other")
        .header("content-md5", "XUFAKrxLKna5cZ2REBfFkg==");
    wrong.send().await.expect_error(400, "BadDigest");
    let malformed = s3
        .put("bucket", "key", "other")
        .header("content-md5", "not a digest");
    malformed.send().await.expect_error(400, "InvalidDigest");
    assert_eq!(s3.fetch("bucket", "key").await, "hello");
}

#[tokio::test]
async fn a_checksum_header_is_checked() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "before").await;
    for algorithm in ["crc32", "crc32c", "crc64nvme", "sha256"] {
        let name = format!("x-amz-checksum-{algorithm}");
        let value = pys3local_tests::sign::checksum(algorithm, b"hello");
        s3.put("bucket", "key", "hello")
            .header(&name, &value)
            .send()
            .await
            .expect(200);
        let wrong = s3.put("bucket", "key", "wrong").header(&name, &value);
        wrong.send().await.expect_error(400, "BadDigest");
        assert_eq!(s3.fetch("bucket", "key").await, "hello", "{algorithm}");
    }
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let mut connection = Connection::open(gateway.address()).await.unwrap();
    for round in 0..50_u64 {
        let body = data::bytes(round, 1000);
        let put = s3.put("bucket", "key", body.clone()).sign().request;
        connection.send(put).await.unwrap().expect(200);
        let get = s3.get("bucket", "key").sign().request;
        assert!(
            connection.send(get).await.unwrap().expect(200).body == body,
            "round {round}"
        );
        // An error must not cost the connection either.
        let missing = s3.get("bucket", "missing").sign().request;
        connection.send(missing).await.unwrap().expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_during_overwrites_see_one_state_whole() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let states: Vec<Bytes> = (0..4_u8)
        .map(|n| data::bytes(n.into(), 100_000 + 7 * usize::from(n)))
        .collect();
    s3.store("bucket", "key", states[0].clone()).await;
    let mut readers = Vec::new();
    for _ in 0..4 {
        let (s3, states) = (s3.clone(), states.clone());
        readers.push(tokio::spawn(async move {
            for _ in 0..40 {
                let reply = s3.get("bucket", "key").send().await.expect(200);
                assert_eq!(reply.etag(), md5_hex(&reply.body), "tag and bytes differ");
                assert!(states.contains(&reply.body), "a mixture");
            }
        }));
    }
    for round in 0..40 {
        s3.store("bucket", "key", states[round % states.len()].clone())
            .await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_many_writers_of_one_key_wins_whole() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let bodies: Vec<Bytes> = (0..16).map(|n| data::bytes(n, 50_000)).collect();
    let mut writers = Vec::new();
    for body in bodies.clone() {
        let s3 = s3.clone();
        writers.push(tokio::spawn(async move {
            s3.store("bucket", "key", body).await
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let reply = s3.get("bucket", "key").send().await.expect(200);
    assert!(bodies.contains(&reply.body), "a mixture");
    assert_eq!(reply.etag(), md5_hex(&reply.body));
    assert_eq!(s3.keys("bucket").await, ["key"]);
}

#[tokio::test]
async fn a_file_that_somebody_put_there_is_an_object_without_an_md5_tag() {
    let (gateway, s3) = Gateway::with_bucket().await;
    // Where an object of the default layout lies.
    s3.store("bucket", "dir/ours", "ours").await;
    let dir = gateway.data().join("bucket/objects/dir");
    std::fs::write(dir.join("theirs"), "theirs").unwrap();
    assert_eq!(s3.keys("bucket").await, ["dir/ours", "dir/theirs"]);
    let reply = s3.get("bucket", "dir/theirs").send().await.expect(200);
    assert_eq!(reply.text(), "theirs");
    let looks_like_md5 = reply.etag().len() == 32 && hex::decode(reply.etag()).is_ok();
    assert!(!looks_like_md5, "{}", reply.etag());
}
