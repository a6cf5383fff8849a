//! What can be wrong with what the gateway was told.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag; carries it with its dashes.
    Flag(String),
    /// A variable of the environment.
    Env(String),
    /// A key of a backend in a config file.
    File {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// Nobody said anything else.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Env(name) => f.write_str(name),
            Self::File { path, key } => write!(f, "`{key}` in {}", path.display()),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// The text of an error of the operating system without its number.
pub fn io_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// Why the settings are unusable. `Display` is one line.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value makes no sense.
    #[error("{origin}: {why}")]
    Value {
        /// Where it came from.
        origin: Origin,
        /// What is wrong with it.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A config file is not what it should be.
    #[error("{}:{line}:{column}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Characters, counted from 1.
        column: usize,
        /// What is wrong there.
        why: String,
    },
    /// A config file cannot be read.
    #[error("cannot read {}: {}", path.display(), io_text(cause))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A config file cannot be written.
    #[error("cannot write {}: {why}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A secret cannot be stored.
    #[error("`{key}`: {why}")]
    Secret {
        /// The key.
        key: String,
        /// Why.
        why: String,
    },
    /// No section and no file has this name.
    #[error("no backend config is named {name:?} in {}", dir.display())]
    UnknownBackend {
        /// What was asked for.
        name: String,
        /// Where we looked.
        dir: PathBuf,
        /// What there is.
        known: Vec<String>,
    },
    /// The environment does not say where the home directory is.
    #[error("cannot tell where the config directory is: {variable} is not set")]
    NoHome {
        /// The variable that would have helped.
        variable: &'static str,
    },
}

impl ConfigError {
    /// A bad value with nothing to advise.
    pub fn value(origin: &Origin, why: impl Into<String>) -> Self {
        Self::Value {
            origin: origin.clone(),
            why: why.into(),
            hint: None,
        }
    }

    /// A bad value, and what to do.
    pub fn advise(origin: &Origin, why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Value {
            origin: origin.clone(),
            why: why.into(),
            hint: Some(hint.into()),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Value { hint, .. } => hint.clone(),
            Self::UnknownBackend { known, .. } if known.is_empty() => {
                Some("there are no backend configs yet; `pys3local config add` makes one".into())
            }
            Self::UnknownBackend { known, .. } => Some(format!("there are: {}", known.join(", "))),
            Self::NoHome { .. } => Some("name the directory with --config-dir".into()),
            Self::Write { .. } => Some("another directory can be named with --config-dir".into()),
            Self::File { .. } | Self::Read { .. } | Self::Secret { .. } => None,
        }
    }

    /// Whether the command line itself is wrong (exit code 2), not something it points to.
    pub fn is_usage(&self) -> bool {
        let Self::Value { origin, .. } = self else {
            return false;
        };
        matches!(origin, Origin::Flag(_) | Origin::Env(_))
    }
}
