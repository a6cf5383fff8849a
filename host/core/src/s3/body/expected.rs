//! What the headers of a request promise about its body.

use super::checksum;
use super::{CONTENT_MD5, X_AMZ_SDK_CHECKSUM_ALGORITHM};
use crate::model::{Checksum, ChecksumAlgorithm, Wanted};
use crate::s3::auth::{
    AuthError, Authenticated, ChunkSigner, PayloadMode, X_AMZ_DECODED_CONTENT_LENGTH, X_AMZ_TRAILER,
};
use crate::s3::header;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName};

/// How the bytes are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Plain,
    Chunked { signed: bool, trailer: bool },
}

/// What the `x-amz-checksum-*` headers of a request speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChecksumOf {
    Body,
    /// The object that the request makes out of parts, so not the body's bytes.
    Object,
}

/// The checksum that the client announced. S3 takes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExpectedChecksum {
    /// In a header, so it is known.
    Value(Checksum),
    /// In the trailer.
    Trailer(ChecksumAlgorithm),
}

impl ExpectedChecksum {
    pub(super) fn algorithm(&self) -> ChecksumAlgorithm {
        match self {
            Self::Value(checksum) => checksum.algorithm(),
            Self::Trailer(algorithm) => *algorithm,
        }
    }
}

/// All promises.
#[derive(Debug)]
pub(super) struct Expected {
    /// Bytes after decoding; `None` if the client did not say.
    pub(super) size: Option<u64>,
    pub(super) framing: Framing,
    pub(super) md5: Option<[u8; 16]>,
    pub(super) sha256: Option<[u8; 32]>,
    pub(super) checksum: Option<ExpectedChecksum>,
    /// Somebody will want to know a checksum, whatever the client promised.
    pub(super) wanted: Option<Wanted>,
    /// Checks the signatures of chunks.
    pub(super) signer: Option<ChunkSigner>,
}

impl Expected {
    pub(super) fn read(
        auth: &Authenticated,
        headers: &HeaderMap,
        checksum_of: ChecksumOf,
    ) -> Result<Self, AuthError> {
        let (framing, sha256) = match *auth.payload() {
            PayloadMode::Unsigned => (Framing::Plain, None),
            PayloadMode::Digest(digest) => (Framing::Plain, Some(digest)),
            PayloadMode::Chunked { signed, trailer } => {
                (Framing::Chunked { signed, trailer }, None)
            }
        };
        let size = match framing {
            Framing::Plain => {
                number(headers, &CONTENT_LENGTH).map_err(|()| AuthError::InvalidContentLength)?
            }
            // The length of the framed body does not tell that of the object.
            Framing::Chunked { .. } => Some(
                number(headers, &X_AMZ_DECODED_CONTENT_LENGTH)
                    .map_err(|()| AuthError::InvalidDecodedLength)?
                    .ok_or(AuthError::MissingContentLength)?,
            ),
        };
        Ok(Self {
            size,
            framing,
            md5: content_md5(headers)?,
            sha256,
            checksum: match checksum_of {
                ChecksumOf::Body => promised(headers, framing)?,
                ChecksumOf::Object => None,
            },
            wanted: None,
            signer: auth.chunk_signer(),
        })
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, ()> {
    let Some(raw) = headers.get(name) else {
        return Ok(None);
    };
    let raw = raw.to_str().map_err(|_| ())?;
    if !raw.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(());
    }
    raw.parse().map(Some).map_err(|_| ())
}

fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, AuthError> {
    let Some(raw) = headers.get(CONTENT_MD5) else {
        return Ok(None);
    };
    let digest = STANDARD.decode(raw).map_err(|_| AuthError::InvalidDigest)?;
    let digest = digest.try_into().map_err(|_| AuthError::InvalidDigest)?;
    Ok(Some(digest))
}

/// Whether a header has a checksum that nobody here can verify.
pub fn has_unknown_checksum(headers: &HeaderMap) -> bool {
    const OTHERS: [HeaderName; 3] = [
        header::CHECKSUM_ALGORITHM,
        header::CHECKSUM_MODE,
        header::CHECKSUM_TYPE,
    ];
    let is_known = |name: &HeaderName| {
        OTHERS.contains(name)
            || ChecksumAlgorithm::ALL
                .iter()
                .any(|a| name == checksum::header(*a))
    };
    let mut names = headers.keys();
    names.any(|name| name.as_str().starts_with(header::CHECKSUM_PREFIX) && !is_known(name))
}

/// Whether headers promise something by which a change of the body would be noticed.
pub fn has_digest(headers: &HeaderMap) -> bool {
    let mut sums = ChecksumAlgorithm::ALL.into_iter().map(checksum::header);
    let trailer = headers.get(X_AMZ_TRAILER).map(http::HeaderValue::as_bytes);
    headers.contains_key(CONTENT_MD5)
        || sums.any(|name| {
            headers.contains_key(name)
                || trailer.is_some_and(|raw| raw.eq_ignore_ascii_case(name.as_bytes()))
        })
}

fn promised(headers: &HeaderMap, framing: Framing) -> Result<Option<ExpectedChecksum>, AuthError> {
    let mut found = None;
    let mut add = |checksum| match found.replace(checksum) {
        None => Ok(()),
        Some(_) => Err(AuthError::SeveralChecksums),
    };
    if has_unknown_checksum(headers) {
        return Err(AuthError::UnknownChecksum);
    }
    for algorithm in ChecksumAlgorithm::ALL {
        for raw in headers.get_all(checksum::header(algorithm)) {
            let value = raw
                .to_str()
                .ok()
                .and_then(|raw| Checksum::parse(algorithm, raw.trim()));
            let value = value.ok_or(AuthError::InvalidChecksum(checksum::header(algorithm)))?;
            add(ExpectedChecksum::Value(value))?;
        }
    }
    for raw in headers.get_all(X_AMZ_TRAILER) {
        if !matches!(framing, Framing::Chunked { trailer: true, .. }) {
            return Err(AuthError::InvalidTrailer);
        }
        let raw = raw.to_str().map_err(|_| AuthError::InvalidTrailer)?;
        for name in raw
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            let algorithm = checksum::from_header(name).ok_or(AuthError::InvalidTrailer)?;
            add(ExpectedChecksum::Trailer(algorithm))?;
        }
    }
    if let Some(raw) = headers.get(X_AMZ_SDK_CHECKSUM_ALGORITHM) {
        let algorithm = raw.to_str().ok().and_then(ChecksumAlgorithm::from_name);
        let algorithm =
            algorithm.ok_or(AuthError::InvalidChecksum("x-amz-sdk-checksum-algorithm"))?;
        if found.as_ref().map(ExpectedChecksum::algorithm) != Some(algorithm) {
            return Err(AuthError::MissingChecksum);
        }
    }
    Ok(found)
}
