//! AWS Signature Version 4, from the client's side and written independently of the gateway.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html>

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use time::OffsetDateTime;

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const RESERVED_IN_PATHS: &AsciiSet = &RESERVED.remove(b'/');

/// SHA-256 of nothing.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Who signs, and for where.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Access key id.
    pub access_key: String,
    /// Secret access key.
    pub secret_key: String,
    /// Region of the credential scope.
    pub region: String,
}

impl Default for Credentials {
    /// What `pys3local serve` takes when it is not told otherwise.
    fn default() -> Self {
        Self {
            access_key: "test".into(),
            secret_key: "test".into(),
            region: "us-east-1".into(),
        }
    }
}

/// Percent-encodes a value of a query.
pub fn encode(raw: &str) -> String {
    utf8_percent_encode(raw, RESERVED).to_string()
}

/// Percent-encodes a path, whose slashes stay.
pub fn encode_path(raw: &str) -> String {
    utf8_percent_encode(raw, RESERVED_IN_PATHS).to_string()
}

/// SHA-256 in hexadecimal digits.
pub fn sha256_hex(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

fn hmac(key: &[u8], data: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    mac.update(data.as_bytes());
    mac.finalize().into_bytes().into()
}

/// A moment as Signature V4 writes it: `20130524T000000Z`.
pub fn stamp(time: OffsetDateTime) -> String {
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// A key that is good for one day, region and secret, with the scope that it stands for.
#[derive(Debug, Clone)]
pub struct SigningKey {
    key: [u8; 32],
    scope: String,
    access_key: String,
    day: String,
}

impl SigningKey {
    /// Derives the key for the day of `stamp`.
    pub fn new(credentials: &Credentials, stamp: &str) -> Self {
        let day = stamp.get(..8).unwrap_or(stamp).to_owned();
        let key = hmac(format!("AWS4{}", credentials.secret_key).as_bytes(), &day);
        let key = hmac(&key, &credentials.region);
        let key = hmac(&key, "s3");
        Self {
            key: hmac(&key, "aws4_request"),
            scope: format!("{day}/{}/s3/aws4_request", credentials.region),
            access_key: credentials.access_key.clone(),
            day,
        }
    }

    /// The day that it is good for, `YYYYMMDD`.
    pub fn day(&self) -> &str {
        &self.day
    }

    /// `ACCESS_KEY/SCOPE`.
    pub fn credential(&self) -> String {
        format!("{}/{}", self.access_key, self.scope)
    }

    /// Signs a canonical request.
    pub fn sign_request(&self, stamp: &str, canonical: &str) -> String {
        let digest = sha256_hex(canonical.as_bytes());
        let scope = &self.scope;
        self.sign(&format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"))
    }

    /// Signs any text: the policy of a form, for example.
    pub fn sign(&self, text: &str) -> String {
        hex::encode(hmac(&self.key, text))
    }
}

/// What is signed of a request.
#[derive(Debug, Clone, Copy)]
pub struct ToSign<'a> {
    /// Method.
    pub method: &'a str,
    /// Path, percent-encoded.
    pub path: &'a str,
    /// Names and values, not encoded, in any order.
    pub query: &'a [(String, String)],
    /// Headers to sign, in any order and case.
    pub headers: &'a [(String, String)],
    /// `x-amz-content-sha256`, or `UNSIGNED-PAYLOAD`.
    pub payload: &'a str,
}

impl ToSign<'_> {
    /// Names of the signed headers, and the canonical request.
    pub fn canonical(&self) -> (String, String) {
        let mut query: Vec<_> = self
            .query
            .iter()
            .map(|(name, value)| (encode(name), encode(value)))
            .collect();
        query.sort();
        let query: Vec<_> = query.iter().map(|(n, v)| format!("{n}={v}")).collect();

        let mut headers: Vec<(String, String)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), squeeze(value)))
            .collect();
        // Stable: repeated headers keep their order.
        headers.sort_by(|one, other| one.0.cmp(&other.0));
        // A repeated header is one line with its values in order.
        headers.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = format!("{},{}", kept.1, next.1);
            }
            same
        });
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let mut lines = String::new();
        for (name, value) in &headers {
            let _ = writeln!(lines, "{name}:{value}");
        }
        let Self {
            method,
            path,
            payload,
            ..
        } = self;
        let query = query.join("&");
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
        (names, canonical)
    }
}

