//! Bytes to operations and back: [`Gateway::respond`] turns an HTTP request into a call of the
//! [`Service`] and what it returns into an HTTP answer.
//!
//! Knows neither sockets nor a web framework. Object bytes stream through and are never
//! collected; the body of a request is first polled when the storage wants it, so a request that
//! is refused is refused before its client was told to send the body (`Expect: 100-continue`).

pub mod address;
pub mod auth;
pub mod body;
mod checksums;
mod conditions;
mod cors;
mod date;
pub mod error;
mod form;
mod header;
mod late;
mod listed;
mod metadata;
pub mod operation;
mod percent;
mod perform;
pub mod query;
mod response;
pub mod route;
mod setting;
mod tags;
pub mod token;
mod words;
pub mod xml;

pub use error::{Code, Error};
pub use response::{Reply, ReplyBody};

use crate::model::{BucketName, BucketSetting, ByteStream, Timestamp};
use crate::service::{Service, ServiceError};
use address::{Address, AddressError, Domains};
use auth::Authenticator;
use cors::{Cors, CorsError, Page};
use error::RequestError;
use http::Method;
use http::header::HOST;
use http::request::Parts;
use operation::Operation;
use query::Query;
use response::{Asked, RequestId};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::field::Empty;
use tracing::{Instrument, Span};

/// How a request ended, in the extensions of every reply: for whoever counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// AWS's name of the operation; `Unknown` if the request was refused before it was known.
    pub operation: &'static str,
    /// The code of the error, or `OK`.
    pub code: &'static str,
}

impl Outcome {
    const UNKNOWN: &'static str = "Unknown";

    /// Nobody knows what was asked, and it failed.
    pub const FAILED: Self = Self {
        operation: Self::UNKNOWN,
        code: "InternalError",
    };
}

/// What a request in whose extensions this is stands for: something that has no answer of its own,
/// and gets an error like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StandIn {
    /// What came does not keep to HTTP.
    #[error("this is no request of HTTP")]
    Malformed,
    /// The target or the head of what came is too large to be read.
    #[error("the head of the request is too large")]
    TooLarge,
    /// The request made the program panic.
    #[error("the program has panicked")]
    Panicked,
}

/// How a gateway presents itself.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// The region that all buckets are in, and that clients sign for.
    pub region: String,
    /// Domains below which buckets are hosts (`BUCKET.DOMAIN`); path style always works.
    pub domains: Vec<String>,
    /// Clients come over HTTPS.
    pub secure: bool,
}

/// The S3 protocol in front of a [`Service`].
pub struct Gateway {
    service: Arc<Service>,
    authenticator: Authenticator,
    region: String,
    scheme: &'static str,
    domains: Domains,
    ids: RequestIds,
}

impl Gateway {
    /// A gateway to `service` for whom `authenticator` lets in.
    pub fn new(
        service: Arc<Service>,
        authenticator: Authenticator,
        options: GatewayOptions,
    ) -> Self {
        let domains = Domains::new(options.domains);
        Self {
            service,
            authenticator: authenticator.with_domains(domains.clone()),
            region: options.region,
            scheme: if options.secure { "https" } else { "http" },
            domains,
            ids: RequestIds::default(),
        }
    }

    /// Answers one request. Errors are answers, too; only a failing body stream can still end a
    /// connection.
    pub async fn respond(&self, request: http::Request<ByteStream>) -> Reply {
        self.respond_at(request, Timestamp::now()).await
    }

    async fn respond_at(&self, request: http::Request<ByteStream>, now: Timestamp) -> Reply {
        let id = self.ids.next();
        let (parts, body) = request.into_parts();
        let address = Address::parse(&parts, &self.domains);
        // Each field that is recorded later costs as much as all of these.
        let bucket = address.as_ref().ok().and_then(Address::bucket);
        let key = address.as_ref().ok().and_then(Address::key);
        let span = tracing::info_span!(
            "s3",
            id = %id.id,
            bucket = bucket.map(display),
            key = key.map(|key| debug(key.as_str())),
            op = Empty
        );
        let reply = async {
            let mut operation = Outcome::UNKNOWN;
            let mut code = "OK";
            let ran = self.run(&parts, address, body, now, &id, &mut operation);
            let mut reply = match ran.await {
                Ok(reply) => {
                    tracing::debug!(code = reply.status().as_u16(), "done");
                    reply
                }
                Err(error) => {
                    code = error.code().wire().1;
                    log_failure(&error, None);
                    self.refusal(&parts, &error, &id)
                }
            };
            self.tell_pages(&parts, &mut reply).await;
            let mut reply = response::finish(reply, &parts.method, &id);
            reply.extensions_mut().insert(Outcome { operation, code });
            reply
        };
        reply.instrument(span).await
    }

