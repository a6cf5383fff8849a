//! Requests about single objects.

use super::{Operation, Request, check_storage_class, multipart};
use crate::model::{BucketName, ByteStream, KeyError, ObjectKey, RangeSpec, Section, Upload};
use crate::s3::address::AddressError;
use crate::s3::error::{Error, RequestError};
use crate::s3::header;
use crate::s3::metadata::{self, Overrides};
use crate::s3::query::Query;
use crate::s3::{checksums, conditions, percent, tags};
use crate::service::{CopyObject, PutObject, ReadConditions, ReadObject, ServiceError};
use http::header::{HeaderMap, HeaderValue, RANGE};

type Target = (BucketName, ObjectKey);

/// What the answer to a read shall have beside the object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answering {
    /// Values in place of the stored ones.
    pub overrides: Overrides,
    /// The checksum.
    pub checksum: bool,
}

impl Answering {
    fn parse(request: &Request<'_>) -> Result<Self, RequestError> {
        let overrides = Overrides::parse(request.query)?;
        if request.identity.is_anonymous() && !overrides.is_empty() {
            // Else anybody could make a link that shows a text of this server as a page of it.
            let text =
                "Request specific response headers cannot be used for anonymous GET requests.";
            return Err(RequestError::Invalid(text.into()));
        }
        Ok(Self {
            overrides,
            checksum: checksums::is_asked_for(&request.parts.headers),
        })
    }

    /// A failure to read. Who has the object already is told what the answer would have said.
    pub(in crate::s3) fn fail(&self, mut error: ServiceError) -> ServiceError {
        if let ServiceError::NotModified(head) = &mut error {
            self.overrides.apply(&mut head.metadata);
        }
        error
    }
}

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
pub(super) fn get(target: Target, request: &Request<'_>) -> Result<Operation, Error> {
    let answering = Answering::parse(request)?;
    Ok(Operation::GetObject(read(target, request)?, answering))
}

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>
pub(super) fn head(target: Target, request: &Request<'_>) -> Result<Operation, Error> {
    let answering = Answering::parse(request)?;
    Ok(Operation::HeadObject(read(target, request)?, answering))
}

fn read((bucket, key): Target, request: &Request<'_>) -> Result<ReadObject, RequestError> {
    check_version(request.query.get("versionId"))?;
    let range = request.header(&RANGE);
    let section = if !request.query.has("partNumber") {
        range.and_then(RangeSpec::parse).map(Section::Range)
    } else if request.parts.headers.contains_key(RANGE) {
        let text = "Cannot specify both Range header and partNumber query parameter";
        return Err(RequestError::Invalid(text.into()));
    } else {
        Some(Section::Part(multipart::part_number(request)?))
    };
    Ok(ReadObject {
        bucket,
        key,
        section,
        if_range: conditions::range(&request.parts.headers),
        conditions: conditions::read(&request.parts.headers),
    })
}

