//! Percent-encoding, both ways.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::Display;

/// The text is not percent-encoded UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not percent-encoded UTF-8")]
pub struct DecodeError;

/// Everything but the unreserved characters of RFC 3986 and `/`.
///
/// A space becomes `%20` and not `+`: every client's decoder understands that one.
const KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// A key as `encoding-type=url` and URLs show it.
pub(super) fn encode(raw: &str) -> impl Display + '_ {
    utf8_percent_encode(raw, KEY)
}

/// Decodes a piece of a path, where `+` is a plus. Unlike browsers, this refuses a `%` that two
/// hex digits do not follow: guessing would make two addresses of one object.
pub(super) fn decode(raw: &str) -> Result<String, DecodeError> {
    let mut tail = raw.as_bytes();
    while let Some(at) = tail.iter().position(|&b| b == b'%') {
        match tail.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {}
            _ => return Err(DecodeError),
        }
        tail = tail.get(at + 3..).unwrap_or_default();
    }
    let bytes = percent_encoding::percent_decode_str(raw);
    Ok(bytes.decode_utf8().map_err(|_| DecodeError)?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_plus_in_a_path_stays_a_plus() {
        assert_eq!(decode("a+b%2Bc%20d").as_deref(), Ok("a+b+c d"));
    }

    #[test]
    fn a_bad_escape_is_refused() {
        for bad in ["%", "a%2", "%zz", "%+1", "%C3", "%ff"] {
            assert_eq!(decode(bad), Err(DecodeError), "{bad}");
        }
    }

    #[test]
    fn unreserved_characters_and_slashes_stay_readable() {
        let raw = "a/b-c_d.e~f (1)+é";
        assert_eq!(encode(raw).to_string(), "a/b-c_d.e~f%20%281%29%2B%C3%A9");
    }

    proptest! {
        #[test]
        fn decoding_what_was_encoded_gives_the_same_text(raw: String) {
            prop_assert_eq!(decode(&encode(&raw).to_string()), Ok(raw));
        }

        #[test]
        fn no_text_makes_the_decoder_panic(raw: String) {
            let _ = decode(&raw);
        }
    }
}
