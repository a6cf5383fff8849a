//! Answers about what is known of an object beside its bytes.

use super::{Reply, STORAGE_CLASS, document, set};
use crate::s3::checksums;
use crate::s3::date::HttpDate;
use crate::s3::operation::{Attribute, AttributesQuery};
use crate::s3::tags::Tags;
use crate::s3::xml::write::{self, Element};
use crate::service::Attributes;
use bytes::Bytes;
use http::header::LAST_MODIFIED;

/// GetObjectAttributes.
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html>
pub(crate) fn attributes(query: &AttributesQuery, found: &Attributes) -> Reply {
    let wants = |attribute| query.wanted.contains(&attribute);
    let head = &found.head;
    let mut reply = document(write::document("GetObjectAttributesResponse", |result| {
        if wants(Attribute::ETag) {
            result.text("ETag", &head.etag);
        }
        if wants(Attribute::Checksum) && head.checksum.is_some() {
            result.element("Checksum", |element| {
                checksums::elements(head.checksum.as_ref(), element);
            });
        }
        if wants(Attribute::ObjectParts) && !found.part_sizes.is_empty() {
            result.element("ObjectParts", |element| parts(query, found, element));
        }
        if wants(Attribute::StorageClass) {
            result.text("StorageClass", STORAGE_CLASS);
        }
        if wants(Attribute::ObjectSize) {
            result.text("ObjectSize", head.size);
        }
    }));
    set(reply.headers_mut(), LAST_MODIFIED, HttpDate(head.modified));
    reply
}

/// As S3 does, parts are told one by one only if their checksums are known.
fn parts(query: &AttributesQuery, found: &Attributes, element: &mut Element<'_>) {
    let count = found.part_sizes.count();
    element.text("PartsCount", count);
    if found.part_checksums.is_empty() {
        return;
    }
    let parts = (1..=count)
        .zip(found.part_sizes.iter())
        .zip(&found.part_checksums)
        .skip(query.after.into())
        .take(query.limit.into());
    let last = parts
        .clone()
        .last()
        .map_or(query.after, |((number, _), _)| number);
    element.text("PartNumberMarker", query.after);
    element.text("NextPartNumberMarker", last);
    element.text("MaxParts", query.limit);
    element.text("IsTruncated", last < count);
    for ((number, size), sum) in parts {
        element.element("Part", |part| {
            part.text("PartNumber", number);
            part.text("Size", size);
            part.text(checksums::element(sum.algorithm()), sum);
        });
    }
}

/// GetObjectTagging and GetBucketTagging.
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html>
pub(crate) fn tags(tags: &Tags) -> Reply {
    document(tagging(tags))
}

/// Tags as a document.
pub(in crate::s3) fn tagging(tags: &Tags) -> Bytes {
    write::document("Tagging", |result| {
        result.element("TagSet", |set| {
            for (key, value) in tags {
                set.element("Tag", |tag| {
                    tag.text("Key", key);
                    tag.text("Value", value);
                });
            }
        });
    })
}
