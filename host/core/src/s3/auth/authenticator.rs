//! The check itself.

use super::credentials::{AccessKeyId, Credentials};
use super::date::SignedAt;
use super::header::{AuthorizationHeader, malformed};
use super::query::{QueryFields, wrong};
use super::scope::{Credential, Scope};
use super::signature::{ChunkSigner, Signature, SigningKey};
use super::{AuthError, PayloadMode, X_AMZ_CONTENT_SHA256, X_AMZ_DATE, canonical};
use crate::model::Timestamp;
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{HeaderMap, Method};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Who may come in.
#[derive(Debug, Clone)]
pub enum Access {
    /// `--no-auth`: anything is accepted, signed or not.
    Open,
    /// Requests must be signed by one of these.
    Keys(Vec<Credentials>),
}

/// Checks signatures.
#[derive(Debug)]
pub struct Authenticator {
    access: Access,
    region: Box<str>,
    /// Signing keys by index of the credentials and scope: made once a day each.
    derived: Mutex<HashMap<(usize, String), SigningKey>>,
}

/// A request that was let in. Only [`Authenticator::authenticate`] makes one.
#[derive(Debug)]
pub struct Authenticated {
    access_key_id: Option<AccessKeyId>,
    payload: PayloadMode,
    chunks: Option<ChunkSigner>,
}

impl Authenticated {
    /// Who signed; `None` with [`Access::Open`].
    pub fn access_key_id(&self) -> Option<&str> {
        self.access_key_id.as_ref().map(AccessKeyId::as_str)
    }

    /// How the body is sent.
    pub fn payload(&self) -> &PayloadMode {
        &self.payload
    }

    /// What checks the signatures of a chunked body; `None` if it has none, or nobody checks.
    pub(in crate::s3) fn chunk_signer(&self) -> Option<ChunkSigner> {
        self.chunks.clone()
    }
}

/// What header and query have in common.
struct Claim<'a> {
    credential: Credential<'a>,
    signed_at: SignedAt,
    signed_headers: &'a str,
    signature: &'a str,
    /// The last line of the canonical request.
    payload: &'a str,
}

impl Authenticator {
    /// Signing keys to remember. One region and a few keys need one or two a day; what a
    /// client makes up must not add up.
    const REMEMBERED_KEYS: usize = 64;

    /// A check for a gateway that says it lies in `region`.
    pub fn new(access: Access, region: &str) -> Self {
        Self {
            access,
            region: region.into(),
            derived: Mutex::default(),
        }
    }

    /// Lets a request in, or says why not.
    ///
    /// `head.uri` must be as the client sent it: the signature covers it.
    pub fn authenticate(&self, head: &Parts, now: Timestamp) -> Result<Authenticated, AuthError> {
        let query = QueryFields::read(head.uri.query().unwrap_or_default());
        match &self.access {
            Access::Open => anyone(head, &query),
            Access::Keys(keys) if query.is_presigned() => self.presigned(keys, head, &query, now),
            Access::Keys(keys) => self.signed_in_header(keys, head, &query, now),
        }
    }

    fn signed_in_header(
        &self,
        keys: &[Credentials],
        head: &Parts,
        query: &QueryFields,
        now: Timestamp,
    ) -> Result<Authenticated, AuthError> {
        let Some(raw) = head.headers.get(AUTHORIZATION) else {
            return Err(if query.version_2 {
                AuthError::UnsupportedScheme
            } else {
                AuthError::AccessDenied
            });
        };
        let raw = raw
            .to_str()
            .map_err(|_| malformed("it has characters that are not ASCII."))?;
        let header = AuthorizationHeader::parse(raw)?;
        let signed_at = SignedAt::of(&head.headers)?;
        let payload = content_sha256(&head.headers)?.ok_or(AuthError::MissingContentSha256)?;
        // Two are covered by the signature without being listed: one is the canonical request's
        // last line, the other is the time of the signature.
        check_signed(head, header.signed_headers, |name| {
            name == X_AMZ_CONTENT_SHA256.as_str() || name == X_AMZ_DATE.as_str()
        })?;
        if header.credential.scope.day != signed_at.day() {
            return Err(malformed(
                "Invalid credential date. Date in credential scope does not match the date of the request.",
            ));
        }
        if !self.is_our_region(&header.credential.scope, head, query) {
            return Err(AuthError::AuthorizationHeaderMalformed {
                detail: "the region is wrong.",
                region: Some(self.region.to_string()),
            });
        }
        if !signed_at.is_fresh(now) {
            return Err(AuthError::RequestTimeTooSkewed);
        }
        let claim = Claim {
            credential: header.credential,
            signed_at,
            signed_headers: header.signed_headers,
            signature: header.signature,
            payload,
        };
        self.verify(keys, head, &claim)
    }

