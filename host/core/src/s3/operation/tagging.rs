//! Requests about what is known of an object beside its bytes: tags and attributes.

use super::{Operation, Request, listing, object};
use crate::model::{BucketName, ObjectKey};
use crate::s3::error::{Error, RequestError};
use crate::s3::xml::read;
use crate::s3::{conditions, header, tags};
use crate::service::ReadConditions;

/// GetObjectAttributes.
#[derive(Debug)]
pub struct AttributesQuery {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// What to tell.
    pub wanted: Vec<Attribute>,
    /// Only parts behind this number.
    pub after: u16,
    /// Most parts to tell about.
    pub limit: u16,
    /// Conditions.
    pub conditions: ReadConditions,
}

/// Something that can be asked of an object.
#[expect(
    missing_docs,
    reason = "the names are AWS's, and the whole description"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    ETag,
    Checksum,
    ObjectParts,
    StorageClass,
    ObjectSize,
}

impl Attribute {
    fn from_name(raw: &str) -> Option<Self> {
        Some(match raw {
            "ETag" => Self::ETag,
            "Checksum" => Self::Checksum,
            "ObjectParts" => Self::ObjectParts,
            "StorageClass" => Self::StorageClass,
            "ObjectSize" => Self::ObjectSize,
            _ => return None,
        })
    }
}

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html>
pub(super) fn attributes(
    (bucket, key): (BucketName, ObjectKey),
    request: &Request<'_>,
) -> Result<Operation, Error> {
    object::check_version(request.query.get("versionId"))?;
    let headers = &request.parts.headers;
    let mut wanted = Vec::new();
    for value in headers.get_all(header::OBJECT_ATTRIBUTES) {
        let value = value.to_str().unwrap_or_default();
        for name in value
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            let attribute = Attribute::from_name(name).ok_or_else(|| RequestError::Argument {
                name: "x-amz-object-attributes",
                value: name.to_owned(),
                message: "Invalid attribute name specified.",
            })?;
            wanted.push(attribute);
        }
    }
    if wanted.is_empty() {
        let text = "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty";
        return Err(RequestError::Invalid(text.into()).into());
    }
    let number = |name: &'static str, most| {
        let raw = request.header(&http::HeaderName::from_static(name));
        listing::page_number(name, raw).map(|number| number.unwrap_or(most))
    };
    Ok(Operation::GetObjectAttributes(AttributesQuery {
        bucket,
        key,
        wanted,
        after: number("x-amz-part-number-marker", 0)?,
        limit: number("x-amz-max-parts", 1000)?.min(1000),
        conditions: conditions::read(headers),
    }))
}

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html>
pub(super) fn put_tags(
    (bucket, key): (BucketName, ObjectKey),
    document: &[u8],
    request: &Request<'_>,
) -> Result<Operation, Error> {
    object::check_version(request.query.get("versionId"))?;
    let tags = read::tagging(document)?;
    tags::check(&tags, tags::MAX_OBJECT_TAGS)?;
    Ok(Operation::PutObjectTagging(bucket, key, tags))
}

/// GetObjectTagging and DeleteObjectTagging name nothing but the object.
pub(super) fn only_target(
    target: (BucketName, ObjectKey),
    request: &Request<'_>,
) -> Result<(BucketName, ObjectKey), Error> {
    object::check_version(request.query.get("versionId"))?;
    Ok(target)
}
