//! The one table from errors to S3's codes, statuses and texts.
//!
//! Clients get fixed texts: what a plugin or the database said goes to the log only.
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

mod details;
mod request;
mod text;

pub use request::RequestError;
pub use text::PART_NUMBER;

use crate::model::UploadError;
use crate::s3::StandIn;
use crate::s3::address::AddressError;
use crate::s3::auth::{AuthError, Place};
use crate::s3::body::DocumentError;
use crate::s3::cors::CorsError;
use crate::s3::form::{FormError, PolicyError};
use crate::s3::route::RouteError;
use crate::s3::setting::Setting;
use crate::s3::xml::read::XmlError;
use crate::service::ServiceError;
use http::StatusCode;

/// Everything that can end a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no request, or has made the program panic.
    #[error(transparent)]
    StandIn(#[from] StandIn),
    /// The address names nothing that can exist.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The signature, or what the headers say about the body, is wrong.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The form is wrong, or its policy does not allow it.
    #[error(transparent)]
    Form(#[from] FormError),
    /// A web page may not do that.
    #[error(transparent)]
    Cors(#[from] CorsError),
    /// Nobody has configured this.
    #[error("no {} configuration", .0.name())]
    NotConfigured(Setting),
    /// No operation of ours.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A parameter or header is wrong.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The document in the body is wrong.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// The operation failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<crate::s3::percent::DecodeError> for Error {
    fn from(_: crate::s3::percent::DecodeError) -> Self {
        Self::Request(RequestError::Query)
    }
}

impl From<DocumentError> for Error {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::TooLarge => Self::Request(RequestError::DocumentTooLarge),
            DocumentError::Upload(error) => Self::Service(ServiceError::Upload(error)),
            DocumentError::Auth(error) => Self::Auth(error),
        }
    }
}

/// S3's error codes, as many as we use.
#[expect(
    missing_docs,
    reason = "the names are AWS's; `Code::wire` has their texts"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    AccessControlListNotSupported,
    AccessDenied,
    AccessForbidden,
    AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError,
    BadDigest,
    BadRequest,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    ConditionalRequestConflict,
    ContentSha256Mismatch,
    EntityTooLarge,
    EntityTooSmall,
    IllegalLocationConstraint,
    IllegalVersioningConfiguration,
    IncompleteBody,
    IncorrectNumberOfFilesInPostRequest,
    InsufficientStorage,
    InternalError,
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidBucketAcl,
    InvalidBucketName,
    InvalidBucketState,
    InvalidDigest,
    InvalidLocation,
    InvalidPart,
    InvalidPartNumber,
    InvalidPartOrder,
    InvalidPolicyDocument,
    InvalidRange,
    InvalidRequest,
    InvalidStorageClass,
    InvalidToken,
    InvalidTag,
    InvalidUri,
    KeyTooLong,
    MalformedPostRequest,
    MalformedTrailer,
    MalformedXml,
    MaxMessageLengthExceeded,
    MaxPostPreDataLengthExceeded,
    MetadataTooLarge,
    MethodNotAllowed,
    MissingContentLength,
    MissingSecurityHeader,
    NoEncryptionConfiguration,
    NoObjectLockConfiguration,
    NoReplicationConfiguration,
    NoSuchBucket,
    NoSuchBucketPolicy,
    NoSuchConfiguration,
    NoSuchCorsConfiguration,
    NoSuchKey,
    NoSuchLifecycleConfiguration,
    NoSuchPublicAccessBlockConfiguration,
    NoSuchTagSet,
    NoSuchUpload,
    NoSuchVersion,
    NoSuchWebsiteConfiguration,
    NotImplemented,
    NotModified,
    PreconditionFailed,
    QuotaExceeded,
    RequestHeaderSectionTooLarge,
    RequestIsNotMultiPartContent,
    RequestTimeTooSkewed,
    RequestTimeout,
    ServiceUnavailable,
    SignatureDoesNotMatch,
    SlowDown,
    UserKeyMustBeSpecified,
}

