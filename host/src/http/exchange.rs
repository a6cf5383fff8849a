//! One request and its reply, whatever the application does.

use super::Site;
use super::body::RequestBody;
use super::crowd::Link;
use super::log::Record;
use super::metrics::{Metrics, Transfer};
use super::refusal::stand_in;
use crate::s3::{Outcome, StandIn};
use ::http::header::{CONNECTION, EXPECT, HeaderValue};
use ::http::{Request, Response, StatusCode};
use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What is known of the request's body.
#[derive(Default)]
pub(super) struct Exchange {
    whole: AtomicBool,
    received: AtomicU64,
}

impl Exchange {
    /// All of the request's body has been read.
    pub(super) fn request_is_whole(&self) {
        self.whole.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Marks the connection as busy until it is dropped.
struct Running(Arc<Link>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}

/// Answers one request. A panic is a 500 and costs nobody else anything.
pub(super) async fn answer(
    site: impl Site,
    request: Request<Incoming>,
    silence: Duration,
    link: Arc<Link>,
    metrics: Metrics,
) -> Result<Response<ReplyStream>, Infallible> {
    let started = Instant::now();
    link.request_began();
    let running = Running(link.clone());
    let exchange = Arc::new(Exchange::default());
    let mut record = Record::start(&request);
    // Nobody is told to go on with a body that is empty. Clients that wait for it all the same
    // (botocore does) lose track of where the reply begins, unless the connection ends with it.
    let never_continued =
        request.headers().contains_key(EXPECT) && http_body::Body::is_end_stream(request.body());
    let body_of = exchange.clone();
    let request = request.map(|body| Body::new(RequestBody::new(body, silence, body_of)));
    let answered = AssertUnwindSafe(async { site.answer(request).await });
    let mut response = match answered.catch_unwind().await {
        Ok(response) => response,
        Err(_panic) => {
            tracing::error!("a request made the program panic; the others go on");
            stand_in(&site, StandIn::Panicked).unwrap_or_else(|| {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            })
        }
    };
    if !exchange.whole.load(Ordering::Relaxed) {
        // What is left of the body would be taken for the next request: hyper closes. Say so.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
        link.linger();
    }
    if never_continued {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    if let Some(record) = &mut record {
        record.answered(&response);
    }
    let outcome = response.extensions_mut().remove::<Outcome>();
    Ok(response.map(|body| ReplyStream {
        body,
        sent: 0,
        ended: false,
        broken: false,
        record,
        exchange,
        metrics,
        outcome: outcome.unwrap_or(Outcome::FAILED),
        started,
        _running: running,
    }))
}

/// The body of a reply; when it is dropped, the exchange is over.
pub(super) struct ReplyStream {
    body: Body,
    sent: u64,
    ended: bool,
    broken: bool,
    record: Option<Record>,
    exchange: Arc<Exchange>,
    metrics: Metrics,
    outcome: Outcome,
    started: Instant,
    _running: Running,
}

impl http_body::Body for ReplyStream {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let next = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &next {
            Some(Ok(frame)) => self.sent += frame.data_ref().map_or(0, Bytes::len) as u64,
            Some(Err(error)) => {
                tracing::warn!(%error, "a reply was broken off");
                self.broken = true;
            }
            None => self.ended = true,
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ReplyStream {
    fn drop(&mut self) {
        let ended = self.ended || http_body::Body::is_end_stream(&self.body);
        let whole = ended && !self.broken;
        let received = self.exchange.received.load(Ordering::Relaxed);
        let transfer = Transfer {
            received,
            sent: self.sent,
            whole,
        };
        let time = self.started.elapsed();
        self.metrics.request(self.outcome, time, transfer);
        if let Some(record) = &self.record {
            record.log(received, self.sent, whole);
        }
    }
}
