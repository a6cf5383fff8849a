//! What a user sees when the gateway starts and stops.

use pys3local_tests::Gateway;
use pys3local_tests::gateway::Options;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

#[test]
fn the_start_up_text_has_what_a_user_needs() {
    let gateway = Options::default().start();
    let address = gateway.address().to_string();
    let data = gateway.data().to_str().unwrap().to_owned();
    gateway.until("the start-up text", || {
        gateway.stdout().contains("endpoint")
    });
    let text = gateway.stdout();
    for part in [
        address.as_str(),
        data.as_str(),
        "us-east-1",
        "type = s3",
        "access_key_id = test",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_one_clear_line_and_exit_code_1() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let failed = Options::default()
        .arg("--path")
        .arg(file.path().join("below"))
        .try_start();
    let failed = failed.err().expect("a start on a file as its directory");
    assert!(matches!(failed.code, Some(1 | 2)), "{failed}");
}

#[tokio::test]
async fn a_start_names_directories_that_are_no_buckets_and_no_request_does() {
    let options = Options::default().arg("--layout").arg("plain");
    let mut gateway = options.start();
    std::fs::create_dir(gateway.data().join("Pictures")).unwrap();
    // The first start may see it or not, since it looks beside serving.
    gateway.restart();
    gateway.until_said(r#"for one: "Pictures""#);
    let s3 = gateway.s3();
    for _ in 0..20 {
        s3.call("GET", "/").send().await.expect(200);
    }
    assert_eq!(gateway.stderr().matches("no buckets").count(), 1);
}

#[test]
fn a_component_is_compiled_by_the_first_start_only() {
    let mut gateway = Options::default().cold().start();
    let compiled = compiled(&gateway);
    assert!(!compiled.is_empty(), "nothing was kept");
    gateway.restart();
    assert_eq!(self::compiled(&gateway), compiled);
}

/// The compiled components below the gateway's cache directory, and when each was written.
fn compiled(gateway: &Gateway) -> BTreeMap<PathBuf, SystemTime> {
    let mut found = BTreeMap::new();
    let mut open = vec![gateway.data().with_file_name(".cache")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else {
                continue; // A temporary name.
            };
            if meta.is_dir() {
                open.push(entry.path());
            } else if meta.len() > 64 * 1024 {
                // What is smaller is about the compiled component.
                found.insert(entry.path(), meta.modified().unwrap());
            }
        }
    }
    found
}

#[test]
fn a_server_whose_log_nobody_reads_any_more_serves_and_stops() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::process::{Command, Stdio};
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    std::fs::create_dir(&data).unwrap();
    // Its MD5 is not known, which is worth a warning.
    std::fs::write(data.join("by-hand"), "bytes").unwrap();
    let mut server = Command::new(pys3local_tests::artifacts::binary().unwrap())
        .args([
            "serve",
            "--no-auth",
            "--layout",
            "plain",
            "--listen",
            "127.0.0.1:0",
            "--path",
        ])
        .arg(&data)
        .env_clear()
        .env("HOME", home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = lines.find(|line| line.as_ref().unwrap().starts_with("Address:"));
    let line = line.expect("a line with the address").unwrap();
    let address = line.rsplit("http://").next().unwrap().trim();
    drop(server.stderr.take());
    for _ in 0..2 {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        let ask = "GET /default/by-hand HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        socket.write_all(ask.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("bytes"),
            "{answer}"
        );
    }
    let kill = format!("kill -TERM {}", server.id());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        if let Some(status) = server.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return;
        }
        if std::time::Instant::now() > deadline {
            let _ = server.kill();
            panic!("it goes on after SIGTERM");
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let mut options = Options::default();
    for name in [
        "ACCESS_KEY_ID",
        "SECRET_ACCESS_KEY",
        "ACCESS_FILE",
        "TLS_CERT",
        "TLS_KEY",
        "REGION",
        "NO_AUTH",
        "BACKEND_CONFIG",
        "ROOT_FOLDER",
        "SYNC",
        "LAYOUT",
        "DOMAIN",
        "METADATA_DB",
        "MAX_CONNECTIONS",
        "UPLOAD_EXPIRY",
        "SPOOL_LIMIT",
        "ADMIN_LISTEN",
        "CONFIG_DIR",
        "PLUGIN_DIR",
        "DEBUG",
        "LOG_FORMAT",
    ] {
        options = options.env(&format!("PYS3LOCAL_{name}"), "");
    }
    assert!(options.start().stdout().contains("Address:"));
}

#[test]
fn a_variable_that_the_backend_has_no_use_for_is_a_warning() {
    let gateway = Options::default().env("PYS3LOCAL_ROOT_FOLDER", "x").start();
    gateway.until_said("PYS3LOCAL_ROOT_FOLDER: the backend `local` has no such setting");
}

#[tokio::test]
async fn a_variable_that_says_no_leaves_authentication_on() {
    let gateway = Options::default().env("PYS3LOCAL_NO_AUTH", "off").start();
    assert!(gateway.stdout().contains("Authentication:  on"));
    let gateway = Options::default().env("PYS3LOCAL_NO_AUTH", "Yes").start();
    assert!(gateway.stdout().contains("Authentication:  off"));
}
