//! Who sent a request: Signature Version 4 in the `Authorization` header or in a presigned URL.
//!
//! [`Authenticator::authenticate`] is the only source of an [`Authenticated`], and everything
//! that takes a body asks for one. Time is an argument, so that published examples with their
//! dates are plain tests. Secrets and signatures have no printable form.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html>

mod authenticator;
mod canonical;
pub mod credentials;
mod date;
mod error;
mod header;
mod payload;
mod query;
mod scope;
mod signature;
#[cfg(test)]
pub(super) mod signer;
#[cfg(test)]
mod tests;

pub use authenticator::{Access, Authenticated, Authenticator};
pub use error::AuthError;
pub use payload::PayloadMode;
pub(in crate::s3) use signature::{ChunkSigner, Signature};

use http::HeaderName;

/// How the body is sent and signed; see [`PayloadMode`].
pub const X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
/// When the request was signed, as `20130524T000000Z`.
pub const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
/// Bytes of an aws-chunked body after decoding.
pub const X_AMZ_DECODED_CONTENT_LENGTH: HeaderName =
    HeaderName::from_static("x-amz-decoded-content-length");
/// Names of the fields that follow the last chunk.
pub const X_AMZ_TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");
