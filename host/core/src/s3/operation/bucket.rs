//! Requests about buckets.

use super::{Operation, Request};
use crate::model::{BucketName, KeyError, ObjectKey};
use crate::s3::address::AddressError;
use crate::s3::conditions;
use crate::s3::error::{Error, RequestError};
use crate::s3::header;
use crate::s3::query::Query;
use crate::s3::setting::Setting;
use crate::s3::tags;
use crate::s3::xml::read;
use crate::service::WriteConditions;

/// Parameters of ListBuckets.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketsQuery {
    /// Only names that start with this.
    pub prefix: String,
    /// Another region than ours was asked for, so that there is nothing to show.
    pub elsewhere: bool,
    /// Only names behind this one.
    pub after: Option<String>,
    /// Most buckets of a page, 1 to 10,000.
    pub limit: usize,
    /// The region of each is to be told.
    pub regions: bool,
}

impl BucketsQuery {
    const MAX: usize = 10_000;

    pub(super) fn parse(query: &Query, region: &str) -> Result<Self, RequestError> {
        let limit = match query.non_empty("max-buckets") {
            None => Self::MAX,
            Some(raw) => match raw.parse() {
                Ok(limit @ 1..=Self::MAX) => limit,
                _ => {
                    return Err(RequestError::Argument {
                        name: "max-buckets",
                        value: raw.to_owned(),
                        message: "max-buckets must be an integer between 1 and 10000",
                    });
                }
            },
        };
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default().to_owned(),
            elsewhere: query
                .non_empty("bucket-region")
                .is_some_and(|asked| asked != region),
            after: super::listing::continuation(query)?,
            limit,
            regions: [
                "max-buckets",
                "prefix",
                "continuation-token",
                "bucket-region",
            ]
            .iter()
            .any(|name| query.has(name)),
        })
    }
}

/// CreateBucket. Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>
pub(super) fn create(
    bucket: BucketName,
    document: &[u8],
    request: &Request<'_>,
) -> Result<Operation, Error> {
    let lock = request.header(&header::BUCKET_OBJECT_LOCK);
    if lock.is_some_and(|wish| wish.eq_ignore_ascii_case("true")) {
        let name = header::BUCKET_OBJECT_LOCK.to_string();
        return Err(RequestError::UnsupportedHeader(name).into());
    }
    check_acl(request)?;
    check_ownership(request)?;
    let asked = read::create_bucket(document)?;
    tags::check(&asked.tags, tags::MAX_BUCKET_TAGS)?;
    if asked.special {
        return Err(RequestError::UnsupportedHeader("Bucket".to_owned()).into());
    }
    match asked.location {
        Some(location) if location != request.region && !is_alias(&location, request.region) => {
            Err(if is_region(&location) {
                RequestError::Location(location).into()
            } else {
                RequestError::UnknownLocation(location).into()
            })
        }
        _ => Ok(Operation::CreateBucket(bucket, asked.tags)),
    }
}

/// A new bucket has the setting that its owner owns everything, and then no list of others.
fn check_acl(request: &Request<'_>) -> Result<(), RequestError> {
    if super::has_grants(request) {
        return Err(RequestError::BucketAcl);
    }
    match request.header(&header::ACL) {
        None | Some("private") => Ok(()),
        Some(acl) if super::OTHER_ACLS.contains(&acl) || super::HARMLESS_ACLS.contains(&acl) => {
            Err(RequestError::BucketAcl)
        }
        Some(acl) => Err(RequestError::CannedAcl(acl.to_owned())),
    }
}

/// Of the three settings of ownership there is the one that access control lists do not count.
fn check_ownership(request: &Request<'_>) -> Result<(), RequestError> {
    match request.header(&header::OBJECT_OWNERSHIP) {
        None | Some("BucketOwnerEnforced") => Ok(()),
        Some("BucketOwnerPreferred" | "ObjectWriter") => {
            Err(RequestError::Setting(Setting::OwnershipControls))
        }
        Some(other) => Err(RequestError::Argument {
            name: "x-amz-object-ownership",
            value: other.to_owned(),
            message: "Invalid x-amz-object-ownership header",
        }),
    }
}

/// Whether a name looks like that of a region of AWS: `eu-west-1`, `us-gov-east-1`.
fn is_region(name: &str) -> bool {
    let words: Vec<_> = name.split('-').collect();
    let [first, middle @ .., last] = words.as_slice() else {
        return matches!(name, "EU" | "US");
    };
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    is_word(first) && middle.iter().all(is_word) && last.parse::<u8>().is_ok() && !middle.is_empty()
        || matches!(name, "EU" | "US")
}

/// The two regions that have a second name since before regions had names.
fn is_alias(location: &str, region: &str) -> bool {
    matches!(
        (location, region),
        ("EU", "eu-west-1") | ("US", "us-east-1")
    )
}

/// A key to delete, and on which conditions.
pub type Deletion = (ObjectKey, WriteConditions);

/// A key as the client sent it, and the version that it named.
pub type Named = (String, Option<String>);

/// DeleteObjects.
#[derive(Debug)]
pub struct DeleteObjects {
    /// The bucket.
    pub bucket: BucketName,
    /// Only failures are to be reported.
    pub quiet: bool,
    /// Each key and version as sent, and the key to delete or why it cannot be.
    pub entries: Vec<(Named, Result<Deletion, Error>)>,
}

impl DeleteObjects {
    pub(super) fn parse(bucket: BucketName, document: &[u8]) -> Result<Self, Error> {
        let read::Delete { quiet, objects } = read::delete(document)?;
        let entries = objects.into_iter().map(|entry| {
            let key = deletable(&entry);
            ((entry.key, entry.version), key)
        });
        Ok(Self {
            bucket,
            quiet,
            entries: entries.collect(),
        })
    }
}

/// What must not be deleted is refused for that key alone.
fn deletable(entry: &read::DeleteEntry) -> Result<Deletion, Error> {
    match entry.version.as_deref() {
        None | Some("null") => {}
        Some(other) => return Err(RequestError::Version(other.to_owned()).into()),
    }
    if entry.conditional {
        return Err(RequestError::UnsupportedHeader("LastModifiedTime".to_owned()).into());
    }
    let key = entry.key.parse().map_err(|error| match error {
        KeyError::TooLong(bytes) => AddressError::KeyTooLong(bytes).into(),
        KeyError::Empty => Error::Xml(read::XmlError::Malformed("an object without key")),
    })?;
    let conditions = WriteConditions {
        if_match: entry.etag.as_deref().map(conditions::tag),
        if_none_match: None,
    };
    Ok((key, conditions))
}
