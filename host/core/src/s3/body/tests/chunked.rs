//! The aws-chunked framing: its signatures, its trailer, and bodies that are cut off or changed.

use super::*;
use crate::s3::auth::signer::{DATE, unsigned_body};
use proptest::prelude::*;

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
