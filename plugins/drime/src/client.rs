//! Calls of the API: the token, the budget, and what may be tried again.

use crate::budget::Budget;
use crate::fault::{Fault, passing, refusal, says_failure};
use crate::net::{Answer, Broken, Method, Net, Payload, Request};
use serde_json::Value;
use std::cell::RefCell;
use std::fmt::Write as _;

/// The longest answer that is read.
const LONGEST_ANSWER: usize = 8 << 20;
/// How often a call that may be repeated is made.
const ATTEMPTS: u32 = 5;
/// The first pause between them; it doubles.
const PAUSE: u64 = 250;
/// A call waits no longer than this for what the service asked: the client may come again.
const PATIENCE: u64 = 8_000;
/// Redirects that a download follows.
const HOPS: u32 = 5;

/// A call of the API.
#[derive(Clone, Debug)]
pub struct Call {
    method: Method,
    path: String,
    body: Option<Value>,
    rename: bool,
    repeat: bool,
    spare: bool,
}

impl Call {
    /// A question: it may be repeated.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::Get,
            path: path.into(),
            body: None,
            rename: false,
            repeat: true,
            spare: false,
        }
    }

    /// A change that must not be made twice.
    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self {
            method: Method::Post,
            path: path.into(),
            body: Some(body),
            rename: false,
            repeat: false,
            spare: false,
        }
    }

    /// It may be made twice.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeat = true;
        self
    }

    /// Nobody waits for it: those for clients come first.
    #[must_use]
    pub fn spare(mut self) -> Self {
        self.spare = true;
        self
    }

    /// A change of an entry: the service takes no literal PUT.
    pub fn update(path: impl Into<String>, body: Value) -> Self {
        Self {
            rename: true,
            ..Self::post(path, body).repeatable()
        }
    }
}

/// The API of one account.
pub struct Client<N> {
    pub(crate) net: N,
    base: String,
    token: String,
    budget: RefCell<Budget>,
}

impl<N: Net> Client<N> {
    /// `base` ends without a slash.
    pub fn new(net: N, base: String, token: String) -> Self {
        Self {
            net,
            base,
            token,
            budget: RefCell::default(),
        }
    }

    /// Waits for a place in the budget.
    async fn admit(&self, spare: bool) -> Result<(), Fault> {
        let now = self.net.now();
        let place = {
            let mut budget = self.budget.borrow_mut();
            match budget.broken(now) {
                Some(left) => Err(left),
                None if spare => budget.take_spare(now),
                None => budget.take(now),
            }
        };
        match place {
            Ok(0) => Ok(()),
            Ok(wait) => {
                self.net.sleep(wait).await;
                Ok(())
            }
            Err(later) => Err(Fault::Busy(later)),
        }
    }