impl Error {
    /// The code of an error. No `_` arms: a new error must be placed here.
    pub fn code(&self) -> Code {
        use {AuthError as A, RequestError as R, RouteError as O, ServiceError as S};
        match self {
            Self::Address(AddressError::Uri) | Self::Request(R::Query) => Code::InvalidUri,
            Self::Address(AddressError::Bucket { .. }) => Code::InvalidBucketName,
            Self::Address(AddressError::KeyTooLong(_)) => Code::KeyTooLong,
            Self::StandIn(StandIn::Panicked) => Code::InternalError,
            Self::StandIn(StandIn::TooLarge) => Code::RequestHeaderSectionTooLarge,
            Self::Auth(error) => match error {
                A::AccessDenied
                | A::RequestExpired { .. }
                | A::IncompleteUrl
                | A::InvalidExpires
                | A::RequestNotYetValid
                | A::HeadersNotSigned(_)
                | A::MissingDate
                | A::InvalidDate => Code::AccessDenied,
                A::InvalidAccessKeyId(_) => Code::InvalidAccessKeyId,
                A::SignatureDoesNotMatch(_) => Code::SignatureDoesNotMatch,
                A::RequestTimeTooSkewed { .. } => Code::RequestTimeTooSkewed,
                A::AuthorizationHeaderMalformed(_)
                | A::WrongRegion {
                    place: Place::Header,
                    ..
                } => Code::AuthorizationHeaderMalformed,
                A::AuthorizationQueryParametersError(_)
                | A::WrongRegion {
                    place: Place::Query,
                    ..
                } => Code::AuthorizationQueryParametersError,
                A::InvalidToken => Code::InvalidToken,
                A::UnsupportedScheme
                | A::SeveralMechanisms
                | A::InvalidContentSha256
                | A::InvalidContentLength
                | A::InvalidDecodedLength => Code::InvalidArgument,
                A::InvalidDigest => Code::InvalidDigest,
                A::MissingContentLength => Code::MissingContentLength,
                A::MissingContentSha256
                | A::InvalidTrailer
                | A::InvalidChecksum(_)
                | A::MissingChecksum
                | A::UnknownChecksum
                | A::SeveralChecksums => Code::InvalidRequest,
                A::TransferEncoding => Code::NotImplemented,
                A::MissingSecurityHeader => Code::MissingSecurityHeader,
            },
            Self::Form(error) => form_code(error),
            Self::StandIn(StandIn::Malformed)
            | Self::Cors(CorsError::NoOrigin | CorsError::Method(_)) => Code::BadRequest,
            Self::Cors(CorsError::NoBucket | CorsError::NotEnabled | CorsError::NotAllowed) => {
                Code::AccessForbidden
            }
            Self::NotConfigured(setting) => setting.missing_code(),
            Self::Route(error) => match error {
                O::NotImplemented(_) => Code::NotImplemented,
                O::MethodNotAllowed { .. } => Code::MethodNotAllowed,
                O::Conflict(..) | O::PartIncomplete(_) => Code::InvalidArgument,
            },
            Self::Request(error) => request_code(error),
            Self::Xml(XmlError::Malformed(_)) => Code::MalformedXml,
            Self::Xml(XmlError::PartNumber) => Code::InvalidArgument,
            Self::Xml(XmlError::NoParts) => Code::InvalidRequest,
            Self::Service(error) => match error {
                S::NoSuchBucket => Code::NoSuchBucket,
                S::NoSuchKey => Code::NoSuchKey,
                S::NoSuchUpload => Code::NoSuchUpload,
                S::BucketExists => Code::BucketAlreadyOwnedByYou,
                S::BucketNotEmpty => Code::BucketNotEmpty,
                S::NoSuchPart { .. } => Code::InvalidPartNumber,
                S::InvalidRange { .. } => Code::InvalidRange,
                S::NotModified { .. } => Code::NotModified,
                S::PreconditionFailed(_) => Code::PreconditionFailed,
                S::ConditionalConflict => Code::ConditionalRequestConflict,
                S::InvalidPart { .. } | S::DisplacedPart { .. } => Code::InvalidPart,
                S::InvalidPartOrder => Code::InvalidPartOrder,
                S::PartTooSmall { .. } => Code::EntityTooSmall,
                S::CopyOntoItself | S::Checksums(_) | S::SourceTooLarge | S::NoParts => {
                    Code::InvalidRequest
                }
                S::TooLarge => Code::EntityTooLarge,
                S::InvalidName(_) | S::CopyRange { .. } => Code::InvalidArgument,
                S::Upload(error) => upload_code(error),
                S::Denied(_) => Code::AccessDenied,
                S::NoSpace => Code::InsufficientStorage,
                S::Quota => Code::QuotaExceeded,
                S::Busy { .. } => Code::SlowDown,
                S::Unavailable(_) => Code::ServiceUnavailable,
                S::Unsupported => Code::NotImplemented,
                S::Internal(_) => Code::InternalError,
            },
        }
    }
}

