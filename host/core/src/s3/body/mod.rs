//! Bodies of requests: decoded, verified and handed on while they arrive.
//!
//! A body can be sent plain or in aws-chunked framing, signed or not, with a checksum before or
//! after it. None of that is visible behind [`upload`] and [`document`]: both give the bytes that
//! the client meant, and an error *in place of* the end when any of its promises is broken.
//! Memory does not grow with the body, and nothing is read before somebody asks.

mod checksum;
mod chunked;
mod expected;
mod hashing;
mod pieces;
#[cfg(test)]
mod tests;
mod verify;

pub use checksum::header as checksum_header;
pub use expected::{has_digest, has_unknown_checksum};

use super::auth::{AuthError, Authenticated};
use crate::model::{ByteStream, Piece, Upload, UploadError, Wanted};
use bytes::{Bytes, BytesMut};
use expected::{ChecksumOf, Expected, ExpectedChecksum};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName};
use pieces::Pieces;

/// MD5 of the body, in base64.
pub const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
/// The checksum that the client's SDK has calculated.
pub const X_AMZ_SDK_CHECKSUM_ALGORITHM: HeaderName =
    HeaderName::from_static("x-amz-sdk-checksum-algorithm");

/// The body of `PutObject` or `UploadPart`.
///
/// The stream hashes large bodies on tokio's blocking threads while their pieces go on, and has to
/// be polled inside a tokio runtime for that; elsewhere it hashes in place. Dropping it drops
/// the body.
pub fn upload(
    auth: &Authenticated,
    headers: &HeaderMap,
    body: ByteStream,
) -> Result<Upload, AuthError> {
    let mut expected = Expected::read(auth, headers, ChecksumOf::Body)?;
    let wanted = Wanted::default();
    expected.wanted = Some(wanted.clone());
    let promised = expected.checksum.as_ref();
    let promised = promised.map(ExpectedChecksum::algorithm);
    let size = expected.size.ok_or_else(|| {
        if headers.contains_key(http::header::TRANSFER_ENCODING) {
            AuthError::TransferEncoding
        } else {
            AuthError::MissingContentLength
        }
    })?;
    let pieces = Pieces::new(expected, body).into_stream().boxed();
    let on_demand = headers
        .get(http::header::EXPECT)
        .is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    Ok(Upload {
        size,
        on_demand,
        promised,
        wanted,
        pieces,
    })
}

/// Why a document could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Longer than it may be.
    #[error("the document is too large")]
    TooLarge,
    /// Not what the client said it would be.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The headers that describe it are wrong.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

/// A document of at most `limit` bytes, verified as an upload is. It may come without a length.
pub async fn document(
    auth: &Authenticated,
    headers: &HeaderMap,
    body: ByteStream,
    limit: usize,
) -> Result<Bytes, DocumentError> {
    let expected = Expected::read(auth, headers, ChecksumOf::Body)?;
    whole(Pieces::new(expected, body), limit).await
}

/// The document of `CompleteMultipartUpload`: as [`document`], but its `x-amz-checksum-*` headers
/// are those of the whole object, so the document is not compared with them.
pub async fn completion(
    auth: &Authenticated,
    headers: &HeaderMap,
    body: ByteStream,
    limit: usize,
) -> Result<Bytes, DocumentError> {
    let expected = Expected::read(auth, headers, ChecksumOf::Object)?;
    whole(Pieces::new(expected, body), limit).await
}

async fn whole(mut pieces: Pieces, limit: usize) -> Result<Bytes, DocumentError> {
    let too_large = |size: u64| usize::try_from(size).map_or(true, |size| size > limit);
    if pieces.size().is_some_and(too_large) {
        return Err(DocumentError::TooLarge);
    }
    let mut text = BytesMut::new();
    while let Some(Piece::Data(bytes)) = pieces.next().await? {
        if bytes.len() > limit - text.len() {
            return Err(DocumentError::TooLarge);
        }
        text.extend_from_slice(&bytes);
    }
    Ok(text.freeze())
}
