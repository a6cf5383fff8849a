//! How a command fails.

use super::log;
use crate::cache::OpenError;
use crate::config::ConfigError;
use crate::config::error::io_text;
use crate::service::ports::CacheError;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// One line of what went wrong and why, and sometimes what to do about it.
#[derive(Debug)]
pub struct Failure {
    what: String,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// A failure with exit code 1.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: None,
            code: 1,
        }
    }

    /// A failure of the operating system.
    pub fn io(what: &str, error: &std::io::Error) -> Self {
        Self::new(format!("{what}: {}", io_text(error)))
    }

    /// A mistake on the command line, with exit code 2.
    pub fn usage(what: impl Into<String>) -> Self {
        Self {
            code: 2,
            ..Self::new(what)
        }
    }

    /// A failure with all its causes in one line.
    pub fn of(error: impl std::error::Error) -> Self {
        let mut last = without_number(&error.to_string()).to_owned();
        let mut what = last.clone();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = without_number(&error.to_string()).to_owned();
            // Some errors say in their own text what has caused them, or the other way round.
            if !last.ends_with(&text) && !text.ends_with(&last) {
                what = format!("{what}: {text}");
            }
            last = text;
            cause = error.source();
        }
        Self::new(what)
    }

    /// The same with another exit code.
    #[must_use]
    pub fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says it on stderr, in the log's own form where programs read it, and answers the exit code.
    pub fn report(&self, log: log::Options) -> ExitCode {
        if log.json {
            tracing::error!(hint = self.hint, "{}", self.what);
        } else {
            // Where stderr is closed, the exit code has to do.
            let _ = writeln!(std::io::stderr(), "{self}");
        }
        ExitCode::from(self.code)
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

/// The text of an error of the operating system says its number at the end, which tells nobody
/// anything.
fn without_number(text: &str) -> &str {
    text.split_once(" (os error ")
        .map_or(text, |(words, _)| words)
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let hint = match &error {
            _ if error.is_unwritable() => Some("another place can be named with --metadata-db"),
            OpenError::Newer { .. } => {
                Some("use that version, or name another database with --metadata-db")
            }
            OpenError::NoBackup { .. } => {
                Some("make room beside it, or name another database with --metadata-db")
            }
            _ if error.is_corruption() => Some(
                "a backup can be put in its place with `cache restore`; without one, the next server \
                 moves it aside and starts with an empty one",
            ),
            _ if error.is_full() => {
                Some("make room there, or name another database with --metadata-db")
            }
            _ => None,
        };
        let failure = Self::of(error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        let is_full = matches!(error, CacheError::NoSpace(_));
        let failure = Self::of(error);
        if is_full {
            failure.hint("make room there, and run the command again")
        } else {
            failure
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self {
            what: error.to_string(),
            hint: error.hint(),
            code: if error.is_usage() { 2 } else { 1 },
        }
    }
}
