//! Uploads as a client frames, signs and promises them.

mod chunked;
mod digests;
mod reading;

use super::*;
use crate::model::{Checksum, ChecksumAlgorithm};
use crate::s3::auth::signer::{NOW, REGION, Signer, credentials};
use crate::s3::auth::{Access, Authenticator, X_AMZ_DECODED_CONTENT_LENGTH, X_AMZ_TRAILER};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use http::header::CONTENT_LENGTH;
use http::{Request, request};
use md5::{Digest, Md5};
use sha2::Sha256;

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

/// Below and above the size from which hashing moves to another thread.
const SIZES: [usize; 5] = [0, 1, 1000, 256 * 1024 + 1, 2_500_000];
