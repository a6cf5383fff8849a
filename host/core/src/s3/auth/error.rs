//! Why a request is refused before anything of it is done.

use crate::model::Timestamp;
use std::fmt;

/// Where a signature stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the `Authorization` header.
    Header,
    /// In the query of a URL, or in a form.
    Query,
}

/// What there is to compare for whoever wonders why a signature does not match. Nothing of it but
/// the sender's own words and their form: who has no key learns nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Who claims to have signed.
    pub access_key_id: String,
    /// The signature that came.
    pub signature: String,
    /// What should have been signed.
    pub text: Vec<u8>,
    /// The canonical request that this has the hash of (version 4).
    pub canonical: Option<Vec<u8>>,
}

impl Mismatch {
    /// The same as elements of the error document.
    pub(in crate::s3) fn details(&self) -> Vec<(&'static str, String)> {
        let lossy = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let mut all = vec![
            ("AWSAccessKeyId", self.access_key_id.clone()),
            ("StringToSign", lossy(&self.text)),
            ("SignatureProvided", self.signature.clone()),
        ];
        let canonical = self.canonical.as_deref().map(lossy);
        all.extend(canonical.map(|text| ("CanonicalRequest", text)));
        all
    }
}

/// Without the signature, which must not get into a log.
impl fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mismatch(..)")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "The authorization header is malformed",
            Self::Query => "Error parsing the X-Amz-Credential parameter",
        })
    }
}

/// What is wrong with a request's signature, or with what its headers say about its body.
///
/// The texts are fixed and fit for clients: no secret, no right signature is ever among them.
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Not signed at all (403 `AccessDenied`).
    #[error("Access Denied")]
    AccessDenied,
    /// Nobody has this key (403 `InvalidAccessKeyId`).
    #[error("The AWS Access Key Id you provided does not exist in our records.")]
    InvalidAccessKeyId(String),
    /// The signature is another (403 `SignatureDoesNotMatch`).
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    )]
    SignatureDoesNotMatch(Box<Mismatch>),
    /// Signed more than 15 minutes ago or ahead (403 `RequestTimeTooSkewed`).
    #[error("The difference between the request time and the current time is too large.")]
    RequestTimeTooSkewed {
        /// When it was signed.
        signed: Timestamp,
        /// Our time.
        now: Timestamp,
    },
    /// A presigned URL whose time is over (403 `AccessDenied`).
    #[error("Request has expired")]
    RequestExpired {
        /// When it was over.
        expires: Timestamp,
        /// Our time.
        now: Timestamp,
    },
    /// A presigned URL from more than 15 minutes ahead (403 `AccessDenied`).
    #[error("Request is not valid yet")]
    RequestNotYetValid,
    /// Headers that must be signed are not; carries their names (403 `AccessDenied`).
    #[error("There were headers present in the request which were not signed")]
    HeadersNotSigned(Vec<String>),
    /// `Authorization` does not parse or names another scope (400 `AuthorizationHeaderMalformed`).
    #[error("The authorization header is malformed; {0}")]
    AuthorizationHeaderMalformed(&'static str),
    /// Signed for another region (400 `AuthorizationHeaderMalformed`, or
    /// `AuthorizationQueryParametersError` in a URL).
    #[error("{place}; the region '{sent}' is wrong; expecting '{expected}'")]
    WrongRegion {
        /// Where.
        place: Place,
        /// The region in the scope.
        sent: String,
        /// The region to sign for.
        expected: String,
    },
    /// A token of temporary credentials, which nobody issues here (400 `InvalidToken`).
    #[error(
        "The provided token is malformed or otherwise invalid: this server knows no temporary credentials."
    )]
    InvalidToken,
    /// A URL of Signature Version 2 that lacks something or has it twice (403 `AccessDenied`).
    #[error(
        "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
    )]
    IncompleteUrl,
    /// `Expires` of such a URL is not a number (403 `AccessDenied`).
    #[error("Invalid date (should be seconds since epoch)")]
    InvalidExpires,
    /// The `X-Amz-*` query parameters of a presigned URL are wrong
    /// (400 `AuthorizationQueryParametersError`).
    #[error("{0}")]
    AuthorizationQueryParametersError(&'static str),
    /// Signed in the header and in the query (400 `InvalidArgument`).
    #[error(
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"
    )]
    SeveralMechanisms,
    /// Neither `x-amz-date` nor `Date` (403 `AccessDenied`).
    #[error("AWS authentication requires a valid Date or x-amz-date header")]
    MissingDate,
    /// A date that is none (403 `AccessDenied`).
    #[error("AWS authentication requires a valid Date or x-amz-date header")]
    InvalidDate,
    /// No `x-amz-content-sha256` in a request signed in the header (400 `InvalidRequest`).
    #[error("Missing required header for this request: x-amz-content-sha256")]
    MissingContentSha256,
    /// Neither a known mode nor a hash (400 `InvalidArgument`).
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
    )]
    InvalidContentSha256,
    /// `Content-MD5` is not the base64 of 16 bytes (400 `InvalidDigest`).
    #[error("The Content-MD5 you specified is not valid.")]
    InvalidDigest,
    /// An upload without a length (411 `MissingContentLength`).
    #[error("You must provide the Content-Length HTTP header.")]
    MissingContentLength,
    /// `Content-Length` is not a number (400 `InvalidArgument`).
    #[error("The Content-Length is not valid.")]
    InvalidContentLength,
    /// `x-amz-decoded-content-length` is not a number (400 `InvalidArgument`).
    #[error("The value of x-amz-decoded-content-length is not valid.")]
    InvalidDecodedLength,
    /// Neither Signature Version 4 nor 2 (400 `InvalidArgument`).
    #[error("Unsupported Authorization Type")]
    UnsupportedScheme,
    /// `x-amz-trailer` names something that is no checksum, or the mode has no trailer
    /// (400 `InvalidRequest`).
    #[error("The value specified in the x-amz-trailer header is not supported")]
    InvalidTrailer,
    /// An `x-amz-checksum-*` header is not the base64 of a value of its length; carries its name
    /// (400 `InvalidRequest`).
    #[error("Value for {0} header is invalid.")]
    InvalidChecksum(&'static str),
    /// `x-amz-sdk-checksum-algorithm` without a checksum of that kind (400 `InvalidRequest`).
    #[error(
        "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found."
    )]
    MissingChecksum,
    /// More than one checksum (400 `InvalidRequest`).
    #[error("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")]
    SeveralChecksums,
    /// A checksum by an algorithm that the gateway does not know (400 `InvalidRequest`).
    #[error("The algorithm type you specified in x-amz-checksum- header is invalid.")]
    UnknownChecksum,
    /// A body of unknown length (501 `NotImplemented`).
    #[error("A header you provided implies functionality that is not implemented")]
    TransferEncoding,
    /// A request without a host (400 `MissingSecurityHeader`).
    #[error("Your request is missing a required header.")]
    MissingSecurityHeader,
}
