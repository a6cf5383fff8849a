//! Answers as HTTP. Every kind of answer is a function here or in one of the modules below.

pub(super) mod attributes;
pub(super) mod bucket;
mod error;
pub(super) mod listing;
pub(super) mod multipart;
pub(super) mod object;

pub(super) use error::error_document;
pub(super) use error::{Asked, error};

use super::date::HttpDate;
use super::header;
use crate::model::{ByteStream, ETag, Timestamp};
use bytes::{Bytes, BytesMut};
use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, SERVER,
};
use http::{Method, Response, StatusCode};
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// An answer with its body.
pub type Reply = Response<ReplyBody>;

/// The body of an answer.
pub enum ReplyBody {
    /// Nothing. The `Content-Length` of an answer to HEAD may say otherwise.
    Empty,
    /// A document.
    Full(Bytes),
    /// Object bytes.
    Stream {
        /// How many.
        length: u64,
        /// They. An error takes the place of the end: the connection must then be cut, so that
        /// the client notices.
        stream: ByteStream,
    },
    /// A document that takes its time: of unknown length, it begins before all is known.
    Late(ByteStream),
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => f.debug_tuple("Full").field(bytes).finish(),
            Self::Late(_) => f.write_str("Late"),
            Self::Stream { length, .. } => write!(f, "Stream({length} bytes)"),
        }
    }
}

/// Whom all buckets and objects belong to; there is but one owner.
pub(super) const OWNER: &str = "pys3local";

/// The storage class of every object.
pub(super) const STORAGE_CLASS: &str = "STANDARD";

/// Room for the headers that most answers have, so that it is taken once.
const HEADERS: usize = 12;
/// Bytes. Room for the text of most of them.
const TEXT: usize = 48;

/// 200 without a body.
pub(super) fn ok() -> Reply {
    let mut reply = Response::new(ReplyBody::Empty);
    reply.headers_mut().reserve(HEADERS);
    reply
}

/// 204.
pub(super) fn no_content() -> Reply {
    let mut reply = ok();
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}

/// 200 with a document.
pub(super) fn document(document: Bytes) -> Reply {
    let mut reply = Response::new(ReplyBody::Full(document));
    let xml = HeaderValue::from_static("application/xml");
    reply.headers_mut().insert(CONTENT_TYPE, xml);
    reply
}

/// Sets a header whose value is text of ours.
fn set(headers: &mut HeaderMap, name: HeaderName, value: impl fmt::Display) {
    let mut text = BytesMut::with_capacity(TEXT);
    // Of all values only a key or a foreign tag could hold what a header cannot.
    if write!(text, "{value}").is_ok()
        && let Ok(value) = HeaderValue::from_maybe_shared(text.freeze())
    {
        headers.insert(name, value);
    }
}

fn set_state(headers: &mut HeaderMap, etag: &ETag, modified: Timestamp) {
    set(headers, ETAG, Quoted(etag));
    set(headers, LAST_MODIFIED, HttpDate(modified));
}

/// An entity tag in quotes, as headers and documents show it.
pub(super) struct Quoted<'e>(pub &'e ETag);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// What tells one request from another.
#[derive(Debug, Clone)]
pub(super) struct RequestId {
    /// Of the request.
    pub id: String,
    /// Of the process.
    pub host: Arc<str>,
}

/// What every answer has: names of the request and of the server, and a length. An answer to
/// HEAD loses its body here.
pub(super) fn finish(mut reply: Reply, method: &Method, id: &RequestId) -> Reply {
    let length = match reply.body() {
        ReplyBody::Empty => Some(0),
        ReplyBody::Full(bytes) => Some(bytes.len() as u64),
        ReplyBody::Stream { length, .. } => Some(*length),
        ReplyBody::Late(_) => None,
    };
    let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&reply.status());
    if method == Method::HEAD {
        *reply.body_mut() = ReplyBody::Empty;
    }
    let headers = reply.headers_mut();
    if bodiless && method != Method::HEAD {
        headers.remove(CONTENT_LENGTH);
    }
    if let Some(length) = length
        && !bodiless
        && !headers.contains_key(CONTENT_LENGTH)
    {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    set(headers, header::REQUEST_ID, &id.id);
    set(headers, header::ID_2, &id.host);
    headers.insert(SERVER, HeaderValue::from_static("pys3local"));
    reply
}

#[cfg(test)]
mod tests;
