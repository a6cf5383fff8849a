//! A line in the log for each request, with `--debug`. Never a credential.

use ::http::{Method, Request, Response, StatusCode, Uri};
use std::fmt::Write as _;
use std::time::Instant;

/// Query parameters that sign a request or name who signed it.
const CREDENTIALS: [&str; 5] = [
    "X-Amz-Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "AWSAccessKeyId",
    "Signature",
];

/// What the line will say.
pub(super) struct Record {
    started: Instant,
    method: Method,
    target: String,
    status: StatusCode,
    request_id: String,
}

impl Record {
    /// `None` when nobody reads the line.
    pub(super) fn start<B>(request: &Request<B>) -> Option<Self> {
        tracing::enabled!(tracing::Level::DEBUG).then(|| Self {
            started: Instant::now(),
            method: request.method().clone(),
            target: redacted(request.uri()),
            status: StatusCode::OK,
            request_id: String::new(),
        })
    }

    pub(super) fn answered<B>(&mut self, response: &Response<B>) {
        self.status = response.status();
        let id = response.headers().get("x-amz-request-id");
        let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
        id.clone_into(&mut self.request_id);
    }

    /// `whole` is false when the reply was broken off, by us or by the client.
    pub(super) fn log(&self, received: u64, sent: u64, whole: bool) {
        let micros = (self.started.elapsed().as_secs_f64() * 1e6).round();
        tracing::debug!(
            method = %self.method,
            path = %self.target,
            status = self.status.as_u16(),
            received,
            sent,
            whole,
            duration_ms = micros / 1e3,
            request_id = %self.request_id,
            "request"
        );
    }
}

/// The path and query of a request without signatures, keys and tokens.
fn redacted(uri: &Uri) -> String {
    let mut text = uri.path().to_owned();
    let Some(query) = uri.query() else {
        return text;
    };
    for (index, pair) in query.split('&').enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        let (name, _) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        if CREDENTIALS
            .iter()
            .any(|secret| plain.eq_ignore_ascii_case(secret))
        {
            // Writing to a String cannot fail.
            let _ = write!(text, "{name}=(hidden)");
        } else {
            text.push_str(pair);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(uri: &str) -> String {
        redacted(&uri.parse().unwrap())
    }

    #[test]
    fn signatures_and_keys_are_not_shown() {
        assert_eq!(
            shown(
                "/b/k?X-Amz-Credential=AK%2F2026&X-Amz-Date=1&x-amz-signature=abc&X-Amz%2DSecurity-Token=t"
            ),
            "/b/k?X-Amz-Credential=(hidden)&X-Amz-Date=1&x-amz-signature=(hidden)&X-Amz%2DSecurity-Token=(hidden)"
        );
        assert_eq!(
            shown("/b?AWSAccessKeyId=AK&Signature=s%3D&Expires=1"),
            "/b?AWSAccessKeyId=(hidden)&Signature=(hidden)&Expires=1"
        );
    }

    #[test]
    fn other_queries_are_shown_as_they_were_sent() {
        for uri in [
            "/",
            "/b?list-type=2&prefix=a%20b",
            "/b?uploads",
            "/b?a=b=c&&d",
        ] {
            assert_eq!(shown(uri), uri);
        }
    }
}
