//! How a command fails.

use crate::config::ConfigError;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// One line of what went wrong and why, and sometimes what to do about it.
#[derive(Debug)]
pub struct Failure {
    what: String,
    hint: Option<String>,
    usage: bool,
}

impl Failure {
    /// A failure with exit code 1.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: None,
            usage: false,
        }
    }

    /// A mistake on the command line, with exit code 2.
    pub fn usage(what: impl Into<String>) -> Self {
        Self {
            usage: true,
            ..Self::new(what)
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints it to stderr and answers the exit code.
    pub fn report(&self) -> ExitCode {
        // Where stderr is closed, the exit code has to do.
        let _ = writeln!(std::io::stderr(), "{self}");
        ExitCode::from(if self.usage { 2 } else { 1 })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self {
            what: error.to_string(),
            hint: error.hint(),
            usage: error.is_usage(),
        }
    }
}