fn squeeze(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// Value of `Authorization`, and the bare signature (the seed of chunk signatures).
pub fn authorization(key: &SigningKey, stamp: &str, request: ToSign<'_>) -> (String, String) {
    let (names, canonical) = request.canonical();
    let signature = key.sign_request(stamp, &canonical);
    let credential = key.credential();
    let header = format!(
        "AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={names},Signature={signature}"
    );
    (header, signature)
}

/// The query of a presigned URL, signature included, not encoded. `query` is what it has beside.
pub fn presign(
    key: &SigningKey,
    stamp: &str,
    expires: u64,
    request: ToSign<'_>,
) -> Vec<(String, String)> {
    let (names, _) = request.canonical();
    let mut query = request.query.to_vec();
    for (name, value) in [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
        ("X-Amz-Credential", key.credential()),
        ("X-Amz-Date", stamp.to_owned()),
        ("X-Amz-Expires", expires.to_string()),
        ("X-Amz-SignedHeaders", names),
    ] {
        query.push((name.to_owned(), value));
    }
    let (_, canonical) = ToSign {
        query: &query,
        ..request
    }
    .canonical();
    let signature = key.sign_request(stamp, &canonical);
    query.push(("X-Amz-Signature".to_owned(), signature));
    query
}

/// How an aws-chunked body is framed.
#[derive(Debug, Clone)]
pub struct Framing {
    /// Bytes of every chunk but the last.
    pub chunk: usize,
    /// With a signature for each chunk and for the trailer.
    pub signed: bool,
    /// A checksum behind the data: header name and value.
    pub trailer: Option<(String, String)>,
}

impl Framing {
    /// The value of `x-amz-content-sha256` that announces this framing.
    pub fn payload(&self) -> &'static str {
        match (self.signed, &self.trailer) {
            (true, None) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            (true, Some(_)) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            (false, _) => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        }
    }

    /// The frames of `data` in order: chunks, the empty chunk, and what follows it. Joined, they
    /// are the body; tests change, swap or leave out single ones.
    ///
    /// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>
    pub fn frames(&self, data: &[u8], key: &SigningKey, stamp: &str, seed: &str) -> Vec<Vec<u8>> {
        let mut previous = seed.to_owned();
        let mut frames = Vec::new();
        for chunk in data.chunks(self.chunk.max(1)).chain([&[][..]]) {
            let mut frame = format!("{:x}", chunk.len());
            if self.signed {
                let digest = sha256_hex(chunk);
                let scope = &key.scope;
                previous = key.sign(&format!(
                    "AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}\n{previous}\n{EMPTY_SHA256}\n{digest}"
                ));
                let _ = write!(frame, ";chunk-signature={previous}");
            }
            frame.push_str("\r\n");
            let mut frame = frame.into_bytes();
            if !chunk.is_empty() {
                frame.extend_from_slice(chunk);
                frame.extend_from_slice(b"\r\n");
            }
            frames.push(frame);
        }
        frames.push(self.tail(key, stamp, &previous).into_bytes());
        frames
    }

    fn tail(&self, key: &SigningKey, stamp: &str, previous: &str) -> String {
        let mut tail = String::new();
        if let Some((name, value)) = &self.trailer {
            let _ = write!(tail, "{name}:{value}\r\n");
            if self.signed {
                let digest = sha256_hex(format!("{name}:{value}\n").as_bytes());
                let scope = &key.scope;
                let signature = key.sign(&format!(
                    "AWS4-HMAC-SHA256-TRAILER\n{stamp}\n{scope}\n{previous}\n{digest}"
                ));
                let _ = write!(tail, "x-amz-trailer-signature:{signature}\r\n");
            }
        }
        tail.push_str("\r\n");
        tail
    }
}

