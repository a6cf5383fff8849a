//! Answers about uploads in parts.

use super::listing::person;
use super::{Quoted, Reply, STORAGE_CLASS, document};
use crate::model::{BucketName, ETag, ObjectKey, UploadId};
use crate::s3::date::XmlDate;
use crate::s3::operation::PartsQuery;
use crate::s3::xml::write;
use crate::service::{PartPage, UploadRef};

/// CreateMultipartUpload.
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html>
pub fn created(bucket: &BucketName, key: &ObjectKey, id: &UploadId) -> Reply {
    document(write::document("InitiateMultipartUploadResult", |result| {
        result.text("Bucket", bucket);
        result.text("Key", key);
        result.text("UploadId", id);
    }))
}

/// CompleteMultipartUpload.
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
pub fn completed(upload: &UploadRef, location: &str, etag: &ETag) -> Reply {
    document(write::document("CompleteMultipartUploadResult", |result| {
        result.text("Location", location);
        result.text("Bucket", &upload.bucket);
        result.text("Key", &upload.key);
        result.text("ETag", Quoted(etag));
    }))
}

/// ListParts. Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>
pub fn parts(upload: &UploadRef, query: PartsQuery, page: &PartPage) -> Reply {
    let next = page.next.filter(|_| query.limit > 0);
    let last = page.parts.last().map(|part| part.number.get());
    document(write::document("ListPartsResult", |result| {
        result.text("Bucket", &upload.bucket);
        result.text("Key", &upload.key);
        result.text("UploadId", &upload.id);
        person(result, "Initiator");
        person(result, "Owner");
        result.text("StorageClass", STORAGE_CLASS);
        result.text("PartNumberMarker", query.after);
        result.text("NextPartNumberMarker", next.or(last).unwrap_or(0));
        result.text("MaxParts", query.limit);
        result.text("IsTruncated", next.is_some());
        for part in &page.parts {
            result.element("Part", |item| {
                item.text("PartNumber", part.number);
                item.text("LastModified", XmlDate(part.modified));
                item.text("ETag", Quoted(&part.etag));
                item.text("Size", part.size);
            });
        }
    }))
}
