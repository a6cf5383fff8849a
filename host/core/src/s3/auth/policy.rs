//! Signatures over the policy of a form.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-UsingHTTPPOST.html>

use super::authenticator::find;
use super::credentials::Credentials;
use super::date::SignedAt;
use super::error::{Mismatch, Place};
use super::query::{text, wrong};
use super::scope::Credential;
use super::signature::Signature;
use super::version_2::SignatureV2;
use super::{Access, AuthError, Authenticated, Authenticator, PayloadMode};

/// The policy of a form as it was sent (base64), and who claims to have signed it.
#[derive(Debug)]
pub(in crate::s3) enum SignedPolicy<'a> {
    /// There is none.
    Unsigned,
    /// `AWSAccessKeyId` and `signature`.
    Version2 {
        access_key_id: &'a str,
        signature: &'a str,
        policy: &'a str,
    },
    /// `x-amz-credential`, `x-amz-date` and `x-amz-signature`.
    Version4 {
        credential: &'a str,
        date: &'a str,
        signature: &'a str,
        policy: &'a str,
    },
}

impl Authenticator {
    /// Who signed a policy: the sender of a form.
    pub(in crate::s3) fn authenticate_policy(
        &self,
        signed: &SignedPolicy<'_>,
    ) -> Result<Authenticated, AuthError> {
        let Access::Keys { pairs, .. } = self.access() else {
            return Ok(Authenticated::anyone(PayloadMode::Unsigned));
        };
        match signed {
            SignedPolicy::Unsigned => Err(AuthError::AccessDenied),
            SignedPolicy::Version2 {
                access_key_id,
                signature,
                policy,
            } => {
                let (_, credentials) = find(pairs, access_key_id)?;
                let right = SignatureV2::of(&credentials.secret_key, policy.as_bytes());
                let sent = SignatureV2::parse(signature);
                let matches = sent.is_some_and(|sent| right.matches(&sent));
                signer(credentials, matches, signature, policy)
            }
            SignedPolicy::Version4 {
                credential,
                date,
                signature,
                policy,
            } => {
                let credential =
                    Credential::parse(credential).map_err(|error| wrong(text(error)))?;
                let scope = &credential.scope;
                let signed_at = SignedAt::parse(date).ok_or(AuthError::InvalidDate)?;
                if scope.day != signed_at.day() {
                    return Err(wrong(
                        "Invalid credential date. Date in X-Amz-Credential does not match the date in X-Amz-Date.",
                    ));
                }
                if *scope.region != *self.region() {
                    return Err(self.wrong_region(Place::Query, scope));
                }
                let (index, credentials) = find(pairs, credential.access_key_id)?;
                let key = self.signing_key(index, credentials, scope, &scope.to_string());
                let right = key.sign_text(policy.as_bytes());
                let sent = Signature::parse(signature.as_bytes());
                let matches = sent.is_some_and(|sent| right.matches(&sent));
                signer(credentials, matches, signature, policy)
            }
        }
    }
}

fn signer(
    credentials: &Credentials,
    matches: bool,
    signature: &str,
    policy: &str,
) -> Result<Authenticated, AuthError> {
    if matches {
        return Ok(Authenticated::of(credentials, PayloadMode::Unsigned, None));
    }
    Err(AuthError::SignatureDoesNotMatch(Box::new(Mismatch {
        access_key_id: credentials.access_key_id.as_str().to_owned(),
        signature: signature.to_owned(),
        text: policy.as_bytes().to_vec(),
        canonical: None,
    })))
}