/// Value of an `x-amz-checksum-…` header: `crc32`, `crc32c`, `crc64nvme` or `sha256`.
pub fn checksum(algorithm: &str, data: &[u8]) -> String {
    use base64::Engine as _;
    use crc_fast::CrcAlgorithm as Crc;
    let word = |value: u64| {
        u32::try_from(value)
            .expect("32 bits")
            .to_be_bytes()
            .to_vec()
    };
    let bytes = match algorithm {
        "crc32" => word(crc_fast::checksum(Crc::Crc32IsoHdlc, data)),
        "crc32c" => word(crc_fast::checksum(Crc::Crc32Iscsi, data)),
        "crc64nvme" => crc_fast::checksum(Crc::Crc64Nvme, data)
            .to_be_bytes()
            .to_vec(),
        "sha256" => Sha256::digest(data).to_vec(),
        other => panic!("no algorithm {other} here"),
    };
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Examples of
    // <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html> and
    // <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>.
    const STAMP: &str = "20130524T000000Z";

    fn key() -> SigningKey {
        let credentials = Credentials {
            access_key: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            region: "us-east-1".into(),
        };
        SigningKey::new(&credentials, STAMP)
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        pairs.iter().map(own).collect()
    }

    #[test]
    fn the_published_get_with_a_range_has_the_published_signature() {
        let headers = owned(&[
            ("Host", "examplebucket.s3.amazonaws.com"),
            ("Range", "bytes=0-9"),
            ("x-amz-content-sha256", EMPTY_SHA256),
            ("x-amz-date", STAMP),
        ]);
        let request = ToSign {
            method: "GET",
            path: "/test.txt",
            query: &[],
            headers: &headers,
            payload: EMPTY_SHA256,
        };
        let (_, signature) = authorization(&key(), STAMP, request);
        assert_eq!(
            signature,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }

    #[test]
    fn the_published_presigned_url_has_the_published_signature() {
        let headers = owned(&[("host", "examplebucket.s3.amazonaws.com")]);
        let request = ToSign {
            method: "GET",
            path: "/test.txt",
            query: &[],
            headers: &headers,
            payload: "UNSIGNED-PAYLOAD",
        };
        let query = presign(&key(), STAMP, 86400, request);
        assert_eq!(
            query.last().unwrap().1,
            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }

    #[test]
    fn the_published_chunked_upload_has_the_published_signatures() {
        let headers = owned(&[
            ("Host", "s3.amazonaws.com"),
            ("x-amz-date", STAMP),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("Content-Encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("Content-Length", "66824"),
        ]);
        let request = ToSign {
            method: "PUT",
            path: "/examplebucket/chunkObject.txt",
            query: &[],
            headers: &headers,
            payload: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        };
        let (_, seed) = authorization(&key(), STAMP, request);
        assert_eq!(
            seed,
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
        );
        let framing = Framing {
            chunk: 65536,
            signed: true,
            trailer: None,
        };
        let frames = framing.frames(&vec![b'a'; 66560], &key(), STAMP, &seed);
        let body = frames.concat();
        assert_eq!(body.len(), 66824);
        for (frame, signature) in frames.iter().zip([
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ]) {
            let head = String::from_utf8_lossy(&frame[..90.min(frame.len())]);
            assert!(head.contains(signature), "{head}");
        }
    }

    #[test]
    fn checksums_of_123456789_are_the_catalogued_ones() {
        // <https://reveng.sourceforge.io/crc-catalogue/>: cbf43926, e3069283, ae8b14860a799888
        assert_eq!(checksum("crc32", b"123456789"), "y/Q5Jg==");
        assert_eq!(checksum("crc32c", b"123456789"), "4waSgw==");
        assert_eq!(checksum("crc64nvme", b"123456789"), "rosUhgp5mIg=");
    }
}
