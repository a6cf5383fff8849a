//! `pys3local obscure`.

use super::Failure;
use crate::config::{SecretText, secret};
use clap::Args;
use std::io::{self, BufRead, IsTerminal, Write};

#[derive(Debug, Args)]
pub(super) struct ObscureOptions {
    /// The password; other users of the machine may see it in the list of processes
    // One in 64 obscured passwords begins with a dash.
    #[arg(allow_hyphen_values = true)]
    password: Option<SecretText>,

    /// The other way round: print the plain text of an obscured password
    #[arg(long)]
    reveal: bool,
}

pub(super) fn run(options: ObscureOptions) -> Result<(), Failure> {
    let ObscureOptions { password, reveal } = options;
    let prompt = if reveal {
        "Obscured password: "
    } else {
        "Password: "
    };
    let password = match password {
        Some(password) => password.expose().to_owned(),
        None => ask(prompt).map_err(|error| Failure::io("cannot read the password", &error))?,
    };
    let result = if reveal {
        secret::reveal(password.trim()).ok_or_else(|| {
            Failure::new("this is no obscured password")
                .hint("a config file may also hold a password in plain text")
        })?
    } else {
        secret::obscure(&password).map_err(|error| Failure::new(error.to_string()))?
    };
    let written = writeln!(io::stdout(), "{result}");
    written.map_err(|error| Failure::io("cannot write to stdout", &error))?;
    if !reveal {
        // The result is out; a closed stderr is no failure.
        let _ = writeln!(
            io::stderr(),
            "note: this is obfuscation, not encryption: whoever can read the result can reveal it"
        );
    }
    Ok(())
}

fn ask(prompt: &str) -> io::Result<String> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password(prompt);
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}
