//! Data goes to stdout.

use super::Failure;
use std::io::Write;

/// Writes it at once.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    written.map_err(|error| Failure::new(format!("cannot write to stdout: {error}")))
}

/// A text from somewhere else as a part of one line: line ends, and what would move a terminal's
/// cursor or change its colours, are written as they are in a program.
pub(super) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            visible.extend(c.escape_default());
        } else {
            visible.push(c);
        }
    }
    visible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_others_are_not() {
        assert_eq!(visible("a\n\u{1b}[2Jß☃ \""), "a\\n\\u{1b}[2Jß☃ \"");
    }
}
