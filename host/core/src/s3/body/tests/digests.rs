//! What a client has promised of its bytes: digests and checksums, kept, broken and malformed.

use super::*;
use crate::s3::auth::signer::unsigned_body;

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

#[test]
fn a_large_body_is_hashed_without_a_runtime_too() {
    let data = noise(1_000_000);
    let request = signed(put(data.len()), &sha256(&data));
    let upload = request.upload(reads(&data, 100_000)).unwrap();
    let pieces = stream::StreamExt::collect::<Vec<_>>(upload.pieces);
    let pieces = futures_util::FutureExt::now_or_never(pieces).unwrap();
    assert!(matches!(pieces.last(), Some(Ok(Piece::End { .. }))));
}