fn request_code(error: &RequestError) -> Code {
    use RequestError as R;
    match error {
        R::Query => Code::InvalidUri,
        R::Argument { .. } | R::CannedAcl(_) => Code::InvalidArgument,
        R::Setting(Setting::ObjectLock) => Code::InvalidBucketState,
        R::UnsupportedHeader(_) | R::Setting(_) => Code::NotImplemented,
        R::Acl => Code::AccessControlListNotSupported,
        R::BucketAcl => Code::InvalidBucketAcl,
        R::Invalid(_) | R::NoDigest | R::NoObjectLock => Code::InvalidRequest,
        R::NoAcl => Code::MissingSecurityHeader,
        R::Version(_) => Code::NoSuchVersion,
        R::UnknownLocation(_) => Code::InvalidLocation,
        R::Owner(_) => Code::AccessDenied,
        R::NoSuchConfiguration(_) => Code::NoSuchConfiguration,
        R::Tag { .. } => Code::InvalidTag,
        R::TooManyTags(_) => Code::BadRequest,
        R::MetadataTooLarge(_) => Code::MetadataTooLarge,
        R::StorageClass(_) => Code::InvalidStorageClass,
        R::NoVersioningStatus => Code::IllegalVersioningConfiguration,
        R::Location(_) => Code::IllegalLocationConstraint,
        R::EntityTooLarge(_) => Code::EntityTooLarge,
        R::DocumentTooLarge => Code::MaxMessageLengthExceeded,
        R::UploadId(_) => Code::NoSuchUpload,
    }
}

fn form_code(error: &FormError) -> Code {
    use {FormError as F, PolicyError as P};
    match error {
        F::NotMultipart => Code::RequestIsNotMultiPartContent,
        F::Malformed => Code::MalformedPostRequest,
        F::NoFile => Code::IncorrectNumberOfFilesInPostRequest,
        F::FieldsTooLarge => Code::MaxPostPreDataLengthExceeded,
        F::Missing("key") => Code::UserKeyMustBeSpecified,
        F::Missing(_) => Code::InvalidArgument,
        F::Policy(P::Invalid(_)) => Code::InvalidPolicyDocument,
        F::Policy(P::Expired | P::Condition(_) | P::Extra(_)) => Code::AccessDenied,
        F::Policy(P::TooSmall { .. }) => Code::EntityTooSmall,
        F::Policy(P::TooLarge { .. }) => Code::EntityTooLarge,
    }
}

fn upload_code(error: &UploadError) -> Code {
    use UploadError as U;
    match error {
        U::Md5Mismatch { .. } | U::ChecksumMismatch(_) => Code::BadDigest,
        U::Sha256Mismatch { .. } => Code::ContentSha256Mismatch,
        U::ChunkSignature => Code::SignatureDoesNotMatch,
        U::Malformed(_) => Code::InvalidRequest,
        U::Trailer(_) => Code::MalformedTrailer,
        U::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => Code::RequestTimeout,
        U::Incomplete | U::TooLong | U::Framing(_) | U::Io(_) => Code::IncompleteBody,
    }
}

