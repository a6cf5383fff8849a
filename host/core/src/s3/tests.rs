//! The pipeline from a request to its answer, over a store in memory.

mod cors;
mod forms;
mod late;
mod objects;
mod paging;
mod requests;
mod settings;

use super::auth::signer::{NOW, REGION, Signer, credentials};
use super::auth::{Access, Authenticator};
use super::*;
use crate::service::BucketMode;
use crate::service::memory::MemoryStore;
use crate::service::memory_cache::MemoryCache;
use crate::service::ports::RowTrust;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{StatusCode, request};

fn gateway(access: Access, region: &str) -> Gateway {
    gateway_over(Arc::new(MemoryStore::new(RowTrust::Check)), access, region)
}

fn gateway_over(store: Arc<MemoryStore>, access: Access, region: &str) -> Gateway {
    let cache = Arc::new(MemoryCache::default());
    let service = Arc::new(Service::new(store, cache, BucketMode::Advanced));
    let options = GatewayOptions {
        region: region.into(),
        domains: vec!["s3.example.com".into()],
        secure: false,
    };
    Gateway::new(service, Authenticator::new(access, region), options)
}

fn open() -> Gateway {
    gateway(Access::Open, REGION)
}

fn body(bytes: impl Into<Bytes>) -> ByteStream {
    stream::iter([Ok(bytes.into())]).boxed()
}

/// A body that must not be read.
pub(in crate::s3) fn untouchable() -> ByteStream {
    stream::poll_fn(|_| panic!("the body was read")).boxed()
}

/// Status, headers and text of an answer.
struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    text: String,
}

impl Answer {
    async fn of(reply: Reply) -> Self {
        let (parts, body) = reply.into_parts();
        let bytes = match body {
            ReplyBody::Empty => Vec::new(),
            ReplyBody::Full(bytes) => bytes.to_vec(),
            ReplyBody::Late(stream) => {
                let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
                pieces.concat()
            }
            ReplyBody::Stream { length, stream } => {
                let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
                let bytes = pieces.concat();
                assert_eq!(bytes.len() as u64, length, "the length was a lie");
                bytes
            }
        };
        Self {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes).unwrap(),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("-", |value| value.to_str().unwrap())
    }

    fn element(&self, name: &str) -> &str {
        let behind = self.text.split_once(&format!("<{name}>"));
        behind
            .and_then(|(_, text)| text.split('<').next())
            .unwrap_or("-")
    }
}

async fn send(
    gateway: &Gateway,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    content: &str,
) -> Answer {
    let mut request = http::Request::builder().method(method).uri(target);
    request = request.header("content-length", content.len());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    // S3 wants one with some documents, and takes it with any.
    if content.starts_with('<') {
        request = request.header("content-md5", md5_of(content));
    }
    let request = request.body(body(content.to_owned())).unwrap();
    Answer::of(gateway.respond(request).await).await
}

/// What `Content-MD5` says of a body.
pub(in crate::s3) fn md5_of(content: &str) -> String {
    use base64::Engine as _;
    use md5::{Digest as _, Md5};
    base64::engine::general_purpose::STANDARD.encode(Md5::digest(content))
}

async fn send_signed(s3: &Gateway, head: request::Parts, bytes: &'static str) -> Answer {
    let request = http::Request::from_parts(head, body(bytes));
    Answer::of(s3.respond_at(request, NOW).await).await
}
