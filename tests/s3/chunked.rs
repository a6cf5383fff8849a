//! aws-chunked uploads in all their modes, right and wrong.

use pys3local_tests::client::Socket;
use pys3local_tests::data::{self, md5_hex};
use pys3local_tests::sign::{self, Framing};
use pys3local_tests::{Call, Gateway, S3};

type Change = fn(&mut Vec<Vec<u8>>);

async fn before() -> (Gateway, S3) {
    let (gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "before").await;
    (gateway, s3)
}

fn framings(data: &[u8], chunk: usize) -> Vec<Framing> {
    let trailer = |algorithm: &str| {
        Some((
            format!("x-amz-checksum-{algorithm}"),
            sign::checksum(algorithm, data),
        ))
    };
    let mut all = vec![Framing {
        chunk,
        signed: true,
        trailer: None,
    }];
    for algorithm in ["crc32", "crc32c", "crc64nvme", "sha256"] {
        all.push(Framing {
            chunk,
            signed: true,
            trailer: trailer(algorithm),
        });
        all.push(Framing {
            chunk,
            signed: false,
            trailer: trailer(algorithm),
        });
    }
    all
}

fn put(s3: &S3, body: &[u8], framing: &Framing) -> Call {
    s3.put("bucket", "key", bytes::Bytes::copy_from_slice(body))
        .chunked(framing.clone())
}

#[tokio::test]
async fn every_mode_stores_the_decoded_bytes() {
    let (_gateway, s3) = before().await;
    for size in [0, 1, 8192, 65_536, 65_537, 300_000] {
        let body = data::bytes(9, size);
        for framing in framings(&body, 65_536) {
            let reply = put(&s3, &body, &framing).send().await.expect(200);
            assert_eq!(reply.etag(), md5_hex(&body), "{framing:?}");
            let reply = s3.get("bucket", "key").send().await.expect(200);
            assert!(reply.body == body, "{size} {framing:?}");
            assert_eq!(reply.header("content-encoding"), None, "{framing:?}");
        }
    }
}

#[tokio::test]
async fn an_encoding_of_the_object_itself_is_kept() {
    let (_gateway, s3) = before().await;
    let framing = Framing {
        chunk: 8192,
        signed: true,
        trailer: None,
    };
    let call = s3
        .put("bucket", "key", "hello")
        .header("content-encoding", "gzip");
    call.chunked(framing).send().await.expect(200);
    let head = s3.head("bucket", "key").send().await.expect(200);
    assert_eq!(head.header("content-encoding"), Some("gzip"));
}

#[tokio::test]
async fn the_content_encoding_header_is_not_needed() {
    let (_gateway, s3) = before().await;
    // MinIO's client leaves it out.
    let framing = Framing {
        chunk: 8192,
        signed: false,
        trailer: None,
    };
    let framing = Framing {
        trailer: Some((
            "x-amz-checksum-crc32".into(),
            sign::checksum("crc32", b"hello"),
        )),
        ..framing
    };
    let frames = put(&s3, b"hello", &framing).sign().frames.concat();
    let call = s3
        .put("bucket", "key", frames)
        .payload(framing.payload())
        .header("x-amz-decoded-content-length", "5")
        .header("x-amz-trailer", "x-amz-checksum-crc32");
    call.send().await.expect(200);
    assert_eq!(s3.fetch("bucket", "key").await, "hello");
}

