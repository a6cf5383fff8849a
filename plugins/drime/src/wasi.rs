//! [`Net`] over WASI: the component's only way to the network.

use crate::guest::bindings::pys3local::storage::log;
use crate::guest::bindings::wasi::clocks::monotonic_clock;
use crate::guest::bindings::wasi::http::client;
use crate::guest::bindings::wasi::http::types::{
    ErrorCode, Fields, Method as HttpMethod, Request as HttpRequest, Response, Scheme,
};
use crate::guest::bindings::wasi::random::random;
use crate::guest::bindings::{wit_future, wit_stream};
use crate::net::{Answer, Broken, Method, Net, Payload, Request};
use futures_util::future::{Either, select};
use std::pin::pin;
use wit_bindgen::{StreamReader, StreamResult, StreamWriter};

/// Bytes that pass through in one piece, where they cannot pass by.
const PIECE: usize = 64 * 1024;

pub(crate) struct WasiNet;

impl Net for WasiNet {
    type Body = StreamReader<u8>;

    async fn send(&self, request: Request<Self::Body>) -> Result<Answer<Self::Body>, Broken> {
        let Request {
            method,
            url,
            headers,
            payload,
        } = request;
        let length = match &payload {
            Payload::Empty => None,
            Payload::Bytes(bytes) => Some(bytes.len() as u64),
            Payload::Stream(_, size) => Some(*size),
            Payload::Form {
                head, size, tail, ..
            } => Some(head.len() as u64 + size + tail.len() as u64),
        };
        let mut fields: Vec<(String, Vec<u8>)> = headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into_bytes()))
            .collect();
        if let Some(length) = length {
            fields.push(("content-length".into(), length.to_string().into_bytes()));
        }
        let fields = Fields::from_list(&fields)
            .map_err(|error| Broken::Lost(format!("a header that cannot be sent: {error:?}")))?;
        let (contents, writing) = match payload {
            Payload::Empty => (None, None),
            Payload::Stream(body, _) => (Some(body), None),
            other => {
                let (writer, reader) = wit_stream::new();
                (Some(reader), Some((writer, other)))
            }
        };
        // Dropped unwritten, it says that there are no trailers. At once: a body that ends too
        // early would be waited for otherwise.
        let (none, trailers) = wit_future::new(|| Ok(None));
        drop(none);
        let (http, _sent) = HttpRequest::new(fields, contents, trailers, None);
        address(&http, method, &url)
            .ok_or_else(|| Broken::Lost("an address that cannot be".into()))?;
        let answer = match writing {
            None => client::send(http).await,
            Some((writer, payload)) => {
                let sending = pin!(client::send(http));
                let writing = pin!(write(writer, payload));
                match select(sending, writing).await {
                    // An answer before the end: nobody wants the rest.
                    Either::Left((answer, _)) => answer,
                    Either::Right((true, sending)) => sending.await,
                    // The connection is closed before the request is whole.
                    Either::Right((false, _)) => return Err(Broken::GivenUp),
                }
            }
        };
        let answer = answer.map_err(|code| Broken::Lost(words(&code)))?;
        let headers = answer.get_headers().copy_all().into_iter();
        let headers = headers.map(|(name, value)| {
            (
                name.to_ascii_lowercase(),
                String::from_utf8_lossy(&value).into_owned(),
            )
        });
        let headers = headers.collect();
        let status = answer.get_status_code();
        let (_ok, done) = wit_future::new(|| Ok(()));
        // How the body ends is the host's to see: it moves the bytes.
        let (body, _trailers) = Response::consume_body(answer, done);
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    async fn read(&self, mut body: StreamReader<u8>, limit: usize) -> Result<Vec<u8>, Broken> {
        let mut all = Vec::new();
        loop {
            let (status, piece) = body.read(Vec::with_capacity(PIECE)).await;
            all.extend(piece);
            if all.len() > limit {
                return Err(Broken::Lost("an answer that is far too long".into()));
            }
            if !matches!(status, StreamResult::Complete(_)) {
                return Ok(all);
            }
        }
    }

    fn skip(&self, mut body: StreamReader<u8>, count: u64) -> StreamReader<u8> {
        let (mut writer, reader) = wit_stream::new();
        wit_bindgen::spawn_local(async move {
            let mut left = count;
            loop {
                let (status, mut piece) = body.read(Vec::with_capacity(PIECE)).await;
                let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
                left -= skipped as u64;
                piece.drain(..skipped);
                if !writer.write_all(piece).await.is_empty()
                    || !matches!(status, StreamResult::Complete(_))
                {
                    return;
                }
            }
        });
        reader
    }

    async fn sleep(&self, millis: u64) {
        monotonic_clock::wait_for(millis.saturating_mul(1_000_000)).await;
    }

    fn now(&self) -> u64 {
        monotonic_clock::now() / 1_000_000
    }

    fn random(&self) -> u64 {
        random::get_random_u64()
    }

    fn warn(&self, text: &str) {
        log::write(log::Level::Warn, text);
    }
}

/// Writes a body; `false` if it must not be sent to its end.
async fn write(mut writer: StreamWriter<u8>, payload: Payload<StreamReader<u8>>) -> bool {
    match payload {
        Payload::Empty | Payload::Stream(..) => true,
        Payload::Bytes(bytes) => writer.write_all(bytes).await.is_empty(),
        Payload::Form {
            head,
            mut body,
            size,
            tail,
            gate,
        } => {
            if !writer.write_all(head).await.is_empty() {
                return true;
            }
            let mut sent = 0;
            let mut piece = Vec::new();
            loop {
                piece.reserve(PIECE);
                let status;
                (status, piece) = body.read(piece).await;
                sent += piece.len() as u64;
                piece = writer.write_all(piece).await;
                if !piece.is_empty() {
                    // The other side does not listen any more, and will say why.
                    return true;
                }
                if !matches!(status, StreamResult::Complete(_)) {
                    break;
                }
            }
            if sent != size || !gate.await {
                return false;
            }
            writer.write_all(tail).await;
            true
        }
    }
}

fn address(request: &HttpRequest, method: Method, url: &str) -> Option<()> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let method = match method {
        Method::Get => HttpMethod::Get,
        Method::Post => HttpMethod::Post,
        Method::Put => HttpMethod::Put,
    };
    let scheme = match scheme {
        "http" => Scheme::Http,
        _ => Scheme::Https,
    };
    request.set_method(&method).ok()?;
    request.set_scheme(Some(&scheme)).ok()?;
    request.set_authority(Some(authority)).ok()?;
    request.set_path_with_query(Some(path)).ok()
}

fn words(code: &ErrorCode) -> String {
    match code {
        ErrorCode::HttpRequestDenied => {
            "the gateway does not allow this host: grant it with `hosts`".into()
        }
        ErrorCode::InternalError(Some(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}
