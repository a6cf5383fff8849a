//! The outgoing HTTP client behind `wasi:http/client`: one connection pool per plugin, TLS by
//! rustls, and the grants checked for every request and every address.

use super::context::Handle;
use super::grants::{HostPattern, is_reachable};
use super::pulse::{NativeWork, Patience, Pulse, Watched};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(15);
/// How long the first byte of an answer may take if the plugin does not say.
const FIRST_BYTE: Duration = Duration::from_mins(1);
/// How long the next piece of an answer may take if the plugin does not say.
const BETWEEN_PIECES: Duration = Duration::from_mins(1);
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_mins(1);

type Body = Watched<UnsyncBoxBody<bytes::Bytes, Error>>;
type Found = io::Result<Vec<SocketAddr>>;
/// Asks for the addresses of a name.
type Lookup = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = Found> + Send>> + Send + Sync>;
type Transfer = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// Sends the requests of one plugin.
#[derive(Clone)]
pub(super) struct Outgoing {
    hosts: Arc<[HostPattern]>,
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Body>,
    /// The longest time between two pieces of an answer, whatever the plugin says.
    patience: Duration,
}

impl Outgoing {
    /// To these hosts. An answer that does not go on for `patience` is given up.
    pub(super) fn new(hosts: &[HostPattern], patience: Duration) -> Self {
        let system = |name: String| -> Pin<Box<dyn Future<Output = Found> + Send>> {
            Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
        };
        Self::with_lookup(hosts, patience, Arc::new(system))
    }

    fn with_lookup(hosts: &[HostPattern], patience: Duration, lookup: Lookup) -> Self {
        let hosts: Arc<[HostPattern]> = hosts.into();
        let mut tcp = HttpConnector::new_with_resolver(Resolver {
            hosts: Arc::clone(&hosts),
            lookup,
        });
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        let tls = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(tls);
        Self {
            hosts,
            client,
            patience,
        }
    }

    /// Whether some grant allows a request to this URI. An address in it must be public or
    /// granted itself: a name is checked when it is resolved, an address never is.
    pub(super) fn permits(&self, uri: &http::Uri) -> bool {
        self.hosts.iter().any(|pattern| pattern.allows(uri))
    }

    /// `handle` is the plugin's, for as long as it (or a client, for it) reads the answer.
    pub(super) async fn send(
        self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        handle: Option<Handle>,
    ) -> Result<(http::Response<WasiBody>, Transfer), Error> {
        if !self.permits(request.uri()) {
            return Err(Error::HttpRequestDenied);
        }
        let handle = handle.ok_or(Error::ConnectionLimitReached)?;
        let (first, between) = options.map_or((None, None), |options| {
            (options.first_byte_timeout, options.between_bytes_timeout)
        });
        let first = first.unwrap_or(FIRST_BYTE);
        let between = between.unwrap_or(BETWEEN_PIECES).min(self.patience);
        // Waiting for the next piece of the body is no fault of the other side: only taking the
        // bytes and answering must go on.
        let pulse = Pulse::new();
        let answer = self
            .client
            .request(request.map(|body| pulse.watch_request(body)));
        let native = NativeWork::default();
        let response = tokio::select! {
            answer = answer => answer.map_err(|error| Error::Connect(io::Error::other(error)))?,
            () = pulse.stalled(first, &native) => return Err(Error::HttpResponseTimeout),
        };
        let response = response.map(|body| Timely::new(body, between, handle).boxed_unsync());
        Ok((response, Box::new(async { Ok(()) })))
    }
}

/// Resolves names, and leaves out addresses that the grants do not reach. The connection is made
/// to the address that was checked, so an answer that changes later gains nothing.
#[derive(Clone)]
struct Resolver {
    hosts: Arc<[HostPattern]>,
    lookup: Lookup,
}

impl tower_service::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let mut patterns = self.hosts.iter();
        let named = patterns.any(|pattern| pattern.names(name.as_str()));
        let found = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let mut reachable = found.await?;
            reachable.retain(|address| is_reachable(address.ip(), named));
            if reachable.is_empty() {
                let text = format!("{name} has no address that the grants reach");
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
            }
            Ok(reachable.into_iter())
        })
    }
}

/// The body of an answer: an error takes the place of a piece that does not come in time.
struct Timely {
    body: Option<Incoming>,
    patience: Patience,
    _handle: Handle,
}

impl Timely {
    fn new(body: Incoming, patience: Duration, handle: Handle) -> Self {
        Self {
            body: Some(body),
            patience: Patience::new(patience),
            _handle: handle,
        }
    }
}

impl http_body::Body for Timely {
    type Data = bytes::Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(next) = Pin::new(body).poll_frame(cx) {
            self.patience.restore();
            return Poll::Ready(next.map(|frame| frame.map_err(Error::Hyper)));
        }
        ready!(self.patience.poll_over(cx));
        self.body = None;
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body
            .as_ref()
            .is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        let hint = self.body.as_ref().map(http_body::Body::size_hint);
        hint.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
