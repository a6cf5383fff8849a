//! Which bucket and key a request is about.

use super::percent;
use crate::model::{BucketName, BucketNameError, KeyError, ObjectKey};
use http::request::Parts;
use http::{Uri, header};

/// What a request is addressed to.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The server itself.
    Service,
    /// A bucket.
    Bucket(BucketName),
    /// An object, whether it exists or not.
    Object(BucketName, ObjectKey),
}

/// The address names nothing that can exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The path is not percent-encoded UTF-8.
    #[error("the path cannot be decoded")]
    Uri,
    /// The bucket breaks a naming rule.
    #[error("{reason}")]
    Bucket {
        /// What the client called it.
        name: String,
        /// The rule.
        reason: BucketNameError,
    },
    /// The key is longer than S3 allows; carries its length in bytes.
    #[error("a key of {0} bytes is too long")]
    KeyTooLong(usize),
}

/// The domains below which a bucket is a host of its own (`BUCKET.DOMAIN`).
#[derive(Debug, Clone, Default)]
pub struct Domains(Vec<String>);

impl Domains {
    /// Domains as a user writes them: upper case, a port or a trailing dot do not matter.
    pub fn new<I: IntoIterator<Item = S>, S: AsRef<str>>(domains: I) -> Self {
        let clean = |domain: S| host_name(domain.as_ref().trim());
        let mut domains: Vec<_> = domains
            .into_iter()
            .map(clean)
            .filter(|domain| !domain.is_empty())
            .collect();
        // With `example.com` and `s3.example.com`, the bucket of `a.s3.example.com` is `a`.
        domains.sort_by_key(|domain| std::cmp::Reverse(domain.len()));
        Self(domains)
    }

    /// The bucket that the host of a request stands for.
    pub fn bucket_of(&self, parts: &Parts) -> Option<String> {
        let host = host_name(host(parts)?);
        self.bucket(&host).map(str::to_owned)
    }

    /// The bucket that a host name stands for.
    fn bucket<'h>(&self, host: &'h str) -> Option<&'h str> {
        if self.0.iter().any(|domain| domain == host) {
            return None;
        }
        self.0
            .iter()
            .find_map(|domain| host.strip_suffix(domain.as_str())?.strip_suffix('.'))
    }
}

