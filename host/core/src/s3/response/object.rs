//! Answers about objects.

use super::{Quoted, Reply, ReplyBody, document, ok, set, set_state};
use crate::model::ETag;
use crate::s3::date::XmlDate;
use crate::s3::error::Error;
use crate::s3::metadata::{self, Overrides};
use crate::s3::xml::write;
use crate::service::{ObjectHead, ObjectReply, Written};
use http::StatusCode;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderValue};
use std::ops::Range;

/// PutObject and UploadPart.
pub fn put(etag: &ETag) -> Reply {
    let mut reply = ok();
    set(reply.headers_mut(), ETAG, Quoted(etag));
    reply
}

/// HeadObject.
pub fn head(object: &ObjectHead, range: Option<&Range<u64>>, overrides: &Overrides) -> Reply {
    let mut reply = ok();
    metadata::write(&object.metadata, overrides, reply.headers_mut());
    let headers = reply.headers_mut();
    set_state(headers, &object.etag, object.modified);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let length = match range {
        None => object.size,
        Some(range) => {
            let last = range.end.saturating_sub(1);
            let value = format!("bytes {}-{last}/{}", range.start, object.size);
            set(headers, CONTENT_RANGE, value);
            range.end.saturating_sub(range.start)
        }
    };
    headers.insert(CONTENT_LENGTH, length.into());
    if range.is_some() {
        *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    reply
}

/// GetObject.
pub fn get(object: ObjectReply, overrides: &Overrides) -> Reply {
    let length = match &object.range {
        None => object.head.size,
        Some(range) => range.end.saturating_sub(range.start),
    };
    let mut reply = head(&object.head, object.range.as_ref(), overrides);
    *reply.body_mut() = ReplyBody::Stream {
        length,
        stream: object.body,
    };
    reply
}

/// CopyObject. Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
pub fn copied(copy: &Written) -> Reply {
    document(write::document("CopyObjectResult", |result| {
        result.text("LastModified", XmlDate(copy.modified));
        result.text("ETag", Quoted(&copy.etag));
    }))
}

/// DeleteObjects: what became of each key.
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
pub fn deleted(outcomes: &[(String, Result<(), Error>)], quiet: bool) -> Reply {
    document(write::document("DeleteResult", |result| {
        for (key, outcome) in outcomes {
            match outcome {
                Ok(()) if quiet => {}
                Ok(()) => result.element("Deleted", |deleted| deleted.text("Key", key)),
                Err(error) => result.element("Error", |failed| {
                    failed.text("Key", key);
                    failed.text("Code", error.code().wire().1);
                    failed.text("Message", error.message());
                }),
            }
        }
    }))
}