    async fn run(
        &self,
        parts: &Parts,
        address: Result<Address, AddressError>,
        body: ByteStream,
        now: Timestamp,
        id: &RequestId,
        name: &mut &'static str,
    ) -> Result<Reply, Error> {
        if let Some(why) = parts.extensions.get::<StandIn>() {
            return Err((*why).into());
        }
        if parts.headers.get_all(HOST).iter().nth(1).is_some() {
            // Whoever stands in between may have looked at another one.
            let text = "A request can have only one Host header.";
            return Err(RequestError::Invalid(text.to_owned()).into());
        }
        let address = address?;
        if parts.method == Method::OPTIONS {
            *name = "PreflightRequest";
            return self.preflight(parts, &address).await;
        }
        let query = Query::parse(parts.uri.query())?;
        let identity = self.authenticator.authenticate(parts, now)?;
        let parts = &*auth::hoisted(parts, &query);
        let route = route::route(&parts.method, address, &query, &parts.headers)?;
        *name = route.name();
        Span::current().record("op", *name);
        let request = operation::Request {
            parts,
            query: &query,
            identity: &identity,
            region: &self.region,
            scheme: self.scheme,
            domains: &self.domains,
            authenticator: &self.authenticator,
            now,
        };
        let operation = Operation::parse(route, &request, body).await?;
        let context = perform::Context {
            service: &self.service,
            region: &self.region,
            parts,
            domains: &self.domains,
            id,
        };
        perform::perform(&context, operation).await
    }

    /// An error as an answer.
    fn refusal(&self, parts: &Parts, error: &Error, id: &RequestId) -> Reply {
        response::error(error, &Asked::of(parts, &self.domains), id)
    }

    /// Answers a browser that asks whether a page may send a request. Nobody signs that.
    async fn preflight(&self, parts: &Parts, address: &Address) -> Result<Reply, Error> {
        let asked = Page::parse(&parts.headers)?;
        let bucket = address.bucket().ok_or(CorsError::NoBucket)?;
        let cors = self.cors(bucket).await?;
        let headers = cors.ok_or(CorsError::NotEnabled)?.preflight(&asked)?;
        let mut reply = response::ok();
        reply.headers_mut().extend(headers);
        Ok(reply)
    }

    /// Tells a browser what the page that sent the request may know of the answer.
    async fn tell_pages(&self, parts: &Parts, reply: &mut Reply) {
        let Ok(page) = Page::parse(&parts.headers) else {
            return;
        };
        let address = Address::parse(parts, &self.domains).ok();
        let Some(bucket) = address.as_ref().and_then(Address::bucket) else {
            return;
        };
        if parts.method == Method::OPTIONS {
            return;
        }
        match self.cors(bucket).await {
            Ok(Some(cors)) => {
                let told = cors.answer(&page, parts.method.as_str());
                reply.headers_mut().extend(told.unwrap_or_default());
            }
            Ok(None) => {}
            Err(error) => log_failure(&error, None),
        }
    }

    /// The rules of a bucket about web pages; those of no bucket are none.
    async fn cors(&self, bucket: &BucketName) -> Result<Option<Cors>, Error> {
        let document = match self
            .service
            .bucket_setting(bucket, BucketSetting::Cors)
            .await
        {
            Ok(document) => document,
            Err(ServiceError::NoSuchBucket) => None,
            Err(error) => return Err(error.into()),
        };
        document
            .map(|text| Cors::parse(text.as_bytes()))
            .transpose()
    }
}

/// Logs how a request, or its part about `key`, ended: our failures as errors, clients' mistakes
/// for whoever looks for them.
fn log_failure(error: &Error, key: Option<&str>) {
    let (status, code, _) = error.code().wire();
    let cause = error as &dyn std::error::Error;
    if status.is_server_error() && error.code() != Code::NotImplemented {
        tracing::error!(error = cause, code, key, "request failed");
    } else if matches!(error, Error::Service(ServiceError::Denied(_))) {
        // No mistake of the client: the storage does not let this program in.
        tracing::warn!(error = cause, code, key, "the storage refused a request");
    } else {
        tracing::debug!(error = cause, code, key, "request refused");
    }
}

/// Names for requests: unpredictable, and unique within the process.
struct RequestIds {
    random: RandomState,
    next: AtomicU64,
    host: Arc<str>,
}

impl Default for RequestIds {
    fn default() -> Self {
        let random = RandomState::new();
        Self {
            host: format!("{:016x}", random.hash_one("host")).into(),
            random,
            next: AtomicU64::new(1),
        }
    }
}

impl RequestIds {
    fn next(&self) -> RequestId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        RequestId {
            id: format!("{:016X}", self.random.hash_one(number)),
            host: Arc::clone(&self.host),
        }
    }
}

#[cfg(test)]
mod tests;
