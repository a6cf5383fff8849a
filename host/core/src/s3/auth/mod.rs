//! Who sent a request: Signature Version 4 or 2 in the `Authorization` header, in a presigned
//! URL, or over the policy of a form; and what the sender may do.
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
mod hoisted;
mod payload;
mod policy;
mod query;
pub mod rights;
mod scope;
mod signature;
#[cfg(test)]
pub(super) mod signer;
#[cfg(test)]
mod tests;
mod version_2;

pub use authenticator::{Access, Authenticated, Authenticator};
pub use error::{AuthError, Mismatch, Place};
pub(in crate::s3) use hoisted::hoisted;
pub use payload::PayloadMode;
pub(in crate::s3) use policy::SignedPolicy;
pub use rights::{Action, BucketPattern, Rights};
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
/// The token of temporary credentials.
pub const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
