//! A client's side of Signature Version 4, for tests.

use super::credentials::Credentials;
use super::date::SignedAt;
use super::scope::Scope;
use super::signature::{ChunkSigner, SigningKey};
use super::version_2::SignatureV2;
use super::{Signature, X_AMZ_CONTENT_SHA256, X_AMZ_DATE, canonical};
use crate::model::Timestamp;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderValue, Request, request};
use sha2::{Digest, Sha256};

/// The time of all published examples.
pub(in crate::s3) const DATE: &str = "20130524T000000Z";
pub(in crate::s3) const NOW: Timestamp = Timestamp(1_369_353_600_000_000_000);
pub(in crate::s3) const REGION: &str = "us-east-1";

/// The credentials of all published examples.
pub(in crate::s3) fn credentials() -> Credentials {
    Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        rights: super::Rights::default(),
    }
}

pub(in crate::s3) struct Signer {
    pub(in crate::s3) key_id: String,
    pub(in crate::s3) region: String,
    pub(in crate::s3) date: String,
}

impl Default for Signer {
    fn default() -> Self {
        Self {
            key_id: credentials().access_key_id.as_str().to_owned(),
            region: REGION.to_owned(),
            date: DATE.to_owned(),
        }
    }
}

impl Signer {
    fn signed_at(&self) -> SignedAt {
        SignedAt::parse(&self.date).unwrap()
    }

    fn scope(&self) -> String {
        format!("{}/{}/s3/aws4_request", &self.date[..8], self.region)
    }

    fn key(&self) -> SigningKey {
        let scope = Scope {
            day: &self.date[..8],
            region: &self.region,
        };
        SigningKey::derive(&credentials().secret_key, &scope)
    }

    fn signature(&self, head: &request::Parts, signed: &str, payload: &str) -> Signature {
        let hash = canonical::of(head, signed, payload).hashes().next();
        let hash = hash.unwrap();
        self.key()
            .sign_request(self.signed_at(), &self.scope(), &hash)
    }

    /// The signature of a form's policy.
    pub(in crate::s3) fn sign_policy(&self, policy: &str) -> String {
        self.key().sign_text(policy.as_bytes()).reveal()
    }

    /// Signs all headers that are there, and adds what is missing.
    pub(in crate::s3) fn sign(&self, request: request::Builder, payload: &str) -> request::Parts {
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let headers = &mut head.headers;
        headers
            .entry(HOST)
            .or_insert(HeaderValue::from_static("localhost"));
        headers
            .entry(X_AMZ_DATE)
            .or_insert(self.date.parse().unwrap());
        headers.insert(X_AMZ_CONTENT_SHA256, payload.parse().unwrap());
        let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        let signed = names.join(";");
        let signature = self.signature(&head, &signed, payload).reveal();
        let (id, scope) = (&self.key_id, self.scope());
        let text = format!(
            "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={signed}, Signature={signature}"
        );
        head.headers.insert(AUTHORIZATION, text.parse().unwrap());
        head
    }

    /// A presigned request; `extra` parameters go between the others.
    pub(in crate::s3) fn presign(&self, path: &str, extra: &str, expires: &str) -> request::Parts {
        let query = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}%2F{}&X-Amz-Date={}&X-Amz-Expires={expires}{extra}&X-Amz-SignedHeaders=host",
            self.key_id,
            self.scope().replace('/', "%2F"),
            self.date,
        );
        let build = |query: &str| {
            let request = Request::get(format!("{path}?{query}")).header(HOST, "localhost");
            request.body(()).unwrap().into_parts().0
        };
        let head = build(&query);
        let signature = self.signature(&head, "host", "UNSIGNED-PAYLOAD").reveal();
        build(&format!("{query}&X-Amz-Signature={signature}"))
    }

    /// The chain of chunk signatures that follows a signed request.
    fn chunks(&self, head: &request::Parts) -> ChunkSigner {
        let raw = head.headers[AUTHORIZATION].to_str().unwrap();
        let (_, seed) = raw.rsplit_once('=').unwrap();
        let seed = Signature::parse(seed.as_bytes()).unwrap();
        ChunkSigner::new(self.key(), self.signed_at(), &self.scope(), seed)
    }

    /// An aws-chunked body with signatures, and with a trailer if there are any fields.
    pub(in crate::s3) fn signed_body(
        &self,
        head: &request::Parts,
        chunks: &[&[u8]],
        trailer: &[(&str, &str)],
    ) -> Vec<u8> {
        let mut signer = self.chunks(head);
        let mut body = Vec::new();
        for chunk in chunks.iter().copied().chain([&b""[..]]) {
            let signature = signer.sign_chunk(&Sha256::digest(chunk).into()).reveal();
            body.extend(format!("{:x};chunk-signature={signature}\r\n", chunk.len()).bytes());
            body.extend_from_slice(chunk);
            if !chunk.is_empty() {
                body.extend(b"\r\n");
            }
        }
        if !trailer.is_empty() {
            let mut hash = Sha256::new();
            for (name, value) in trailer {
                hash.update(format!("{name}:{value}\n"));
                body.extend(format!("{name}:{value}\r\n").bytes());
            }
            let signature = signer.sign_trailer(&hash.finalize().into()).reveal();
            body.extend(format!("x-amz-trailer-signature:{signature}\r\n").bytes());
        }
        body.extend(b"\r\n");
        body
    }
}

/// The signature of a form's policy, by version 2.
pub(in crate::s3) fn sign_policy_v2(policy: &str) -> String {
    SignatureV2::of(&credentials().secret_key, policy.as_bytes()).reveal()
}

/// An aws-chunked body without signatures.
pub(in crate::s3) fn unsigned_body(chunks: &[&[u8]], trailer: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in chunks {
        body.extend(format!("{:X}\r\n", chunk.len()).bytes());
        body.extend_from_slice(chunk);
        body.extend(b"\r\n");
    }
    body.extend(b"0\r\n");
    for (name, value) in trailer {
        body.extend(format!("{name}:{value}\r\n").bytes());
    }
    body.extend(b"\r\n");
    body
}
