//! Entity tags.

use std::fmt;
use std::num::NonZeroU16;

/// An object's entity tag as S3 shows it. `Display` prints it without quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ETag {
    /// MD5 of the whole body.
    Md5([u8; 16]),
    /// MD5 of the parts' MD5s, and how many parts there were.
    Multipart {
        /// MD5 over the concatenated binary MD5s.
        digest: [u8; 16],
        /// Number of parts.
        parts: NonZeroU16,
    },
    /// What the backend offers while the MD5 is unknown. Never looks like one of the others.
    Opaque(Box<str>),
}

impl ETag {
    /// Reads what a client sends: with or without quotes. `None` for an empty text.
    pub fn parse(raw: &str) -> Option<Self> {
        let raw = raw.trim();
        let raw = raw
            .strip_prefix('"')
            .and_then(|r| r.strip_suffix('"'))
            .unwrap_or(raw);
        if raw.is_empty() {
            return None;
        }
        Some(Self::from_hashes(raw).unwrap_or_else(|| Self::Opaque(raw.into())))
    }

    fn from_hashes(raw: &str) -> Option<Self> {
        let (digest, parts) = match raw.split_once('-') {
            Some((digest, parts)) => (digest, Some(parts)),
            None => (raw, None),
        };
        let mut bytes = [0; 16];
        hex::decode_to_slice(digest, &mut bytes).ok()?;
        Some(match parts {
            None => Self::Md5(bytes),
            Some(parts) => Self::Multipart {
                digest: bytes,
                parts: parts.parse().ok()?,
            },
        })
    }

    /// A tag made of the backend's own hash, or else of the object's id and version. It is
    /// marked so that no client takes it for an MD5.
    pub fn fallback(hash: Option<&str>, id: &str, version: &str) -> Self {
        let raw = match hash {
            Some(hash) => format!("x-{hash}"),
            None => format!("x-{id}.{version}"),
        };
        let clean = |c: char| {
            if c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '&' | ',') {
                c
            } else {
                '_'
            }
        };
        Self::Opaque(raw.chars().map(clean).take(255).collect())
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Md5(digest) => write_hex(digest, f),
            Self::Multipart { digest, parts } => {
                write_hex(digest, f)?;
                write!(f, "-{parts}")
            }
            Self::Opaque(text) => f.write_str(text),
        }
    }
}

fn write_hex(digest: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut digits = [0; 32];
    // The room is right, and hex digits are text.
    hex::encode_to_slice(digest, &mut digits).map_err(|_| fmt::Error)?;
    f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_multipart_etag_ends_in_the_number_of_parts() {
        let etag = ETag::Multipart {
            digest: [0xab; 16],
            parts: 3.try_into().unwrap(),
        };
        assert_eq!(etag.to_string(), "abababababababababababababababab-3");
    }

    #[test]
    fn a_fallback_tag_never_looks_like_an_md5() {
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        for tag in [
            ETag::fallback(Some(md5), "", ""),
            ETag::fallback(None, "", md5),
        ] {
            assert!(
                matches!(ETag::parse(&tag.to_string()), Some(ETag::Opaque(_))),
                "{tag}"
            );
        }
    }

    proptest! {
        #[test]
        fn parsing_what_was_printed_gives_the_same_tag(digest: [u8; 16], parts in 0u16..=10_000) {
            let etag = match NonZeroU16::new(parts) {
                None => ETag::Md5(digest),
                Some(parts) => ETag::Multipart { digest, parts },
            };
            prop_assert_eq!(ETag::parse(&format!("\"{etag}\"")), Some(etag.clone()));
            prop_assert_eq!(ETag::parse(&etag.to_string()), Some(etag));
        }

        #[test]
        fn no_text_makes_the_parser_panic(raw: String) {
            let _ = ETag::parse(&raw);
        }
    }
}
