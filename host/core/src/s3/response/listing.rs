//! Answers that list objects and uploads, page by page.

use super::{OWNER, Quoted, Reply, STORAGE_CLASS, document};
use crate::model::ChecksumPlan;
use crate::s3::date::XmlDate;
use crate::s3::operation::{ListEcho, UploadsEcho, Version};
use crate::s3::percent;
use crate::s3::token;
use crate::s3::xml::write::{self, Element};
use crate::service::{
    ListObjects, ListUploads, ListedObject, ListedUpload, ObjectPage, UploadPage,
};
use std::fmt;

/// A key, prefix or delimiter, percent-encoded if the client asked for that.
struct Name<'n>(&'n str, bool);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(raw, false) => f.write_str(raw),
            Self(raw, true) => percent::encode(raw).fmt(f),
        }
    }
}

/// The version of every object: no bucket was ever versioned.
const ONLY_VERSION: &str = "null";

/// ListObjects, ListObjectsV2 and ListObjectVersions.
pub(crate) fn objects(request: &ListObjects, echo: &ListEcho, page: &ObjectPage) -> Reply {
    let name = |raw| Name(raw, echo.encode);
    // A page without room says nothing of what follows.
    let next = page.next.as_deref().filter(|_| request.max_keys > 0);
    let (root, entry) = match &echo.version {
        Version::Versions { .. } => ("ListVersionsResult", "Version"),
        Version::V1 { .. } | Version::V2 { .. } => ("ListBucketResult", "Contents"),
    };
    document(write::document(root, |result| {
        result.text("Name", &request.bucket);
        result.text("Prefix", name(&request.prefix));
        match &echo.version {
            Version::V1 { marker } => {
                result.text("Marker", name(marker));
                // Without a delimiter the last key is the marker of the next page.
                if let (Some(next), true) = (next, request.delimiter.is_some()) {
                    result.text("NextMarker", name(next));
                }
            }
            Version::V2 {
                start_after, token, ..
            } => {
                if let Some(start_after) = start_after {
                    result.text("StartAfter", name(start_after));
                }
                if let Some(token) = token {
                    result.text("ContinuationToken", token);
                }
                if let Some(next) = next {
                    result.text("NextContinuationToken", token::encode(next));
                }
                result.text("KeyCount", page.objects.len() + page.prefixes.len());
            }
            Version::Versions {
                key_marker,
                version_id_marker,
            } => {
                result.text("KeyMarker", name(key_marker));
                result.text("VersionIdMarker", version_id_marker);
                if let Some(next) = next {
                    result.text("NextKeyMarker", name(next));
                    // Keys that are rolled up have no version.
                    if page
                        .objects
                        .iter()
                        .any(|object| object.key.as_str() == next)
                    {
                        result.text("NextVersionIdMarker", ONLY_VERSION);
                    }
                }
            }
        }
        result.text("MaxKeys", request.max_keys);
        if let Some(delimiter) = &request.delimiter {
            result.text("Delimiter", name(delimiter));
        }
        if echo.encode {
            result.text("EncodingType", "url");
        }
        result.text("IsTruncated", next.is_some());
        let with_owner = !matches!(echo.version, Version::V2 { owner: false, .. });
        for object in &page.objects {
            result.element(entry, |item| contents(item, object, echo, with_owner));
        }
        prefixes(result, &page.prefixes, echo.encode);
    }))
}

fn contents(item: &mut Element<'_>, object: &ListedObject, echo: &ListEcho, with_owner: bool) {
    item.text("Key", Name(object.key.as_str(), echo.encode));
    if matches!(echo.version, Version::Versions { .. }) {
        item.text("VersionId", ONLY_VERSION);
        item.text("IsLatest", true);
    }
    item.text("LastModified", XmlDate(object.modified));
    item.text("ETag", Quoted(&object.etag));
    checksum(item, object.checksum);
    item.text("Size", object.size);
    if with_owner {
        person(item, "Owner");
    }
    item.text("StorageClass", STORAGE_CLASS);
}

/// Which checksum there is; its value is told by reads.
fn checksum(item: &mut Element<'_>, plan: Option<ChecksumPlan>) {
    if let Some(plan) = plan {
        item.text("ChecksumAlgorithm", plan.algorithm.name());
        item.text("ChecksumType", plan.kind.name());
    }
}

fn prefixes(result: &mut Element<'_>, prefixes: &[String], encode: bool) {
    for prefix in prefixes {
        result.element("CommonPrefixes", |item| {
            item.text("Prefix", Name(prefix, encode));
        });
    }
}

/// The one owner, in the role `role`.
pub(super) fn person(parent: &mut Element<'_>, role: &str) {
    parent.element(role, |person| {
        person.text("ID", OWNER);
        person.text("DisplayName", OWNER);
    });
}

/// ListMultipartUploads.
pub(crate) fn uploads(request: &ListUploads, echo: &UploadsEcho, page: &UploadPage) -> Reply {
    let name = |raw| Name(raw, echo.encode);
    let next = page.next.as_ref().filter(|_| request.max_uploads > 0);
    document(write::document("ListMultipartUploadsResult", |result| {
        result.text("Bucket", &request.bucket);
        result.text(
            "KeyMarker",
            name(request.key_marker.as_deref().unwrap_or_default()),
        );
        result.text("UploadIdMarker", &echo.upload_id_marker);
        if let Some((key, id)) = next {
            result.text("NextKeyMarker", name(key));
            let id = id.as_ref().map_or("", |id| id.as_str());
            result.text("NextUploadIdMarker", id);
        }
        result.text("Prefix", name(&request.prefix));
        if let Some(delimiter) = &request.delimiter {
            result.text("Delimiter", name(delimiter));
        }
        if echo.encode {
            result.text("EncodingType", "url");
        }
        result.text("MaxUploads", request.max_uploads);
        result.text("IsTruncated", next.is_some());
        for upload in &page.uploads {
            result.element("Upload", |item| listed_upload(item, upload, echo.encode));
        }
        prefixes(result, &page.prefixes, echo.encode);
    }))
}

fn listed_upload(item: &mut Element<'_>, upload: &ListedUpload, encode: bool) {
    item.text("Key", Name(upload.key.as_str(), encode));
    item.text("UploadId", &upload.id);
    person(item, "Initiator");
    person(item, "Owner");
    item.text("StorageClass", STORAGE_CLASS);
    item.text("Initiated", XmlDate(upload.started));
    checksum(item, upload.plan);
}
