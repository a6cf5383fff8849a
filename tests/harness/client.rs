//! HTTP/1.1: over hyper for requests that are right, over a bare socket for the others.

use crate::xml::Element;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What failed below HTTP.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The bytes of a request.
#[derive(Debug, Clone)]
pub enum Body {
    /// These.
    Full(Bytes),
    /// `size` bytes: `piece` over and over.
    Repeat {
        /// Not empty.
        piece: Bytes,
        /// Bytes in total.
        size: u64,
    },
}

impl Body {
    /// Bytes in total.
    pub fn size(&self) -> u64 {
        match self {
            Self::Full(bytes) => bytes.len() as u64,
            Self::Repeat { size, .. } => *size,
        }
    }

    fn stream(self) -> HttpBody {
        let (piece, size) = match self {
            Self::Full(bytes) => return HttpBody::Left(Full::new(bytes)),
            Self::Repeat { piece, size } => (piece, size),
        };
        let pieces = stream::unfold(size, move |left| {
            let next = (left > 0).then(|| {
                let length = left.min(piece.len() as u64);
                let length_here = usize::try_from(length).unwrap_or(piece.len());
                (Ok(Frame::data(piece.slice(..length_here))), left - length)
            });
            std::future::ready(next)
        });
        HttpBody::Right(StreamBody::new(Box::pin(pieces)))
    }
}

type Pieces = dyn stream::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send;
type HttpBody = Either<Full<Bytes>, StreamBody<Pin<Box<Pieces>>>>;

/// A request that is ready to be sent: its head and its body.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Method.
    pub method: String,
    /// Path and query, percent-encoded.
    pub target: String,
    /// In the order in which they are sent, `Host` and `Content-Length` among them.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Body,
}

impl Outgoing {
    /// Value of the first header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    /// Replaces a header, after it was signed.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.into()));
    }

    /// Removes a header, after it was signed.
    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// The bytes of the request up to its body, for a [`Socket`].
    pub fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    fn into_http(self) -> Result<Request<HttpBody>, Error> {
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(self.target);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        Ok(request.body(self.body.stream())?)
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Reply {
    /// Value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("a header of ASCII"))
    }

    /// `ETag` without its quotes, which must be there.
    pub fn etag(&self) -> &str {
        let raw = self
            .header("etag")
            .unwrap_or_else(|| panic!("no ETag in {self:?}"));
        let bare = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
        bare.unwrap_or_else(|| panic!("ETag without quotes: {raw}"))
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of UTF-8")
    }

    /// The body as an XML document.
    pub fn xml(&self) -> Element {
        Element::parse(self.text())
    }

    /// Panics with the whole answer unless it has this status; returns it otherwise.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        let Self { headers, body, .. } = &self;
        let body = String::from_utf8_lossy(body.get(..2000).unwrap_or(body));
        assert_eq!(self.status.as_u16(), status, "{headers:#?}\n{body}");
        self
    }

    /// The code of the error in the answer, or `OK`. What takes long answers 200 before it knows.
    pub fn outcome(&self) -> String {
        if !self.body.is_empty() {
            let root = self.xml();
            if root.name == "Error" {
                let refused = self.status == 200 || self.status.is_client_error();
                assert!(refused, "{} {}", self.status, self.text());
                return root.text("Code").to_owned();
            }
        }
        assert_eq!(self.status, 200, "{}", self.text());
        "OK".to_owned()
    }

    /// Panics unless it is an S3 error with this status and code.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        let reply = self.expect(status);
        let root = reply.xml();
        assert_eq!(
            (root.name.as_str(), root.text("Code")),
            ("Error", code),
            "{}",
            reply.text()
        );
        reply
    }
}

/// One connection that is kept alive.
pub struct Connection(SendRequest<HttpBody>);

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut client = http1::Builder::new();
        client.max_headers(2000);
        let (sender, connection) = client.handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Whether the server has closed it.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Sends a request and returns when the head of the answer is there.
    pub async fn start(&mut self, request: Outgoing) -> Result<Response<Incoming>, Error> {
        self.0.ready().await?;
        Ok(self.0.send_request(request.into_http()?).await?)
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&mut self, request: Outgoing) -> Result<Reply, Error> {
        let exchange = async {
            let (head, body) = self.start(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Reply {
                status: head.status,
                headers: head.headers,
                body,
            })
        };
        tokio::time::timeout(PATIENCE, exchange).await?
    }
}

/// A bare TCP connection, for requests that no client library would send.
pub struct Socket(TcpStream);

impl Socket {
    /// Connects.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }

    /// Says that no more bytes will come; answers can still be read.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }

    /// Breaks the connection off with a reset instead of an orderly end.
    pub fn reset(self) -> io::Result<()> {
        self.0.set_zero_linger()
    }

    /// Reads one head (interim answers such as `100 Continue` are heads of their own).
    /// `None` when the server closed the connection before.
    pub async fn head(&mut self) -> io::Result<Option<(u16, String)>> {
        let mut head = Vec::new();
        let read = async {
            while !head.ends_with(b"\r\n\r\n") {
                match self.0.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                    Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                        return Ok(None);
                    }
                    Err(error) => return Err(error),
                }
            }
            let text = String::from_utf8_lossy(&head).into_owned();
            let status = text
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok());
            let status = status.ok_or_else(|| io::Error::other(text.clone()))?;
            Ok(Some((status, text)))
        };
        tokio::time::timeout(PATIENCE, read).await?
    }

    /// The next final answer: its status, head and (by `Content-Length`) body. `None` when the
    /// server closed the connection instead.
    pub async fn answer(&mut self) -> io::Result<Option<(u16, String, Vec<u8>)>> {
        loop {
            let Some((status, head)) = self.head().await? else {
                return Ok(None);
            };
            if status < 200 {
                continue;
            }
            let lower = head.to_ascii_lowercase();
            let length = lower
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"));
            let length = length
                .and_then(|length| length.trim().parse().ok())
                .unwrap_or(0);
            let mut body = vec![0; length];
            tokio::time::timeout(PATIENCE, self.0.read_exact(&mut body)).await??;
            return Ok(Some((status, head, body)));
        }
    }

    /// Everything until the server closes the connection.
    pub async fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut rest)).await??;
        Ok(rest)
    }
}
