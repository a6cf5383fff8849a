//! Connections: listening, limits, shutdown, and bodies between hyper and [`ByteStream`]s.
//!
//! ```text
//! listener ─▶ connection (one task) ─▶ hyper ─▶ exchange ─▶ Site (Application, axum::Router)
//!              timeouts, lingering               panics, log, `Connection: close`
//! ```
//! Nothing in here knows what an operation is. [`router`] is all that a program needs that brings
//! its own server; [`serve`] adds what a server on a network needs.

mod body;
mod connection;
mod crowd;
mod exchange;
mod log;
mod metrics;
mod patience;
mod refusal;
mod server;
mod tls;

#[cfg(test)]
mod tests;

pub use metrics::Metrics;
pub use server::{Drained, Limits, Stop, bind, no_place, serve};
pub use tls::{Tls, TlsError};

use crate::model::ByteStream;
use crate::s3::{Gateway, ReplyBody};
use ::http::{Request, Response};
use axum::Router;
use axum::body::Body;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;

/// What answers requests.
pub trait Application: Send + Sync + 'static {
    /// The answer to one request. It may come before the request's body was read.
    fn respond(
        &self,
        request: Request<ByteStream>,
    ) -> impl Future<Output = Response<ReplyBody>> + Send;
}

impl Application for Gateway {
    async fn respond(&self, request: Request<ByteStream>) -> Response<ReplyBody> {
        Gateway::respond(self, request).await
    }
}

/// What [`serve`] serves: an [`Application`] and nothing else, or a router.
pub trait Site: Clone + Send + Sync + Unpin + 'static {
    /// The answer to one request.
    fn answer(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;
}

impl<T: Application> Site for Arc<T> {
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let request = request.map(body::incoming);
        let response = self.respond(request).await;
        response.map(|body| Body::new(body::Outgoing::from(body)))
    }
}

impl Site for Router {
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let Ok(response) = TowerToHyperService::new(self.clone()).call(request).await;
        response
    }
}

/// A router that hands every request to `application`. Routes can be added to it, as long as they
/// cannot be taken for a bucket.
pub fn router<A: Application>(application: Arc<A>) -> Router {
    Router::new().fallback(move |request| {
        let application = application.clone();
        async move { application.answer(request).await }
    })
}
