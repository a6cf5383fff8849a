//! Secrets that are hidden from a glance: the ancestor's obscured form.
//!
//! base64url without padding of 16 random bytes (the IV) and AES-256-CTR of the UTF-8 text
//! under a key that everybody knows. It keeps a password out of sight of somebody who looks over
//! a shoulder; whoever has the file has the password.

use aes::Aes256;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ctr::cipher::{KeyIvInit, StreamCipher};
use std::fmt;

const KEY: [u8; 32] = [
    0x1f, 0x45, 0xe7, 0x2a, 0x93, 0xb8, 0x4d, 0x6f, 0xc0, 0x8a, 0x29, 0xde, 0x67, 0xf3, 0xb2, 0xa8,
    0xe9, 0x4c, 0x5d, 0x6f, 0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f, 0x6a, 0x7b, 0x8c, 0x9d, 0x0e, 0x1f,
];

/// Written without padding; read with or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The keys of a config section whose values are stored obscured.
pub const SECRET_KEYS: [&str; 3] = ["api_key", "password", "secret_access_key"];

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever really needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Why a text cannot be obscured.
#[derive(Debug, thiserror::Error)]
pub enum ObscureError {
    /// There is nothing to hide.
    #[error("an empty password cannot be obscured")]
    Empty,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    Random(getrandom::Error),
}

/// The obscured form of `text`: another one each time.
pub fn obscure(text: &str) -> Result<String, ObscureError> {
    if text.is_empty() {
        return Err(ObscureError::Empty);
    }
    let mut iv = [0; 16];
    getrandom::fill(&mut iv).map_err(ObscureError::Random)?;
    Ok(obscure_with(iv, text))
}

fn obscure_with(iv: [u8; 16], text: &str) -> String {
    let mut body = text.as_bytes().to_vec();
    apply(iv, &mut body);
    let mut bytes = iv.to_vec();
    bytes.append(&mut body);
    BASE64.encode(bytes)
}

/// The text behind an obscured form; `None` for what does not decode to printable text, which
/// is then meant as it stands.
pub fn reveal(obscured: &str) -> Option<String> {
    let bytes = BASE64.decode(obscured).ok()?;
    let (iv, body) = bytes.split_first_chunk::<16>()?;
    let mut body = body.to_vec();
    apply(*iv, &mut body);
    let text = String::from_utf8(body).ok()?;
    let printable = !text.is_empty() && !text.chars().any(char::is_control);
    printable.then_some(text)
}

/// What the writer of a config file meant: the revealed text, or the value itself.
pub fn reveal_or_plain(value: &str) -> String {
    reveal(value).unwrap_or_else(|| value.to_owned())
}

fn apply(iv: [u8; 16], bytes: &mut [u8]) {
    ctr::Ctr128BE::<Aes256>::new(&KEY.into(), &iv.into()).apply_keystream(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VECTOR: &str = "i0nYnsBQHmFXPIAKOwHh5zyzn8PsUeYRcUKe_tA_";

    #[test]
    fn the_ancestors_example_reveals_to_its_text() {
        assert_eq!(reveal(VECTOR).as_deref(), Some("secret-key-123"));
    }

    #[test]
    fn obscuring_under_the_same_iv_gives_the_ancestors_bytes() {
        let iv = BASE64.decode(VECTOR).unwrap()[..16].try_into().unwrap();
        assert_eq!(obscure_with(iv, "secret-key-123"), VECTOR);
    }

    #[test]
    fn the_counter_carries_over_the_whole_block() {
        let text = "x".repeat(40); // three blocks, so two increments of an all-ones counter
        let all_ones = obscure_with([0xff; 16], &text);
        let mut behind = text.clone().into_bytes().split_off(16);
        apply([0; 16], &mut behind); // the second block's counter is zero
        assert_eq!(BASE64.decode(all_ones).unwrap()[32..], behind);
    }

    #[test]
    fn padding_is_tolerated() {
        let form = obscure_with([7; 16], "ab");
        let padded = format!("{form}{}", "=".repeat((4 - form.len() % 4) % 4));
        assert_eq!(reveal(&padded).as_deref(), Some("ab"));
    }

    #[test]
    fn an_empty_text_is_refused() {
        assert!(matches!(obscure(""), Err(ObscureError::Empty)));
    }

    #[test]
    fn plain_values_are_taken_as_they_stand() {
        for plain in [
            "hunter2",
            "",
            "not base64 !",
            "drime-token-1234567890abcdefghij-XYZ",
            "AKIA",
        ] {
            assert_eq!(reveal_or_plain(plain), plain);
        }
    }

    #[test]
    fn an_iv_without_text_is_not_an_obscured_form() {
        assert_eq!(reveal(&BASE64.encode([1; 16])), None);
    }

    #[test]
    fn debug_does_not_show_a_secret() {
        assert_eq!(
            format!("{:?}", SecretText::new("hunter2")),
            "SecretText(..)"
        );
    }

    proptest! {
        #[test]
        fn revealing_an_obscured_text_gives_it_back(text in "\\PC{1,80}") {
            prop_assert_eq!(reveal(&obscure(&text).unwrap()), Some(text));
        }

        #[test]
        fn no_input_panics(text in "\\PC*") {
            let _ = reveal(&text);
        }
    }
}
