//! Connections: listening, limits, shutdown, and bodies between hyper and [`ByteStream`]s.
//!
//! ```text
//! listener ─▶ connection (one task) ─▶ hyper ─▶ exchange ─▶ axum::Router ─▶ Application
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

/// A router that hands every request to `application`. Routes can be added to it, as long as they
/// cannot be taken for a bucket.
pub fn router<A: Application>(application: Arc<A>) -> Router {
    Router::new().fallback(move |request: Request<Body>| {
        let application = application.clone();
        async move {
            let request = request.map(body::incoming);
            let response = application.respond(request).await;
            response.map(|body| Body::new(body::Outgoing::from(body)))
        }
    })
}
