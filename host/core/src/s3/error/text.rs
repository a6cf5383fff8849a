//! What an error document says to people.

use super::{Error, RequestError};
use crate::model::UploadError;
use crate::s3::StandIn;
use crate::s3::form::FormError;
use crate::s3::route::RouteError;
use crate::s3::xml::read::XmlError;
use crate::service::ServiceError;
use std::borrow::Cow;

impl Error {
    /// The text for the client: of the code, or a more exact one that we wrote ourselves.
    pub fn message(&self) -> Cow<'static, str> {
        let exact = match self {
            Self::StandIn(StandIn::Malformed) => "An error occurred when parsing the HTTP request.",
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
            Self::Route(RouteError::PartIncomplete("uploadId")) => {
                "This operation does not accept partNumber without uploadId"
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
            Self::Request(
                RequestError::Tag { message, .. } | RequestError::Argument { message, .. },
            )
            | Self::Service(ServiceError::Upload(UploadError::Malformed(message))) => message,
            Self::Request(RequestError::NoDigest) => {
                "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
            }
            Self::Request(RequestError::NoObjectLock) => {
                "Bucket is missing Object Lock Configuration"
            }
            Self::Service(ServiceError::Upload(UploadError::Md5Mismatch { .. })) => {
                "The Content-MD5 you specified did not match what we received."
            }
            Self::Xml(XmlError::NoParts) | Self::Service(ServiceError::NoParts) => {
                "You must specify at least one part"
            }
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
}

/// The text about a bad part number.
pub const PART_NUMBER: &str = "Part number must be an integer between 1 and 10000, inclusive";
