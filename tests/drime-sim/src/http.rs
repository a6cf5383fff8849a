//! Listening, and what both servers have in common.

use crate::blob::Blob;
use crate::fault::Step;
use crate::log::{Origin, Record};
use crate::{Shared, api, control, storage};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;
pub(crate) type Request = http::Request<Incoming>;
pub(crate) type Answer = Response<Body>;

/// The connection is closed in place of an answer.
#[derive(Debug)]
pub(crate) struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is closed in place of an answer")
    }
}

impl std::error::Error for Reset {}

/// Which server a listener is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Server {
    Api,
    Storage,
    Control,
}

/// Serves connections until the task ends.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, server: Server) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        // Small answers must not wait for acknowledgements.
        let _ = socket.set_nodelay(true);
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move {
                match server {
                    Server::Api => api::handle(&shared, request).await,
                    Server::Storage => storage::handle(&shared, request).await,
                    Server::Control => Ok(control::handle(&shared, request).await),
                }
            }
        });
        connections.spawn(async move {
            // A client that goes away is no concern of the server.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Latency, then the script's step for this request.
pub(crate) async fn step(shared: &Shared, origin: Origin, record: &Record) -> Step {
    let (latency, step) = shared.with(|state| {
        let latency = match origin {
            Origin::Api => state.switches.latency,
            Origin::Storage => state.switches.storage_latency,
        };
        let method = record.method.parse().unwrap_or_default();
        let step = crate::fault::next(&mut state.faults, origin, &method, &record.path);
        (latency, step)
    });
    if latency > 0 {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    if let Step::Delay(time) = step {
        tokio::time::sleep(time).await;
    }
    step
}

/// Reads a body to its end: a client that is still sending does not hear an early answer.
pub(crate) async fn drain(mut body: Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// A whole body of at most `limit` bytes.
pub(crate) async fn collect(mut body: Incoming, limit: usize) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            all.extend_from_slice(&data);
        }
        if all.len() > limit {
            return None;
        }
    }
    Some(all)
}

pub(crate) fn answer(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(whole(text.into()));
    *answer.status_mut() = status;
    if !kind.is_empty() {
        let kind = HeaderValue::from_static(kind);
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    answer
}

/// The page that the web server gives to browsers.
pub(crate) fn page() -> Answer {
    let html = "<!DOCTYPE html><html><head><title>Drime</title></head><body></body></html>";
    answer(StatusCode::OK, "text/html; charset=UTF-8", html)
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// What is sent for `Range`.
pub(crate) enum Ranged {
    All,
    Part(Range<u64>),
    Unsatisfiable,
}

/// Reads `bytes=a-b`, `bytes=a-` and `bytes=-n`; anything else means all.
pub(crate) fn range(header: Option<&HeaderValue>, len: u64) -> Ranged {
    let text = header.and_then(|value| value.to_str().ok());
    let Some((from, to)) = text
        .and_then(|text| text.strip_prefix("bytes="))
        .and_then(|text| text.split_once('-'))
    else {
        return Ranged::All;
    };
    let range = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to => from..to.saturating_add(1).min(len),
        (Ok(from), _) if to.is_empty() => from..len,
        (_, Ok(last)) if from.is_empty() => len.saturating_sub(last)..len,
        _ => return Ranged::All,
    };
    if range.start >= len {
        return Ranged::Unsatisfiable;
    }
    Ranged::Part(range)
}

/// The bytes of a blob, all or a part.
pub(crate) fn send(blob: &Arc<Blob>, mime: &str, ranged: Ranged) -> Answer {
    let len = blob.len();
    let (status, range) = match ranged {
        Ranged::All => (StatusCode::OK, 0..len),
        Ranged::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Ranged::Unsatisfiable => {
            let mut answer = answer(StatusCode::RANGE_NOT_SATISFIABLE, "", "");
            set(&mut answer, "content-range", &format!("bytes */{len}"));
            return answer;
        }
    };
    let frames = Blob::stream(blob, range.clone()).map(|bytes| bytes.map(Frame::data));
    let mut answer = Response::new(StreamBody::new(frames).boxed_unsync());
    *answer.status_mut() = status;
    set(&mut answer, "content-type", mime);
    set(&mut answer, "accept-ranges", "bytes");
    set(
        &mut answer,
        "content-length",
        &(range.end - range.start).to_string(),
    );
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{len}", range.start, range.end - 1);
        set(&mut answer, "content-range", &text);
    }
    answer
}

/// Sets a header, unless the value cannot be one.
pub(crate) fn set(answer: &mut Answer, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
