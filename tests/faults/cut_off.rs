//! Uploads that end early or turn out wrong.

use bytes::Bytes;
use pys3local_tests::client::Socket;
use pys3local_tests::data::{self, Random};
use pys3local_tests::s3::Signed;
use pys3local_tests::sign::{self, Framing};
use pys3local_tests::{Gateway, S3};

const SIZE: usize = 300_000;

/// How a client goes away.
#[derive(Debug, Clone, Copy)]
enum End {
    /// It says that nothing more will come, and waits for an answer.
    Finished,
    /// The connection is closed.
    Closed,
    /// The connection is reset.
    Reset,
}

/// Sends a request up to `cut` bytes of its body.
async fn cut_off(gateway: &Gateway, signed: &Signed, cut: usize, end: End) {
    let pys3local_tests::client::Body::Full(body) = &signed.request.body else {
        panic!("a body of this test is short");
    };
    let mut socket = Socket::open(gateway.address()).await.unwrap();
    socket.send(&signed.request.head()).await.unwrap();
    // Fails when the gateway has refused the upload already.
    let _ = socket.send(&body[..cut]).await;
    match end {
        End::Closed => drop(socket),
        End::Reset => socket.reset().unwrap(),
        End::Finished => {
            socket.finish().await.unwrap();
            if let Some((status, _, answer)) = socket.answer().await.unwrap() {
                let answer = String::from_utf8_lossy(&answer).into_owned();
                assert_eq!(status, 400, "cut at {cut}: {answer}");
            }
        }
    }
}

/// Interesting places of a body of `size` bytes, and some at random.
fn cuts(size: usize) -> Vec<usize> {
    let mut cuts = vec![0, 1, 2, 83, 84, 85, 4096, 65_535, 65_536, 65_537, size / 2];
    cuts.extend([size - 65_537, size - 65_536, size - 100, size - 2, size - 1]);
    let seed = Random::seed();
    println!("seed {seed}");
    let mut random = Random::new(seed);
    cuts.extend((0..20).map(|_| random.below(size)));
    cuts
}

async fn survives(gateway: &Gateway, s3: &S3, make: impl Fn(&str) -> Signed) {
    let before = gateway.files();
    let length = usize::try_from(make("key").request.body.size()).unwrap();
    for (n, cut) in cuts(length).into_iter().enumerate() {
        let end = [End::Finished, End::Closed, End::Reset][n % 3];
        for key in ["key", "new/key"] {
            cut_off(gateway, &make(key), cut, end).await;
        }
        assert_eq!(
            s3.fetch("bucket", "key").await,
            "before",
            "cut at {cut}, {end:?}"
        );
        s3.head("bucket", "new/key").send().await.expect(404);
        assert_eq!(s3.keys("bucket").await, ["key"], "cut at {cut}, {end:?}");
    }
    gateway.until("all temporary files are gone", || gateway.files() == before);
    assert_eq!(
        s3.head("bucket", "key").send().await.etag(),
        data::md5_hex(b"before")
    );
}

async fn before() -> (Gateway, S3) {
    let (gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "before").await;
    (gateway, s3)
}

fn framings(body: &[u8]) -> [Framing; 3] {
    let trailer = || Some(("x-amz-checksum-crc32".into(), sign::checksum("crc32", body)));
    [
        Framing {
            chunk: 65_536,
            signed: true,
            trailer: None,
        },
        Framing {
            chunk: 65_536,
            signed: true,
            trailer: trailer(),
        },
        Framing {
            chunk: 65_536,
            signed: false,
            trailer: trailer(),
        },
    ]
}

#[tokio::test]
async fn an_upload_that_is_cut_off_anywhere_leaves_no_trace() {
    let (gateway, s3) = before().await;
    let body = data::bytes(1, SIZE);
    survives(&gateway, &s3, |key| {
        s3.put("bucket", key, body.clone()).sign()
    })
    .await;
}

#[tokio::test]
async fn an_unsigned_upload_that_is_cut_off_leaves_no_trace() {
    let (gateway, s3) = before().await;
    let body = data::bytes(1, SIZE);
    let put = |key: &str| {
        s3.put("bucket", key, body.clone())
            .payload("UNSIGNED-PAYLOAD")
            .sign()
    };
    survives(&gateway, &s3, put).await;
}

#[tokio::test]
async fn a_chunked_upload_that_is_cut_off_anywhere_leaves_no_trace() {
    let (gateway, s3) = before().await;
    let body = data::bytes(1, SIZE);
    for framing in framings(&body) {
        let put = |key: &str| {
            s3.put("bucket", key, body.clone())
                .chunked(framing.clone())
                .sign()
        };
        survives(&gateway, &s3, put).await;
    }
}

