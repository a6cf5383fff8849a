//! The canonical form of a request: what a signature covers.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html#canonical-request>

use http::header::HOST;
use http::request::Parts;
use http::{HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// All but the unreserved characters of RFC 3986.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same in a path, whose slashes stay.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// The canonical form of a request.
pub(super) struct Canonical {
    method: Method,
    path: String,
    /// The path as it was sent, in another encoding than the canonical one.
    as_sent: Option<String>,
    /// What follows the path.
    rest: Vec<u8>,
    /// All headers are there that were signed.
    whole: bool,
}

impl Canonical {
    /// SHA-256s, to be tried in order.
    ///
    /// There are two when the path was sent in another encoding than the canonical one: some
    /// clients sign what they send. Both mean the same key, so this does not let anybody change a
    /// request. There is none when a header was lost or removed on the way.
    pub(super) fn hashes(&self) -> impl Iterator<Item = [u8; 32]> {
        let paths = [Some(&self.path), self.as_sent.as_ref()];
        let paths = paths.into_iter().flatten().filter(|_| self.whole);
        paths.map(|path| {
            let mut hash = Sha256::new();
            for piece in self.pieces(path) {
                hash.update(piece);
            }
            hash.finalize().into()
        })
    }

    /// All of it.
    pub(super) fn text(&self) -> Vec<u8> {
        self.pieces(&self.path).concat()
    }

    // Method and path come first, so the rest is put together once and hashed after either.
    fn pieces<'s>(&'s self, path: &'s str) -> [&'s [u8]; 5] {
        let method = self.method.as_str().as_bytes();
        [method, b"\n", path.as_bytes(), b"\n", &self.rest]
    }
}

/// The canonical form of a request with these signed headers and this hash of its payload.
pub(super) fn of(head: &Parts, signed_headers: &str, payload: &str) -> Canonical {
    let raw = match head.uri.path() {
        "" => "/",
        path => path,
    };
    let decoded: Cow<'_, [u8]> = percent_decode(raw.as_bytes()).into();
    let path = percent_encode(&decoded, PATH).to_string();
    let as_sent = (path != raw).then(|| raw.to_owned());

    let mut whole = true;
    let mut rest = Vec::with_capacity(512);
    query(head.uri.query().unwrap_or_default(), &mut rest);
    rest.push(b'\n');
    for name in signed_headers.split(';') {
        whole &= header(head, name, &mut rest);
    }
    rest.push(b'\n');
    rest.extend_from_slice(signed_headers.as_bytes());
    rest.push(b'\n');
    rest.extend_from_slice(payload.as_bytes());

    Canonical {
        method: head.method.clone(),
        path,
        as_sent,
        rest,
        whole,
    }
}

/// Name and value of each parameter, decoded (`+` is a space, as in a form).
pub(super) fn parameters(query: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
}

fn decode(raw: &str) -> Vec<u8> {
    let mut raw = raw.as_bytes().to_vec();
    for byte in &mut raw {
        if *byte == b'+' {
            *byte = b' ';
        }
    }
    match percent_decode(&raw).into() {
        Cow::Owned(decoded) => decoded,
        Cow::Borrowed(_) => raw,
    }
}

/// The parameters, each encoded anew, sorted by name and then value; `X-Amz-Signature` is what
/// is being made, so it is not among them.
fn query(raw: &str, into: &mut Vec<u8>) {
    let encode = |raw: Vec<u8>| percent_encode(&raw, QUERY).to_string();
    let mut pairs: Vec<_> = parameters(raw)
        .filter(|(name, _)| name != b"X-Amz-Signature")
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            into.push(b'&');
        }
        into.extend_from_slice(name.as_bytes());
        into.push(b'=');
        into.extend_from_slice(value.as_bytes());
    }
}

