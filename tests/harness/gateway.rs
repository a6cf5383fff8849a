//! The real program, started for one test.

use crate::client::{Error, PATIENCE};
use crate::s3::S3;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// How a gateway is to be started.
#[derive(Debug, Clone)]
pub struct Options {
    advanced: bool,
    sync: &'static str,
    args: Vec<OsString>,
    env: Vec<(String, OsString)>,
    backend: Option<String>,
    cold: bool,
    behind: Vec<String>,
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

/// A running `pys3local serve` with its own data and home directory. Dropping it kills it and
/// removes both.
pub struct Gateway {
    options: Options,
    home: TempDir,
    run: Run,
}

struct Run {
    child: Child,
    address: SocketAddr,
    stdout: Lines,
    stderr: Lines,
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

    /// Waits until standard error contains a text; panics if it never does. What is logged before
    /// an answer may be read after it.
    #[track_caller]
    pub fn until_said(&self, text: &str) {
        let what = format!("{text:?} on standard error");
        self.until(&what, || self.stderr().contains(text));
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

impl Run {
    fn start(options: &Options, home: &Path) -> Result<Self, StartError> {
        let binary = binary().unwrap_or_else(|error| panic!("{error}"));
        let cache = match options.cold {
            true => home.join(".cache"),
            // Shared, so that each component is compiled once for all tests.
            false => binary.with_file_name("pys3local-tests-cache"),
        };
        let mut command = match options.behind.split_first() {
            None => Command::new(&binary),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(&binary);
                command
            }
        };
        command.args(["serve", "--listen", "127.0.0.1:0", "--sync", options.sync]);
        if options.backend.is_none() {
            command.arg("--path").arg(home.join("data"));
        }
        if options.advanced {
            command.arg("--allow-bucket-creation");
        }
        command
            .args(&options.args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_DATA_HOME", home.join(".local/share"))
            .env("XDG_STATE_HOME", home.join(".local/state"))
            .env("XDG_CACHE_HOME", cache)
            .env("TMPDIR", home)
            .envs(options.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", binary.display()));
        let (found, address) = mpsc::channel();
        let stdout = Lines::collect(child.stdout.take(), move |line| {
            if let Some(address) = bound_address(line) {
                let _ = found.send(address);
            }
        });
        let stderr = Lines::collect(child.stderr.take(), |_| {});
        // The channel closes when standard output does, that is when the program ends.
        let address = address.recv_timeout(PATIENCE).ok().filter(listens);
        let Some(address) = address else {
            let code = wait_until(Duration::from_secs(5), || child.try_wait().ok().flatten());
            let _ = child.kill();
            let _ = child.wait();
            stderr.wait_for_end();
            return Err(StartError {
                code: code.and_then(|s| s.code()),
                stderr: stderr.text(),
            });
        };
        Ok(Self {
            child,
            address,
            stdout,
            stderr,
        })
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in a line such as `Listening on http://127.0.0.1:43117`.
fn bound_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".:[]".contains(c)));
    let address: SocketAddr = rest.get(..end.unwrap_or(rest.len()))?.parse().ok()?;
    (address.port() != 0).then_some(address)
}

fn listens(address: &SocketAddr) -> bool {
    wait_until(PATIENCE, || TcpStream::connect(address).ok()).is_some()
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

/// The program to test: `PYS3LOCAL_BIN`, or the release build of this workspace.
pub fn binary() -> Result<PathBuf, String> {
    artifact(
        "PYS3LOCAL_BIN",
        "release/pys3local",
        "cargo build --release -p pys3local",
    )
}

/// A test guest as a component, `guest-hostile`, or the example `plugin-vault`.
/// `PYS3LOCAL_GUESTS` names their directory.
pub fn component(name: &str) -> Result<PathBuf, String> {
    let file = format!("pys3local_{}.wasm", name.replace('-', "_"));
    let dir = std::env::var_os("PYS3LOCAL_GUESTS").map_or_else(
        || target_dir().join("guests/wasm32-wasip2/plugin"),
        PathBuf::from,
    );
    let path = dir.join(file);
    if path.is_file() {
        return Ok(path);
    }
    Err(format!(
        "{} is missing; `tests/run` builds it",
        path.display()
    ))
}

fn artifact(variable: &str, below_target: &str, command: &str) -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os(variable) {
        let path = PathBuf::from(path);
        return match path.is_file() {
            true => Ok(path),
            false => Err(format!(
                "{variable} names {}, which is no file",
                path.display()
            )),
        };
    }
    let path = target_dir().join(below_target);
    match path.is_file() {
        true => Ok(path),
        false => Err(format!(
            "{} is missing; build it with `{command}`",
            path.display()
        )),
    }
}

fn target_dir() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if let Some(dir) = std::env::var_os("CARGO_TARGET_DIR") {
        return workspace.join(dir);
    }
    // The tests themselves lie in TARGET/PROFILE/deps.
    let ours = std::env::current_exe().ok();
    let dir = ours.as_deref().and_then(|path| path.ancestors().nth(3));
    match dir {
        Some(dir) if dir.join("CACHEDIR.TAG").exists() => dir.to_path_buf(),
        _ => workspace.join("target"),
    }
}

/// Lines of a pipe, collected by a thread of their own so that it never fills up.
struct Lines {
    text: Arc<Mutex<String>>,
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Lines {
    fn collect(
        pipe: Option<impl Read + Send + 'static>,
        mut each: impl FnMut(&str) + Send + 'static,
    ) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let (alive, ended) = mpsc::channel();
        let kept = Arc::clone(&text);
        let mut pipe = BufReader::new(pipe.expect("a pipe"));
        thread::spawn(move || {
            let _alive: mpsc::Sender<()> = alive;
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let readable = String::from_utf8_lossy(&line);
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&readable);
                each(&readable);
                line.clear();
            }
        });
        Self {
            text,
            ended: Mutex::new(ended),
        }
    }

    fn text(&self) -> String {
        self.text
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn wait_for_end(&self) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv_timeout(Duration::from_secs(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_address_is_found_in_the_start_up_text() {
        let expected = "127.0.0.1:4711".parse().ok();
        assert_eq!(
            bound_address("  Listening on http://127.0.0.1:4711\n"),
            expected
        );
        assert_eq!(
            bound_address("endpoint = http://127.0.0.1:4711/, say"),
            expected
        );
        assert_eq!(bound_address("--listen http://127.0.0.1:0"), None);
        assert_eq!(bound_address("see http://example.com/"), None);
    }
}
