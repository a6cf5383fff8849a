//! A full disk below the config directory, for one run of the program.
//!
//! Where a user namespace may mount (most machines), the disk is a small one of its own. Where
//! none may (many containers), the process is not allowed to write to any file instead, which
//! fails with another error at the same places.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// How a disk comes to be full here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// A file system of its own, with no room.
    Mounted,
    /// A limit of nought bytes a file.
    Limited,
}

impl Full {
    /// What can be had on this machine.
    pub fn here() -> Self {
        static MOUNTS: OnceLock<bool> = OnceLock::new();
        let mounts = || {
            let mut attempt = Command::new("unshare");
            attempt.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
            attempt.arg("mount -t tmpfs -o size=1m tmpfs /tmp && echo x > /tmp/x");
            attempt.stdout(Stdio::null()).stderr(Stdio::null());
            attempt.status().is_ok_and(|status| status.success())
        };
        match *MOUNTS.get_or_init(mounts) {
            true => Self::Mounted,
            false => Self::Limited,
        }
    }

    /// The same command with its config directory (below the `HOME` of its environment) on a full
    /// disk. What the directory holds in the end is copied to `after`.
    pub fn around(self, command: &Command, after: &Path) -> Command {
        let script = match self {
            Self::Mounted => concat!(
                r#"set -e; after=$1; shift; dir=$HOME/.config/pys3local; disk=$HOME/.disk; mkdir "$disk"; "#,
                r#"mount -t tmpfs -o size=1m tmpfs "$disk"; cp -a "$dir/." "$disk"; "#,
                r#"mount --bind "$disk" "$dir"; "#,
                r#"head -c 2000000 /dev/zero > "$dir/filler" 2> /dev/null || true; "#,
                r#"code=0; "$@" || code=$?; rm "$dir/filler"; cp -a "$dir" "$after"; exit $code"#
            ),
            Self::Limited => concat!(
                r#"after=$1; shift; dir=$HOME/.config/pys3local; trap '' XFSZ; "#,
                r#"cp -a "$dir" "$dir.kept"; (ulimit -f 0; exec "$@"); code=$?; "#,
                r#"mv "$dir" "$after"; mv "$dir.kept" "$dir"; exit $code"#
            ),
        };
        let mut wrapped = self.shell(script);
        wrapped.arg(after).arg(command.get_program());
        wrapped.args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                wrapped.env(name, value);
            }
        }
        if let Some(directory) = command.get_current_dir() {
            wrapped.current_dir(directory);
        }
        wrapped
    }

    /// What starts a server whose disk can be filled later.
    pub fn before_server(self) -> Vec<String> {
        let script = match self {
            Self::Mounted => concat!(
                r#"set -e; dir=$HOME/.config/pys3local; mkdir -p "$dir"; "#,
                r#"mount -t tmpfs -o size=2m tmpfs "$dir"; exec "$@""#
            ),
            Self::Limited => r#"trap '' XFSZ; exec "$@""#,
        };
        let shell = self.shell(script);
        let words = std::iter::once(shell.get_program()).chain(shell.get_args());
        words
            .map(|word| word.to_str().expect("UTF-8").to_owned())
            .collect()
    }

    /// Fills the disk of a server that was started so.
    pub fn fill(self, pid: u32, home: &Path) {
        match self {
            Self::Mounted => {
                // It ends with the disk.
                let _ = fs::write(filler(pid, home), vec![0; 4 << 20]);
            }
            Self::Limited => limit(pid, "0:unlimited"),
        }
    }

    /// Makes room again.
    pub fn empty(self, pid: u32, home: &Path) {
        match self {
            Self::Mounted => fs::remove_file(filler(pid, home)).expect("the file that fills it"),
            Self::Limited => limit(pid, "unlimited:unlimited"),
        }
    }

    fn shell(self, script: &str) -> Command {
        let mut command = match self {
            Self::Mounted => {
                let mut command = Command::new("unshare");
                command.args(["--user", "--map-root-user", "--mount", "sh"]);
                command
            }
            Self::Limited => Command::new("sh"),
        };
        command.args(["-c", script, "sh"]);
        command
    }
}

/// The file as others than the server reach it.
fn filler(pid: u32, home: &Path) -> String {
    format!(
        "/proc/{pid}/root{}/.config/pys3local/filler",
        home.display()
    )
}

fn limit(pid: u32, fsize: &str) {
    let mut command = Command::new("prlimit");
    command.arg(format!("--pid={pid}"));
    command.arg(format!("--fsize={fsize}"));
    assert!(command.status().expect("prlimit").success());
}
