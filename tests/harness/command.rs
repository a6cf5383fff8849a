//! Commands of the program that end by themselves.

use crate::artifacts::binary;
use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program in a home directory.
#[derive(Debug, Clone)]
pub struct Program {
    home: PathBuf,
}

/// What a command has left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code.
    pub code: Option<i32>,
    /// What it has printed on standard output, with `~` for the home directory.
    pub stdout: String,
    /// The same of standard error.
    pub stderr: String,
}

impl Program {
    /// In this home directory.
    pub fn in_home(home: &Path) -> Self {
        Self { home: home.into() }
    }

    /// The config directory, which may not be there.
    pub fn config(&self) -> PathBuf {
        self.home.join(".config/pys3local")
    }

    /// A command that is to be started.
    pub fn command(&self, args: &[&str]) -> Command {
        let binary = binary().unwrap_or_else(|error| panic!("{error}"));
        let mut command = Command::new(&binary);
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.home)
            .env(
                "XDG_CACHE_HOME",
                binary.with_file_name("pys3local-tests-cache"),
            )
            .env("TMPDIR", &self.home)
            .stdin(Stdio::null());
        command
    }

    /// Starts a command, kills it when it has printed so many lines, and answers them.
    pub fn kill_after(&self, args: &[&str], lines: usize) -> Vec<String> {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let lines = stdout.lines().take(lines).map(|line| line.expect("text"));
        let lines = lines.collect();
        child.kill().expect("a child");
        child.wait().expect("a child");
        lines
    }

    /// Runs a command to its end, without a terminal.
    pub fn run(&self, args: &[&str]) -> Output {
        self.run_with(args, "")
    }

    /// The same with this on its standard input.
    pub fn run_with(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.command(args);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program");
        // A program that does not read closes the pipe.
        let mut stdin = child.stdin.take().expect("a pipe");
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let done = child.wait_with_output().expect("an end");
        let home = self.home.display().to_string();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&home, "~");
        Output {
            code: done.status.code(),
            stdout: text(&done.stdout),
            stderr: text(&done.stderr),
        }
    }

    /// Runs a command that must succeed, and answers its standard output.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.code, Some(0), "{args:?}\n{output}");
        output.stdout
    }

    /// Runs a command that must fail with this code, and answers its standard error.
    #[track_caller]
    pub fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.code, Some(code), "{args:?}\n{output}");
        output.stderr
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
        } = self;
        write!(f, "{stdout}--- exit code {code:?}\n{stderr}")
    }
}