/// The object whose access control list is meant.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html>
pub(super) fn acl(
    (bucket, key): Target,
    request: &Request<'_>,
) -> Result<ReadObject, RequestError> {
    check_version(request.query.get("versionId"))?;
    Ok(ReadObject {
        bucket,
        key,
        section: None,
        if_range: None,
        conditions: ReadConditions::default(),
    })
}

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>
pub(super) fn put(
    (bucket, key): Target,
    request: &Request<'_>,
    body: ByteStream,
) -> Result<(PutObject, Upload), Error> {
    no_version(request.query)?;
    check_storage_class(request)?;
    let put = PutObject {
        bucket,
        key,
        metadata: metadata::read(&request.parts.headers)?,
        conditions: conditions::write(&request.parts.headers)?,
    };
    Ok((put, request.upload(body)?))
}

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html>
pub(super) fn delete((bucket, key): Target, request: &Request<'_>) -> Result<Operation, Error> {
    check_version(request.query.get("versionId"))?;
    let conditions = conditions::delete(&request.parts.headers)?;
    Ok(Operation::DeleteObject(bucket, key, conditions))
}

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
pub(super) fn copy((bucket, key): Target, request: &Request<'_>) -> Result<Operation, Error> {
    no_version(request.query)?;
    check_storage_class(request)?;
    let headers = &request.parts.headers;
    if let Some(range) = headers.get(header::COPY_SOURCE_RANGE) {
        let value = String::from_utf8_lossy(range.as_bytes()).into_owned();
        return Err(RequestError::Argument {
            name: "x-amz-copy-source-range",
            value,
            message: "Illegal copy header",
        }
        .into());
    }
    let replaces = |name: &http::HeaderName, argument, message| match request.header(name) {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(RequestError::Argument {
            name: argument,
            value: other.to_owned(),
            message,
        }),
    };
    let metadata = replaces(
        &header::METADATA_DIRECTIVE,
        "x-amz-metadata-directive",
        "Unknown metadata directive.",
    )?;
    let tagging = replaces(
        &header::TAGGING_DIRECTIVE,
        "x-amz-tagging-directive",
        "Unknown tagging directive.",
    )?;
    let (source_bucket, source_key) = copy_source(headers)?;
    Ok(Operation::CopyObject(CopyObject {
        source_bucket,
        source_key,
        source_conditions: conditions::copy_source(headers),
        bucket,
        key,
        metadata: metadata.then(|| metadata::read(headers)).transpose()?,
        tags: tagging
            .then(|| tags::parse(headers.get(header::TAGGING)))
            .transpose()?,
        checksum: checksums::algorithm(headers)?,
        changes: headers.contains_key(header::STORAGE_CLASS),
        conditions: conditions::write(headers)?,
    }))
}

/// Reads `x-amz-copy-source`: `BUCKET/KEY`, percent-encoded or not, with or without a slash
/// before it. A `+` is a space, as on AWS: s5cmd relies on it, and others encode a plus.
pub(super) fn copy_source(headers: &HeaderMap) -> Result<Target, Error> {
    let raw = headers.get(header::COPY_SOURCE);
    parse_source(raw.map(HeaderValue::as_bytes).unwrap_or_default())
}

pub(super) fn parse_source(raw: &[u8]) -> Result<Target, Error> {
    let bad = |message| RequestError::Argument {
        name: "x-amz-copy-source",
        value: String::from_utf8_lossy(raw).into_owned(),
        message,
    };
    let malformed =
        || bad("Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
    let text = std::str::from_utf8(raw).map_err(|_| malformed())?;
    // The question mark of a key is always encoded, because this one is not.
    let (path, version) = match text.rsplit_once("?versionId=") {
        Some((path, version)) => (path, Some(version)),
        None => (text, None),
    };
    check_version(version)?;
    let path = percent::decode(&path.replace('+', " ")).map_err(|_| malformed())?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    if path.starts_with("arn:") {
        return Err(RequestError::UnsupportedHeader(header::COPY_SOURCE.to_string()).into());
    }
    let (bucket, key) = path.split_once('/').ok_or_else(malformed)?;
    let name = bucket.parse().map_err(|reason| AddressError::Bucket {
        name: bucket.to_owned(),
        reason,
    })?;
    match key.parse() {
        Ok(key) => Ok((name, key)),
        Err(KeyError::Empty) => Err(malformed().into()),
        Err(KeyError::TooLong(bytes)) => Err(AddressError::KeyTooLong(bytes).into()),
    }
}

/// No bucket was ever versioned, so that `null` is the only version there is.
pub(super) fn check_version(version: Option<&str>) -> Result<(), RequestError> {
    match version {
        None | Some("null") => Ok(()),
        Some(other) => Err(RequestError::Argument {
            name: "versionId",
            value: other.to_owned(),
            message: "Invalid version id specified",
        }),
    }
}

/// For operations that never take a version.
pub(super) fn no_version(query: &Query) -> Result<(), RequestError> {
    match query.get("versionId") {
        None => Ok(()),
        Some(other) => Err(RequestError::Argument {
            name: "versionId",
            value: other.to_owned(),
            message: "This operation does not accept a version-id.",
        }),
    }
}