impl Code {
    /// Status, name and usual text.
    #[rustfmt::skip] // a table reads best with one row per line
    pub fn wire(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::AccessControlListNotSupported => (S::BAD_REQUEST, "AccessControlListNotSupported", "The bucket does not allow ACLs"),
            Self::AccessDenied => (S::FORBIDDEN, "AccessDenied", "Access Denied"),
            Self::AccessForbidden => (S::FORBIDDEN, "AccessForbidden", "CORSResponse: CORS is not enabled for this bucket."),
            Self::AuthorizationHeaderMalformed => (S::BAD_REQUEST, "AuthorizationHeaderMalformed", "The authorization header is malformed."),
            Self::AuthorizationQueryParametersError => (S::BAD_REQUEST, "AuthorizationQueryParametersError", "The authorization query parameters are not valid."),
            Self::BadDigest => (S::BAD_REQUEST, "BadDigest", "The Content-MD5 or checksum value that you specified did not match what the server received."),
            Self::BadRequest => (S::BAD_REQUEST, "BadRequest", "Bad Request"),
            Self::BucketAlreadyOwnedByYou => (S::CONFLICT, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it."),
            Self::BucketNotEmpty => (S::CONFLICT, "BucketNotEmpty", "The bucket you tried to delete is not empty."),
            Self::ConditionalRequestConflict => (S::CONFLICT, "ConditionalRequestConflict", "A conflicting operation occurred. Please retry the request."),
            Self::ContentSha256Mismatch => (S::BAD_REQUEST, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."),
            Self::EntityTooLarge => (S::BAD_REQUEST, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size."),
            Self::EntityTooSmall => (S::BAD_REQUEST, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size."),
            Self::IllegalLocationConstraint => (S::BAD_REQUEST, "IllegalLocationConstraintException", "The location constraint is incompatible with the region of this server."),
            Self::IllegalVersioningConfiguration => (S::BAD_REQUEST, "IllegalVersioningConfigurationException", "The Versioning element must be specified"),
            Self::IncompleteBody => (S::BAD_REQUEST, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header."),
            Self::IncorrectNumberOfFilesInPostRequest => (S::BAD_REQUEST, "IncorrectNumberOfFilesInPostRequest", "POST requires exactly one file upload per request."),
            Self::InsufficientStorage => (S::INSUFFICIENT_STORAGE, "InsufficientStorage", "The storage has no space left."),
            Self::InternalError => (S::INTERNAL_SERVER_ERROR, "InternalError", "We encountered an internal error. Please try again."),
            Self::InvalidAccessKeyId => (S::FORBIDDEN, "InvalidAccessKeyId", "The access key ID that you provided does not exist in our records."),
            Self::InvalidArgument => (S::BAD_REQUEST, "InvalidArgument", "Invalid Argument"),
            Self::InvalidBucketAcl => (S::BAD_REQUEST, "InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"),
            Self::InvalidBucketName => (S::BAD_REQUEST, "InvalidBucketName", "The specified bucket is not valid."),
            Self::InvalidBucketState => (S::CONFLICT, "InvalidBucketState", "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"),
            Self::InvalidDigest => (S::BAD_REQUEST, "InvalidDigest", "The Content-MD5 you specified is not valid."),
            Self::InvalidLocation => (S::BAD_REQUEST, "InvalidLocationConstraint", "The specified location-constraint is not valid"),
            Self::InvalidPart => (S::BAD_REQUEST, "InvalidPart", "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."),
            Self::InvalidPartNumber => (S::RANGE_NOT_SATISFIABLE, "InvalidPartNumber", "The requested partnumber is not satisfiable"),
            Self::InvalidPartOrder => (S::BAD_REQUEST, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number."),
            Self::InvalidPolicyDocument => (S::BAD_REQUEST, "InvalidPolicyDocument", "The content of the form does not meet the conditions specified in the policy document."),
            Self::InvalidRange => (S::RANGE_NOT_SATISFIABLE, "InvalidRange", "The requested range is not satisfiable"),
            Self::InvalidRequest => (S::BAD_REQUEST, "InvalidRequest", "Invalid Request"),
            Self::InvalidStorageClass => (S::BAD_REQUEST, "InvalidStorageClass", "The storage class you specified is not valid"),
            Self::InvalidToken => (S::BAD_REQUEST, "InvalidToken", "The provided token is malformed or otherwise invalid."),
            Self::InvalidTag => (S::BAD_REQUEST, "InvalidTag", "The tag provided was not a valid tag."),
            Self::InvalidUri => (S::BAD_REQUEST, "InvalidURI", "Couldn't parse the specified URI."),
            Self::KeyTooLong => (S::BAD_REQUEST, "KeyTooLongError", "Your key is too long"),
            Self::MalformedPostRequest => (S::BAD_REQUEST, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data."),
            Self::MalformedTrailer => (S::BAD_REQUEST, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema."),
            Self::MalformedXml => (S::BAD_REQUEST, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"),
            Self::MaxMessageLengthExceeded => (S::BAD_REQUEST, "MaxMessageLengthExceeded", "Your request was too big."),
            Self::MaxPostPreDataLengthExceeded => (S::BAD_REQUEST, "MaxPostPreDataLengthExceededError", "Your POST request fields preceding the upload file were too large."),
            Self::MetadataTooLarge => (S::BAD_REQUEST, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size"),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "MethodNotAllowed", "The specified method is not allowed against this resource."),
            Self::MissingContentLength => (S::LENGTH_REQUIRED, "MissingContentLength", "You must provide the Content-Length HTTP header."),
            Self::MissingSecurityHeader => (S::BAD_REQUEST, "MissingSecurityHeader", "Your request is missing a required header."),
            Self::NoEncryptionConfiguration => (S::NOT_FOUND, "ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"),
            Self::NoObjectLockConfiguration => (S::NOT_FOUND, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"),
            Self::NoReplicationConfiguration => (S::NOT_FOUND, "ReplicationConfigurationNotFoundError", "The replication configuration was not found"),
            Self::NoSuchBucket => (S::NOT_FOUND, "NoSuchBucket", "The specified bucket does not exist"),
            Self::NoSuchBucketPolicy => (S::NOT_FOUND, "NoSuchBucketPolicy", "The bucket policy does not exist"),
            Self::NoSuchConfiguration => (S::NOT_FOUND, "NoSuchConfiguration", "The specified configuration does not exist."),
            Self::NoSuchCorsConfiguration => (S::NOT_FOUND, "NoSuchCORSConfiguration", "The CORS configuration does not exist"),
            Self::NoSuchKey => (S::NOT_FOUND, "NoSuchKey", "The specified key does not exist."),
            Self::NoSuchLifecycleConfiguration => (S::NOT_FOUND, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
            Self::NoSuchPublicAccessBlockConfiguration => (S::NOT_FOUND, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"),
            Self::NoSuchTagSet => (S::NOT_FOUND, "NoSuchTagSet", "The TagSet does not exist"),
            Self::NoSuchUpload => (S::NOT_FOUND, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."),
            Self::NoSuchVersion => (S::NOT_FOUND, "NoSuchVersion", "The specified version does not exist."),
            Self::NoSuchWebsiteConfiguration => (S::NOT_FOUND, "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"),
            Self::NotImplemented => (S::NOT_IMPLEMENTED, "NotImplemented", "A header or query you provided implies functionality that is not implemented"),
            Self::NotModified => (S::NOT_MODIFIED, "NotModified", "Not Modified"),
            Self::PreconditionFailed => (S::PRECONDITION_FAILED, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"),
            Self::QuotaExceeded => (S::INSUFFICIENT_STORAGE, "QuotaExceeded", "The quota of the storage account is exhausted."),
            Self::RequestHeaderSectionTooLarge => (S::BAD_REQUEST, "RequestHeaderSectionTooLarge", "Your request header and query parameters used to make the request exceed the maximum allowed size."),
            Self::RequestIsNotMultiPartContent => (S::BAD_REQUEST, "RequestIsNotMultiPartContent", "Bucket POST must be of the enclosure-type multipart/form-data."),
            Self::RequestTimeTooSkewed => (S::FORBIDDEN, "RequestTimeTooSkewed", "The difference between the request time and the server's time is too large."),
            Self::RequestTimeout => (S::BAD_REQUEST, "RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period."),
            Self::ServiceUnavailable => (S::SERVICE_UNAVAILABLE, "ServiceUnavailable", "The storage is not available at the moment. Please try again."),
            Self::SignatureDoesNotMatch => (S::FORBIDDEN, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method."),
            Self::SlowDown => (S::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate."),
            Self::UserKeyMustBeSpecified => (S::BAD_REQUEST, "UserKeyMustBeSpecified", "The bucket POST must contain the specified field name. If it is specified, check the order of the fields."),
        }
    }
}

#[cfg(test)]
mod tests;
