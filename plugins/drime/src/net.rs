//! What the plugin needs of the world: HTTP, a clock, a log. The component has WASI for it, the
//! tests a scripted server.

use futures_util::future::LocalBoxFuture;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// It asks.
    Get,
    /// It changes something.
    Post,
    /// It stores a part.
    Put,
}

/// A request.
pub struct Request<B> {
    /// What it does.
    pub method: Method,
    /// An absolute URL.
    pub url: String,
    /// Besides `Content-Length`, which the payload gives.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub payload: Payload<B>,
}

/// The body of a request.
pub enum Payload<B> {
    /// None.
    Empty,
    /// A short text.
    Bytes(Vec<u8>),
    /// An object's bytes, unread.
    Stream(B, u64),
    /// An object's bytes between two texts. When they have been sent, `gate` says whether the
    /// rest may follow; if not, or if there are fewer than `size`, the request breaks off.
    Form {
        /// What comes before the bytes.
        head: Vec<u8>,
        /// The bytes.
        body: B,
        /// How many.
        size: u64,
        /// What comes behind them.
        tail: Vec<u8>,
        /// Whether the tail may be sent.
        gate: LocalBoxFuture<'static, bool>,
    },
}

/// The head of an answer, and its body unread.
pub struct Answer<B> {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: B,
}

impl<B> Answer<B> {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the body is a web page.
    pub fn is_html(&self) -> bool {
        self.header("content-type")
            .is_some_and(|kind| kind.trim_start().starts_with("text/html"))
    }
}

/// Why no answer came, or only the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The request was broken off, because its body was not to be sent to its end.
    GivenUp,
    /// In these words: the request may or may not have had an effect.
    Lost(String),
}

/// The world outside.
#[allow(async_fn_in_trait, reason = "nothing here is sent between threads")]
pub trait Net: 'static {
    /// A stream of bytes.
    type Body: 'static;

    /// Sends a request and waits for the head of its answer.
    async fn send(&self, request: Request<Self::Body>) -> Result<Answer<Self::Body>, Broken>;
    /// Reads a body to its end, at most `limit` bytes.
    async fn read(&self, body: Self::Body, limit: usize) -> Result<Vec<u8>, Broken>;
    /// The rest of a body behind `count` bytes.
    fn skip(&self, body: Self::Body, count: u64) -> Self::Body;
    /// Waits so many milliseconds.
    async fn sleep(&self, millis: u64);
    /// Milliseconds on a clock that never goes back.
    fn now(&self) -> u64;
    /// Bits that nobody can foresee.
    fn random(&self) -> u64;
    /// A line for the log.
    fn warn(&self, text: &str);
}
