//! Requests to an S3 server, right ones by default and wrong ones on demand.

use crate::client::{Body, Connection, Error, Outgoing, Reply};
use crate::sign::{self, Credentials, Framing, SigningKey, ToSign};
use crate::xml::Element;
use bytes::Bytes;
use std::fmt::Write as _;
use std::net::SocketAddr;
use time::OffsetDateTime;

/// An S3 server and who talks to it.
#[derive(Debug, Clone)]
pub struct S3 {
    /// Where it listens.
    pub address: SocketAddr,
    /// Value of `Host`.
    pub host: String,
    /// Who signs.
    pub credentials: Credentials,
}

/// What the signature says about the body.
#[derive(Debug, Clone)]
enum Payload {
    Hashed,
    Literal(String),
    Chunked(Framing),
}

/// A request that is being put together.
#[derive(Debug, Clone)]
pub struct Call {
    s3: S3,
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    unsigned_headers: Vec<(String, String)>,
    body: Body,
    payload: Payload,
    time: OffsetDateTime,
}

/// A signed request, which a test may still spoil.
#[derive(Debug, Clone)]
pub struct Signed {
    address: SocketAddr,
    /// The request.
    pub request: Outgoing,
    /// The frames of an aws-chunked body; empty for another.
    pub frames: Vec<Vec<u8>>,
}

impl S3 {
    /// A server with the default credentials, addressed by its IP address.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            host: address.to_string(),
            credentials: Credentials::default(),
        }
    }

    /// A request for a path that is percent-encoded already.
    pub fn call(&self, method: &str, path: &str) -> Call {
        Call {
            s3: self.clone(),
            method: method.to_owned(),
            path: path.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            unsigned_headers: Vec::new(),
            body: Body::Full(Bytes::new()),
            payload: Payload::Hashed,
            time: OffsetDateTime::now_utc(),
        }
    }

    /// A request for a bucket.
    pub fn bucket(&self, method: &str, bucket: &str) -> Call {
        self.call(method, &format!("/{bucket}"))
    }

    /// A request for an object.
    pub fn object(&self, method: &str, bucket: &str, key: &str) -> Call {
        self.call(method, &format!("/{bucket}/{}", sign::encode_path(key)))
    }

    /// `PutObject`.
    pub fn put(&self, bucket: &str, key: &str, body: impl Into<Bytes>) -> Call {
        self.object("PUT", bucket, key).body(body)
    }

    /// `GetObject`.
    pub fn get(&self, bucket: &str, key: &str) -> Call {
        self.object("GET", bucket, key)
    }

    /// `HeadObject`.
    pub fn head(&self, bucket: &str, key: &str) -> Call {
        self.object("HEAD", bucket, key)
    }

    /// `DeleteObject`.
    pub fn delete(&self, bucket: &str, key: &str) -> Call {
        self.object("DELETE", bucket, key)
    }

    /// `ListObjectsV2`.
    pub fn list(&self, bucket: &str) -> Call {
        self.bucket("GET", bucket).query("list-type", "2")
    }

    /// Makes a bucket, or panics.
    pub async fn create_bucket(&self, bucket: &str) {
        self.bucket("PUT", bucket).send().await.expect(200);
    }

    /// Puts an object, or panics; returns its tag.
    pub async fn store(&self, bucket: &str, key: &str, body: impl Into<Bytes>) -> String {
        let reply = self.put(bucket, key, body).send().await.expect(200);
        reply.etag().to_owned()
    }

    /// Bytes of an object, or panics.
    pub async fn fetch(&self, bucket: &str, key: &str) -> Bytes {
        self.get(bucket, key).send().await.expect(200).body
    }

    /// All keys of a bucket, page by page, in the order of the answers.
    pub async fn keys(&self, bucket: &str) -> Vec<String> {
        let pages = self.pages(self.list(bucket)).await;
        pages
            .iter()
            .flat_map(|page| page.texts("Contents", "Key"))
            .collect()
    }

    /// All pages that `ListObjectsV2` gives for a first request.
    pub async fn pages(&self, first: Call) -> Vec<Element> {
        let mut pages = Vec::new();
        let mut call = first.clone();
        loop {
            let page = call.send().await.expect(200).xml();
            let next = page
                .find("NextContinuationToken")
                .map(|token| token.text.clone());
            assert_eq!(
                page.text("IsTruncated") == "true",
                next.is_some(),
                "{page:?}"
            );
            pages.push(page);
            let Some(next) = next else { return pages };
            call = first.clone().query("continuation-token", &next);
        }
    }

    /// Starts a multipart upload, or panics; returns its id.
    pub async fn create_upload(&self, bucket: &str, key: &str) -> String {
        let call = self.object("POST", bucket, key).query("uploads", "");
        call.send()
            .await
            .expect(200)
            .xml()
            .text("UploadId")
            .to_owned()
    }

    /// `UploadPart`.
    pub fn part(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: u32,
        body: impl Into<Bytes>,
    ) -> Call {
        let call = self.put(bucket, key, body);
        call.query("partNumber", &number.to_string())
            .query("uploadId", upload)
    }

    /// Uploads a part, or panics; returns its tag.
    pub async fn store_part(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: u32,
        body: impl Into<Bytes>,
    ) -> String {
        let reply = self
            .part(bucket, key, upload, number, body)
            .send()
            .await
            .expect(200);
        reply.etag().to_owned()
    }

    /// `CompleteMultipartUpload`.
    pub fn complete(&self, bucket: &str, key: &str, upload: &str, parts: &[(u32, String)]) -> Call {
        let mut document = String::from("<CompleteMultipartUpload>");
        for (number, etag) in parts {
            let _ = write!(
                document,
                "<Part><PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag></Part>"
            );
        }
        document.push_str("</CompleteMultipartUpload>");
        self.object("POST", bucket, key)
            .query("uploadId", upload)
            .body(document)
    }

    /// `DeleteObjects`.
    pub fn delete_many(&self, bucket: &str, document: &str) -> Call {
        self.bucket("POST", bucket)
            .query("delete", "")
            .document(document)
    }
}

