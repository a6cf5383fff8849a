use super::*;
use crate::model::{Checksum, ChecksumAlgorithm};
use crate::s3::auth::signer::{DATE, NOW, REGION, Signer, credentials, unsigned_body};
use crate::s3::auth::{Access, Authenticator, X_AMZ_DECODED_CONTENT_LENGTH, X_AMZ_TRAILER};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use http::header::CONTENT_LENGTH;
use http::{Request, request};
use md5::{Digest, Md5};
use proptest::prelude::*;
use sha2::Sha256;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const STREAMING: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const STREAMING_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const CRC32: &str = "x-amz-checksum-crc32";

/// A request that was let in, with its head.
struct Signed {
    head: request::Parts,
    auth: Authenticated,
}

fn authenticate(head: request::Parts, access: Access) -> Signed {
    let auth = Authenticator::new(access, REGION).authenticate(&head, NOW);
    let auth = auth.unwrap();
    Signed { head, auth }
}

fn signed(request: request::Builder, payload: &str) -> Signed {
    let head = Signer::default().sign(request, payload);
    authenticate(head, Access::keys(vec![credentials()]))
}

fn put(size: usize) -> request::Builder {
    Request::put("/b/k").header(CONTENT_LENGTH, size)
}

/// A PUT in aws-chunked framing of an object of `size` bytes.
fn chunked(size: usize) -> request::Builder {
    Request::put("/b/k").header(X_AMZ_DECODED_CONTENT_LENGTH, size)
}

fn reads(body: &[u8], size: usize) -> ByteStream {
    let reads: Vec<_> = body
        .chunks(size.max(1))
        .map(|read| Ok(Bytes::copy_from_slice(read)))
        .collect();
    stream::iter(reads).boxed()
}

impl Signed {
    fn upload(&self, body: ByteStream) -> Result<Upload, AuthError> {
        upload(&self.auth, &self.head.headers, body)
    }

    /// All data, if the upload comes to its end.
    async fn receive(&self, body: &[u8], read: usize) -> Result<Vec<u8>, UploadError> {
        let mut upload = self.upload(reads(body, read)).unwrap();
        let mut data = Vec::new();
        while let Some(piece) = upload.pieces.next().await {
            match piece? {
                Piece::Data(bytes) => {
                    assert!(!bytes.is_empty());
                    data.extend_from_slice(&bytes);
                }
                Piece::End { md5, checksum } => {
                    let algorithm = upload.promised.unwrap_or(ChecksumAlgorithm::Crc64Nvme);
                    assert_eq!(checksum, Some(Checksum::of(algorithm, &data)));
                    assert_eq!(md5, <[u8; 16]>::from(Md5::digest(&data)));
                    assert_eq!(upload.size, data.len() as u64);
                    assert!(upload.pieces.next().await.is_none());
                    return Ok(data);
                }
            }
        }
        panic!("a stream without end or error");
    }

    async fn failure(&self, body: &[u8]) -> UploadError {
        let small = self.receive(body, 7).await.unwrap_err();
        let large = self.receive(body, usize::MAX).await.unwrap_err();
        assert_eq!(small.to_string(), large.to_string());
        small
    }

    fn refusal(&self) -> Option<AuthError> {
        self.upload(stream::empty().boxed()).err()
    }
}

