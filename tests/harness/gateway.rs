//! The real program, started for one test.

mod options;
mod run;

pub use options::{Options, StartError};

use crate::client::{Error, PATIENCE};
use crate::s3::S3;
use run::Run;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// What a process holds.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Open files and sockets.
    pub files: usize,
    /// Threads.
    pub threads: usize,
    /// Bytes of memory.
    pub resident: u64,
}

/// A running `pys3local serve` with its own data and home directory. Dropping it kills it and
/// removes both.
pub struct Gateway {
    options: Options,
    home: TempDir,
    run: Run,
}

impl Gateway {
    /// With real buckets, and a bucket `bucket`.
    pub async fn with_bucket() -> (Self, S3) {
        let gateway = Options::default().start();
        let s3 = gateway.s3();
        s3.create_bucket("bucket").await;
        (gateway, s3)
    }

    fn new(options: Options, home: TempDir) -> Result<Self, StartError> {
        std::fs::create_dir_all(home.path().join("data")).expect("a data directory");
        if let Some(toml) = &options.backend {
            let config = home.path().join(".config/pys3local");
            std::fs::create_dir_all(&config).expect("a config directory");
            let data = home.path().join("data");
            let toml = toml.replace("{data}", data.to_str().expect("a path of UTF-8"));
            std::fs::write(config.join("backends.toml"), toml).expect("a config file");
        }
        let run = Run::start(&options, home.path())?;
        Ok(Self { options, home, run })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.run.address
    }

    /// A client with the default keys.
    pub fn s3(&self) -> S3 {
        S3::new(self.run.address)
    }

    /// Its home directory, in which other commands find its database.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// `--path`.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.run.child.id()
    }

    /// What it has printed on standard output so far.
    pub fn stdout(&self) -> String {
        self.run.stdout.text()
    }

    /// What it has printed on standard error so far.
    pub fn stderr(&self) -> String {
        self.run.stderr.text()
    }

    /// Waits until standard error contains a text; panics if it never does.
    #[track_caller]
    pub fn until_said(&self, text: &str) {
        let what = format!("{text:?} on standard error");
        self.until(&what, || self.stderr().contains(text));
    }

    /// Waits until it holds no more than `before`, but for what comes and goes; panics if it never
    /// does.
    #[track_caller]
    pub fn until_back_at(&self, before: Usage) {
        let mut now = before;
        let back = wait_until(PATIENCE, || {
            now = self.usage();
            let back = now.files <= before.files + 30
                && now.threads <= before.threads + 4
                && now.resident <= before.resident + (48 << 20);
            back.then_some(())
        });
        assert!(back.is_some(), "{now:?} after {before:?}");
    }

    /// Whether the process is still there.
    pub fn is_running(&mut self) -> bool {
        matches!(self.run.child.try_wait(), Ok(None))
    }

    /// The most memory that it has used so far, in bytes (`VmHWM`).
    pub fn peak_memory(&self) -> u64 {
        peak_memory(self.pid()).expect("a number from /proc")
    }

    /// What it holds now.
    pub fn usage(&self) -> Usage {
        let pid = self.pid();
        let count = |what: &str| {
            let entries = std::fs::read_dir(format!("/proc/{pid}/{what}"));
            entries.expect("a directory of /proc").count()
        };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Usage {
            files: count("fd"),
            threads: count("task"),
            resident: kib.expect("a number from /proc") << 10,
        }
    }

    /// Ends it at once, as a crash would.
    pub fn kill9(&mut self) {
        self.run.end();
    }

    /// Asks it to end (SIGTERM) and returns without waiting.
    pub fn terminate(&self) {
        // The shell's own `kill`: minimal systems have no other.
        let kill = format!("kill -TERM {}", self.pid());
        let done = Command::new("sh").args(["-c", &kill]).status();
        assert!(done.expect("a shell").success(), "{kill} failed");
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        let outcome = wait_until(PATIENCE, || self.run.child.try_wait().expect("a child"));
        outcome.unwrap_or_else(|| panic!("it still runs:\n{}", self.stderr()))
    }

    /// Starts it again on the same directories, after it has ended (it is killed if not). It
    /// listens on another port: ask for [`Self::s3`] again.
    pub fn restart(&mut self) {
        self.run.end();
        match Run::start(&self.options, self.home.path()) {
            Ok(run) => self.run = run,
            Err(failed) => panic!("{failed}"),
        }
    }

    /// The same with other options.
    pub fn restart_as(&mut self, options: Options) {
        self.options = options;
        self.restart();
    }

    /// Every file below the data directory with its size, sorted, relative to it.
    pub fn files(&self) -> Vec<(String, u64)> {
        let root = self.data();
        let mut found = Vec::new();
        let mut open = vec![root.clone()];
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
                let Ok(kind) = entry.file_type() else {
                    continue;
                };
                let path = entry.path();
                if kind.is_dir() {
                    open.push(path);
                } else {
                    let size = entry.metadata().map_or(0, |meta| meta.len());
                    let name = path.strip_prefix(&root).expect("a path below the root");
                    found.push((name.to_string_lossy().into_owned(), size));
                }
            }
        }
        found.sort();
        found
    }

    /// Waits until `condition` holds; panics with the log if it never does.
    #[track_caller]
    pub fn until(&self, what: &str, condition: impl FnMut() -> bool) {
        let mut condition = condition;
        let found = wait_until(PATIENCE, || condition().then_some(()));
        assert!(
            found.is_some(),
            "{what}: never, after {PATIENCE:?}\n{}",
            self.stderr()
        );
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.run.end();
        if thread::panicking() {
            eprintln!("--- the gateway's log\n{}---", self.stderr());
        }
    }
}

/// Asks again and again for as long as `patience`, at short intervals.
pub fn wait_until<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = std::time::Instant::now() + patience;
    loop {
        if let Some(found) = ask() {
            return Some(found);
        }
        if std::time::Instant::now() > deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The most memory that a process has used so far, in bytes.
pub fn peak_memory(pid: u32) -> Result<u64, Error> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line
        .ok_or("no VmHWM")?
        .trim()
        .trim_end_matches(" kB")
        .parse()?;
    Ok(kib * 1024)
}
