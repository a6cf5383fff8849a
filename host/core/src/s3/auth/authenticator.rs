//! The check itself.

use super::credentials::{AccessKeyId, Credentials};
use super::date::SignedAt;
use super::error::{Mismatch, Place};
use super::header::{AuthorizationHeader, malformed};
use super::hoisted::all_hoisted;
use super::query::{QueryFields, wrong};
use super::rights::{Action, BucketPattern, Rights};
use super::scope::{Credential, Scope};
use super::signature::{self, ChunkSigner, Signature, SigningKey};
use super::version_2::{self, SignatureV2};
use super::{
    AuthError, PayloadMode, X_AMZ_CONTENT_SHA256, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN, canonical,
};
use crate::model::{BucketName, Timestamp};
use crate::s3::address::Domains;
use crate::s3::query::Query;
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{HeaderMap, Method};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Who may come in.
#[derive(Debug, Clone)]
pub enum Access {
    /// `--no-auth`: anything is accepted, signed or not.
    Open,
    /// Requests must be signed by somebody known.
    Keys {
        /// Who is known.
        pairs: Vec<Credentials>,
        /// Buckets that anybody may read, signed or not.
        public: Vec<BucketPattern>,
    },
}

impl Access {
    /// Requests must be signed by one of these.
    pub fn keys(pairs: Vec<Credentials>) -> Self {
        let public = Vec::new();
        Self::Keys { pairs, public }
    }
}

/// Checks signatures.
#[derive(Debug)]
pub struct Authenticator {
    access: Access,
    region: Box<str>,
    /// Version 2 signs the bucket that the host stands for.
    domains: Domains,
    /// Signing keys by index of the credentials and scope: made once a day each.
    derived: Mutex<HashMap<(usize, String), SigningKey>>,
}

/// A request that was let in. Only [`Authenticator::authenticate`] makes one.
#[derive(Debug)]
pub struct Authenticated {
    access_key_id: Option<AccessKeyId>,
    rights: Rights,
    /// Nobody signed, although somebody should have.
    anonymous: bool,
    payload: PayloadMode,
    chunks: Option<ChunkSigner>,
}

impl Authenticated {
    /// Who signed; `None` with [`Access::Open`] and for who may read without a key.
    pub fn access_key_id(&self) -> Option<&str> {
        self.access_key_id.as_ref().map(AccessKeyId::as_str)
    }

    /// Whether nobody signed, although keys are asked for.
    pub fn is_anonymous(&self) -> bool {
        self.anonymous
    }

    /// Refuses what the sender may not do to a bucket.
    pub fn may(&self, action: Action, bucket: &BucketName) -> Result<(), AuthError> {
        if self.rights.allow(action, bucket) {
            Ok(())
        } else {
            Err(AuthError::AccessDenied)
        }
    }

    /// The buckets that the sender may list; nobody lists them without a key.
    pub fn may_list_buckets(&self) -> Result<Rights, AuthError> {
        if self.anonymous {
            Err(AuthError::AccessDenied)
        } else {
            Ok(self.rights.clone())
        }
    }

    /// How the body is sent.
    pub fn payload(&self) -> &PayloadMode {
        &self.payload
    }

    pub(super) fn of(
        credentials: &Credentials,
        payload: PayloadMode,
        chunks: Option<ChunkSigner>,
    ) -> Self {
        Self {
            access_key_id: Some(credentials.access_key_id.clone()),
            rights: credentials.rights.clone(),
            anonymous: false,
            payload,
            chunks,
        }
    }

