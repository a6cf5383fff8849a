//! Answers about uploads in parts.

use super::listing::person;
use super::{Quoted, Reply, STORAGE_CLASS, document, set};
use crate::model::{BucketName, ChecksumPlan, ObjectKey, UploadId};
use crate::s3::checksums;
use crate::s3::date::XmlDate;
use crate::s3::header;
use crate::s3::operation::PartsQuery;
use crate::s3::xml::write;
use crate::service::{PartPage, UploadRef, Written};
use bytes::Bytes;

/// CreateMultipartUpload.
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html>
pub(crate) fn created(
    bucket: &BucketName,
    key: &ObjectKey,
    id: &UploadId,
    plan: Option<ChecksumPlan>,
) -> Reply {
    let mut reply = document(write::document("InitiateMultipartUploadResult", |result| {
        result.text("Bucket", bucket);
        result.text("Key", key);
        result.text("UploadId", id);
    }));
    if let Some(ChecksumPlan { algorithm, kind }) = plan {
        let headers = reply.headers_mut();
        set(headers, header::CHECKSUM_ALGORITHM, algorithm.name());
        set(headers, header::CHECKSUM_TYPE, kind.name());
    }
    reply
}

/// CompleteMultipartUpload.
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
pub(crate) fn completed(upload: &UploadRef, location: &str, written: &Written) -> Bytes {
    write::document("CompleteMultipartUploadResult", |result| {
        result.text("Location", location);
        result.text("Bucket", &upload.bucket);
        result.text("Key", &upload.key);
        result.text("ETag", Quoted(&written.etag));
        checksums::elements(written.checksum.as_ref(), result);
    })
}

/// UploadPartCopy. Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html>
pub(crate) fn copied(written: &Written) -> Bytes {
    write::document("CopyPartResult", |result| {
        result.text("LastModified", XmlDate(written.modified));
        result.text("ETag", Quoted(&written.etag));
        if let Some(checksum) = &written.checksum {
            result.text(checksums::element(checksum.sum.algorithm()), checksum);
        }
    })
}

/// ListParts. Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>
pub(crate) fn parts(upload: &UploadRef, query: PartsQuery, page: &PartPage) -> Reply {
    let next = page.next.filter(|_| query.limit > 0);
    let last = page.parts.last().map(|part| part.number.get());
    document(write::document("ListPartsResult", |result| {
        result.text("Bucket", &upload.bucket);
        result.text("Key", &upload.key);
        result.text("UploadId", &upload.id);
        person(result, "Initiator");
        person(result, "Owner");
        result.text("StorageClass", STORAGE_CLASS);
        result.text("PartNumberMarker", query.marker);
        result.text("NextPartNumberMarker", next.or(last).unwrap_or(0));
        result.text("MaxParts", query.limit);
        result.text("IsTruncated", next.is_some());
        if let Some(ChecksumPlan { algorithm, kind }) = page.plan {
            result.text("ChecksumAlgorithm", algorithm.name());
            result.text("ChecksumType", kind.name());
        }
        for part in &page.parts {
            result.element("Part", |item| {
                item.text("PartNumber", part.number);
                item.text("LastModified", XmlDate(part.modified));
                item.text("ETag", Quoted(&part.etag));
                item.text("Size", part.size);
                if let Some(sum) = &part.checksum {
                    item.text(checksums::element(sum.algorithm()), sum);
                }
            });
        }
    }))
}
