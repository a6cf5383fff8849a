//! Headers that a presigner has moved into the query.

use crate::s3::header;
use crate::s3::query::Query;
use http::request::Parts;
use std::borrow::Cow;

/// A presigned request with the headers that its signer has moved into the query, as SDKs do
/// where they can. Those of the signature itself stay there, and so do checksums, which S3 takes
/// from headers alone.
///
/// Version 4 signs the whole query. Version 2 signs these parameters as the headers that they are:
/// whatever comes out of here must be covered ([`all_hoisted`]), or whoever has a URL could make it
/// do more.
pub(in crate::s3) fn hoisted<'p>(parts: &'p Parts, query: &Query) -> Cow<'p, Parts> {
    hoist(parts, query, |name| {
        !name.starts_with(header::CHECKSUM_PREFIX) && !name.starts_with("x-amz-sdk-")
    })
}

/// The same with checksums: what Version 2 signs.
pub(super) fn all_hoisted<'p>(parts: &'p Parts, query: &Query) -> Cow<'p, Parts> {
    hoist(parts, query, |_| true)
}

fn hoist<'p>(parts: &'p Parts, query: &Query, counts: impl Fn(&str) -> bool) -> Cow<'p, Parts> {
    const STAY: [&str; 8] = [
        "x-amz-algorithm",
        "x-amz-content-sha256",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    ];
    let mut parts = Cow::Borrowed(parts);
    if !query.has("X-Amz-Signature") && !query.has("Signature") {
        return parts;
    }
    for (name, value) in query.pairs() {
        let name = name.to_ascii_lowercase();
        let stays = STAY.contains(&name.as_str()) || !counts(&name);
        if !name.starts_with("x-amz-") || stays {
            continue;
        }
        if let (Ok(name), Ok(value)) = (
            http::HeaderName::try_from(&name),
            http::HeaderValue::try_from(value),
        ) && !parts.headers.contains_key(&name)
        {
            parts.to_mut().headers.insert(name, value);
        }
    }
    parts
}
