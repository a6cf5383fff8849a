//! Bucket names.

use std::fmt;
use std::str::FromStr;

/// A name that S3 allows for a bucket.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName(Box<str>);

impl BucketName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which rule a bucket name breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketNameError {
    /// Not 3 to 63 characters.
    #[error("a bucket name has 3 to 63 characters, not {0}")]
    Length(usize),
    /// A character that is not `a-z`, `0-9`, `.` or `-`.
    #[error("a bucket name cannot contain {0:?}")]
    Character(char),
    /// Begins or ends with something else than a letter or digit, or has `..`.
    #[error("a bucket name begins and ends with a letter or digit and has no two dots in a row")]
    Shape,
    /// Looks like an IPv4 address.
    #[error("a bucket name must not look like an IP address")]
    IpAddress,
    /// A prefix or suffix that AWS keeps for itself.
    #[error("the prefix or suffix of this bucket name is reserved")]
    Reserved,
}

impl FromStr for BucketName {
    type Err = BucketNameError;

    fn from_str(raw: &str) -> Result<Self, BucketNameError> {
        if !(3..=63).contains(&raw.len()) {
            return Err(BucketNameError::Length(raw.len()));
        }
        if let Some(odd) = raw
            .chars()
            .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '.'))
        {
            return Err(BucketNameError::Character(odd));
        }
        if raw.starts_with(['-', '.']) || raw.ends_with(['-', '.']) || raw.contains("..") {
            return Err(BucketNameError::Shape);
        }
        if raw.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err(BucketNameError::IpAddress);
        }
        let reserved_prefix = ["xn--", "sthree-", "amzn-s3-demo-"];
        let reserved_suffix = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
        if reserved_prefix.iter().any(|p| raw.starts_with(p))
            || reserved_suffix.iter().any(|s| raw.ends_with(s))
        {
            return Err(BucketNameError::Reserved);
        }
        Ok(Self(raw.into()))
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a store keeps a bucket's objects.
///
/// In default-bucket mode there is one virtual bucket, and it is the store's root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bucket {
    /// The store's root: the bucket of default-bucket mode.
    Root,
    /// A bucket of its own.
    Named(BucketName),
}

impl Bucket {
    /// The name that plugins and the database use: empty for the root.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Root => "",
            Self::Named(name) => name.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(raw: &str) -> Option<BucketNameError> {
        raw.parse::<BucketName>().err()
    }

    #[test]
    fn ordinary_bucket_names_are_accepted() {
        for name in ["abc", "my-bucket", "logs.2024.example.com", "0-9", "1.2.3"] {
            assert_eq!(error(name), None, "{name}");
        }
    }

    #[test]
    fn a_bucket_name_that_breaks_a_rule_is_refused_with_that_rule() {
        use BucketNameError as E;
        assert_eq!(error("ab"), Some(E::Length(2)));
        assert_eq!(error(&"a".repeat(64)), Some(E::Length(64)));
        assert_eq!(error("Bucket"), Some(E::Character('B')));
        assert_eq!(error("my_bucket"), Some(E::Character('_')));
        assert_eq!(error("-abc"), Some(E::Shape));
        assert_eq!(error("abc."), Some(E::Shape));
        assert_eq!(error("a..b"), Some(E::Shape));
        assert_eq!(error("192.168.5.4"), Some(E::IpAddress));
        assert_eq!(error("xn--bucket"), Some(E::Reserved));
        assert_eq!(error("bucket-s3alias"), Some(E::Reserved));
    }
}