/// `name:value,value` and a line feed. False if the header is not there.
fn header(head: &Parts, name: &str, into: &mut Vec<u8>) -> bool {
    into.extend_from_slice(name.as_bytes());
    // HTTP/2 and absolute-form requests name the host in the URI. It is what counts then, so it is
    // what must be signed, whatever the header says: the host may stand for a bucket.
    if let Some(authority) = head.uri.authority().filter(|_| name == HOST.as_str()) {
        into.push(b':');
        into.extend_from_slice(authority.as_str().as_bytes());
        into.push(b'\n');
        return true;
    }
    let mut separator = b':';
    for value in head.headers.get_all(name) {
        into.push(separator);
        separator = b',';
        collapse(value, into);
    }
    let is_there = separator == b',';
    if !is_there {
        into.push(separator);
    }
    into.push(b'\n');
    is_there
}

/// The value without white space around it, and with single spaces within.
fn collapse(value: &HeaderValue, into: &mut Vec<u8>) {
    let mut in_space = false;
    for &byte in value.as_bytes().trim_ascii() {
        let space = byte == b' ';
        if !(space && in_space) {
            into.push(byte);
        }
        in_space = space;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use proptest::prelude::*;

    fn canonical_query(raw: &str) -> String {
        let mut text = Vec::new();
        query(raw, &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn parameters_are_sorted_after_encoding_and_by_name_first() {
        assert_eq!(canonical_query("b=2&a=1"), "a=1&b=2");
        assert_eq!(canonical_query("a=2&a=1"), "a=1&a=2");
        assert_eq!(canonical_query("a-b=1&a=2"), "a=2&a-b=1");
        assert_eq!(canonical_query("%C3%A9=1&f=2"), "%C3%A9=1&f=2");
    }

    #[test]
    fn parameters_are_encoded_the_one_way_whatever_was_sent() {
        assert_eq!(canonical_query("lifecycle"), "lifecycle=");
        assert_eq!(canonical_query("lifecycle="), "lifecycle=");
        assert_eq!(canonical_query("prefix=a/b"), "prefix=a%2Fb");
        assert_eq!(canonical_query("prefix=a%2fb"), "prefix=a%2Fb");
        assert_eq!(canonical_query("p=%7e%41-._"), "p=~A-._");
        assert_eq!(canonical_query("p=a+b%20c%2B"), "p=a%20b%20c%2B");
        assert_eq!(canonical_query("p=a=b"), "p=a%3Db");
        assert_eq!(canonical_query("&&p=100%"), "p=100%25");
        assert_eq!(canonical_query("X-Amz-Signature=ab&x=1"), "x=1");
    }

    fn canonical_header(request: http::request::Builder, name: &str) -> Option<String> {
        let (head, ()) = request.body(()).unwrap().into_parts();
        let mut text = Vec::new();
        let is_there = header(&head, name, &mut text);
        is_there.then(|| String::from_utf8(text).unwrap())
    }

    #[test]
    fn values_are_trimmed_collapsed_and_joined() {
        let request = Request::builder()
            .header("x-amz-meta-a", "  one   two ")
            .header("x-amz-meta-a", "\tthree\t");
        assert_eq!(
            canonical_header(request, "x-amz-meta-a").as_deref(),
            Some("x-amz-meta-a:one two,three\n")
        );
    }

    #[test]
    fn an_empty_header_is_not_a_missing_one() {
        let request = || Request::builder().header("x-amz-meta-a", "");
        assert_eq!(
            canonical_header(request(), "x-amz-meta-a").as_deref(),
            Some("x-amz-meta-a:\n")
        );
        assert_eq!(canonical_header(request(), "x-amz-meta-b"), None);
        assert_eq!(canonical_header(request(), ""), None);
    }

    #[test]
    fn the_host_may_stand_in_the_uri() {
        let request = Request::builder().uri("http://example.com:9000/a");
        assert_eq!(
            canonical_header(request, "host").as_deref(),
            Some("host:example.com:9000\n")
        );
        let both = Request::builder()
            .uri("http://example.com:9000/a")
            .header("host", "other");
        assert_eq!(
            canonical_header(both, "host").as_deref(),
            Some("host:example.com:9000\n")
        );
    }

    proptest! {
        #[test]
        fn a_canonical_query_stays_as_it_is(raw in "[ -~é]{0,40}") {
            let once = canonical_query(&raw);
            prop_assert_eq!(canonical_query(&once), once);
        }
    }
}
