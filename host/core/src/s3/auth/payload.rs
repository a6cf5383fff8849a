//! How a body is sent and signed.

use super::{AuthError, X_AMZ_DECODED_CONTENT_LENGTH, X_AMZ_TRAILER};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// What `x-amz-content-sha256` says.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadMode {
    /// The plain bytes, without a signature over them.
    Unsigned,
    /// The plain bytes; this is their SHA-256.
    Digest([u8; 32]),
    /// The bytes in aws-chunked framing.
    Chunked {
        /// Each chunk carries a signature.
        signed: bool,
        /// Fields follow the last chunk.
        trailer: bool,
    },
}

impl PayloadMode {
    /// The value that stands for [`PayloadMode::Unsigned`].
    pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

    pub(super) fn parse(raw: &str) -> Result<Self, AuthError> {
        Ok(match raw {
            Self::UNSIGNED => Self::Unsigned,
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Self::Chunked {
                signed: false,
                trailer: true,
            },
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Self::Chunked {
                signed: true,
                trailer: false,
            },
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Self::Chunked {
                signed: true,
                trailer: true,
            },
            digest => {
                let mut bytes = [0; 32];
                hex::decode_to_slice(digest, &mut bytes)
                    .map_err(|_| AuthError::InvalidContentSha256)?;
                Self::Digest(bytes)
            }
        })
    }

    /// The mode of a request that nobody signed and that does not name one. Only signing adds
    /// the header, but an SDK without credentials still sends its checksum in a trailer, and
    /// then the framing has to be read off the other headers.
    pub(super) fn guess(headers: &HeaderMap) -> Self {
        let trailer = headers.contains_key(X_AMZ_TRAILER);
        let framed = headers.contains_key(X_AMZ_DECODED_CONTENT_LENGTH)
            && headers
                .get_all(CONTENT_ENCODING)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .any(|coding| coding.trim().eq_ignore_ascii_case("aws-chunked"));
        if framed || trailer {
            Self::Chunked {
                signed: false,
                trailer,
            }
        } else {
            Self::Unsigned
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_mode_is_known_and_nothing_else() {
        let chunked = |signed, trailer| Ok(PayloadMode::Chunked { signed, trailer });
        let parse = PayloadMode::parse;
        assert_eq!(parse("UNSIGNED-PAYLOAD"), Ok(PayloadMode::Unsigned));
        assert_eq!(
            parse("STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            chunked(false, true)
        );
        assert_eq!(
            parse("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            chunked(true, false)
        );
        assert_eq!(
            parse("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
            chunked(true, true)
        );
        assert_eq!(parse(&"ab".repeat(32)), Ok(PayloadMode::Digest([0xab; 32])));
        for odd in [
            "",
            "unsigned-payload",
            &"ab".repeat(31),
            &"zz".repeat(32),
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        ] {
            assert_eq!(parse(odd), Err(AuthError::InvalidContentSha256), "{odd}");
        }
    }
}