#[tokio::test]
async fn a_part_that_is_cut_off_is_no_part() {
    let (gateway, s3) = before().await;
    let upload = s3.create_upload("bucket", "key").await;
    let good = s3.store_part("bucket", "key", &upload, 1, "good").await;
    let body = data::bytes(1, SIZE);
    for (n, cut) in cuts(SIZE).into_iter().enumerate() {
        let end = [End::Finished, End::Closed, End::Reset][n % 3];
        let number = 1 + u32::from(n % 2 == 0);
        let part = s3
            .part("bucket", "key", &upload, number, body.clone())
            .sign();
        cut_off(&gateway, &part, cut, end).await;
    }
    let list = s3
        .get("bucket", "key")
        .query("uploadId", &upload)
        .send()
        .await
        .expect(200)
        .xml();
    assert_eq!(list.texts("Part", "PartNumber"), ["1"]);
    s3.complete("bucket", "key", &upload, &[(1, good)])
        .send()
        .await
        .expect(200);
    assert_eq!(s3.fetch("bucket", "key").await, "good");
}

#[tokio::test]
async fn a_completion_that_is_cut_off_completes_nothing() {
    let (gateway, s3) = before().await;
    let upload = s3.create_upload("bucket", "key").await;
    let etag = s3.store_part("bucket", "key", &upload, 1, "after").await;
    let complete = s3.complete("bucket", "key", &upload, &[(1, etag)]);
    let size = usize::try_from(complete.clone().sign().request.body.size()).unwrap();
    for cut in [0, 1, size / 2, size - 1] {
        for end in [End::Finished, End::Closed, End::Reset] {
            cut_off(&gateway, &complete.clone().sign(), cut, end).await;
        }
    }
    assert_eq!(s3.fetch("bucket", "key").await, "before");
    complete.send().await.expect(200);
    assert_eq!(s3.fetch("bucket", "key").await, "after");
}

#[tokio::test]
async fn a_wrong_upload_of_any_kind_leaves_no_trace() {
    let (gateway, s3) = before().await;
    let before = gateway.files();
    let body = data::bytes(1, 3_000_000);
    let mut changed = body.to_vec();
    changed[2_999_999] ^= 1;
    let changed = Bytes::from(changed);
    let put = |key: &str| s3.put("bucket", key, body.clone());
    let [chunked, trailer, unsigned] = framings(&body);
    for key in ["key", "new/key"] {
        let wrong = [
            put(key).sign().with_body(changed.clone()),
            put(key)
                .payload("UNSIGNED-PAYLOAD")
                .header("content-md5", "XUFAKrxLKna5cZ2REBfFkg==")
                .sign(),
            put(key).header("x-amz-checksum-crc32", "AAAAAA==").sign(),
            put(key)
                .chunked(chunked.clone())
                .sign()
                .reframed(|frames| frames[45][9000] ^= 1),
            put(key)
                .chunked(trailer.clone())
                .sign()
                .reframed(|frames| frames[0][9000] ^= 1),
            put(key)
                .chunked(unsigned.clone())
                .sign()
                .reframed(|frames| frames[45][9000] ^= 1),
        ];
        for (n, signed) in wrong.into_iter().enumerate() {
            if let Ok(reply) = signed.try_send().await {
                let status = reply.status.as_u16();
                assert!(
                    [400, 403].contains(&status),
                    "upload {n}: {status} {}",
                    reply.text()
                );
            }
        }
    }
    assert_eq!(s3.keys("bucket").await, ["key"]);
    assert_eq!(s3.fetch("bucket", "key").await, "before");
    gateway.until("all temporary files are gone", || gateway.files() == before);
}

#[tokio::test]
async fn clients_that_stop_sending_hold_nobody_up() {
    let (gateway, s3) = before().await;
    let mut stalled = Vec::new();
    for n in 0..40 {
        let key = if n % 2 == 0 { "key" } else { "other" };
        let signed = s3.put("bucket", key, data::bytes(n, SIZE)).sign();
        let mut socket = Socket::open(gateway.address()).await.unwrap();
        socket.send(&signed.request.head()).await.unwrap();
        socket.send(&data::bytes(n, 100_000)).await.unwrap();
        stalled.push(socket);
    }
    s3.store("bucket", "key", "overtaken").await;
    assert_eq!(s3.fetch("bucket", "key").await, "overtaken");
    s3.delete("bucket", "key").send().await.expect(204);
    assert!(s3.keys("bucket").await.is_empty());
    drop(stalled);
    gateway.until("all temporary files are gone", || {
        gateway.files().is_empty()
    });
}

#[tokio::test]
async fn clients_that_stop_reading_hold_nobody_up() {
    let (gateway, s3) = before().await;
    s3.store("bucket", "big", data::bytes(1, 20_000_000)).await;
    let mut stalled = Vec::new();
    for _ in 0..40 {
        let signed = s3.get("bucket", "big").sign();
        let mut socket = Socket::open(gateway.address()).await.unwrap();
        socket.send(&signed.request.head()).await.unwrap();
        assert_eq!(socket.head().await.unwrap().unwrap().0, 200);
        stalled.push(socket);
    }
    assert_eq!(s3.fetch("bucket", "key").await, "before");
    s3.store("bucket", "big", "small now").await;
    assert_eq!(s3.fetch("bucket", "big").await, "small now");
}
