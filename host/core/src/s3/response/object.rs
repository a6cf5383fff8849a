//! Answers about objects.

use super::{Quoted, Reply, ReplyBody, document, ok, set, set_state};
use crate::model::{BucketName, ObjectKey};
use crate::s3::date::XmlDate;
use crate::s3::error::Error;
use crate::s3::metadata;
use crate::s3::operation::{Answering, Named, PostAnswer};
use crate::s3::percent;
use crate::s3::xml::write::{self, Element};
use crate::s3::{checksums, header};
use crate::service::{ObjectHead, ObjectReply, Written};
use bytes::Bytes;
use http::StatusCode;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, LOCATION,
};
use std::ops::Range;

/// PutObject.
pub(crate) fn put(written: &Written) -> Reply {
    let mut reply = ok();
    set(reply.headers_mut(), ETAG, Quoted(&written.etag));
    if let Some(checksum) = &written.checksum {
        checksums::write(checksum, reply.headers_mut());
    }
    reply
}

/// PostObject: what the form asked for.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>
pub(crate) fn posted(
    bucket: &BucketName,
    key: &ObjectKey,
    written: &Written,
    answer: &PostAnswer,
) -> Reply {
    let etag = &written.etag;
    let mut reply = match answer.status {
        StatusCode::CREATED => document(write::bare_document("PostResponse", |response| {
            response.text("Location", &answer.location);
            response.text("Bucket", bucket);
            response.text("Key", key);
            response.text("ETag", Quoted(etag));
        })),
        _ => ok(),
    };
    *reply.status_mut() = answer.status;
    let headers = reply.headers_mut();
    set(headers, ETAG, Quoted(etag));
    set(headers, LOCATION, &answer.location);
    if let Some(checksum) = &written.checksum {
        checksums::write(checksum, headers);
    }
    if let Some(address) = &answer.redirect {
        let separator = if address.contains('?') { '&' } else { '?' };
        let key = percent::encode(key.as_str())
            .to_string()
            .replace('/', "%2F");
        let target = format!("{address}{separator}bucket={bucket}&key={key}&etag=%22{etag}%22");
        set(headers, LOCATION, target);
        *reply.status_mut() = StatusCode::SEE_OTHER;
        *reply.body_mut() = ReplyBody::Empty;
        reply.headers_mut().remove(CONTENT_TYPE);
    }
    reply
}

/// UploadPart.
pub(crate) fn part(written: &Written) -> Reply {
    let mut reply = ok();
    set(reply.headers_mut(), ETAG, Quoted(&written.etag));
    if let Some(checksum) = &written.checksum {
        checksums::write_value(checksum, reply.headers_mut());
    }
    reply
}

/// HeadObject. `part`: a part was asked for.
pub(crate) fn head(
    object: &ObjectHead,
    range: Option<&Range<u64>>,
    part: bool,
    answering: &Answering,
) -> Reply {
    let mut reply = ok();
    metadata::write(&object.metadata, &answering.overrides, reply.headers_mut());
    let headers = reply.headers_mut();
    set_state(headers, &object.etag, object.modified);
    if let (Some(parts), true) = (object.parts, part) {
        headers.insert(header::MP_PARTS_COUNT, parts.into());
    }
    // That of the whole would be wrong for some of it.
    let sums = answering.checksum && (part || range.is_none());
    if let (Some(checksum), true) = (&object.checksum, sums) {
        checksums::write(checksum, headers);
    }
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let length = match range.filter(|range| range.start < range.end) {
        None if range.is_some() => 0,
        None => object.size,
        Some(range) => {
            let last = range.end.saturating_sub(1);
            let value = format!("bytes {}-{last}/{}", range.start, object.size);
            set(headers, CONTENT_RANGE, value);
            range.end.saturating_sub(range.start)
        }
    };
    headers.insert(CONTENT_LENGTH, length.into());
    if range.is_some_and(|range| range.start < range.end) {
        *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    reply
}

/// GetObject.
pub(crate) fn get(object: ObjectReply, part: bool, answering: &Answering) -> Reply {
    let length = match &object.range {
        None => object.head.size,
        Some(range) => range.end.saturating_sub(range.start),
    };
    let mut reply = head(&object.head, object.range.as_ref(), part, answering);
    *reply.body_mut() = ReplyBody::Stream {
        length,
        stream: object.body,
    };
    reply
}

/// CopyObject. Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
pub(crate) fn copied(copy: &Written) -> Bytes {
    write::document("CopyObjectResult", |result| {
        result.text("LastModified", XmlDate(copy.modified));
        result.text("ETag", Quoted(&copy.etag));
        checksums::elements(copy.checksum.as_ref(), result);
    })
}

/// DeleteObjects: what became of each key.
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
pub(crate) fn deleted(outcomes: &[(Named, Result<(), Error>)], quiet: bool) -> Reply {
    let name = |element: &mut Element<'_>, (key, version): &Named| {
        element.text("Key", key);
        if let Some(version) = version {
            element.text("VersionId", version);
        }
    };
    document(write::document("DeleteResult", |result| {
        for (named, outcome) in outcomes {
            match outcome {
                Ok(()) if quiet => {}
                Ok(()) => result.element("Deleted", |deleted| name(deleted, named)),
                Err(error) => result.element("Error", |failed| {
                    name(failed, named);
                    failed.text("Code", error.code().wire().1);
                    failed.text("Message", error.message());
                }),
            }
        }
    }))
}
