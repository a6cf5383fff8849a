//! The elements of an error document that are about one kind of error.

use super::{Error, RequestError};
use crate::model::{ObjectKey, UploadError};
use crate::s3::address::AddressError;
use crate::s3::auth::AuthError;
use crate::s3::date::XmlDate;
use crate::s3::form::{FormError, PolicyError};
use crate::s3::metadata::MAX_USER_BYTES;
use crate::s3::route::RouteError;
use crate::s3::xml::read::XmlError;
use crate::service::{MAX_PUT, ServiceError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

type Details = Vec<(&'static str, String)>;

impl Error {
    /// Further elements of the error document, as far as the error knows them itself.
    pub fn details(&self) -> Details {
        match self {
            Self::Address(error) => of_address(error),
            Self::Auth(error) => of_auth(error),
            Self::Form(error) => of_form(error),
            Self::Route(error) => of_route(error),
            Self::Request(error) => of_request(error),
            Self::Xml(XmlError::PartNumber) => vec![("ArgumentName", "PartNumber".to_owned())],
            Self::Service(error) => of_service(error),
            Self::StandIn(_) | Self::Cors(_) | Self::NotConfigured(_) | Self::Xml(_) => Vec::new(),
        }
    }
}

fn of_address(error: &AddressError) -> Details {
    match error {
        AddressError::Uri => Vec::new(),
        AddressError::Bucket { name, .. } => vec![("BucketName", name.clone())],
        AddressError::KeyTooLong(bytes) => vec![
            ("Size", bytes.to_string()),
            ("MaxSizeAllowed", ObjectKey::MAX_BYTES.to_string()),
        ],
    }
}

fn of_auth(error: &AuthError) -> Details {
    match error {
        AuthError::InvalidAccessKeyId(id) => vec![("AWSAccessKeyId", id.clone())],
        AuthError::SignatureDoesNotMatch(mismatch) => mismatch.details(),
        AuthError::WrongRegion { expected, .. } => vec![("Region", expected.clone())],
        AuthError::RequestExpired { expires, now } => vec![
            ("Expires", XmlDate(*expires).to_string()),
            ("ServerTime", XmlDate(*now).to_string()),
        ],
        AuthError::RequestTimeTooSkewed { signed, now } => vec![
            ("RequestTime", XmlDate(*signed).to_string()),
            ("ServerTime", XmlDate(*now).to_string()),
            ("MaxAllowedSkewMilliseconds", "900000".to_owned()),
        ],
        AuthError::UnsupportedScheme => vec![("ArgumentName", "Authorization".to_owned())],
        AuthError::TransferEncoding => vec![("Header", "Transfer-Encoding".to_owned())],
        AuthError::MissingSecurityHeader => vec![("MissingHeaderName", "host".to_owned())],
        AuthError::HeadersNotSigned(names) => vec![("HeadersNotSigned", names.join(", "))],
        _ => Vec::new(),
    }
}

fn of_form(error: &FormError) -> Details {
    match error {
        FormError::Policy(PolicyError::TooSmall { size, least }) => vec![
            ("ProposedSize", size.to_string()),
            ("MinSizeAllowed", least.to_string()),
        ],
        FormError::Policy(PolicyError::TooLarge { size, most }) => vec![
            ("ProposedSize", size.to_string()),
            ("MaxSizeAllowed", most.to_string()),
        ],
        FormError::Missing(name) => vec![("ArgumentName", (*name).to_owned())],
        _ => Vec::new(),
    }
}

fn of_route(error: &RouteError) -> Details {
    match error {
        RouteError::Conflict(first, _) => vec![
            ("ArgumentName", "ResourceType".to_owned()),
            ("ArgumentValue", (*first).to_owned()),
        ],
        RouteError::PartIncomplete("uploadId") => vec![("ArgumentName", "partNumber".to_owned())],
        _ => Vec::new(),
    }
}

fn of_request(error: &RequestError) -> Details {
    match error {
        RequestError::NoAcl => vec![("MissingHeaderName", "x-amz-acl".to_owned())],
        RequestError::Version(version) => vec![("VersionId", version.clone())],
        RequestError::UnknownLocation(location) => vec![("LocationConstraint", location.clone())],
        RequestError::Argument { name, value, .. } => vec![
            ("ArgumentName", (*name).to_owned()),
            ("ArgumentValue", value.clone()),
        ],
        RequestError::CannedAcl(name) => vec![
            ("ArgumentName", "x-amz-acl".to_owned()),
            ("ArgumentValue", name.clone()),
        ],
        RequestError::UnsupportedHeader(name) => vec![("Header", name.clone())],
        RequestError::MetadataTooLarge(bytes) => vec![
            ("Size", bytes.to_string()),
            ("MaxSizeAllowed", MAX_USER_BYTES.to_string()),
        ],
        RequestError::StorageClass(name) => vec![("StorageClassRequested", name.clone())],
        RequestError::EntityTooLarge(bytes) => vec![
            ("ProposedSize", bytes.to_string()),
            ("MaxSizeAllowed", MAX_PUT.to_string()),
        ],
        RequestError::UploadId(id) => vec![("UploadId", id.clone())],
        RequestError::Tag { key, value, .. } => {
            let mut tag = vec![("TagKey", key.clone())];
            tag.extend(value.clone().map(|value| ("TagValue", value)));
            tag
        }
        _ => Vec::new(),
    }
}

fn of_service(error: &ServiceError) -> Details {
    match error {
        ServiceError::PreconditionFailed(name) => vec![("Condition", (*name).to_owned())],
        ServiceError::NoSuchPart { parts } => vec![("ActualPartCount", parts.to_string())],
        ServiceError::InvalidRange { size } => vec![("ActualObjectSize", size.to_string())],
        ServiceError::PartTooSmall { number, size, etag } => vec![
            ("ProposedSize", size.to_string()),
            ("MinSizeAllowed", (5 << 20).to_string()),
            ("PartNumber", number.to_string()),
            ("ETag", etag.to_string()),
        ],
        ServiceError::InvalidPart { number, etag } => vec![
            ("PartNumber", number.to_string()),
            ("ETag", etag.to_string()),
        ],
        ServiceError::DisplacedPart { number } => vec![("PartNumber", number.to_string())],
        // In two notations, as on AWS.
        ServiceError::Upload(UploadError::Md5Mismatch { expected, computed }) => vec![
            ("ExpectedDigest", hex::encode(expected)),
            ("CalculatedDigest", STANDARD.encode(computed)),
        ],
        ServiceError::Upload(UploadError::Sha256Mismatch { expected, computed }) => vec![
            ("ClientComputedContentSHA256", hex::encode(expected)),
            ("S3ComputedContentSHA256", hex::encode(computed)),
        ],
        _ => Vec::new(),
    }
}
