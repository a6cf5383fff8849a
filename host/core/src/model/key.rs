//! Object keys.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// An object's name: 1 to 1024 bytes of UTF-8, kept exactly as the client sent them.
///
/// `a//b`, `a/` and `a/../b` are three ordinary, different keys. Turning a key into a path is
/// a plugin's business. Keys sort by their UTF-8 bytes, as S3 lists them.
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Box<str>);

impl ObjectKey {
    /// The longest key, in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A key has at least one byte.
    #[error("a key cannot be empty")]
    Empty,
    /// More than [`ObjectKey::MAX_BYTES`]; carries the length.
    #[error("a key has at most 1024 bytes, not {0}")]
    TooLong(usize),
}

impl FromStr for ObjectKey {
    type Err = KeyError;

    fn from_str(raw: &str) -> Result<Self, KeyError> {
        match raw.len() {
            0 => Err(KeyError::Empty),
            1..=Self::MAX_BYTES => Ok(Self(raw.into())),
            long => Err(KeyError::TooLong(long)),
        }
    }
}

impl Borrow<str> for ObjectKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
