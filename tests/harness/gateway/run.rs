//! One run of the program, from its start until it ends.

use super::options::{Options, StartError};
use super::wait_until;
use crate::artifacts::binary;
use crate::client::PATIENCE;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

/// The process, and what it has printed.
pub(super) struct Run {
    pub(super) child: Child,
    pub(super) address: SocketAddr,
    pub(super) stdout: Lines,
    pub(super) stderr: Printed,
}

impl Run {
    /// Starts it and waits until it listens.
    pub(super) fn start(options: &Options, home: &Path) -> Result<Self, StartError> {
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
        let stderr = Printed::default();
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
            .stderr(stderr.writer());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", binary.display()));
        let (found, address) = mpsc::channel();
        let stdout = Lines::collect(child.stdout.take(), move |line| {
            if let Some(address) = bound_address(line) {
                let _ = found.send(address);
            }
        });
        // The channel closes when standard output does, that is when the program ends.
        let address = address.recv_timeout(PATIENCE).ok().filter(listens);
        let Some(address) = address else {
            let code = wait_until(Duration::from_secs(5), || child.try_wait().ok().flatten());
            let _ = child.kill();
            let _ = child.wait();
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

    /// Kills it, if it has not ended.
    pub(super) fn end(&mut self) {
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

/// What a process prints, in a file without a name: it can be read as soon as it is printed, however
/// busy the machine is.
pub(super) struct Printed(File);

impl Default for Printed {
    fn default() -> Self {
        Self(tempfile::tempfile().expect("a file"))
    }
}

impl Printed {
    fn writer(&self) -> Stdio {
        self.0.try_clone().expect("its descriptor").into()
    }

    pub(super) fn text(&self) -> String {
        let mut bytes = Vec::new();
        let mut piece = [0; 8192];
        // The position of the file is the writer's.
        while let Ok(read @ 1..) = self.0.read_at(&mut piece, bytes.len() as u64) {
            bytes.extend_from_slice(&piece[..read]);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Lines of a pipe, collected by a thread of their own so that it never fills up.
pub(super) struct Lines(Arc<Mutex<String>>);

impl Lines {
    fn collect(
        pipe: Option<impl Read + Send + 'static>,
        mut each: impl FnMut(&str) + Send + 'static,
    ) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&text);
        let mut pipe = BufReader::new(pipe.expect("a pipe"));
        thread::spawn(move || {
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
        Self(text)
    }

    pub(super) fn text(&self) -> String {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.clone()
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
