//! Signature Version 2, in the `Authorization` header or in a URL: an HMAC-SHA1 over a text that
//! leaves the body and most parameters out.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html>

use super::AuthError;
use super::credentials::SecretKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, DATE};
use http::request::Parts;
use sha1::Sha1;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use subtle::ConstantTimeEq;

/// The parameters that are signed. Everything that turns a request into another operation must
/// be among them, or whoever sees a request could add it.
const SIGNED: &[&str] = &[
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "retention",
    "select",
    "select-type",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// A signature. As that of version 4, it cannot be printed.
#[derive(Clone)]
pub(in crate::s3) struct SignatureV2([u8; 20]);

impl SignatureV2 {
    /// Reads the base64 of 20 bytes.
    pub(in crate::s3) fn parse(raw: &str) -> Option<Self> {
        BASE64.decode(raw).ok()?.try_into().ok().map(Self)
    }

    /// The signature of `text`.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub(super) fn of(secret: &SecretKey, text: &[u8]) -> Self {
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.reveal().as_bytes()).expect("a key");
        mac.update(text);
        Self(mac.finalize().into_bytes().into())
    }

    /// Both are the same; takes the same time whatever differs.
    pub(super) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    #[cfg(test)]
    pub(in crate::s3) fn reveal(&self) -> String {
        BASE64.encode(self.0)
    }
}

impl fmt::Debug for SignatureV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignatureV2(..)")
    }
}

/// `AWS AKID:SIGNATURE`, taken apart; `None` for another scheme.
pub(super) fn parse_header(raw: &str) -> Option<Result<(&str, &str), AuthError>> {
    let fields = raw.trim().strip_prefix("AWS ")?.trim();
    // A base64 text has no colon, a key id may.
    let pair = fields.rsplit_once(':').filter(|(id, _)| !id.is_empty());
    Some(pair.ok_or_else(|| {
        super::header::malformed("it must be of the form \"AWS <YOUR-AKID>:<SIGNATURE>\".")
    }))
}

/// The text that is signed. `date` is the line for the time: the `Date` header, nothing when
/// `x-amz-date` is there, `Expires` in a URL. `host_bucket` is the bucket that the host names, and
/// `path` the path as it was signed.
pub(super) fn text(head: &Parts, host_bucket: Option<&str>, path: &str, date: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(256);
    text.extend_from_slice(head.method.as_str().as_bytes());
    text.push(b'\n');
    for name in [&crate::s3::body::CONTENT_MD5, &CONTENT_TYPE] {
        let value = head.headers.get(name).map(http::HeaderValue::as_bytes);
        text.extend_from_slice(value.unwrap_or_default());
        text.push(b'\n');
    }
    text.extend_from_slice(date);
    text.push(b'\n');
    amz_headers(&head.headers, &mut text);
    if let Some(bucket) = host_bucket {
        text.push(b'/');
        text.extend_from_slice(bucket.as_bytes());
    }
    text.extend_from_slice(path.as_bytes());
    parameters(head.uri.query().unwrap_or_default(), &mut text);
    text
}

/// The paths that may have been signed for a request to this one: where a bucket is all that it
/// names, clients sign it with a `/` behind it, whether they send that or not. (Behind a bucket in
/// the host the path is a key, and `a` is not `a/`.)
pub(super) fn signed_paths<'a>(
    path: &'a str,
    host_bucket: Option<&str>,
) -> impl Iterator<Item = Cow<'a, str>> {
    let path = if path.is_empty() { "/" } else { path };
    let is_bucket = host_bucket.is_none() && path.rfind('/') == Some(0) && path.len() > 1;
    let closed = is_bucket.then(|| Cow::Owned(format!("{path}/")));
    std::iter::once(Cow::Borrowed(path)).chain(closed)
}

/// The line for the time of a request that is signed in the header.
pub(super) fn date_line(headers: &HeaderMap) -> &[u8] {
    let date = headers.get(DATE).map(http::HeaderValue::as_bytes);
    if headers.contains_key(super::X_AMZ_DATE) {
        b""
    } else {
        date.unwrap_or_default()
    }
}

/// `name:value,value` and a line feed each, sorted.
fn amz_headers(headers: &HeaderMap, text: &mut Vec<u8>) {
    let mut sorted: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for (name, value) in headers {
        if name.as_str().starts_with("x-amz-") {
            let joined = sorted.entry(name.as_str()).or_default();
            if !joined.is_empty() {
                joined.push(b',');
            }
            joined.extend_from_slice(value.as_bytes().trim_ascii());
        }
    }
    for (name, value) in sorted {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        text.extend_from_slice(&value);
        text.push(b'\n');
    }
}

/// The signed parameters, sorted; values are decoded.
fn parameters(query: &str, text: &mut Vec<u8>) {
    let mut signed: Vec<_> = query
        .split('&')
        .filter_map(|pair| {
            let (name, value) = match pair.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (pair, None),
            };
            let name = percent_encoding::percent_decode_str(name)
                .decode_utf8()
                .ok()?;
            let name = SIGNED.iter().copied().find(|signed| *signed == name)?;
            Some((name, value.filter(|value| !value.is_empty())))
        })
        .collect();
    signed.sort_unstable();
    for (index, (name, value)) in signed.into_iter().enumerate() {
        text.push(if index == 0 { b'?' } else { b'&' });
        text.extend_from_slice(name.as_bytes());
        if let Some(value) = value {
            text.push(b'=');
            text.extend(percent_encoding::percent_decode_str(value));
        }
    }
}

#[cfg(test)]
mod tests;
