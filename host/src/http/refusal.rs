//! The application's answer to what hyper cannot read.
//!
//! hyper gives such an answer itself, a bare head, and then closes. It offers no way to have a say in
//! that, but whatever it writes while no request is under way is this answer, in one piece. So the
//! socket below it asks here for what to write instead.

use super::Site;
use super::metrics::{Metrics, Transfer};
use crate::s3::{Outcome, StandIn};
use ::http::{Request, Response, StatusCode};
use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Who is asked.
pub(super) struct Refusal<T> {
    pub(super) site: T,
    pub(super) metrics: Metrics,
}

impl<T: Site> Refusal<T> {
    /// What to write instead of hyper's answer, if that is one and the application has its own.
    pub(super) fn instead_of(&self, answer: &[u8]) -> Option<Bytes> {
        let head = std::str::from_utf8(answer).ok()?.strip_suffix("\r\n\r\n")?;
        let (line, fields) = head.split_once("\r\n")?;
        let status = line.strip_prefix("HTTP/1.")?.get(2..5)?;
        let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
        let why = match status {
            StatusCode::BAD_REQUEST => StandIn::Malformed,
            StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                StandIn::TooLarge
            }
            _ => return None,
        };
        let response = stand_in(&self.site, why)?;
        let outcome = *response.extensions().get::<Outcome>()?;
        let (parts, body) = response.into_parts();
        let body = body.collect().now_or_never()?.ok()?.to_bytes();

        let mut bytes = BytesMut::with_capacity(1024 + body.len());
        bytes.extend_from_slice(format!("HTTP/1.1 {}\r\n", parts.status).as_bytes());
        for (name, value) in &parts.headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        // That it closes, and the date.
        for field in fields.split("\r\n") {
            if !field.starts_with("content-length:") {
                bytes.extend_from_slice(field.as_bytes());
                bytes.extend_from_slice(b"\r\n");
            }
        }
        bytes.extend_from_slice(b"\r\n");
        let transfer = Transfer {
            received: 0,
            sent: body.len() as u64,
            whole: true,
        };
        self.metrics.request(outcome, Duration::ZERO, transfer);
        bytes.put(body);
        Some(bytes.freeze())
    }
}

/// The answer to a request that stands for something else. Whoever has an answer has it at once.
pub(super) fn stand_in(site: &impl Site, why: StandIn) -> Option<Response<Body>> {
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(why);
    let ask = AssertUnwindSafe(|| site.answer(request).now_or_never());
    std::panic::catch_unwind(ask).ok()?
}
