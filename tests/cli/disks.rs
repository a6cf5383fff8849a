//! Config directories that cannot be written to, and disks that are full: nothing that is there
//! is lost, and the user reads in one line what is wrong and what to do.

use crate::program::{Home, Output, output};
use pys3local_tests::data::md5_hex;
use pys3local_tests::disk::Full;
use pys3local_tests::gateway::Options;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

const BACKENDS: &str = "[mine]\ntype = \"local\"\npath = \"store\"\n";

/// A home with a store of one object, whose MD5 is known, and a backup of the database.
fn home() -> Home {
    let home = Home::with_backends(BACKENDS);
    let store = home.0.path().join("store");
    fs::create_dir(&store).unwrap();
    fs::write(store.join("known"), "12345").unwrap();
    home.ok(&["cache", "migrate", "--backend-config", "mine"]);
    home.ok(&["cache", "backup", "copy.db"]);
    fs::write(store.join("new"), "12345").unwrap();
    home
}

/// The empty log that a command which only looks leaves beside the database.
fn remove_log(home: &Home) {
    for side in ["-wal", "-shm"] {
        fs::remove_file(home.config().join(format!("metadata.db{side}"))).unwrap();
    }
}

/// Every file of a directory, with its content.
fn content(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().into();
            (name, fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// One line that says what, and one that says what to do where that is not clear.
#[track_caller]
fn assert_readable(home: &Home, args: &[&str], failed: &Output) {
    let home = home.0.path().to_str().unwrap();
    let said = failed.stderr.replace(home, "HOME");
    // What the log has to say comes first.
    let lines: Vec<_> = said
        .lines()
        .filter(|line| !line.starts_with("20"))
        .collect();
    let is_readable = match lines[..] {
        [what] => what.starts_with("error: cannot write "),
        [what, hint] => what.starts_with("error: ") && hint.starts_with("hint: "),
        _ => false,
    };
    assert!(is_readable, "{args:?}: {said}");
    assert!(!said.contains("os error"), "{said}");
}

/// A directory that its owner, even if that is root, cannot write to, until this is dropped.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn new(dir: PathBuf) -> Self {
        for file in fs::read_dir(&dir).unwrap() {
            fs::set_permissions(file.unwrap().path(), Permissions::from_mode(0o400)).unwrap();
        }
        fs::set_permissions(&dir, Permissions::from_mode(0o500)).unwrap();
        Self(dir)
    }
}

/// The command, to which permissions apply even if it is root's.
fn under_permissions(command: &Command) -> Command {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut plain = if is_root {
        let mut plain = Command::new("setpriv");
        plain.arg("--bounding-set=-dac_override,-dac_read_search");
        plain.arg(command.get_program());
        plain
    } else {
        Command::new(command.get_program())
    };
    plain.args(command.get_args()).env_clear();
    for (name, value) in command.get_envs() {
        plain.env(name, value.unwrap());
    }
    plain.current_dir(command.get_current_dir().unwrap());
    plain
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = fs::set_permissions(&self.0, Permissions::from_mode(0o700));
    }
}

#[test]
fn a_read_only_config_directory_can_be_looked_at_and_is_named_by_what_would_write() {
    for log in [true, false] {
        let home = home();
        if !log {
            remove_log(&home);
        }
        let before = content(&home.config());
        let closed = ReadOnly::new(home.config());
        let run = |args: &[&str]| output(under_permissions(&home.command(args)), "");
        for args in [
            &["config", "list"][..],
            &["config", "show", "mine"],
            &["cache", "stats"],
            &["cache", "stats", "--backend-config", "mine"],
            &["cache", "backup", "--force", "copy.db"],
            &[
                "cache",
                "migrate",
                "--path",
                "store",
                "--metadata-db",
                "elsewhere/m.db",
            ],
        ] {
            let done = run(args);
            assert_eq!(done.code, Some(0), "{args:?}: {done:?}");
        }
        let stats = run(&["cache", "stats"]).stdout;
        assert!(stats.contains("Total files: 1\n"), "{stats}");
        for args in [
            &[
                "config",
                "add",
                "new",
                "--type",
                "local",
                "--set",
                "path=store",
            ][..],
            &["config", "remove", "mine", "--yes"],
            &["cache", "cleanup", "--all", "--yes"],
            &["cache", "vacuum"],
            &["cache", "migrate", "--backend-config", "mine"],
            &["cache", "verify", "--backend-config", "mine"],
            &["cache", "restore", "copy.db"],
            &[
                "serve",
                "--backend-config",
                "mine",
                "--listen",
                "127.0.0.1:0",
            ],
        ] {
            let failed = run(args);
            assert_eq!(failed.code, Some(1), "{args:?}: {failed:?}");
            assert_readable(&home, args, &failed);
        }
        drop(closed);
        assert_eq!(content(&home.config()), before);
    }
}