    fn headers(&self, kind: Option<&str>) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("accept", "application/json".to_owned()),
            ("authorization", format!("Bearer {}", self.token)),
        ];
        if let Some(kind) = kind {
            headers.push(("content-type", kind.into()));
        }
        headers
    }

    /// Makes a call, again and again if it may be repeated, and reads its answer.
    pub async fn call(&self, call: &Call) -> Result<Value, Fault> {
        self.persist(call.repeat, async || self.once(call).await)
            .await
    }

    /// Tries something again after pauses, if it was not done at all or may be repeated.
    async fn persist<T>(
        &self,
        repeat: bool,
        attempt: impl AsyncFn() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut pause = PAUSE;
        let mut attempts = 1;
        loop {
            let fault = match attempt().await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            let wait = match &fault {
                // It was not done at all.
                Fault::Throttled(asked) => asked.unwrap_or(pause),
                Fault::Broken(_) if repeat => pause,
                _ => return Err(fault),
            };
            if attempts >= ATTEMPTS || wait > PATIENCE {
                return Err(fault);
            }
            self.net.sleep(wait).await;
            attempts += 1;
            pause *= 2;
        }
    }

    async fn once(&self, call: &Call) -> Result<Value, Fault> {
        self.admit(call.spare).await?;
        let mut headers = self.headers(call.body.as_ref().map(|_| "application/json"));
        if call.rename {
            headers.push(("x-http-method-override", "PUT".into()));
        }
        let request = Request {
            method: call.method,
            url: format!("{}/{}", self.base, call.path),
            headers,
            payload: match &call.body {
                Some(body) => Payload::Bytes(body.to_string().into_bytes()),
                None => Payload::Empty,
            },
        };
        let answer = self.net.send(request).await;
        self.read(answer).await
    }

    /// Uploads a form whose `payload` can be sent only once.
    pub async fn upload(
        &self,
        path: &str,
        kind: &str,
        payload: Payload<N::Body>,
    ) -> Result<Value, Fault> {
        self.admit(false).await?;
        let request = Request {
            method: Method::Post,
            url: format!("{}/{path}", self.base),
            headers: self.headers(Some(kind)),
            payload,
        };
        match self.net.send(request).await {
            // Our own doing, and no sign that the service is ill.
            Err(Broken::GivenUp) => Err(Fault::GivenUp),
            answer => self.read(answer).await,
        }
    }

    /// Reads the answer of a call and learns from it.
    async fn read(&self, answer: Result<Answer<N::Body>, Broken>) -> Result<Value, Fault> {
        let outcome = self.understand(answer).await;
        let now = self.net.now();
        let mut budget = self.budget.borrow_mut();
        match &outcome {
            Err(Fault::Broken(_)) => budget.failed(now),
            Err(Fault::Throttled(delay)) => budget.close(now, delay.unwrap_or(1_000)),
            _ => budget.succeeded(),
        }
        outcome
    }

    async fn understand(&self, answer: Result<Answer<N::Body>, Broken>) -> Result<Value, Fault> {
        let answer = answer?;
        self.note(&answer);
        if let Some(fault) = passing(&answer) {
            return Err(fault);
        }
        let (status, html) = (answer.status, answer.is_html());
        let body = self.net.read(answer.body, LONGEST_ANSWER).await;
        let body = body?;
        let value: Option<Value> = serde_json::from_slice(&body).ok();
        if (200..300).contains(&status) {
            return match value {
                Some(value) if !says_failure(&value) => Ok(value),
                Some(value) => Err(refusal(422, Some(&value))),
                None if html => Err(Fault::Broken("Drime answered a web page".into())),
                None => Err(Fault::Broken("Drime's answer is no JSON".into())),
            };
        }
        Err(refusal(status, value.as_ref()))
    }

    fn note(&self, answer: &Answer<N::Body>) {
        let number = |name| {
            answer
                .header(name)
                .and_then(|text| text.trim().parse().ok())
        };
        let (limit, remaining) = (number("x-ratelimit-limit"), number("x-ratelimit-remaining"));
        let now = self.net.now();
        self.budget.borrow_mut().note(now, limit, remaining);
    }

    /// Opens a download: the head of its answer, which is 200, 206 or 416.
    pub async fn download(
        &self,
        path: &str,
        range: Option<String>,
    ) -> Result<Answer<N::Body>, Fault> {
        self.persist(true, async || self.open(path, range.as_ref()).await)
            .await
    }

    async fn open(&self, path: &str, range: Option<&String>) -> Result<Answer<N::Body>, Fault> {
        self.admit(false).await?;
        let mut url = format!("{}/{path}", self.base);
        for _ in 0..HOPS {
            // The token is for the API alone.
            let own = origin(&url) == origin(&self.base);
            let mut headers = if own {
                vec![
                    ("accept", "*/*".to_owned()),
                    ("authorization", format!("Bearer {}", self.token)),
                ]
            } else {
                Vec::new()
            };
            if let Some(range) = range {
                headers.push(("range", range.clone()));
            }
            let request = Request {
                method: Method::Get,
                url: url.clone(),
                headers,
                payload: Payload::Empty,
            };
            let answer = self.net.send(request).await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(broken) => {
                    let now = self.net.now();
                    self.budget.borrow_mut().failed(now);
                    return Err(broken.into());
                }
            };
            if own {
                self.note(&answer);
            }
            match answer.status {
                200 | 206 | 416 => {
                    self.budget.borrow_mut().succeeded();
                    return Ok(answer);
                }
                301 | 302 | 303 | 307 | 308 => {
                    let Some(target) = answer.header("location") else {
                        return Err(Fault::Broken("a redirect to nowhere".into()));
                    };
                    url = if target.starts_with('/') {
                        format!("{}{target}", origin(&url))
                    } else {
                        target.to_owned()
                    };
                }
                _ => {
                    let refused = self.read(Ok(answer)).await;
                    return Err(refused
                        .err()
                        .unwrap_or(Fault::Broken("an odd answer to a download".into())));
                }
            }
        }
        Err(Fault::Broken("too many redirects".into()))
    }

    /// Sends bytes to a presigned address, without the token; answers the ETag.
    pub async fn put(
        &self,
        url: String,
        body: N::Body,
        size: u64,
    ) -> Result<Option<String>, Fault> {
        let request = Request {
            method: Method::Put,
            url,
            headers: vec![("content-type", "application/octet-stream".into())],
            payload: Payload::Stream(body, size),
        };
        let answer = self.net.send(request).await;
        let answer = answer?;
        if let Some(fault) = passing(&answer) {
            return Err(fault);
        }
        if (200..300).contains(&answer.status) {
            return Ok(answer.header("etag").map(str::to_owned));
        }
        let text = format!("the storage answered {} to a part", answer.status);
        Err(Fault::Refused {
            status: answer.status,
            text,
            fields: Vec::new(),
        })
    }
}

/// Scheme and authority of a URL.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url
        .get(start..)
        .and_then(|rest| rest.find(['/', '?', '#']))
        .map_or(url.len(), |at| start + at);
    url.get(..end).unwrap_or(url)
}

/// Percent-encodes a value of a query.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(byte.into());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
