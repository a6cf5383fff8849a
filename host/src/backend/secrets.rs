//! Texts that a plugin is given and that must not come back in its words: into the log, or into
//! an error that somebody prints.

use super::bindings::pys3local::storage::types::Error as GuestError;
use std::borrow::Cow;
use std::sync::Arc;

/// Whatever is shorter is no secret, and would be found in ordinary words.
const SHORTEST: usize = 4;
const HIDDEN: &str = "(hidden)";

/// The secrets of one plugin, the longest first: one may be a part of another.
#[derive(Clone, Default)]
pub(super) struct Secrets(Arc<[String]>);

impl Secrets {
    pub(super) fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let texts = texts.into_iter().filter(|text| text.len() >= SHORTEST);
        // A guest that prints its settings for debugging escapes them.
        let forms = texts.flat_map(|text| [text.escape_debug().to_string(), text]);
        let mut forms: Vec<String> = forms.collect();
        forms.sort_by_key(|text| std::cmp::Reverse(text.len()));
        forms.dedup();
        Self(forms.into())
    }

    /// These and further ones.
    pub(super) fn with(&self, texts: impl IntoIterator<Item = String>) -> Self {
        Self::new(self.0.iter().cloned().chain(texts))
    }

    /// Bytes of the longest one.
    pub(super) fn longest(&self) -> usize {
        self.0.first().map_or(0, String::len)
    }

    /// The text without the secrets, as far as they stand in it letter by letter or escaped.
    pub(super) fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut shown = Cow::Borrowed(text);
        for secret in self.0.iter() {
            if shown.contains(secret) {
                shown = Cow::Owned(shown.replace(secret, HIDDEN));
            }
        }
        shown
    }

    pub(super) fn hide_in(&self, error: GuestError) -> GuestError {
        let hide = |text: String| self.hide(&text).into_owned();
        match error {
            GuestError::InvalidName(text) => GuestError::InvalidName(hide(text)),
            GuestError::Denied(text) => GuestError::Denied(hide(text)),
            GuestError::Unavailable(text) => GuestError::Unavailable(hide(text)),
            GuestError::Other(text) => GuestError::Other(hide(text)),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(texts: &[&str]) -> Secrets {
        Secrets::new(texts.iter().map(|text| (*text).to_owned()))
    }

    #[test]
    fn every_secret_is_hidden_wherever_it_stands() {
        let secrets = secrets(&["hunter2", "open sesame"]);
        let shown = secrets.hide("[(\"a\", \"hunter2\"), (\"b\", \"open sesame\")] hunter2hunter2");
        assert_eq!(
            shown,
            "[(\"a\", \"(hidden)\"), (\"b\", \"(hidden)\")] (hidden)(hidden)"
        );
        assert_eq!(secrets.hide("hunter, open"), "hunter, open");
    }

    #[test]
    fn nothing_is_left_of_a_secret_that_contains_another() {
        let secrets = secrets(&["abcd", "abcdefgh"]).with(["cdefg".to_owned()]);
        assert_eq!(secrets.hide("abcdefgh abcd"), "(hidden) (hidden)");
        assert_eq!(secrets.longest(), 8);
    }

    #[test]
    fn a_secret_is_found_where_its_quotes_are_escaped() {
        let secret = "open \"sesame\"";
        let printed = format!("{:?} {secret}", ["x", secret]);
        let shown = secrets(&[secret]).hide(&printed).into_owned();
        assert_eq!(shown, "[\"x\", \"(hidden)\"] (hidden)");
    }

    #[test]
    fn words_of_a_few_letters_are_no_secrets() {
        assert_eq!(secrets(&["", "a", "the"]).hide("the cat"), "the cat");
    }

    #[test]
    fn errors_are_told_without_secrets() {
        let secrets = secrets(&["hunter2"]);
        let shown = secrets.hide_in(GuestError::Denied("not with hunter2".into()));
        assert!(matches!(shown, GuestError::Denied(text) if text == "not with (hidden)"));
    }
}