/// A host name in lower case, without port and trailing dot.
fn host_name(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        // The colons of an IPv6 address are inside brackets.
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl Address {
    /// The bucket that this is, or is in.
    pub fn bucket(&self) -> Option<&BucketName> {
        match self {
            Self::Service => None,
            Self::Bucket(bucket) | Self::Object(bucket, _) => Some(bucket),
        }
    }

    /// The key that this is.
    pub fn key(&self) -> Option<&ObjectKey> {
        match self {
            Self::Service | Self::Bucket(_) => None,
            Self::Object(_, key) => Some(key),
        }
    }

    /// Reads host and path.
    pub fn parse(parts: &Parts, domains: &Domains) -> Result<Self, AddressError> {
        let bucket = domains.bucket_of(parts);
        Self::from_host_and_path(bucket.as_deref(), &parts.uri)
    }

    fn from_host_and_path(host_bucket: Option<&str>, uri: &Uri) -> Result<Self, AddressError> {
        let path = match uri.path() {
            // Only an absolute URI can have an empty path.
            "" => "",
            path => path.strip_prefix('/').ok_or(AddressError::Uri)?,
        };
        let (bucket, key) = match host_bucket {
            Some(bucket) => (bucket, path),
            None if path.is_empty() => return Ok(Self::Service),
            None => path.split_once('/').unwrap_or((path, "")),
        };
        let bucket = percent::decode(bucket).map_err(|_| AddressError::Uri)?;
        let key = percent::decode(key).map_err(|_| AddressError::Uri)?;
        let bucket = match bucket.parse() {
            Ok(name) => name,
            Err(reason) => {
                return Err(AddressError::Bucket {
                    name: bucket,
                    reason,
                });
            }
        };
        match key.parse() {
            Ok(key) => Ok(Self::Object(bucket, key)),
            Err(KeyError::Empty) => Ok(Self::Bucket(bucket)),
            Err(KeyError::TooLong(bytes)) => Err(AddressError::KeyTooLong(bytes)),
        }
    }
}

/// Whom the client believes to talk to, with the port.
pub fn host(parts: &Parts) -> Option<&str> {
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    authority.or_else(|| parts.headers.get(header::HOST)?.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use proptest::prelude::*;

    fn address(host: &str, path: &str) -> Result<Address, AddressError> {
        let domains = Domains::new(["example.com", "S3.Example.com:9000"]);
        let request = Request::get(path).header(header::HOST, host).body(());
        let (parts, ()) = request.map_err(|_| AddressError::Uri)?.into_parts();
        Address::parse(&parts, &domains)
    }

    fn object(bucket: &str, key: &str) -> Address {
        Address::Object(bucket.parse().unwrap(), key.parse().unwrap())
    }

    fn bucket(name: &str) -> Address {
        Address::Bucket(name.parse().unwrap())
    }

    #[test]
    fn in_path_style_the_first_segment_is_the_bucket() {
        assert_eq!(address("localhost:10001", "/"), Ok(Address::Service));
        assert_eq!(address("localhost", "/abc"), Ok(bucket("abc")));
        assert_eq!(address("localhost", "/abc/"), Ok(bucket("abc")));
        assert_eq!(address("localhost", "/abc/k"), Ok(object("abc", "k")));
        assert_eq!(address("example.com:80", "/abc/k"), Ok(object("abc", "k")));
        assert_eq!(address("[::1]:9000", "/abc/k"), Ok(object("abc", "k")));
    }

    #[test]
    fn slashes_and_dots_of_a_key_are_kept() {
        for key in ["a//b", "/a", "a/", "a/../b", ".", "//"] {
            assert_eq!(
                address("localhost", &format!("/abc/{key}")),
                Ok(object("abc", key))
            );
        }
        assert_eq!(address("localhost", "/abc/a%2Fb"), Ok(object("abc", "a/b")));
        assert_eq!(
            address("localhost", "/abc/a+b%20c"),
            Ok(object("abc", "a+b c"))
        );
    }

    #[test]
    fn below_a_domain_the_host_is_the_bucket() {
        assert_eq!(address("abc.example.com", "/"), Ok(bucket("abc")));
        assert_eq!(
            address("ABC.Example.COM.:81", "/k/l"),
            Ok(object("abc", "k/l"))
        );
        assert_eq!(address("a.b.example.com", "//k"), Ok(object("a.b", "/k")));
    }

    #[test]
    fn the_longest_domain_wins_and_a_domain_is_not_a_bucket_of_another() {
        assert_eq!(address("abc.s3.example.com", "/"), Ok(bucket("abc")));
        assert_eq!(address("s3.example.com", "/"), Ok(Address::Service));
        assert_eq!(address("xexample.com", "/"), Ok(Address::Service));
    }

    #[test]
    fn the_host_of_an_absolute_uri_counts() {
        assert_eq!(
            address("localhost", "http://abc.example.com/k"),
            Ok(object("abc", "k"))
        );
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        assert_eq!(address("localhost", "/abc/%ff"), Err(AddressError::Uri));
        assert_eq!(address("localhost", "/abc/%2"), Err(AddressError::Uri));
        assert_eq!(address("localhost", "*"), Err(AddressError::Uri));
        let long = "k".repeat(1025);
        assert_eq!(
            address("localhost", &format!("/abc/{long}")),
            Err(AddressError::KeyTooLong(1025))
        );
        for odd in ["/A_b/k", "//k", "/ab"] {
            let refused = address("localhost", odd);
            assert!(matches!(refused, Err(AddressError::Bucket { .. })), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn any_key_survives_the_way_through_a_path(key in "\\PC{1,300}|[\\x00-\\x20/%+.]{1,40}") {
            let path = format!("/abc/{}", percent::encode(&key));
            prop_assert_eq!(address("localhost", &path), Ok(object("abc", &key)));
        }

        #[test]
        fn no_path_makes_the_parser_panic(host in "[a-z.:0-9\\[\\]]{0,20}", path: String) {
            let _ = address(&host, &format!("/{path}"));
        }
    }
}
