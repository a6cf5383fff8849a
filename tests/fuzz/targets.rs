//! One function for each parser. Each takes any bytes and panics when a promise is broken.

use crate::sign::{self, SigningKey, ToSign};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};
use pys3local_core::model::{ByteStream, Piece, RangeSpec, Timestamp, Upload};
use pys3local_core::s3::address::{Address, Domains};
use pys3local_core::s3::auth::credentials::Credentials;
use pys3local_core::s3::auth::{Access, Action, Authenticated, Authenticator, Rights};
use pys3local_core::s3::operation::{self, Operation};
use pys3local_core::s3::query::Query;
use pys3local_core::s3::xml::read;
use pys3local_core::s3::{body, route, token};

/// A target.
pub type Target = fn(&[u8]);

/// All targets by name, which is also the name of their corpus.
pub const ALL: [(&str, Target); 10] = [
    ("authorization", authorization),
    ("presigned", presigned),
    ("signed", signed),
    ("chunked", chunked),
    ("form", form),
    ("policy", policy),
    ("xml", xml),
    ("range", range),
    ("token", token),
    ("request", request),
];

const STAMP: &str = "20261124T120000Z";
/// The moment of [`STAMP`].
const NOW: Timestamp = Timestamp(1_795_521_600 * 1_000_000_000);
const REGION: &str = "us-east-1";

fn keys() -> Authenticator {
    let test = Credentials {
        access_key_id: "test".into(),
        secret_key: "test".into(),
        rights: Rights::default(),
    };
    Authenticator::new(Access::keys(vec![test]), REGION)
}

fn open() -> Authenticator {
    Authenticator::new(Access::Open, REGION)
}

fn head(method: &str, target: &str, headers: &[(String, String)]) -> Option<Parts> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(
            HeaderName::from_bytes(name.as_bytes()).ok()?,
            HeaderValue::from_bytes(value.as_bytes()).ok()?,
        );
    }
    Some(request.body(()).ok()?.into_parts().0)
}

fn usual_headers() -> Vec<(String, String)> {
    let pairs = [
        ("host", "localhost"),
        ("x-amz-date", STAMP),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ];
    pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).into()
}

/// An `Authorization` header that nobody could have signed lets nobody in.
pub fn authorization(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let Some(mut parts) = head("GET", "/bucket/key", &usual_headers()) else {
        return;
    };
    parts.headers.insert("authorization", value);
    assert!(keys().authenticate(&parts, NOW).is_err());
}

/// A query that nobody could have signed lets nobody in.
pub fn presigned(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else {
        return;
    };
    let headers = usual_headers();
    if let Some(parts) = head("GET", &format!("/bucket/key?{query}"), &headers[..1]) {
        let bucket = "bucket".parse().expect("a name");
        let sender = keys().authenticate(&parts, NOW);
        let admitted = sender.and_then(|sender| sender.may(Action::Read, &bucket));
        assert!(admitted.is_err());
    }
}

/// What an independent signer signs is let in, and not when one bit of the signature is wrong.
///
/// The lines of the input are the path, and then by turns names and values: the first half of
/// the pairs are parameters, the others headers.
pub fn signed(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let path = format!("/{}", sign::encode_path(lines.next().unwrap_or_default()));
    let lines: Vec<&str> = lines.collect();
    let pairs: Vec<(&str, &str)> = lines
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect();
    let (parameters, fields) = pairs.split_at(pairs.len() / 2);
    let query: Vec<(String, String)> = parameters
        .iter()
        .filter(|(name, _)| !name.to_ascii_lowercase().starts_with("x-amz-"))
        .filter(|(name, _)| !["AWSAccessKeyId", "Signature", "Expires"].contains(name))
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut headers = usual_headers();
    for (name, value) in fields {
        // The signer does not know what is special about repeated headers, or bytes that are
        // not ASCII.
        let plain = value.bytes().all(|byte| (b' '..0x7f).contains(&byte));
        let name = format!("x-amz-meta-{}", hex::encode(name));
        if plain && name.len() < 100 && headers.iter().all(|(other, _)| *other != name) {
            headers.push((name, (*value).to_owned()));
        }
    }
    let key = SigningKey::new(&sign::Credentials::default(), STAMP);
    let to_sign = ToSign {
        method: "GET",
        path: &path,
        query: &query,
        headers: &headers,
        payload: "UNSIGNED-PAYLOAD",
    };
    let (authorization, signature) = sign::authorization(&key, STAMP, to_sign);
    let pairs: Vec<_> = query
        .iter()
        .map(|(name, value)| format!("{}={}", sign::encode(name), sign::encode(value)))
        .collect();
    let target = format!("{path}?{}", pairs.join("&"));
    let mut forged = headers.clone();
    headers.push(("authorization".into(), authorization.clone()));
    if let Some(parts) = head("GET", &target, &headers) {
        let admitted = keys().authenticate(&parts, NOW);
        assert!(admitted.is_ok(), "{target} {headers:?}: {admitted:?}");
        let other = if signature.starts_with('0') { "1" } else { "0" };
        let wrong = format!("{other}{}", &signature[1..]);
        forged.push((
            "authorization".into(),
            authorization.replace(&signature, &wrong),
        ));
        let parts = head("GET", &target, &forged).expect("as good as the other one");
        assert!(keys().authenticate(&parts, NOW).is_err());
    }
}