fn encoded(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> String {
    Checksum::of(algorithm, bytes).to_string()
}

fn noise(size: usize) -> Vec<u8> {
    let mut state = 1u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(size)
    .collect()
}

fn sha256(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// An example from the AWS documentation: 65 KiB of `a`, whose signatures are known.
fn published(
    payload: &str,
    signed_headers: &str,
    seed: &str,
    more: &[(&str, &str)],
    chunks: [&str; 3],
    tail: &str,
) -> (Signed, Vec<u8>) {
    let mut request = Request::put("/examplebucket/chunkObject.txt")
        .header("host", "s3.amazonaws.com")
        .header("x-amz-date", DATE)
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
        .header("authorization", format!("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed_headers},Signature={seed}"))
        .header("x-amz-content-sha256", payload)
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "66560")
        .header("content-length", "66824");
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    let head = request.body(()).unwrap().into_parts().0;
    let mut body = Vec::new();
    for (size, signature) in [65536, 1024, 0].into_iter().zip(chunks) {
        body.extend(format!("{size:x};chunk-signature={signature}\r\n").bytes());
        if size > 0 {
            body.extend(vec![b'a'; size]);
            body.extend(b"\r\n");
        }
    }
    body.extend(tail.bytes());
    (authenticate(head, Access::keys(vec![credentials()])), body)
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>
#[tokio::test]
async fn the_published_chunked_upload_is_accepted() {
    let (request, body) = published(
        STREAMING,
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        &[],
        [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ],
        "\r\n",
    );
    assert_eq!(body.len(), 66824);
    for read in [1, 1000, usize::MAX] {
        let data = request.receive(&body, read).await.unwrap();
        assert!(data == vec![b'a'; 66560], "{read}");
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>
#[tokio::test]
async fn the_published_upload_with_a_trailer_is_accepted() {
    let (request, body) = published(
        STREAMING_TRAILER,
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        &[("x-amz-trailer", "x-amz-checksum-crc32c")],
        [
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ],
        "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
    );
    for read in [1, 1000, usize::MAX] {
        let data = request.receive(&body, read).await.unwrap();
        assert!(data == vec![b'a'; 66560], "{read}");
    }
}

/// Below and above the size from which hashing moves to another thread.
const SIZES: [usize; 5] = [0, 1, 1000, 256 * 1024 + 1, 2_500_000];

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
async fn every_streaming_mode_is_decoded() {
    let signer = Signer::default();
    for size in SIZES {
        let body = noise(size);
        let chunks: Vec<&[u8]> = body.chunks(64 * 1024).collect();
        let crc32 = encoded(ChecksumAlgorithm::Crc32, &body);
        let trailer = [(CRC32, crc32.as_str())];

        let request = signed(chunked(size), STREAMING);
        let framed = signer.signed_body(&request.head, &chunks, &[]);
        assert!(request.receive(&framed, 50_000).await.unwrap() == body);

        let announced = || chunked(size).header(X_AMZ_TRAILER, CRC32);
        let request = signed(announced(), STREAMING_TRAILER);
        let framed = signer.signed_body(&request.head, &chunks, &trailer);
        assert!(request.receive(&framed, 50_000).await.unwrap() == body);

        let request = signed(announced(), UNSIGNED_TRAILER);
        let framed = unsigned_body(&chunks, &trailer);
        assert!(request.receive(&framed, 50_000).await.unwrap() == body);
    }
}

#[tokio::test]
async fn without_authentication_the_framing_is_decoded_and_signatures_are_not_checked() {
    let body = b"0;chunk-signature=whatever\r\n\r\n";
    let head = Signer::default().sign(chunked(0), STREAMING);
    let request = authenticate(head, Access::Open);
    assert_eq!(request.receive(body, 3).await.unwrap(), b"");

    let head = Request::put("/b/k")
        .header(X_AMZ_DECODED_CONTENT_LENGTH, 3)
        .header(X_AMZ_TRAILER, CRC32);
    let request = authenticate(head.body(()).unwrap().into_parts().0, Access::Open);
    let crc32 = encoded(ChecksumAlgorithm::Crc32, b"abc");
    let good = unsigned_body(&[b"abc"], &[(CRC32, &crc32)]);
    assert_eq!(request.receive(&good, 3).await.unwrap(), b"abc");
    let bad = unsigned_body(&[b"abd"], &[(CRC32, &crc32)]);
    assert!(matches!(
        request.failure(&bad).await,
        UploadError::ChecksumMismatch("CRC32")
    ));
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
async fn a_wrong_digest_is_refused_in_place_of_the_end() {
    for size in [10, 300_000] {
        let (body, mut wrong) = (noise(size), noise(size));
        wrong[size / 2] ^= 1;
        let request = signed(put(size), &sha256(&body));
        assert!(matches!(
            request.failure(&wrong).await,
            UploadError::Sha256Mismatch { .. }
        ));

        let md5 = STANDARD.encode(Md5::digest(&body));
        let request = signed(put(size).header(CONTENT_MD5, md5), "UNSIGNED-PAYLOAD");
        assert!(request.receive(&body, 9).await.unwrap() == body);
        assert!(matches!(
            request.failure(&wrong).await,
            UploadError::Md5Mismatch { .. }
        ));
    }
}

#[tokio::test]
async fn every_checksum_is_checked_in_a_header_and_in_a_trailer() {
    for algorithm in ChecksumAlgorithm::ALL {
        let value = encoded(algorithm, b"right");
        let (name, announced) = (checksum_header(algorithm), algorithm.name());
        let put = put(5)
            .header(name, &value)
            .header(X_AMZ_SDK_CHECKSUM_ALGORITHM, announced);
        let request = signed(put, "UNSIGNED-PAYLOAD");
        assert_eq!(request.receive(b"right", 2).await.unwrap(), b"right");
        assert!(matches!(
            request.failure(b"wrong").await,
            UploadError::ChecksumMismatch(found) if found == announced
        ));

        let put = chunked(5)
            .header(X_AMZ_TRAILER, name)
            .header(X_AMZ_SDK_CHECKSUM_ALGORITHM, announced);
        let request = signed(put, UNSIGNED_TRAILER);
        let framed = |data: &[u8]| unsigned_body(&[data], &[(name, &value)]);
        assert_eq!(
            request.receive(&framed(b"right"), 2).await.unwrap(),
            b"right"
        );
        assert!(matches!(
            request.failure(&framed(b"wrong")).await,
            UploadError::ChecksumMismatch(found) if found == announced
        ));
    }
}

#[tokio::test]
async fn a_sha256_checksum_and_a_signed_payload_are_both_checked() {
    let (name, value) = (
        "x-amz-checksum-sha256",
        encoded(ChecksumAlgorithm::Sha256, b"wrong"),
    );
    let request = signed(put(5).header(name, value), &sha256(b"right"));
    assert!(matches!(
        request.failure(b"right").await,
        UploadError::ChecksumMismatch("SHA256")
    ));
    assert!(matches!(
        request.failure(b"wrong").await,
        UploadError::Sha256Mismatch { .. }
    ));
}

#[tokio::test]
async fn a_trailer_is_what_was_announced() {
    let crc32 = encoded(ChecksumAlgorithm::Crc32, b"abc");
    let request = signed(chunked(3).header(X_AMZ_TRAILER, CRC32), UNSIGNED_TRAILER);
    let good = (CRC32, crc32.as_str());
    for trailer in [
        &[][..],
        &[(CRC32, "AAAA")],
        &[(CRC32, "")],
        &[("x-amz-checksum-crc32c", crc32.as_str())],
        &[good, good],
        &[good, ("x-amz-meta-a", "b")],
    ] {
        let framed = unsigned_body(&[b"abc"], trailer);
        assert!(
            matches!(
                request.failure(&framed).await,
                UploadError::Malformed(_) | UploadError::Trailer(_) | UploadError::Framing(_)
            ),
            "{trailer:?}"
        );
    }
    let silent = signed(chunked(3), UNSIGNED_TRAILER);
    let framed = unsigned_body(&[b"abc"], &[good]);
    assert!(matches!(
        silent.failure(&framed).await,
        UploadError::Malformed(_) | UploadError::Trailer(_) | UploadError::Framing(_)
    ));
    let framed = unsigned_body(&[b"abc"], &[]);
    assert_eq!(silent.receive(&framed, 1).await.unwrap(), b"abc");
}

#[tokio::test]
async fn a_chunk_out_of_order_is_refused() {
    let request = signed(chunked(4), STREAMING);
    let body = Signer::default().signed_body(&request.head, &[b"ab", b"cd"], &[]);
    let first = b"2;chunk-signature=".len() + 64 + 2 + 4;
    let swapped = [&body[first..2 * first], &body[..first], &body[2 * first..]].concat();
    assert!(matches!(
        request.failure(&swapped).await,
        UploadError::ChunkSignature
    ));
}

#[tokio::test]
async fn a_signed_trailer_needs_its_signature() {
    let request = signed(chunked(3).header(X_AMZ_TRAILER, CRC32), STREAMING_TRAILER);
    let crc32 = encoded(ChecksumAlgorithm::Crc32, b"abc");
    let body = Signer::default().signed_body(&request.head, &[b"abc"], &[(CRC32, &crc32)]);
    assert_eq!(request.receive(&body, 5).await.unwrap(), b"abc");
    let text = String::from_utf8(body).unwrap();
    let (before, _) = text.split_once("x-amz-trailer-signature").unwrap();
    let stripped = format!("{before}\r\n");
    assert!(matches!(
        request.failure(stripped.as_bytes()).await,
        UploadError::ChunkSignature
    ));
}

#[tokio::test]
async fn a_wrong_signature_in_a_large_body_is_noticed() {
    let data = noise(3_000_000);
    let chunks: Vec<&[u8]> = data.chunks(100_000).collect();
    let request = signed(chunked(data.len()), STREAMING);
    let body = Signer::default().signed_body(&request.head, &chunks, &[]);
    for position in [1000, 1_500_000, body.len() - 1000] {
        let mut wrong = body.clone();
        wrong[position] ^= 1;
        let error = request.receive(&wrong, 65_536).await.unwrap_err();
        assert!(
            matches!(error, UploadError::ChunkSignature),
            "{position}: {error}"
        );
    }
}

#[test]
fn what_is_wrong_in_the_headers_is_told_before_the_body_is_read() {
    let plain = |request| signed(request, "UNSIGNED-PAYLOAD").refusal();
    assert_eq!(
        plain(Request::put("/")),
        Some(AuthError::MissingContentLength)
    );
    for odd in ["", "x", "-1", "+1", "1.0", "99999999999999999999"] {
        let request = Request::put("/").header(CONTENT_LENGTH, odd);
        assert_eq!(
            plain(request),
            Some(AuthError::InvalidContentLength),
            "{odd}"
        );
    }
    for odd in ["", "x", "Zm9v", "d41d8cd98f00b204e9800998ecf8427e"] {
        let request = put(0).header(CONTENT_MD5, odd);
        assert_eq!(plain(request), Some(AuthError::InvalidDigest), "{odd}");
    }
    assert_eq!(
        plain(put(0).header(CRC32, "x")),
        Some(AuthError::InvalidChecksum(CRC32))
    );
    assert_eq!(
        plain(
            put(0)
                .header(CRC32, "AAAAAA==")
                .header("x-amz-checksum-crc32c", "AAAAAA==")
        ),
        Some(AuthError::SeveralChecksums)
    );
    assert_eq!(
        plain(put(0).header(X_AMZ_SDK_CHECKSUM_ALGORITHM, "CRC32")),
        Some(AuthError::MissingChecksum)
    );
    assert_eq!(
        plain(put(0).header(X_AMZ_TRAILER, CRC32)),
        Some(AuthError::InvalidTrailer)
    );

    let framed = |request| signed(request, UNSIGNED_TRAILER).refusal();
    assert_eq!(framed(put(0)), Some(AuthError::MissingContentLength));
    let odd = Request::put("/").header(X_AMZ_DECODED_CONTENT_LENGTH, "x");
    assert_eq!(framed(odd), Some(AuthError::InvalidDecodedLength));
    assert_eq!(
        framed(chunked(0).header(X_AMZ_TRAILER, "x-amz-meta-a")),
        Some(AuthError::InvalidTrailer)
    );
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

#[test]
fn a_large_body_is_hashed_without_a_runtime_too() {
    let data = noise(1_000_000);
    let request = signed(put(data.len()), &sha256(&data));
    let upload = request.upload(reads(&data, 100_000)).unwrap();
    let pieces = stream::StreamExt::collect::<Vec<_>>(upload.pieces);
    let pieces = futures_util::FutureExt::now_or_never(pieces).unwrap();
    assert!(matches!(pieces.last(), Some(Ok(Piece::End { .. }))));
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

proptest! {
    #[test]
    fn any_split_of_a_signed_body_into_reads_decodes_equally(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..5),
        read in 1usize..300,
    ) {
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let data = chunks.concat();
        let crc32 = encoded(ChecksumAlgorithm::Crc32, &data);
        let request = signed(chunked(data.len()).header(X_AMZ_TRAILER, CRC32), STREAMING_TRAILER);
        let body = Signer::default().signed_body(&request.head, &chunks, &[(CRC32, &crc32)]);
        prop_assert_eq!(block_on(request.receive(&body, read)).unwrap(), data);
    }

    #[test]
    fn a_changed_bit_in_a_signed_body_is_refused(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..4),
        with_trailer: bool,
        position: proptest::sample::Index,
        bit in 0u8..8,
    ) {
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let data = chunks.concat();
        let crc32 = encoded(ChecksumAlgorithm::Crc32, &data);
        let (mut request, mut trailer) = (chunked(data.len()), vec![]);
        let mut mode = STREAMING;
        if with_trailer {
            request = request.header(X_AMZ_TRAILER, CRC32);
            trailer.push((CRC32, crc32.as_str()));
            mode = STREAMING_TRAILER;
        }
        let request = signed(request, mode);
        let mut body = Signer::default().signed_body(&request.head, &chunks, &trailer);
        let position = position.index(body.len());
        let before = body[position];
        body[position] ^= 1 << bit;
        match block_on(request.receive(&body, 64)) {
            Err(_) => {}
            // Only the case of a letter of the framing means nothing.
            Ok(decoded) => {
                prop_assert_eq!(decoded, data);
                prop_assert!(before.eq_ignore_ascii_case(&body[position]));
            }
        }
    }

    #[test]
    fn a_cut_off_body_is_refused(
        data in proptest::collection::vec(any::<u8>(), 1..50),
        cut: proptest::sample::Index,
    ) {
        let request = signed(chunked(data.len()), STREAMING);
        let body = Signer::default().signed_body(&request.head, &[&data], &[]);
        let cut = cut.index(body.len());
        prop_assert!(matches!(block_on(request.receive(&body[..cut], 16)), Err(UploadError::Incomplete)));
    }
}