    pub(super) fn anyone(payload: PayloadMode) -> Self {
        Self {
            access_key_id: None,
            rights: Rights::default(),
            anonymous: false,
            payload,
            chunks: None,
        }
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
    pub fn new(mut access: Access, region: &str) -> Self {
        // Who signs may do no less than who does not.
        if let Access::Keys { pairs, public } = &mut access {
            for pair in pairs {
                pair.rights.public.clone_from(public);
            }
        }
        Self {
            access,
            region: region.into(),
            domains: Domains::default(),
            derived: Mutex::default(),
        }
    }

    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// The same for a gateway with these domains.
    #[must_use]
    pub fn with_domains(self, domains: Domains) -> Self {
        Self { domains, ..self }
    }

    /// Says who sent a request, or why it is refused. Who did not sign gets the rights of
    /// everybody: to read the public buckets.
    ///
    /// `head.uri` must be as the client sent it: the signature covers it.
    pub fn authenticate(&self, head: &Parts, now: Timestamp) -> Result<Authenticated, AuthError> {
        let Access::Keys { pairs, public } = &self.access else {
            let query = QueryFields::read(head.uri.query().unwrap_or_default());
            return anyone(head, &query);
        };
        let query = QueryFields::read(head.uri.query().unwrap_or_default());
        let header = head.headers.get(AUTHORIZATION);
        if header.is_some() && (query.is_presigned() || query.is_version_2()) {
            return Err(AuthError::SeveralMechanisms);
        }
        let header = header
            .map(|raw| raw.to_str())
            .transpose()
            .map_err(|_| malformed("it has characters that are not ASCII."))?;
        let signed = query.is_presigned() || query.is_version_2() || header.is_some();
        if signed && (has_token(&head.headers) || query.has_token) {
            return Err(AuthError::InvalidToken);
        }
        if query.is_presigned() {
            return self.presigned(pairs, head, &query, now);
        }
        if query.is_version_2() {
            return self.presigned_version_2(pairs, head, &query, now);
        }
        let Some(header) = header else {
            let rights = Rights {
                read_only: true,
                buckets: Some(Vec::new()),
                public: public.clone(),
            };
            return Ok(Authenticated {
                rights,
                anonymous: true,
                ..anyone(head, &query)?
            });
        };
        match version_2::parse_header(header) {
            Some(fields) => self.version_2_in_header(pairs, head, fields?, now),
            None => self.signed_in_header(pairs, head, header, &query, now),
        }
    }

    fn signed_in_header(
        &self,
        keys: &[Credentials],
        head: &Parts,
        raw: &str,
        query: &QueryFields,
        now: Timestamp,
    ) -> Result<Authenticated, AuthError> {
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
            return Err(self.wrong_region(Place::Header, &header.credential.scope));
        }
        signed_at.check_fresh(now)?;
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
        let url = query.presigned()?;
        check_signed(head, url.signed_headers, |_| false)?;
        if url.credential.scope.day != url.signed_at.day() {
            return Err(wrong(
                "Invalid credential date. Date in X-Amz-Credential does not match the date in X-Amz-Date.",
            ));
        }
        if !self.is_our_region(&url.credential.scope, head, query) {
            return Err(self.wrong_region(Place::Query, &url.credential.scope));
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

    fn version_2_in_header(
        &self,
        keys: &[Credentials],
        head: &Parts,
        (id, signature): (&str, &str),
        now: Timestamp,
    ) -> Result<Authenticated, AuthError> {
        SignedAt::of(&head.headers)?.check_fresh(now)?;
        let date = version_2::date_line(&head.headers);
        self.verify_version_2(keys, head, (id, signature), date)
    }

    fn presigned_version_2(
        &self,
        keys: &[Credentials],
        head: &Parts,
        query: &QueryFields,
        now: Timestamp,
    ) -> Result<Authenticated, AuthError> {
        let url = query.version_2()?;
        // Who sends a query that cannot be decoded is not served whatever it says.
        let decoded = Query::parse(head.uri.query()).unwrap_or_default();
        let head = &*all_hoisted(head, &decoded);
        if now.seconds() > url.expires_at {
            return Err(AuthError::RequestExpired {
                expires: Timestamp::from_seconds(url.expires_at),
                now,
            });
        }
        let pair = (url.access_key_id, url.signature);
        self.verify_version_2(keys, head, pair, url.expires.as_bytes())
    }

    fn verify_version_2(
        &self,
        keys: &[Credentials],
        head: &Parts,
        (id, signature): (&str, &str),
        date: &[u8],
    ) -> Result<Authenticated, AuthError> {
        let (_, credentials) = find(keys, id)?;
        let sent = SignatureV2::parse(signature);
        let bucket = self.domains.bucket_of(head);
        let text = |path: &str| version_2::text(head, bucket.as_deref(), path, date);
        let is_signed = version_2::signed_paths(head.uri.path(), bucket.as_deref()).any(|path| {
            let right = SignatureV2::of(&credentials.secret_key, &text(&path));
            sent.as_ref().is_some_and(|sent| right.matches(sent))
        });
        if !is_signed {
            return Err(AuthError::SignatureDoesNotMatch(Box::new(Mismatch {
                access_key_id: id.to_owned(),
                signature: signature.to_owned(),
                text: text(head.uri.path()),
                canonical: None,
            })));
        }
        let payload = match content_sha256(&head.headers)? {
            Some(raw) => PayloadMode::parse(raw)?,
            None => PayloadMode::guess(&head.headers),
        };
        if matches!(payload, PayloadMode::Chunked { signed: true, .. }) {
            return Err(AuthError::InvalidContentSha256); // Only version 4 signs chunks.
        }
        Ok(Authenticated::of(credentials, payload, None))
    }

    pub(super) fn wrong_region(&self, place: Place, scope: &Scope<'_>) -> AuthError {
        AuthError::WrongRegion {
            place,
            sent: scope.region.to_owned(),
            expected: self.region.to_string(),
        }
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
        let (index, credentials) = find(keys, claim.credential.access_key_id)?;
        let payload = PayloadMode::parse(claim.payload)?;
        let scope = claim.credential.scope.to_string();
        let key = self.signing_key(index, credentials, &claim.credential.scope, &scope);
        let canonical = canonical::of(head, claim.signed_headers, claim.payload);
        let sent = Signature::parse(claim.signature.as_bytes()).filter(|sent| {
            canonical.hashes().any(|hash| {
                key.sign_request(claim.signed_at, &scope, &hash)
                    .matches(sent)
            })
        });
        let Some(sent) = sent else {
            let canonical = canonical.text();
            let hash = Sha256::digest(&canonical).into();
            return Err(AuthError::SignatureDoesNotMatch(Box::new(Mismatch {
                access_key_id: claim.credential.access_key_id.to_owned(),
                signature: claim.signature.to_owned(),
                text: signature::text_of_request(claim.signed_at, &scope, &hash),
                canonical: Some(canonical),
            })));
        };
        let chunks = matches!(payload, PayloadMode::Chunked { signed: true, .. })
            .then(|| ChunkSigner::new(key, claim.signed_at, &scope, sent));
        Ok(Authenticated::of(credentials, payload, chunks))
    }

    pub(super) fn signing_key(
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
    Ok(Authenticated::anyone(payload))
}

pub(super) fn find<'k>(
    keys: &'k [Credentials],
    id: &str,
) -> Result<(usize, &'k Credentials), AuthError> {
    keys.iter()
        .enumerate()
        .find(|(_, key)| key.access_key_id.as_str() == id)
        .ok_or_else(|| AuthError::InvalidAccessKeyId(id.to_owned()))
}

/// Temporary credentials: there are none here, so that no token can be valid.
fn has_token(headers: &HeaderMap) -> bool {
    let token = headers.get(X_AMZ_SECURITY_TOKEN);
    token.is_some_and(|token| !token.is_empty())
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