/// A body in pieces of these sizes, and then the rest.
fn pieces(data: &[u8], sizes: &[u8]) -> ByteStream {
    let mut rest = Bytes::copy_from_slice(data);
    let mut pieces = Vec::new();
    for &size in sizes {
        let piece = rest.split_to(usize::from(size).min(rest.len()));
        pieces.push(Ok(piece));
    }
    pieces.push(Ok(rest));
    stream::iter(pieces).boxed()
}

/// The bytes of an upload when all of its promises were kept.
fn decoded(
    headers: &http::HeaderMap,
    identity: &Authenticated,
    body: ByteStream,
) -> Option<Vec<u8>> {
    collect(body::upload(identity, headers, body).ok()?)
}

/// The bytes of an upload when all of its promises were kept.
fn collect(upload: Upload) -> Option<Vec<u8>> {
    let mut pieces = upload.pieces;
    let mut found = Vec::new();
    loop {
        // Nothing here ever waits.
        match pieces.next().now_or_never().expect("ready") {
            Some(Ok(Piece::Data(data))) => {
                assert!(!data.is_empty(), "a piece without data");
                found.extend_from_slice(&data);
            }
            Some(Ok(Piece::End { .. })) => {
                assert_eq!(found.len() as u64, upload.size);
                return Some(found);
            }
            Some(Err(_)) | None => return None,
        }
    }
}

/// A chunked body is read the same however it was cut into pieces.
///
/// The first byte chooses the mode, the second the number of cuts, the third and fourth are the
/// decoded length; the sizes of the pieces and the body follow.
pub fn chunked(data: &[u8]) {
    let [mode, cuts, high, low, rest @ ..] = data else {
        return;
    };
    let Some((sizes, framed)) = rest.split_at_checked(usize::from(*cuts)) else {
        return;
    };
    let payload = match mode % 3 {
        0 => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        1 => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        _ => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    };
    let length = u16::from_be_bytes([*high, *low]).to_string();
    let mut fields = vec![
        ("host", "localhost".to_owned()),
        ("x-amz-content-sha256", payload.to_owned()),
        ("x-amz-decoded-content-length", length),
        ("content-length", framed.len().to_string()),
    ];
    if mode & 0x80 != 0 && mode % 3 != 1 {
        fields.push(("x-amz-trailer", "x-amz-checksum-crc32".to_owned()));
    }
    let fields: Vec<_> = fields.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
    let parts = head("PUT", "/bucket/key", &fields).expect("headers of our own");
    let identity = open().authenticate(&parts, NOW).expect("open to all");
    let whole = decoded(&parts.headers, &identity, pieces(framed, &[]));
    let cut = decoded(&parts.headers, &identity, pieces(framed, sizes));
    assert_eq!(whole, cut);
}

