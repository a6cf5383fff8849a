//! Access keys.

use super::rights::Rights;
use std::fmt;

/// The public half of a key pair.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccessKeyId(Box<str>);

impl AccessKeyId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for AccessKeyId {
    fn from(raw: &str) -> Self {
        Self(raw.into())
    }
}

impl From<String> for AccessKeyId {
    fn from(raw: String) -> Self {
        Self(raw.into())
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The secret half. It cannot be printed, and only signing reads it.
#[derive(Clone)]
pub struct SecretKey(Box<str>);

impl SecretKey {
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SecretKey {
    fn from(raw: &str) -> Self {
        Self(raw.into())
    }
}

impl From<String> for SecretKey {
    fn from(raw: String) -> Self {
        Self(raw.into())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A key pair.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// What a request names.
    pub access_key_id: AccessKeyId,
    /// What it is signed with.
    pub secret_key: SecretKey,
    /// What it is good for.
    pub rights: Rights,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_not_in_the_debug_output() {
        let credentials = Credentials {
            access_key_id: "me".into(),
            secret_key: "hush".into(),
            rights: Rights::default(),
        };
        let text = format!("{credentials:?}");
        assert!(text.contains("me") && text.contains("SecretKey(..)"));
        assert!(!text.contains("hush"));
    }
}
