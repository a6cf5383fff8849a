//! With what a gateway is started, and what is left of one that does not start.

use super::Gateway;
use std::ffi::OsString;
use tempfile::TempDir;

/// How a gateway is to be started.
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) advanced: bool,
    pub(super) sync: &'static str,
    pub(super) args: Vec<OsString>,
    pub(super) env: Vec<(String, OsString)>,
    pub(super) backend: Option<String>,
    pub(super) cold: bool,
    pub(super) behind: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            advanced: true,
            sync: "never",
            args: Vec::new(),
            env: Vec::new(),
            backend: None,
            cold: false,
            behind: Vec::new(),
        }
    }
}

impl Options {
    /// One virtual bucket, `default`, instead of real buckets.
    #[must_use]
    pub fn default_bucket(mut self) -> Self {
        self.advanced = false;
        self
    }

    /// `--sync always`: what is acknowledged survives a power failure.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.sync = "always";
        self
    }

    /// A further argument of `serve`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Serves the section `name` of a `backends.toml` with this text instead of `--path`.
    /// `{data}` in the text stands for the data directory.
    #[must_use]
    pub fn backend(mut self, name: &str, toml: &str) -> Self {
        self.args.push("--backend-config".into());
        self.args.push(name.into());
        self.backend = Some(toml.to_owned());
        self
    }

    /// Without compiled components from earlier starts.
    #[must_use]
    pub fn cold(mut self) -> Self {
        self.cold = true;
        self
    }

    /// Behind these words of a command that becomes the program in the end.
    #[must_use]
    pub fn behind(mut self, words: Vec<String>) -> Self {
        self.behind = words;
        self
    }

    /// Starts it; panics when it does not listen in time.
    pub fn start(self) -> Gateway {
        match self.try_start() {
            Ok(gateway) => gateway,
            Err(failed) => panic!("{failed}"),
        }
    }

    /// Starts it.
    pub fn try_start(self) -> Result<Gateway, StartError> {
        let home = TempDir::with_prefix("pys3local-test-").expect("a temp dir");
        Gateway::new(self, home)
    }
}

/// The program ended instead of listening.
#[derive(Debug)]
pub struct StartError {
    /// Its exit code; `None` if it ran on without listening.
    pub code: Option<i32>,
    /// What it printed on standard error.
    pub stderr: String,
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the gateway did not start (exit code {:?}):\n{}",
            self.code, self.stderr
        )
    }
}
