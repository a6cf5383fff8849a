//! Text beyond ASCII in headers: RFC 2047's encoded words, as S3 has them in user metadata.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// Text as a header can carry it: ASCII as it is, other text as one encoded word.
pub(super) fn encode(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte == b' ' || byte == b'\t' || byte.is_ascii_graphic();
    if text.bytes().all(plain) {
        return text.into();
    }
    format!("=?UTF-8?B?{}?=", STANDARD.encode(text)).into()
}

/// Text that came in a header: encoded words in UTF-8 become what they mean, all else stays.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains("=?") {
        return text.into();
    }
    let mut decoded = String::new();
    let mut rest = text;
    // White space between two words belongs to neither.
    let mut behind_word = false;
    while let Some(at) = rest.find("=?") {
        let (before, word) = rest.split_at(at);
        let Some((meaning, behind)) = word_at(word) else {
            decoded.push_str(before);
            decoded.push_str("=?");
            rest = word.get(2..).unwrap_or_default();
            behind_word = false;
            continue;
        };
        if !(behind_word && before.trim().is_empty()) {
            decoded.push_str(before);
        }
        decoded.push_str(&meaning);
        rest = behind;
        behind_word = true;
    }
    decoded.push_str(rest);
    decoded.into()
}

/// The encoded word that `text` begins with, and what follows it.
fn word_at(text: &str) -> Option<(String, &str)> {
    let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (content, behind) = rest.split_once("?=")?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let bytes = match encoding {
        "B" | "b" => STANDARD.decode(content).ok()?,
        "Q" | "q" => quoted(content)?,
        _ => return None,
    };
    let meaning = String::from_utf8(bytes).ok()?;
    // What no header may hold stays hidden in the word.
    let is_text = meaning
        .chars()
        .all(|char| char == '\t' || !char.is_control());
    is_text.then_some((meaning, behind))
}

fn quoted(content: &str) -> Option<Vec<u8>> {
    let mut bytes = content.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'_' => b' ',
            b'=' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
                u8::try_from(high << 4 | low).ok()?
            }
            other => other,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_of_other_programs_are_understood() {
        for (sent, meant) in [
            ("plain", "plain"),
            ("=?UTF-8?B?Wm/Dqw==?=", "Zoë"),
            ("=?utf-8?q?Zo=C3=AB_B?= x", "Zoë B x"),
            ("=?UTF-8?Q?a?= =?UTF-8?Q?b?=", "ab"),
            ("=?UTF-8?Q?a?= - =?UTF-8?Q?b?=", "a - b"),
        ] {
            assert_eq!(decode(sent), meant);
        }
    }

    #[test]
    fn what_is_no_word_stays() {
        for text in [
            "=?",
            "=?UTF-8?B?!?=",
            "=?UTF-8?X?a?=",
            "=?latin1?Q?a?=",
            "=?UTF-8?Q?=F?=",
            "=?UTF-8?Q?=FF?=",
            "=?UTF-8?Q?=0D=0A?=",
            "1 =? 2",
        ] {
            assert_eq!(decode(text), text);
        }
    }

    proptest! {
        #[test]
        fn decoding_what_was_encoded_gives_the_same_text(text in "[^\\x00-\\x1f\\x7f-\\x9f]{0,40}") {
            prop_assume!(!text.contains("=?"));
            let word = encode(&text);
            prop_assert_eq!(decode(&word), text.as_str());
            prop_assert!(encode(&text).is_ascii());
        }

        #[test]
        fn no_text_makes_the_decoder_panic(text in "[=?UTF8BbQq_ -~é-]{0,60}") {
            let _ = decode(&text);
        }
    }
}
