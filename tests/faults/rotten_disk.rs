//! A disk that answers EIO, and a database that is locked or destroyed while the gateway runs.
//!
//! strace plays the disk: it makes system calls of the running gateway fail. Where it is not there,
//! the tests say so by failing, unless `PYS3LOCAL_WITHOUT_STRACE` is set.

use pys3local_tests::client::PATIENCE;
use pys3local_tests::data;
use pys3local_tests::gateway::{Options, wait_until};
use pys3local_tests::{Gateway, S3};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// System calls that fail for as long as this lives.
struct Failing {
    strace: Child,
    gateway: u32,
}

/// Whether each thread of a process is traced, or none.
fn all_traced(pid: u32, wanted: bool) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    tasks.into_iter().flatten().flatten().all(|task| {
        let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let mut lines = status.lines();
        // A thread that has just ended has no status.
        let tracer = lines.find_map(|line| line.strip_prefix("TracerPid:"));
        tracer.is_none_or(|tracer| (tracer.trim() != "0") == wanted)
    })
}

impl Failing {
    /// `None` if the tests are to do without.
    fn start(gateway: &Gateway, calls: &str) -> Option<Self> {
        Self::with(gateway, calls, "EIO")
    }

    /// With this error; see [`Self::start`].
    fn with(gateway: &Gateway, calls: &str, error: &str) -> Option<Self> {
        if std::env::var_os("PYS3LOCAL_WITHOUT_STRACE").is_some() {
            eprintln!("NOT TESTED: PYS3LOCAL_WITHOUT_STRACE is set");
            return None;
        }
        let mut command = Command::new("strace");
        command.args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-p",
            &gateway.pid().to_string(),
        ]);
        command.args(["-e", &format!("trace={calls}")]);
        command.args(["-e", &format!("inject={calls}:error={error}")]);
        let strace = command.stdin(Stdio::null()).spawn();
        let failing = Self {
            strace: strace.expect("strace, or PYS3LOCAL_WITHOUT_STRACE=1"),
            gateway: gateway.pid(),
        };
        gateway.until("strace is there (or PYS3LOCAL_WITHOUT_STRACE=1)", || {
            all_traced(failing.gateway, true)
        });
        Some(failing)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        let stop = format!("kill -TERM {}", self.strace.id());
        let _ = Command::new("sh").args(["-c", &stop]).status();
        let _ = self.strace.wait();
        wait_until(PATIENCE, || all_traced(self.gateway, false).then_some(()));
    }
}

const SIZE: usize = 3_000_000;

async fn stored() -> (Gateway, S3, String) {
    let gateway = Options::default().durable().start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    let etag = s3.store("bucket", "key", data::bytes(1, SIZE)).await;
    s3.store("bucket", "other", "other").await;
    (gateway, s3, etag)
}

