//! A signature in the query: presigned URLs.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use super::AuthError;
use super::canonical::parameters;
use super::date::SignedAt;
use super::scope::{Credential, CredentialError};
use crate::model::Timestamp;

/// A presigned URL works at most a week.
const LONGEST: i64 = 7 * 24 * 60 * 60;

/// The parameters of a request that concern its signature, decoded.
#[derive(Debug, Default)]
pub(super) struct QueryFields {
    algorithm: Option<String>,
    credential: Option<String>,
    date: Option<String>,
    expires: Option<String>,
    signed_headers: Option<String>,
    signature: Option<String>,
    /// `X-Amz-Content-Sha256`, where some SDKs put what others send as a header.
    pub(super) content_sha256: Option<String>,
    /// `AWSAccessKeyId`, `Expires` and `Signature`: Signature Version 2.
    access_key_id: Option<String>,
    expires_at: Option<String>,
    signature_2: Option<String>,
    /// There is a token of temporary credentials.
    pub(super) has_token: bool,
    /// `?location`: asks for the region.
    pub(super) location: bool,
    twice: bool,
}

impl QueryFields {
    pub(super) fn read(query: &str) -> Self {
        let mut fields = Self::default();
        for (name, value) in parameters(query) {
            let slot = match name.as_slice() {
                b"X-Amz-Algorithm" => &mut fields.algorithm,
                b"X-Amz-Credential" => &mut fields.credential,
                b"X-Amz-Date" => &mut fields.date,
                b"X-Amz-Expires" => &mut fields.expires,
                b"X-Amz-SignedHeaders" => &mut fields.signed_headers,
                b"X-Amz-Signature" => &mut fields.signature,
                b"X-Amz-Content-Sha256" | b"x-amz-content-sha256" => &mut fields.content_sha256,
                b"AWSAccessKeyId" => &mut fields.access_key_id,
                b"Expires" => &mut fields.expires_at,
                b"Signature" => &mut fields.signature_2,
                b"X-Amz-Security-Token" | b"x-amz-security-token" => {
                    fields.has_token |= !value.is_empty();
                    continue;
                }
                b"location" => {
                    fields.location = true;
                    continue;
                }
                _ => continue,
            };
            let value = String::from_utf8_lossy(&value).into_owned();
            fields.twice |= slot.replace(value).is_some();
        }
        fields
    }

    /// The request claims to be presigned.
    pub(super) fn is_presigned(&self) -> bool {
        self.algorithm.is_some() || self.signature.is_some() || self.credential.is_some()
    }

    /// The request claims to be presigned by Signature Version 2.
    pub(super) fn is_version_2(&self) -> bool {
        self.access_key_id.is_some() || self.signature_2.is_some()
    }

    /// That signature, if all of it is there and in order.
    pub(super) fn version_2(&self) -> Result<PresignedV2<'_>, AuthError> {
        let fields = (&self.access_key_id, &self.expires_at, &self.signature_2);
        let ((Some(access_key_id), Some(expires), Some(signature)), false) = (fields, self.twice)
        else {
            return Err(AuthError::IncompleteUrl);
        };
        Ok(PresignedV2 {
            access_key_id,
            expires,
            expires_at: number(expires).ok_or(AuthError::InvalidExpires)?,
            signature,
        })
    }

    /// The signature, if all of it is there and in order.
    pub(super) fn presigned(&self) -> Result<Presigned<'_>, AuthError> {
        let (
            Some(algorithm),
            Some(credential),
            Some(date),
            Some(expires),
            Some(signed_headers),
            Some(signature),
            false,
        ) = (
            self.algorithm.as_deref(),
            self.credential.as_deref(),
            self.date.as_deref(),
            self.expires.as_deref(),
            self.signed_headers
                .as_deref()
                .filter(|names| !names.is_empty()),
            self.signature.as_deref(),
            self.twice,
        )
        else {
            return Err(wrong(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
            ));
        };
        if algorithm != "AWS4-HMAC-SHA256" {
            return Err(wrong("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
        }
        let signed_at = SignedAt::parse(date).ok_or(wrong(
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
        ))?;
        let negative = expires.strip_prefix('-').and_then(number);
        let expires = match number(expires) {
            Some(seconds) if seconds > LONGEST => Err(wrong(
                "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
            )),
            Some(0) => Err(wrong("X-Amz-Expires must be positive")),
            Some(seconds) => Ok(seconds),
            None if negative.is_some() => Err(wrong("X-Amz-Expires must be positive")),
            None => Err(wrong("X-Amz-Expires should be a number")),
        }?;
        Ok(Presigned {
            credential: Credential::parse(credential).map_err(|error| wrong(text(error)))?,
            signed_at,
            expires,
            signed_headers,
            signature,
        })
    }
}

/// A URL presigned by Signature Version 2.
#[derive(Debug)]
pub(super) struct PresignedV2<'a> {
    pub(super) access_key_id: &'a str,
    /// As sent, which is what was signed.
    pub(super) expires: &'a str,
    /// Seconds since 1970.
    pub(super) expires_at: i64,
    pub(super) signature: &'a str,
}

/// Digits only: `parse` alone would take a sign.
fn number(raw: &str) -> Option<i64> {
    let digits = raw.bytes().all(|byte| byte.is_ascii_digit());
    raw.parse().ok().filter(|_| digits)
}

/// A presigned URL.
#[derive(Debug)]
pub(super) struct Presigned<'a> {
    pub(super) credential: Credential<'a>,
    pub(super) signed_at: SignedAt,
    /// Seconds, 1 to 604800.
    expires: i64,
    pub(super) signed_headers: &'a str,
    pub(super) signature: &'a str,
}

impl Presigned<'_> {
    /// It can be used at this time.
    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), AuthError> {
        if self.signed_at.is_ahead(now) {
            return Err(AuthError::RequestNotYetValid);
        }
        if self.signed_at.age(now) > self.expires {
            return Err(AuthError::RequestExpired {
                expires: self.signed_at.after(self.expires),
                now,
            });
        }
        Ok(())
    }
}

pub(super) fn wrong(text: &'static str) -> AuthError {
    AuthError::AuthorizationQueryParametersError(text)
}

pub(super) fn text(error: CredentialError) -> &'static str {
    match error {
        CredentialError::Shape => {
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."
        }
        CredentialError::Date => {
            "Error parsing the X-Amz-Credential parameter; incorrect date format. This date in the credential must be in the format \"yyyyMMdd\"."
        }
        CredentialError::Service => {
            "Error parsing the X-Amz-Credential parameter; incorrect service. This endpoint belongs to \"s3\"."
        }
        CredentialError::Terminator => {
            "Error parsing the X-Amz-Credential parameter; incorrect terminal. This endpoint uses \"aws4_request\"."
        }
    }
}