    fn presigned(
        &self,
        keys: &[Credentials],
        head: &Parts,
        query: &QueryFields,
        now: Timestamp,
    ) -> Result<Authenticated, AuthError> {
        if head.headers.contains_key(AUTHORIZATION) {
            return Err(AuthError::SeveralMechanisms);
        }
        let url = query.presigned()?;
        check_signed(head, url.signed_headers, |_| false)?;
        if url.credential.scope.day != url.signed_at.day() {
            return Err(wrong(
                "Invalid credential date. Date in X-Amz-Credential does not match the date in X-Amz-Date.",
            ));
        }
        if !self.is_our_region(&url.credential.scope, head, query) {
            return Err(wrong(
                "Error parsing the X-Amz-Credential parameter; the region is wrong.",
            ));
        }
        url.check_time(now)?;
        let payload = content_sha256(&head.headers)?
            .or(query.content_sha256.as_deref())
            .unwrap_or(PayloadMode::UNSIGNED);
        let claim = Claim {
            credential: url.credential,
            signed_at: url.signed_at,
            signed_headers: url.signed_headers,
            signature: url.signature,
            payload,
        };
        self.verify(keys, head, &claim)
    }

    /// A client that does not know the region yet asks for it, and has to sign that question for
    /// some region (minio's clients do).
    fn is_our_region(&self, scope: &Scope<'_>, head: &Parts, query: &QueryFields) -> bool {
        *scope.region == *self.region || (head.method == Method::GET && query.location)
    }

    fn verify(
        &self,
        keys: &[Credentials],
        head: &Parts,
        claim: &Claim<'_>,
    ) -> Result<Authenticated, AuthError> {
        let id = claim.credential.access_key_id;
        let (index, credentials) = keys
            .iter()
            .enumerate()
            .find(|(_, key)| key.access_key_id.as_str() == id)
            .ok_or_else(|| AuthError::InvalidAccessKeyId(id.to_owned()))?;
        let payload = PayloadMode::parse(claim.payload)?;
        let sent =
            Signature::parse(claim.signature.as_bytes()).ok_or(AuthError::SignatureDoesNotMatch)?;

        let scope = claim.credential.scope.to_string();
        let key = self.signing_key(index, credentials, &claim.credential.scope, &scope);
        let mut hashes = canonical::hashes(head, claim.signed_headers, claim.payload)?;
        if !hashes.any(|hash| {
            key.sign_request(claim.signed_at, &scope, &hash)
                .matches(&sent)
        }) {
            return Err(AuthError::SignatureDoesNotMatch);
        }
        let chunks = matches!(payload, PayloadMode::Chunked { signed: true, .. })
            .then(|| ChunkSigner::new(key, claim.signed_at, &scope, sent));
        Ok(Authenticated {
            access_key_id: Some(credentials.access_key_id.clone()),
            payload,
            chunks,
        })
    }

    fn signing_key(
        &self,
        index: usize,
        credentials: &Credentials,
        scope: &Scope<'_>,
        text: &str,
    ) -> SigningKey {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (index, text.to_owned());
        if let Some(key) = derived.get(&name) {
            return key.clone();
        }
        if derived.len() >= Self::REMEMBERED_KEYS {
            derived.clear();
        }
        let key = SigningKey::derive(&credentials.secret_key, scope);
        derived.insert(name, key.clone());
        key
    }
}

/// Nobody is asked, but the payload mode says how to read the body.
fn anyone(head: &Parts, query: &QueryFields) -> Result<Authenticated, AuthError> {
    let payload = match content_sha256(&head.headers)?.or(query.content_sha256.as_deref()) {
        Some(raw) => PayloadMode::parse(raw)?,
        None => PayloadMode::guess(&head.headers),
    };
    Ok(Authenticated {
        access_key_id: None,
        payload,
        chunks: None,
    })
}

fn content_sha256(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    headers
        .get(X_AMZ_CONTENT_SHA256)
        .map(|raw| raw.to_str().map_err(|_| AuthError::InvalidContentSha256))
        .transpose()
}

/// `Host` and all `x-amz-*` headers must be signed, or else whoever sees a request could change
/// what it does.
fn check_signed(
    head: &Parts,
    signed: &str,
    covered: impl Fn(&str) -> bool,
) -> Result<(), AuthError> {
    if !head.headers.contains_key(HOST) && head.uri.authority().is_none() {
        return Err(AuthError::MissingSecurityHeader);
    }
    let unsigned: Vec<String> = std::iter::once(HOST.as_str())
        .chain(
            head.headers
                .keys()
                .map(http::HeaderName::as_str)
                .filter(|name| name.starts_with("x-amz-") && !covered(name)),
        )
        .filter(|name| !signed.split(';').any(|listed| listed == *name))
        .map(str::to_owned)
        .collect();
    if unsigned.is_empty() {
        Ok(())
    } else {
        Err(AuthError::HeadersNotSigned(unsigned))
    }
}
