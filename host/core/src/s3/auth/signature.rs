//! HMACs: signing keys, signatures, and the chain of a chunked body's signatures.

use super::credentials::SecretKey;
use super::date::SignedAt;
use super::scope::Scope;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// A signature. It cannot be printed, and comparing takes the same time whatever differs.
#[derive(Clone)]
pub(in crate::s3) struct Signature([u8; 32]);

impl Signature {
    /// Reads 64 hex digits.
    pub(in crate::s3) fn parse(raw: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(raw, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Both are the same.
    pub(super) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    #[cfg(test)]
    pub(super) fn reveal(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// What signs all requests of one key, day and region.
#[derive(Clone)]
pub(super) struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// Spec: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
    pub(super) fn derive(secret: &SecretKey, scope: &Scope<'_>) -> Self {
        let mut key = hmac(format!("AWS4{}", secret.reveal()).as_bytes());
        for step in [scope.day, scope.region, "s3", "aws4_request"] {
            key.update(step.as_bytes());
            key = hmac(&key.finalize().into_bytes());
        }
        Self(key)
    }

    /// The signature of any text.
    pub(super) fn sign_text(&self, text: &[u8]) -> Signature {
        let mut mac = self.0.clone();
        mac.update(text);
        Signature(mac.finalize().into_bytes().into())
    }

    /// The signature of a request with this canonical form.
    pub(super) fn sign_request(
        &self,
        signed_at: SignedAt,
        scope: &str,
        canonical: &[u8; 32],
    ) -> Signature {
        self.sign_text(&text_of_request(signed_at, scope, canonical))
    }
}

/// What is signed of a request with this canonical form.
pub(super) fn text_of_request(signed_at: SignedAt, scope: &str, canonical: &[u8; 32]) -> Vec<u8> {
    let mut text = format!("AWS4-HMAC-SHA256\n{signed_at}\n{scope}\n").into_bytes();
    text.extend_from_slice(&hex_digits(canonical));
    text
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// The signatures of a chunked body: each covers the one before, the first that of the request.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>
#[derive(Debug, Clone)]
pub(in crate::s3) struct ChunkSigner {
    key: SigningKey,
    /// Time and scope as they stand in each text that is signed.
    context: String,
    previous: Signature,
}

impl ChunkSigner {
    pub(super) fn new(key: SigningKey, signed_at: SignedAt, scope: &str, seed: Signature) -> Self {
        Self {
            key,
            context: format!("{signed_at}\n{scope}\n"),
            previous: seed,
        }
    }

    /// Is `sent` the signature of the next chunk, which has this SHA-256?
    pub(in crate::s3) fn accept_chunk(&mut self, sha256: &[u8; 32], sent: &Signature) -> bool {
        self.sign_chunk(sha256).matches(sent)
    }

    /// Is `sent` the signature of the trailer, which has this SHA-256?
    pub(in crate::s3) fn accept_trailer(&mut self, sha256: &[u8; 32], sent: &Signature) -> bool {
        self.sign_trailer(sha256).matches(sent)
    }

    pub(super) fn sign_chunk(&mut self, sha256: &[u8; 32]) -> Signature {
        let nothing = hex_digits(&Sha256::digest(b"").into());
        self.sign(
            "AWS4-HMAC-SHA256-PAYLOAD\n",
            &[&nothing, b"\n", &hex_digits(sha256)],
        )
    }

    pub(super) fn sign_trailer(&mut self, sha256: &[u8; 32]) -> Signature {
        self.sign("AWS4-HMAC-SHA256-TRAILER\n", &[&hex_digits(sha256)])
    }

    fn sign(&mut self, algorithm: &str, hashes: &[&[u8]]) -> Signature {
        let mut mac = self.key.0.clone();
        mac.update(algorithm.as_bytes());
        mac.update(self.context.as_bytes());
        mac.update(&hex_digits(&self.previous.0));
        mac.update(b"\n");
        for piece in hashes {
            mac.update(piece);
        }
        self.previous = Signature(mac.finalize().into_bytes().into());
        self.previous.clone()
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key")
}

/// Lower-case hex of a hash.
fn hex_digits(hash: &[u8; 32]) -> [u8; 64] {
    let mut digits = [0; 64];
    // The slice has the right length, the only thing that this can complain about.
    let _ = hex::encode_to_slice(hash, &mut digits);
    digits
}
