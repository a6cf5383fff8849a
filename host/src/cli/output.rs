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
