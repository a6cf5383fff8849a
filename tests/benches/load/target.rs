//! The server under load, and one connection to it.

use crate::Payload;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use pys3local_tests::client::{Body, Connection, Error, Outgoing};
use pys3local_tests::sign::{self, Credentials, EMPTY_SHA256, SigningKey, ToSign};
use sha2::{Digest as _, Sha256};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, PoisonError, RwLock};
use time::OffsetDateTime;

/// The value that leaves the body out of the signature.
pub(crate) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Where requests go and how they are signed.
pub(crate) struct Target {
    address: SocketAddr,
    host: String,
    bucket: String,
    credentials: Credentials,
    /// Derived once a day, not once a request.
    key: RwLock<Arc<SigningKey>>,
}

impl Target {
    pub(crate) fn new(
        endpoint: &str,
        bucket: &str,
        credentials: Credentials,
    ) -> Result<Self, Error> {
        let host = endpoint
            .strip_prefix("http://")
            .unwrap_or(endpoint)
            .trim_end_matches('/');
        let address = host
            .to_socket_addrs()?
            .next()
            .ok_or("the endpoint has no address")?;
        let key = SigningKey::new(&credentials, &sign::stamp(OffsetDateTime::now_utc()));
        Ok(Self {
            address,
            host: host.to_owned(),
            bucket: bucket.to_owned(),
            credentials,
            key: RwLock::new(Arc::new(key)),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A request for an object.
    pub(crate) fn object(&self, method: &str, key: &str, hash: &str, body: Body) -> Outgoing {
        self.request(method, format!("/{}/{key}", self.bucket), &[], hash, body)
    }

    fn key(&self, stamp: &str) -> Arc<SigningKey> {
        let key = Arc::clone(&self.key.read().unwrap_or_else(PoisonError::into_inner));
        if stamp.starts_with(key.day()) {
            return key;
        }
        let key = Arc::new(SigningKey::new(&self.credentials, stamp));
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&key);
        key
    }

    fn request(
        &self,
        method: &str,
        path: String,
        query: &[(String, String)],
        hash: &str,
        body: Body,
    ) -> Outgoing {
        let stamp = sign::stamp(OffsetDateTime::now_utc());
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut headers: Vec<_> = [
            ("host", self.host.as_str()),
            ("x-amz-content-sha256", hash),
            ("x-amz-date", &stamp),
        ]
        .map(own)
        .into();
        let to_sign = ToSign {
            method,
            path: &path,
            query,
            headers: &headers,
            payload: hash,
        };
        let (authorization, _) = sign::authorization(&self.key(&stamp), &stamp, to_sign);
        headers.push(("authorization".to_owned(), authorization));
        if method == "PUT" {
            headers.push(("content-length".to_owned(), body.size().to_string()));
        }
        let query: Vec<_> = query
            .iter()
            .map(|(n, v)| format!("{}={}", sign::encode(n), sign::encode(v)))
            .collect();
        let target = if query.is_empty() {
            path
        } else {
            format!("{path}?{}", query.join("&"))
        };
        Outgoing {
            method: method.to_owned(),
            target,
            headers,
            body,
        }
    }
}

/// The value of `x-amz-content-sha256` for a body.
pub(crate) fn hash(body: &Body, payload: Payload) -> String {
    match (payload, body) {
        (Payload::Unsigned, _) => UNSIGNED.to_owned(),
        (Payload::Signed, Body::Full(bytes)) => sign::sha256_hex(bytes),
        (Payload::Signed, Body::Repeat { piece, size }) => {
            let mut digest = Sha256::new();
            let mut left = *size;
            while left > 0 {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
                digest.update(piece.slice(..length));
                left -= length as u64;
            }
            hex::encode(digest.finalize())
        }
    }
}

/// One connection.
pub(crate) struct Session {
    target: Arc<Target>,
    connection: Connection,
}

impl Session {
    pub(crate) async fn open(target: &Arc<Target>) -> Result<Self, Error> {
        let connection = Connection::open(target.address).await?;
        Ok(Self {
            target: Arc::clone(target),
            connection,
        })
    }

    pub(crate) async fn create_bucket(&mut self) -> Result<(), Error> {
        let path = format!("/{}", self.target.bucket);
        let request = self.target.request("PUT", path, &[], EMPTY_SHA256, empty());
        let (status, _) = self.exchange(request).await?;
        match status {
            200 | 409 => Ok(()),
            other => Err(format!("CreateBucket: status {other}").into()),
        }
    }

    pub(crate) async fn exists(&mut self, key: &str) -> Result<bool, Error> {
        let request = self
            .target
            .request("HEAD", self.path(key), &[], EMPTY_SHA256, empty());
        Ok(self.exchange(request).await?.0 == 200)
    }

    /// Answers the number of bytes sent.
    pub(crate) async fn put(&mut self, key: &str, body: Body, hash: &str) -> Result<u64, Error> {
        let size = body.size();
        let request = self.target.request("PUT", self.path(key), &[], hash, body);
        match self.exchange(request).await? {
            (200 | 201 | 204, _) => Ok(size),
            (other, _) => Err(format!("PutObject: status {other}").into()),
        }
    }

    /// Answers the number of bytes received.
    pub(crate) async fn get(&mut self, key: &str) -> Result<u64, Error> {
        let request = self
            .target
            .request("GET", self.path(key), &[], EMPTY_SHA256, empty());
        match self.exchange(request).await? {
            (200, size) => Ok(size),
            (other, _) => Err(format!("GetObject: status {other}").into()),
        }
    }

    /// One page. Answers its length, and the last key if more follow.
    pub(crate) async fn list(
        &mut self,
        prefix: &str,
        after: Option<&[u8]>,
    ) -> Result<(u64, Option<Bytes>), Error> {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut query: Vec<_> = [("list-type", "2"), ("prefix", prefix)].map(own).into();
        if let Some(after) = after {
            query.push(own(("start-after", std::str::from_utf8(after)?)));
        }
        let path = format!("/{}", self.target.bucket);
        let request = self
            .target
            .request("GET", path, &query, EMPTY_SHA256, empty());
        let (head, body) = self.connection.start(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        if head.status != 200 {
            return Err(format!("ListObjectsV2: status {}", head.status).into());
        }
        let text = std::str::from_utf8(&body)?;
        let next = text.contains("<IsTruncated>true").then(|| {
            let (_, last) = text.rsplit_once("<Key>")?;
            let (last, _) = last.split_once("</Key>")?;
            Some(Bytes::copy_from_slice(last.as_bytes()))
        });
        Ok((body.len() as u64, next.flatten()))
    }

    fn path(&self, key: &str) -> String {
        format!("/{}/{key}", self.target.bucket)
    }

    /// Sends, and reads the answer away: its status and how many bytes it had.
    async fn exchange(&mut self, request: Outgoing) -> Result<(u16, u64), Error> {
        let (head, mut body) = self.connection.start(request).await?.into_parts();
        let mut size = 0;
        while let Some(frame) = body.frame().await {
            size += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
        Ok((head.status.as_u16(), size))
    }
}

fn empty() -> Body {
    Body::Full(Bytes::new())
}