#[tokio::test]
async fn frames_may_be_split_over_packets_anywhere() {
    let (gateway, s3) = before().await;
    let body = data::bytes(4, 3000);
    for framing in framings(&body, 1000) {
        for step in [1, 7, 84, 1000] {
            let request = put(&s3, &body, &framing).sign();
            let wire = request.frames.concat();
            let mut socket = Socket::open(gateway.address()).await.unwrap();
            socket.send(&request.request.head()).await.unwrap();
            for piece in wire.chunks(step) {
                socket.send(piece).await.unwrap();
            }
            let (status, _, answer) = socket.answer().await.unwrap().unwrap();
            assert_eq!(
                status,
                200,
                "{step} {framing:?} {}",
                String::from_utf8_lossy(&answer)
            );
            assert!(
                s3.fetch("bucket", "key").await == body,
                "{step} {framing:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_wrong_chunk_signature_stores_nothing() {
    let (_gateway, s3) = before().await;
    let body = data::bytes(4, 30_000);
    for framing in framings(&body, 8192)
        .into_iter()
        .filter(|framing| framing.signed)
    {
        let frames = put(&s3, &body, &framing).sign().frames.len() - 1;
        for spoiled in 0..frames {
            // A digit of the signature.
            let request = put(&s3, &body, &framing).sign().reframed(|frames| {
                let frame = &mut frames[spoiled];
                let at = frame.windows(10).position(|w| w == b"signature=").unwrap() + 10;
                frame[at] = if frame[at] == b'0' { b'1' } else { b'0' };
            });
            request
                .send()
                .await
                .expect_error(403, "SignatureDoesNotMatch");
        }
        // A bit of the data.
        let request = put(&s3, &body, &framing)
            .sign()
            .reframed(|frames| frames[1][500] ^= 1);
        request
            .send()
            .await
            .expect_error(403, "SignatureDoesNotMatch");
        // Two chunks that are right but in the wrong order.
        let request = put(&s3, &body, &framing)
            .sign()
            .reframed(|frames| frames.swap(0, 1));
        request
            .send()
            .await
            .expect_error(403, "SignatureDoesNotMatch");
        assert_eq!(s3.fetch("bucket", "key").await, "before");
    }
}

#[tokio::test]
async fn a_wrong_trailer_checksum_stores_nothing() {
    let (_gateway, s3) = before().await;
    for algorithm in ["crc32", "crc32c", "crc64nvme", "sha256"] {
        for signed in [true, false] {
            let name = format!("x-amz-checksum-{algorithm}");
            let other = sign::checksum(algorithm, b"other");
            let framing = Framing {
                chunk: 8192,
                signed,
                trailer: Some((name, other)),
            };
            let reply = put(&s3, b"hello", &framing).send().await;
            reply.expect_error(400, "BadDigest");
        }
    }
    assert_eq!(s3.fetch("bucket", "key").await, "before");
}

#[tokio::test]
async fn a_wrong_trailer_signature_stores_nothing() {
    let (_gateway, s3) = before().await;
    let trailer = Some((
        "x-amz-checksum-crc32".into(),
        sign::checksum("crc32", b"hello"),
    ));
    let framing = Framing {
        chunk: 8192,
        signed: true,
        trailer,
    };
    let request = put(&s3, b"hello", &framing).sign().reframed(|frames| {
        let tail = frames.last_mut().unwrap();
        let at = tail.windows(10).position(|w| w == b"signature:").unwrap() + 10;
        tail[at] = if tail[at] == b'0' { b'1' } else { b'0' };
    });
    request
        .send()
        .await
        .expect_error(403, "SignatureDoesNotMatch");
    assert_eq!(s3.fetch("bucket", "key").await, "before");
}

#[tokio::test]
async fn a_promised_trailer_that_does_not_come_stores_nothing() {
    let (_gateway, s3) = before().await;
    for signed in [true, false] {
        let trailer = Some((
            "x-amz-checksum-crc32".into(),
            sign::checksum("crc32", b"hello"),
        ));
        let framing = Framing {
            chunk: 8192,
            signed,
            trailer,
        };
        let request = put(&s3, b"hello", &framing).sign().reframed(|frames| {
            *frames.last_mut().unwrap() = b"\r\n".to_vec();
        });
        let reply = request.send().await;
        assert!(
            [400, 403].contains(&reply.status.as_u16()),
            "{}",
            reply.text()
        );
    }
    assert_eq!(s3.fetch("bucket", "key").await, "before");
}

#[tokio::test]
async fn a_wrong_decoded_length_stores_nothing() {
    let (_gateway, s3) = before().await;
    let body = data::bytes(4, 20_000);
    for framing in framings(&body, 8192) {
        for length in ["19999", "20001", "0", "5368709120"] {
            // The length is signed, so a liar signs the lie.
            let frames = put(&s3, &body, &framing).sign().frames.concat();
            let mut call = s3
                .put("bucket", "key", frames)
                .payload(framing.payload())
                .header("x-amz-decoded-content-length", length);
            if let Some((name, _)) = &framing.trailer {
                call = call.header("x-amz-trailer", name);
            }
            let reply = call.send().await;
            assert!(
                [400, 403].contains(&reply.status.as_u16()),
                "{length} {}",
                reply.text()
            );
        }
    }
    assert_eq!(s3.fetch("bucket", "key").await, "before");
}

#[tokio::test]
async fn a_missing_decoded_length_is_refused() {
    let (_gateway, s3) = before().await;
    let framing = Framing {
        chunk: 8192,
        signed: true,
        trailer: None,
    };
    let frames = put(&s3, b"hello", &framing).sign().frames.concat();
    for length in [None, Some("five"), Some("-5")] {
        let mut call = s3
            .put("bucket", "key", frames.clone())
            .payload(framing.payload());
        if let Some(length) = length {
            call = call.header("x-amz-decoded-content-length", length);
        }
        let reply = call.send().await;
        assert!(
            [400, 411].contains(&reply.status.as_u16()),
            "{length:?} {}",
            reply.text()
        );
    }
    assert_eq!(s3.fetch("bucket", "key").await, "before");
}

#[tokio::test]
async fn broken_frames_store_nothing() {
    let (mut gateway, s3) = before().await;
    let body = data::bytes(4, 20_000);
    let changes: [(&str, Change); 8] = [
        ("no last chunk", |frames| frames.truncate(2)),
        ("a chunk is missing", |frames| drop(frames.remove(1))),
        ("a size that is no number", |frames| frames[0][0] = b'x'),
        ("a size of twenty digits", |frames| {
            frames[0] = b"fffffffffffffffffffff\r\n".to_vec();
        }),
        ("a header line without end", |frames| {
            frames[0] = vec![b'1'; 100_000];
        }),
        ("no line end behind the data", |frames| {
            frames[0].truncate(8000);
        }),
        ("bytes behind the end", |frames| {
            frames.push(b"more".to_vec());
        }),
        ("nothing at all", Vec::clear),
    ];
    for framing in framings(&body, 8192) {
        for (what, change) in changes {
            let reply = put(&s3, &body, &framing)
                .sign()
                .reframed(change)
                .try_send()
                .await;
            // The gateway may close the connection on a sender that goes on.
            if let Ok(reply) = reply {
                let status = reply.status.as_u16();
                assert!([400, 403].contains(&status), "{what}: {status} {framing:?}");
            }
            assert_eq!(
                s3.fetch("bucket", "key").await,
                "before",
                "{what}: {framing:?}"
            );
        }
    }
    assert!(gateway.is_running());
}

#[tokio::test]
async fn a_part_can_be_chunked_too() {
    let (_gateway, s3) = before().await;
    let upload = s3.create_upload("bucket", "key").await;
    let framing = Framing {
        chunk: 8192,
        signed: true,
        trailer: None,
    };
    let part = s3
        .part("bucket", "key", &upload, 1, data::bytes(1, 20_000))
        .chunked(framing);
    let etag = part.send().await.expect(200).etag().to_owned();
    s3.complete("bucket", "key", &upload, &[(1, etag)])
        .send()
        .await
        .expect(200);
    assert!(s3.fetch("bucket", "key").await == data::bytes(1, 20_000));
}
