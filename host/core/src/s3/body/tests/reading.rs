//! How much of a body is read, and when: plain bodies, documents, connections that fail.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn a_plain_body_is_the_object() {
    for size in SIZES {
        let body = noise(size);
        for payload in ["UNSIGNED-PAYLOAD", &sha256(&body)] {
            let request = signed(put(size), payload);
            let data = request.receive(&body, 100_000).await.unwrap();
            assert!(data == body, "{size} {payload}");
        }
    }
}

#[tokio::test]
async fn a_body_of_another_length_is_refused() {
    for size in [10, 300_000] {
        let request = signed(put(size), "UNSIGNED-PAYLOAD");
        let body = noise(size + 1);
        assert!(matches!(
            request.failure(&body[..size - 1]).await,
            UploadError::Incomplete
        ));
        assert!(matches!(request.failure(&body).await, UploadError::TooLong));

        let request = signed(chunked(size), STREAMING);
        for (length, is_long) in [(size - 1, false), (size + 1, true)] {
            let framed = Signer::default().signed_body(&request.head, &[&body[..length]], &[]);
            match request.failure(&framed).await {
                UploadError::TooLong => assert!(is_long),
                UploadError::Incomplete => assert!(!is_long),
                other => panic!("{other}"),
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_read_before_somebody_asks_and_never_far_ahead() {
    const READ: usize = 64 * 1024;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let body = stream::repeat_with(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(Bytes::from(vec![0; READ]))
    });
    let request = signed(put(1000 * READ), "UNSIGNED-PAYLOAD");
    let mut upload = request.upload(body.boxed()).unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 0);
    for asked in 1..=100 {
        let piece = upload.pieces.next().await;
        assert!(matches!(piece, Some(Ok(Piece::Data(_)))));
        assert_eq!(count.load(Ordering::SeqCst), asked);
    }
    // The hashing threads hold references to what they have not hashed, and only for a while.
    drop(upload);
    for _ in 0..1000 {
        if Arc::strong_count(&count) == 1 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the body outlived its upload");
}

#[tokio::test]
async fn a_failing_connection_fails_the_upload() {
    let broken = |kind| {
        let reads = [
            Ok(Bytes::from_static(b"abc")),
            Err(std::io::Error::from(kind)),
        ];
        let request = signed(put(5), "UNSIGNED-PAYLOAD");
        let upload = request.upload(stream::iter(reads).boxed()).unwrap();
        upload.pieces.collect::<Vec<_>>()
    };
    let pieces = broken(std::io::ErrorKind::ConnectionReset).await;
    assert!(matches!(
        &pieces[..],
        [Ok(Piece::Data(_)), Err(UploadError::Io(_))]
    ));
    let pieces = broken(std::io::ErrorKind::UnexpectedEof).await;
    assert!(matches!(
        &pieces[..],
        [Ok(Piece::Data(_)), Err(UploadError::Incomplete)]
    ));
}

async fn read_document(
    request: request::Builder,
    body: &[u8],
    limit: usize,
) -> Result<Bytes, DocumentError> {
    let request = signed(request, "UNSIGNED-PAYLOAD");
    document(&request.auth, &request.head.headers, reads(body, 3), limit).await
}

#[tokio::test]
async fn a_document_is_read_up_to_its_limit() {
    assert_eq!(read_document(put(4), b"<a/>", 4).await.unwrap(), "<a/>");
    assert_eq!(
        read_document(Request::put("/"), b"<a/>", 4).await.unwrap(),
        "<a/>"
    );
    assert_eq!(read_document(put(0), b"", 0).await.unwrap(), "");
    let too_large = |result| matches!(result, Err(DocumentError::TooLarge));
    assert!(too_large(read_document(put(4), b"<a/>", 3).await));
    assert!(too_large(
        read_document(Request::put("/"), b"<a/>", 3).await
    ));
}

#[tokio::test]
async fn a_document_is_verified_as_an_upload_is() {
    let md5 = STANDARD.encode(Md5::digest(b"<a/>"));
    let wrong = read_document(put(4).header(CONTENT_MD5, &md5), b"<b/>", 9).await;
    assert!(matches!(
        wrong,
        Err(DocumentError::Upload(UploadError::Md5Mismatch { .. }))
    ));
    let wrong = read_document(put(4).header(CONTENT_MD5, "x"), b"<a/>", 9).await;
    assert!(matches!(
        wrong,
        Err(DocumentError::Auth(AuthError::InvalidDigest))
    ));
    let short = read_document(put(5), b"<a/>", 9).await;
    assert!(matches!(
        short,
        Err(DocumentError::Upload(UploadError::Incomplete))
    ));
}

#[tokio::test]
async fn the_checksum_of_a_completed_object_is_not_that_of_the_document() {
    let request = signed(put(4).header(CRC32, "AAAAAA=="), "UNSIGNED-PAYLOAD");
    let (auth, headers) = (&request.auth, &request.head.headers);
    let read = completion(auth, headers, reads(b"<a/>", 9), 9).await;
    assert_eq!(read.unwrap(), "<a/>");
    let read = document(auth, headers, reads(b"<a/>", 9), 9).await;
    assert!(matches!(
        read,
        Err(DocumentError::Upload(UploadError::ChecksumMismatch(
            "CRC32"
        )))
    ));
}
