//! Parameters of listings.

use super::Operation;
use crate::model::{BucketName, UploadId};
use crate::s3::error::RequestError;
use crate::s3::query::Query;
use crate::s3::token;
use crate::service::{ListObjects, ListUploads};

/// What the answer to ListObjects repeats from the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEcho {
    /// Names are to be percent-encoded.
    pub encode: bool,
    /// Which of the two operations.
    pub version: Version,
}

/// ListObjects, ListObjectsV2 or ListObjectVersions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// ListObjects.
    V1 {
        /// As sent.
        marker: String,
    },
    /// ListObjectsV2.
    V2 {
        /// As sent.
        start_after: Option<String>,
        /// As sent.
        token: Option<String>,
        /// The owner is to be shown.
        owner: bool,
    },
    /// ListObjectVersions.
    Versions {
        /// As sent.
        key_marker: String,
        /// As sent.
        version_id_marker: String,
    },
}

/// ListObjects. Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html>
pub(super) fn objects(bucket: BucketName, query: &Query) -> Result<Operation, RequestError> {
    let after = query.non_empty("marker").map(str::to_owned);
    let marker = after.clone().unwrap_or_default();
    let request = request(bucket, query, after)?;
    let echo = ListEcho {
        encode: encoding(query)?,
        version: Version::V1 { marker },
    };
    Ok(Operation::ListObjects(request, echo))
}

/// ListObjectsV2. Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
pub(super) fn objects_v2(bucket: BucketName, query: &Query) -> Result<Operation, RequestError> {
    if let Some(other) = query.get("list-type").filter(|kind| *kind != "2") {
        return Err(argument(
            "list-type",
            other,
            "Invalid List Type specified in Request",
        ));
    }
    let start_after = query.non_empty("start-after").map(str::to_owned);
    let after = continuation(query)?.or_else(|| start_after.clone());
    let request = request(bucket, query, after)?;
    let echo = ListEcho {
        encode: encoding(query)?,
        version: Version::V2 {
            start_after,
            token: query.get("continuation-token").map(str::to_owned),
            owner: query.get("fetch-owner") == Some("true"),
        },
    };
    Ok(Operation::ListObjects(request, echo))
}

/// ListObjectVersions: each object has one version.
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>
pub(super) fn versions(bucket: BucketName, query: &Query) -> Result<Operation, RequestError> {
    let after = query.non_empty("key-marker").map(str::to_owned);
    let key_marker = after.clone().unwrap_or_default();
    let version_id_marker = query.non_empty("version-id-marker").unwrap_or_default();
    let message = match version_id_marker {
        "" => None,
        _ if after.is_none() => {
            Some("A version-id marker cannot be specified without a key marker.")
        }
        "null" => None,
        _ => Some("Invalid version id specified"),
    };
    if let Some(message) = message {
        return Err(argument("version-id-marker", version_id_marker, message));
    }
    let request = request(bucket, query, after)?;
    let echo = ListEcho {
        encode: encoding(query)?,
        version: Version::Versions {
            key_marker,
            version_id_marker: version_id_marker.to_owned(),
        },
    };
    Ok(Operation::ListObjects(request, echo))
}

fn request(
    bucket: BucketName,
    query: &Query,
    after: Option<String>,
) -> Result<ListObjects, RequestError> {
    Ok(ListObjects {
        bucket,
        prefix: query.get("prefix").unwrap_or_default().to_owned(),
        delimiter: query.non_empty("delimiter").map(str::to_owned),
        after,
        max_keys: limit(query, "max-keys")?,
    })
}

/// What the answer to ListMultipartUploads repeats from the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadsEcho {
    /// Names are to be percent-encoded.
    pub encode: bool,
    /// As sent.
    pub upload_id_marker: String,
}

/// ListMultipartUploads.
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>
pub(super) fn uploads(bucket: BucketName, query: &Query) -> Result<Operation, RequestError> {
    let key_marker = query.non_empty("key-marker").map(str::to_owned);
    let marker = query.non_empty("upload-id-marker");
    // Without a key marker the other one is ignored.
    let upload_id_marker: Option<UploadId> = match marker {
        Some(raw) if key_marker.is_some() => match raw.parse() {
            Ok(id) => Some(id),
            Err(_) => return Err(argument("upload-id-marker", raw, "Invalid uploadId marker")),
        },
        _ => None,
    };
    let request = ListUploads {
        bucket,
        prefix: query.get("prefix").unwrap_or_default().to_owned(),
        delimiter: query.non_empty("delimiter").map(str::to_owned),
        key_marker,
        upload_id_marker,
        max_uploads: limit(query, "max-uploads")?,
    };
    let echo = UploadsEcho {
        encode: encoding(query)?,
        upload_id_marker: marker.unwrap_or_default().to_owned(),
    };
    Ok(Operation::ListMultipartUploads(request, echo))
}

/// Paging of ListParts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartsQuery {
    /// Only parts behind this number.
    pub after: u16,
    /// The same as it was sent.
    pub marker: u32,
    /// Most parts of a page, 0 to 1000.
    pub limit: u16,
}

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>
pub(super) fn parts(query: &Query) -> Result<PartsQuery, RequestError> {
    let marker = number(query, "part-number-marker")?.unwrap_or(0);
    Ok(PartsQuery {
        // No part is behind number 10,000, so what does not fit can be cut off.
        after: u16::try_from(marker).unwrap_or(u16::MAX),
        marker,
        limit: limit(query, "max-parts")?,
    })
}

/// Most items of a page. S3 lowers a number that is too large silently.
fn limit(query: &Query, name: &'static str) -> Result<u16, RequestError> {
    const MAX: u16 = 1000;
    let asked = number(query, name)?.map_or(MAX, |n| u16::try_from(n).unwrap_or(MAX));
    Ok(asked.min(MAX))
}

fn number(query: &Query, name: &'static str) -> Result<Option<u32>, RequestError> {
    parse_number(name, query.non_empty(name))
}

/// A number of parts: in a header as in a query.
pub(super) fn page_number(
    name: &'static str,
    raw: Option<&str>,
) -> Result<Option<u16>, RequestError> {
    let number = parse_number(name, raw)?;
    Ok(number.map(|number| u16::try_from(number).unwrap_or(u16::MAX)))
}

fn parse_number(name: &'static str, raw: Option<&str>) -> Result<Option<u32>, RequestError> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    match raw.parse::<i32>().map(u32::try_from) {
        Ok(Ok(number)) => Ok(Some(number)),
        Ok(Err(_)) => Err(argument(
            name,
            raw,
            "Argument must be an integer between 0 and 2147483647",
        )),
        Err(_) => Err(argument(
            name,
            raw,
            "Provided argument not an integer or within integer range",
        )),
    }
}

/// Where to go on, from the token of an earlier answer.
pub(super) fn continuation(query: &Query) -> Result<Option<String>, RequestError> {
    let Some(raw) = query.get("continuation-token") else {
        return Ok(None);
    };
    token::decode(raw).map(Some).map_err(|_| {
        argument(
            "continuation-token",
            raw,
            "The continuation token provided is incorrect",
        )
    })
}

/// Whether names are to be percent-encoded.
fn encoding(query: &Query) -> Result<bool, RequestError> {
    match query.non_empty("encoding-type") {
        None => Ok(false),
        Some("url") => Ok(true),
        Some(other) => Err(argument(
            "encoding-type",
            other,
            "Invalid Encoding Method specified in Request",
        )),
    }
}

fn argument(name: &'static str, value: &str, message: &'static str) -> RequestError {
    RequestError::Argument {
        name,
        value: value.to_owned(),
        message,
    }
}