/// The disk is sound again: everything works, and the object is the old one.
async fn is_as_before(gateway: &mut Gateway, s3: &S3, etag: &str) {
    let reply = s3.get("bucket", "key").send().await.expect(200);
    assert!(reply.body == data::bytes(1, SIZE) && reply.etag() == etag);
    s3.store("bucket", "new", "new").await;
    assert_eq!(s3.keys("bucket").await, ["key", "new", "other"]);
    gateway.restart();
    let s3 = gateway.s3();
    let reply = s3.get("bucket", "key").send().await.expect(200);
    assert!(reply.body == data::bytes(1, SIZE) && reply.etag() == etag);
    assert_eq!(s3.fetch("bucket", "new").await, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_disk_does_not_take_is_refused_and_leaves_the_old_object() {
    for calls in [
        "fsync,fdatasync",
        "pwrite64,pwritev,pwritev2",
        "rename,renameat,renameat2",
    ] {
        let (mut gateway, s3, etag) = stored().await;
        let Some(failing) = Failing::start(&gateway, calls) else {
            return;
        };
        for size in [SIZE, 10] {
            let put = s3.put("bucket", "key", data::bytes(2, size)).send().await;
            assert!(
                put.status.is_server_error(),
                "{calls}, {size}: {}",
                put.status
            );
        }
        drop(failing);
        assert!(gateway.is_running(), "{calls}");
        is_as_before(&mut gateway, &s3, &etag).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_the_disk_does_not_give_is_neither_cut_off_nor_missing() {
    let (mut gateway, s3, etag) = stored().await;
    let Some(failing) = Failing::start(&gateway, "pread64,preadv,preadv2") else {
        return;
    };
    if let Ok(reply) = s3.get("bucket", "key").try_send().await {
        assert!(reply.status.is_server_error(), "{}", reply.status);
    }
    drop(failing);
    let Some(failing) = Failing::start(&gateway, "openat,openat2,statx,newfstatat") else {
        return;
    };
    for call in [
        s3.get("bucket", "key"),
        s3.head("bucket", "key"),
        s3.delete("bucket", "key"),
    ] {
        if let Ok(reply) = call.try_send().await {
            assert!(
                reply.status.is_server_error(),
                "{}: {}",
                reply.status,
                reply.text()
            );
        }
    }
    drop(failing);
    assert!(gateway.is_running());
    is_as_before(&mut gateway, &s3, &etag).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_the_disk_does_not_give_is_not_empty() {
    let (mut gateway, s3, etag) = stored().await;
    let Some(failing) = Failing::start(&gateway, "getdents64") else {
        return;
    };
    let list = s3.list("bucket").send().await;
    assert!(
        list.status.is_server_error(),
        "{}: {}",
        list.status,
        list.text()
    );
    let delete = s3.bucket("DELETE", "bucket").send().await;
    assert_ne!(
        delete.status, 204,
        "a bucket that holds objects was deleted"
    );
    drop(failing);
    is_as_before(&mut gateway, &s3, &etag).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_nobody_may_read_is_not_empty() {
    let (mut gateway, s3, etag) = stored().await;
    let Some(failing) = Failing::with(&gateway, "getdents64", "EACCES") else {
        return;
    };
    let list = s3.list("bucket").send().await;
    list.expect_error(403, "AccessDenied");
    gateway.until_said("cannot be listed");
    drop(failing);
    is_as_before(&mut gateway, &s3, &etag).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_read_only_refuses_what_would_change_it() {
    let (mut gateway, s3, etag) = stored().await;
    s3.create_bucket("empty").await;
    let put = || s3.put("bucket", "key", "new");
    for (calls, requests) in [
        ("openat2", vec![put(), s3.delete("bucket", "key")]),
        ("rename,renameat,renameat2", vec![put()]),
        (
            "mkdir,mkdirat",
            vec![
                s3.put("bucket", "new/key", "new"),
                s3.bucket("PUT", "other-bucket"),
            ],
        ),
        ("unlink,unlinkat", vec![s3.delete("bucket", "key")]),
        ("rmdir,unlinkat", vec![s3.bucket("DELETE", "empty")]),
    ] {
        let Some(failing) = Failing::with(&gateway, calls, "EROFS") else {
            return;
        };
        for request in requests {
            let refused = request.send().await;
            println!("{calls}: {}", refused.status);
            refused.expect_error(403, "AccessDenied");
        }
        drop(failing);
    }
    is_as_before(&mut gateway, &s3, &etag).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up_is_no_broken_disk() {
    let (mut gateway, s3, etag) = stored().await;
    let Some(failing) = Failing::with(&gateway, "mkdir,mkdirat", "EDQUOT") else {
        return;
    };
    let refused = s3.put("bucket", "new/key", "new").send().await;
    drop(failing);
    refused.expect_error(507, "QuotaExceeded");
    is_as_before(&mut gateway, &s3, &etag).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_too_many_files_are_open_is_to_come_again() {
    for error in ["EMFILE", "ENFILE"] {
        let (mut gateway, s3, etag) = stored().await;
        let Some(failing) = Failing::with(&gateway, "openat2", error) else {
            return;
        };
        for request in [
            s3.put("bucket", "dir/key", "new"),
            s3.get("bucket", "key"),
            s3.list("bucket"),
            s3.delete("bucket", "key"),
        ] {
            let refused = request.send().await;
            assert_eq!(refused.status, 503, "{error}: {}", refused.text());
        }
        drop(failing);
        is_as_before(&mut gateway, &s3, &etag).await;
    }
}

fn database(gateway: &Gateway) -> PathBuf {
    gateway.home().join(".config/pys3local/metadata.db")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_program_holds_is_waited_for() {
    let (gateway, s3, etag) = stored().await;
    let other = rusqlite::Connection::open(database(&gateway)).unwrap();
    other.busy_timeout(PATIENCE).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let put = tokio::spawn(s3.put("bucket", "late", "late").send());
    // Who reads need not wait.
    let reply = s3.get("bucket", "key").send().await.expect(200);
    assert_eq!(reply.etag(), etag);
    assert!(!put.is_finished(), "it was acknowledged without its row");
    other.execute_batch("ROLLBACK").unwrap();
    put.await.unwrap().expect(200);
    assert_eq!(s3.fetch("bucket", "late").await, "late");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_destroyed_under_a_running_gateway_costs_no_object() {
    let (mut gateway, s3, _) = stored().await;
    // Longer than the file was, and over its log as well.
    for suffix in ["", "-wal"] {
        let path = PathBuf::from(format!("{}{suffix}", database(&gateway).display()));
        std::fs::write(path, vec![0x5a; 300_000]).unwrap();
    }
    // Right, or an error: never something else, and never the end of the program.
    for _ in 0..3 {
        if let Ok(reply) = s3.get("bucket", "key").try_send().await {
            let right = reply.status == 200 && reply.body == data::bytes(1, SIZE);
            assert!(right || reply.status.is_server_error(), "{}", reply.status);
        }
        let put = s3.put("bucket", "new", "new").try_send().await;
        if let Ok(reply) = put {
            assert!(reply.status == 200 || reply.status.is_server_error());
        }
    }
    assert!(gateway.is_running());
    gateway.restart();
    let s3 = gateway.s3();
    assert!(s3.fetch("bucket", "key").await == data::bytes(1, SIZE));
    gateway.until_said("was corrupt");
    s3.store("bucket", "new", "new").await;
}
