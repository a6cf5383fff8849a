//! The program, run to its end in a home of its own.

use pys3local_tests::artifacts;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A home directory, removed with this.
pub(crate) struct Home(pub(crate) TempDir);

/// What a command printed.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self(TempDir::with_prefix("pys3local-test-").expect("a temp dir"))
    }

    /// The config directory.
    pub(crate) fn config(&self) -> PathBuf {
        self.0.path().join(".config/pys3local")
    }

    /// With this `backends.toml`.
    pub(crate) fn with_backends(text: &str) -> Self {
        let home = Self::new();
        std::fs::create_dir_all(home.config()).expect("a config directory");
        std::fs::write(home.config().join("backends.toml"), text).expect("a config file");
        home
    }

    /// The program with these arguments, to be run.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let binary = artifacts::binary().unwrap_or_else(|error| panic!("{error}"));
        let cache = binary.with_file_name("pys3local-tests-cache");
        let mut command = Command::new(binary);
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.0.path())
            .env("XDG_CACHE_HOME", cache)
            .current_dir(self.0.path());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.run_with(args, "")
    }

    /// With this on its standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Output {
        output(self.command(args), input)
    }

    /// Runs it and expects success; answers standard output with the home as `HOME`.
    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.code, Some(0), "{args:?}: {output:?}");
        let home = self.0.path().to_str().expect("a path of UTF-8");
        output.stdout.replace(home, "HOME")
    }

    /// Runs it and expects an error; answers standard error with the home as `HOME`.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.code, Some(code), "{args:?}: {output:?}");
        assert_eq!(output.stdout, "", "{args:?}");
        let home = self.0.path().to_str().expect("a path of UTF-8");
        output.stderr.replace(home, "HOME")
    }
}

pub(crate) fn output(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    // A program that does not read closes the pipe.
    let _ = child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input.as_bytes());
    let output = child.wait_with_output().expect("an end");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Output {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}
