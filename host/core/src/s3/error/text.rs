//! What an error document says beside the code.

use super::{Error, RequestError};
use crate::model::{ObjectKey, UploadError};
use crate::s3::address::AddressError;
use crate::s3::auth::AuthError;
use crate::s3::date::XmlDate;
use crate::s3::form::{FormError, PolicyError};
use crate::s3::route::RouteError;
use crate::s3::xml::read::XmlError;
use crate::service::ServiceError;
use std::borrow::Cow;

impl Error {
    /// The text for the client: of the code, or a more exact one that we wrote ourselves.
    pub fn message(&self) -> Cow<'static, str> {
        let exact = match self {
            Self::Auth(error) => return error.to_string().into(),
            Self::Cors(error) => return error.to_string().into(),
            Self::Form(FormError::Policy(error)) => return error.to_string().into(),
            Self::Form(FormError::Missing(name)) if *name != "key" => {
                return format!("Bucket POST must contain a field named '{name}'.").into();
            }
            Self::Route(RouteError::NotImplemented(what)) => {
                return format!("{what} is not implemented").into();
            }
            Self::Route(RouteError::Conflict(one, other)) => {
                return format!("Conflicting query string parameters: {one}, {other}").into();
            }
            Self::Route(RouteError::PartIncomplete(missing)) => {
                return format!("This operation needs the parameter {missing}").into();
            }
            Self::Service(ServiceError::Upload(UploadError::ChecksumMismatch(name))) => {
                return format!("The {name} you specified did not match the calculated checksum.")
                    .into();
            }
            Self::Request(RequestError::Invalid(text))
            | Self::Service(ServiceError::Checksums(text)) => return text.clone().into(),
            Self::Request(RequestError::TooManyTags(10)) => "Object tags cannot be greater than 10",
            Self::Request(RequestError::TooManyTags(most)) => {
                return format!("Tags cannot be more than {most}").into();
            }
            Self::Service(ServiceError::CopyRange { size }) => {
                return format!("Range specified is not valid for source object of size: {size}")
                    .into();
            }
            Self::Service(ServiceError::SourceTooLarge) => {
                "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"
            }
            Self::Request(RequestError::Tag(message) | RequestError::Argument { message, .. })
            | Self::Service(ServiceError::Upload(UploadError::Malformed(message))) => message,
            Self::Request(RequestError::NoDigest) => {
                "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
            }
            Self::Request(RequestError::NoObjectLock) => {
                "Bucket is missing Object Lock Configuration"
            }
            Self::Xml(XmlError::NoParts) => "You must specify at least one part",
            Self::Service(ServiceError::InvalidName(_)) => {
                "The storage cannot represent this name."
            }
            Self::Service(ServiceError::CopyOntoItself) => {
                "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
            }
            Self::Service(ServiceError::Unsupported) => "The storage does not support this.",
            Self::Service(ServiceError::DisplacedPart { number }) => {
                return format!("A part was uploaded again with another size. The storage takes parts of one size only, so part {number} and all parts behind it have to be uploaded again, too.").into();
            }
            Self::Xml(XmlError::PartNumber) => PART_NUMBER,
            _ => self.code().wire().2,
        };
        exact.into()
    }

    /// Further elements of the error document.
    pub fn details(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Address(AddressError::Bucket { name, .. }) => {
                vec![("BucketName", name.clone())]
            }
            Self::Address(AddressError::KeyTooLong(bytes)) => vec![
                ("Size", bytes.to_string()),
                ("MaxSizeAllowed", ObjectKey::MAX_BYTES.to_string()),
            ],
            Self::Auth(AuthError::InvalidAccessKeyId(id)) => vec![("AWSAccessKeyId", id.clone())],
            Self::Auth(AuthError::WrongRegion { expected, .. }) => {
                vec![("Region", expected.clone())]
            }
            Self::Auth(AuthError::RequestExpired { expires, now }) => vec![
                ("Expires", XmlDate(*expires).to_string()),
                ("ServerTime", XmlDate(*now).to_string()),
            ],
            Self::Auth(AuthError::RequestTimeTooSkewed { signed, now }) => vec![
                ("RequestTime", XmlDate(*signed).to_string()),
                ("ServerTime", XmlDate(*now).to_string()),
                ("MaxAllowedSkewMilliseconds", "900000".to_owned()),
            ],
            Self::Auth(AuthError::UnsupportedScheme) => {
                vec![("ArgumentName", "Authorization".to_owned())]
            }
            Self::Auth(AuthError::TransferEncoding) => {
                vec![("Header", "Transfer-Encoding".to_owned())]
            }
            Self::Request(RequestError::NoAcl) => {
                vec![("MissingHeaderName", "x-amz-acl".to_owned())]
            }
            Self::Request(RequestError::Version(version)) => {
                vec![("VersionId", version.clone())]
            }
            Self::Request(RequestError::UnknownLocation(location)) => {
                vec![("LocationConstraint", location.clone())]
            }
            Self::Auth(AuthError::HeadersNotSigned(names)) => {
                vec![("HeadersNotSigned", names.join(", "))]
            }
            Self::Form(FormError::Policy(PolicyError::TooSmall { size, least })) => vec![
                ("ProposedSize", size.to_string()),
                ("MinSizeAllowed", least.to_string()),
            ],
            Self::Form(FormError::Policy(PolicyError::TooLarge { size, most })) => vec![
                ("ProposedSize", size.to_string()),
                ("MaxSizeAllowed", most.to_string()),
            ],
            Self::Form(FormError::Missing(name)) => vec![("ArgumentName", (*name).to_owned())],
            Self::Request(RequestError::Argument { name, value, .. }) => vec![
                ("ArgumentName", (*name).to_owned()),
                ("ArgumentValue", value.clone()),
            ],
            Self::Request(RequestError::UnsupportedHeader(name)) => vec![("Header", name.clone())],
            Self::Request(RequestError::MetadataTooLarge(bytes)) => vec![
                ("Size", bytes.to_string()),
                (
                    "MaxSizeAllowed",
                    crate::s3::metadata::MAX_USER_BYTES.to_string(),
                ),
            ],
            Self::Request(RequestError::CannedAcl(name)) => vec![
                ("ArgumentName", "x-amz-acl".to_owned()),
                ("ArgumentValue", name.clone()),
            ],
            Self::Request(RequestError::StorageClass(name)) => {
                vec![("StorageClassRequested", name.clone())]
            }
            Self::Request(RequestError::EntityTooLarge(bytes)) => vec![
                ("ProposedSize", bytes.to_string()),
                ("MaxSizeAllowed", crate::s3::operation::MAX_BODY.to_string()),
            ],
            Self::Request(RequestError::UploadId(id)) => vec![("UploadId", id.clone())],
            Self::Service(ServiceError::PreconditionFailed(name)) => {
                vec![("Condition", (*name).to_owned())]
            }
            Self::Service(ServiceError::NoSuchPart { parts }) => {
                vec![("ActualPartCount", parts.to_string())]
            }
            Self::Service(ServiceError::InvalidRange { size }) => {
                vec![("ActualObjectSize", size.to_string())]
            }
            Self::Service(ServiceError::PartTooSmall { number, size }) => vec![
                ("ProposedSize", size.to_string()),
                ("MinSizeAllowed", (5 << 20).to_string()),
                ("PartNumber", number.to_string()),
            ],
            _ => Vec::new(),
        }
    }
}

/// The text about a bad part number.
pub const PART_NUMBER: &str = "Part number must be an integer between 1 and 10000, inclusive";