/// What a form of these bytes says, and its file; `None` if it is refused. Its boundary is `B`.
fn post(
    authenticator: &Authenticator,
    length: usize,
    body: ByteStream,
) -> Option<(String, Option<Vec<u8>>)> {
    let fields = [
        ("host", "localhost".to_owned()),
        ("content-type", "multipart/form-data; boundary=B".to_owned()),
        ("content-length", length.to_string()),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    let parts = head("POST", "/bucket", &fields).expect("headers of our own");
    let query = Query::default();
    let address = Address::parse(&parts, &Domains::default()).expect("a bucket");
    let route = route::route(&parts.method, address, &query, &parts.headers);
    let identity = authenticator.authenticate(&parts, NOW).ok()?;
    let request = operation::Request {
        parts: &parts,
        query: &query,
        identity: &identity,
        region: REGION,
        scheme: "http",
        domains: &Domains::default(),
        authenticator,
        now: NOW,
    };
    let parsed = Operation::parse(route.expect("a form"), &request, body);
    match parsed.now_or_never().expect("nothing here waits") {
        Ok(Operation::PostObject(put, upload, answer)) => {
            Some((format!("{put:?} {answer:?}"), collect(upload)))
        }
        Ok(_) => panic!("another operation"),
        Err(_) => None,
    }
}

/// A form is read the same however it was cut into pieces, and one whose policy nobody could have
/// signed lets nobody in.
///
/// The first byte is the number of cuts; the sizes of the pieces and the form follow.
pub fn form(data: &[u8]) {
    let Some((cuts, rest)) = data.split_first() else {
        return;
    };
    let Some((sizes, form)) = rest.split_at_checked(usize::from(*cuts)) else {
        return;
    };
    let whole = post(&open(), form.len(), pieces(form, &[]));
    let cut = post(&open(), form.len(), pieces(form, sizes));
    assert_eq!(whole, cut);
    assert_eq!(post(&keys(), form.len(), pieces(form, &[])), None);
}

/// A policy that an independent signer has signed allows what it allows without a signature, and
/// nothing when one bit of the signature is wrong.
pub fn policy(data: &[u8]) {
    use base64::Engine as _;
    let policy = base64::engine::general_purpose::STANDARD.encode(data);
    let key = SigningKey::new(&sign::Credentials::default(), STAMP);
    let signature = key.sign(&policy);
    let form = |signature: &str| {
        let credential = key.credential();
        let fields = [
            ("key", "user/1"),
            ("x-amz-meta-a", "b"),
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-credential", &credential),
            ("x-amz-date", STAMP),
            ("x-amz-signature", signature),
            ("policy", &policy),
        ];
        let field = |(name, value)| {
            format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let file = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nmeow\r\n--B--\r\n";
        fields.map(field).concat() + file
    };
    let ask = |authenticator: &Authenticator, form: &str| {
        post(authenticator, form.len(), pieces(form.as_bytes(), &[]))
    };
    let signed = form(&signature);
    assert_eq!(ask(&open(), &signed), ask(&keys(), &signed));
    let other = if signature.starts_with('0') { "1" } else { "0" };
    let forged = form(&format!("{other}{}", &signature[1..]));
    assert_eq!(ask(&keys(), &forged), None);
}

/// No document makes a reader panic, or gives more than a document may hold.
pub fn xml(data: &[u8]) {
    if let Ok(delete) = read::delete(data) {
        assert!((1..=1000).contains(&delete.objects.len()));
    }
    if let Ok(parts) = read::complete_upload(data) {
        assert!(parts.len() <= 10_000);
    }
    if let Ok(tags) = read::tagging(data) {
        assert!(tags.len() <= 1000);
    }
    let _ = read::create_bucket(data);
    let _ = read::leaves(data, "AccessControlPolicy");
}

/// A range that is resolved lies within the object and is not empty.
///
/// The first eight bytes are the size.
pub fn range(data: &[u8]) {
    let Some((size, text)) = data.split_first_chunk::<8>() else {
        return;
    };
    let (size, text) = (u64::from_be_bytes(*size), String::from_utf8_lossy(text));
    if let Some(Ok(range)) = RangeSpec::parse(&text).map(|spec| spec.resolve(size)) {
        assert!(range.start < range.end && range.end <= size);
    }
}

/// Only what was issued is a token, and every text can be in one.
pub fn token(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(last) = token::decode(&text) {
        assert_eq!(token::encode(&last), text);
    }
    if !text.is_empty() {
        assert_eq!(token::decode(&token::encode(&text)).as_deref(), Ok(&*text));
    }
}

/// Any request becomes an operation or an error.
///
/// The input is the head of a request, line by line, and after an empty line its body.
pub fn request(data: &[u8]) {
    let end = data.windows(2).position(|two| two == b"\n\n");
    let (top, rest) = data.split_at(end.unwrap_or(data.len()));
    let top = String::from_utf8_lossy(top);
    let mut lines = top.lines();
    let Some((method, target)) = lines.next().and_then(|line| line.split_once(' ')) else {
        return;
    };
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let Some(parts) = head(method, target, &headers) else {
        return;
    };
    let domains = Domains::new(["s3.example.com"]);
    let (Ok(address), Ok(query)) = (
        Address::parse(&parts, &domains),
        Query::parse(parts.uri.query()),
    ) else {
        return;
    };
    let Ok(identity) = open().authenticate(&parts, NOW) else {
        return;
    };
    let Ok(route) = route::route(&parts.method, address, &query, &parts.headers) else {
        return;
    };
    assert!(!route.name().is_empty());
    let request = operation::Request {
        parts: &parts,
        query: &query,
        identity: &identity,
        region: REGION,
        scheme: "http",
        domains: &Domains::default(),
        authenticator: &open(),
        now: NOW,
    };
    let body = pieces(rest.get(2..).unwrap_or_default(), &[]);
    let parsed = Operation::parse(route, &request, body);
    let _ = parsed.now_or_never().expect("nothing here waits");
}
