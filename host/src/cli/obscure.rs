//! `pys3local obscure`.

use super::Failure;
use crate::config::secret;
use std::io::{self, BufRead, IsTerminal, Write};

pub(super) fn run(password: Option<String>) -> Result<(), Failure> {
    let password = match password {
        Some(password) => password,
        None => {
            ask().map_err(|error| Failure::new(format!("cannot read the password: {error}")))?
        }
    };
    let obscured = secret::obscure(&password).map_err(|error| Failure::new(error.to_string()))?;
    let written = writeln!(io::stdout(), "{obscured}");
    written.map_err(|error| Failure::new(format!("cannot write to stdout: {error}")))?;
    // The result is out; a closed stderr is no failure.
    let _ = writeln!(
        io::stderr(),
        "note: this is obfuscation, not encryption: whoever can read the result can reveal it"
    );
    Ok(())
}

fn ask() -> io::Result<String> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password("Password: ");
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}