impl Call {
    /// Adds a parameter to the query (not encoded).
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a header, which is signed.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a header that is not signed.
    #[must_use]
    pub fn unsigned_header(mut self, name: &str, value: &str) -> Self {
        self.unsigned_headers
            .push((name.to_owned(), value.to_owned()));
        self
    }

    /// The body, whose SHA-256 is signed unless another payload is asked for.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Full(body.into());
        self
    }

    /// A document, with the digest that S3 wants of some.
    #[must_use]
    pub fn document(self, document: &str) -> Self {
        use base64::Engine as _;
        use md5::{Digest as _, Md5};
        let md5 = base64::engine::general_purpose::STANDARD.encode(Md5::digest(document));
        self.header("content-md5", &md5).body(document.to_owned())
    }

    /// A large body, which is not hashed.
    #[must_use]
    pub fn repeated(mut self, piece: Bytes, size: u64) -> Self {
        self.body = Body::Repeat { piece, size };
        self.payload("UNSIGNED-PAYLOAD")
    }

    /// Sends and signs this value of `x-amz-content-sha256`.
    #[must_use]
    pub fn payload(mut self, value: &str) -> Self {
        self.payload = Payload::Literal(value.to_owned());
        self
    }

    /// Frames the body as aws-chunked.
    #[must_use]
    pub fn chunked(mut self, framing: Framing) -> Self {
        self.payload = Payload::Chunked(framing);
        self
    }

    /// Signs as of this moment instead of now.
    #[must_use]
    pub fn at(mut self, time: OffsetDateTime) -> Self {
        self.time = time;
        self
    }

    /// Signs as somebody else.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.s3.credentials = credentials;
        self
    }

    /// Asks another host, still at the same address.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.s3.host);
        self
    }

    /// Signs with the `Authorization` header.
    pub fn sign(self) -> Signed {
        let stamp = sign::stamp(self.time);
        let key = SigningKey::new(&self.s3.credentials, &stamp);
        let payload = match (&self.payload, &self.body) {
            (Payload::Hashed, Body::Full(bytes)) => sign::sha256_hex(bytes),
            (Payload::Hashed, Body::Repeat { .. }) => "UNSIGNED-PAYLOAD".to_owned(),
            (Payload::Literal(value), _) => value.clone(),
            (Payload::Chunked(framing), _) => framing.payload().to_owned(),
        };
        let mut headers = self.headers.clone();
        headers.push(("host".into(), self.s3.host.clone()));
        headers.push(("x-amz-date".into(), stamp.clone()));
        headers.push(("x-amz-content-sha256".into(), payload.clone()));
        if let Payload::Chunked(framing) = &self.payload {
            headers.push(("content-encoding".into(), "aws-chunked".into()));
            let size = self.body.size().to_string();
            headers.push(("x-amz-decoded-content-length".into(), size));
            if let Some((name, _)) = &framing.trailer {
                headers.push(("x-amz-trailer".into(), name.clone()));
            }
        }
        let to_sign = ToSign {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &headers,
            payload: &payload,
        };
        let (authorization, seed) = sign::authorization(&key, &stamp, to_sign);
        headers.push(("authorization".into(), authorization));
        let frames = match (&self.payload, &self.body) {
            (Payload::Chunked(framing), Body::Full(data)) => {
                framing.frames(data, &key, &stamp, &seed)
            }
            _ => Vec::new(),
        };
        self.assemble(headers, frames)
    }

    /// Signs in the query: a presigned URL, good for `expires` seconds.
    pub fn presign(mut self, expires: u64) -> Signed {
        let stamp = sign::stamp(self.time);
        let key = SigningKey::new(&self.s3.credentials, &stamp);
        let mut headers = self.headers.clone();
        headers.push(("host".into(), self.s3.host.clone()));
        let to_sign = ToSign {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &headers,
            payload: "UNSIGNED-PAYLOAD",
        };
        self.query = sign::presign(&key, &stamp, expires, to_sign);
        self.assemble(headers, Vec::new())
    }

    /// Does not sign at all.
    pub fn anonymous(self) -> Signed {
        let mut headers = self.headers.clone();
        headers.push(("host".into(), self.s3.host.clone()));
        self.assemble(headers, Vec::new())
    }

    fn assemble(self, mut headers: Vec<(String, String)>, frames: Vec<Vec<u8>>) -> Signed {
        headers.extend(self.unsigned_headers);
        let body = if frames.is_empty() {
            self.body
        } else {
            Body::Full(frames.concat().into())
        };
        let sized = headers
            .iter()
            .any(|(n, _)| n.eq_ignore_ascii_case("content-length"));
        if !sized && (body.size() > 0 || matches!(self.method.as_str(), "PUT" | "POST")) {
            headers.push(("content-length".into(), body.size().to_string()));
        }
        let query: Vec<_> = self
            .query
            .iter()
            .map(|(name, value)| match value.as_str() {
                // As SDKs write sub-resources: `?uploads`.
                "" => sign::encode(name),
                value => format!("{}={}", sign::encode(name), sign::encode(value)),
            })
            .collect();
        let target = match query.join("&") {
            query if query.is_empty() => self.path,
            query => format!("{}?{query}", self.path),
        };
        let request = Outgoing {
            method: self.method,
            target,
            headers,
            body,
        };
        Signed {
            address: self.s3.address,
            request,
            frames,
        }
    }

    /// Signs, sends and reads the answer; panics when there is none.
    pub async fn send(self) -> Reply {
        self.sign().send().await
    }

    /// Signs, sends and reads the answer.
    pub async fn try_send(self) -> Result<Reply, Error> {
        self.sign().try_send().await
    }
}

impl Signed {
    /// Changes the frames of an aws-chunked body; `Content-Length` follows.
    #[must_use]
    pub fn reframed(mut self, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Self {
        change(&mut self.frames);
        self.request.body = Body::Full(self.frames.concat().into());
        let size = self.request.body.size().to_string();
        self.request.set("content-length", size);
        self
    }

    /// Replaces a header behind the signature's back.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.request.set(name, value);
        self
    }

    /// Removes a header behind the signature's back.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.request.remove(name);
        self
    }

    /// Replaces the body behind the signature's back; `Content-Length` follows.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.request.body = Body::Full(body.into());
        let size = self.request.body.size().to_string();
        self.request.set("content-length", size);
        self
    }

    /// Sends on a connection of its own; panics when there is no whole answer.
    pub async fn send(self) -> Reply {
        let what = format!("{} {}", self.request.method, self.request.target);
        match self.try_send().await {
            Ok(reply) => reply,
            Err(error) => panic!("no answer to {what}: {error:?}"),
        }
    }

    /// Sends on a connection of its own.
    pub async fn try_send(self) -> Result<Reply, Error> {
        Connection::open(self.address)
            .await?
            .send(self.request)
            .await
    }
}
