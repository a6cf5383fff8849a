//! The continuation token of paged listings.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

/// Says which kind of token follows, so that a later form can tell old ones apart.
const VERSION: &str = "1:";

/// The text is no token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a continuation token")]
pub struct TokenError;

/// A token that means "behind `last`". Clients treat it as opaque.
pub fn encode(last: &str) -> String {
    BASE64.encode(format!("{VERSION}{last}"))
}

/// What [`encode`] was given.
pub fn decode(token: &str) -> Result<String, TokenError> {
    let bytes = BASE64.decode(token).map_err(|_| TokenError)?;
    let text = String::from_utf8(bytes).map_err(|_| TokenError)?;
    match text.strip_prefix(VERSION) {
        Some(last) if !last.is_empty() => Ok(last.to_owned()),
        _ => Err(TokenError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_that_was_not_issued_is_refused() {
        for odd in ["", "MTo", "Mjph", "a key", "1:key", "MTr_"] {
            assert_eq!(decode(odd), Err(TokenError), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn a_token_leads_back_to_its_key(key in ".{1,200}") {
            prop_assert_eq!(decode(&encode(&key)), Ok(key));
        }

        #[test]
        fn no_text_makes_the_decoder_panic(raw: String) {
            let _ = decode(&raw);
        }
    }
}
