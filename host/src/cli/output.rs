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

/// A text from somewhere else as a part of one line: what would move a terminal's cursor, or its
/// colours, is written as it is in a program.
pub(super) fn visible(text: &str) -> String {
    let shown = |c: char| {
        let odd = c.is_control();
        let escaped = odd.then(|| c.escape_default());
        escaped.into_iter().flatten().chain((!odd).then_some(c))
    };
    text.chars().flat_map(shown).collect()
}