#[test]
fn on_a_full_disk_commands_that_write_fail_and_leave_everything_as_it_was() {
    let full = Full::here();
    for args in [
        &[
            "config",
            "add",
            "new",
            "--type",
            "local",
            "--set",
            "path=store",
        ][..],
        &["cache", "cleanup", "--all", "--yes"],
        &["cache", "vacuum"],
        &["cache", "migrate", "--backend-config", "mine"],
        &["cache", "backup", ".config/pys3local/copy.db"],
        &["cache", "restore", "copy.db"],
    ] {
        let home = home();
        let after = home.0.path().join("after");
        let failed = output(full.around(&home.command(args), &after), "");
        assert_eq!(failed.code, Some(1), "{full:?} {args:?}: {failed:?}");
        if full == Full::Mounted {
            assert_readable(&home, args, &failed);
        } else {
            assert!(failed.stderr.contains("error: "), "{args:?}: {failed:?}");
        }
        // Nothing half-written is left, and what there was is whole.
        let names: Vec<_> = content(&after).into_iter().map(|(name, _)| name).collect();
        let half = |name: &&PathBuf| {
            let name = name.to_str().unwrap();
            [".new", ".tmp", ".restoring", "copy.db"]
                .iter()
                .any(|end| name.ends_with(end))
        };
        assert_eq!(names.iter().find(half), None, "{args:?}");
        let backends = fs::read_to_string(after.join("backends.toml")).unwrap();
        assert_eq!(backends, BACKENDS, "{args:?}");
        let stats = home.ok(&["cache", "stats", "--config-dir", after.to_str().unwrap()]);
        assert!(stats.contains("Total files: 1\n"), "{args:?}: {stats}");
    }
}

#[test]
fn on_a_full_disk_what_only_looks_still_works() {
    let full = Full::here();
    for args in [
        &["config", "list"][..],
        &["config", "show", "mine"],
        &["cache", "stats"],
        &["cache", "backup", "another.db"],
    ] {
        // A limit to the size of files knows no disks.
        if full == Full::Limited && args.contains(&"backup") {
            continue;
        }
        for log in [true, false] {
            let home = home();
            if !log {
                remove_log(&home);
            }
            let after = home.0.path().join("after");
            let done = output(full.around(&home.command(args), &after), "");
            assert_eq!(done.code, Some(0), "{full:?} {args:?} {log}: {done:?}");
        }
    }
}

#[test]
fn an_empty_config_directory_on_a_full_disk_is_no_reason_to_hang_or_panic() {
    let full = Full::here();
    let home = Home::new();
    fs::create_dir_all(home.config()).unwrap();
    fs::create_dir(home.0.path().join("store")).unwrap();
    for (n, args) in [
        &[
            "config",
            "add",
            "new",
            "--type",
            "local",
            "--set",
            "path=store",
        ][..],
        &["cache", "migrate", "--path", "store"],
        &["serve", "--path", "store", "--listen", "127.0.0.1:0"],
    ]
    .iter()
    .enumerate()
    {
        let after = home.0.path().join(n.to_string());
        let failed = output(full.around(&home.command(args), &after), "");
        let _ = fs::remove_dir(home.0.path().join(".disk"));
        assert_eq!(failed.code, Some(1), "{full:?} {args:?}: {failed:?}");
        assert!(failed.stderr.contains("error: "), "{args:?}: {failed:?}");
    }
}

#[tokio::test]
async fn a_server_whose_database_has_no_room_says_so_keeps_objects_and_recovers() {
    let full = Full::here();
    let gateway = Options::default().behind(full.before_server()).start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    s3.store("bucket", "key", "old").await;

    let mut there = "old".to_owned();
    let refused = loop {
        full.fill(gateway.pid(), gateway.home());
        let new = format!("{there}, new");
        let reply = s3.put("bucket", "key", new.clone()).send().await;
        if reply.status != 200 || there.len() > 20 {
            break reply;
        }
        // Between the two the log was emptied, as it is after a while without writes.
        there = new;
    };
    match full {
        Full::Mounted => {
            assert_eq!(refused.status, 507, "{}", refused.text());
            assert!(refused.text().contains("InsufficientStorage"));
            gateway.until_said("the disk of the metadata database is full");
        }
        Full::Limited => assert!(refused.status.as_u16() >= 500, "{}", refused.text()),
    }
    let kept = s3.get("bucket", "key").send().await;
    let expected = (md5_hex(there.as_bytes()), &*there);
    assert_eq!((kept.etag().to_owned(), kept.text()), expected);

    full.empty(gateway.pid(), gateway.home());
    s3.store("bucket", "key", "new").await;
    assert_eq!(s3.fetch("bucket", "key").await, "new");
}
