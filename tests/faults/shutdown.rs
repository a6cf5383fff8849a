//! A stop lets running requests finish.

use http_body_util::BodyExt as _;
use pys3local_tests::client::{Connection, Socket};
use pys3local_tests::gateway::Options;
use pys3local_tests::{Gateway, data};
use std::time::Duration;

const SIZE: usize = 30_000_000;

#[tokio::test]
async fn an_upload_that_runs_is_finished_and_kept() {
    let (mut gateway, s3) = Gateway::with_bucket().await;
    let body = data::bytes(1, SIZE);
    let signed = s3.put("bucket", "key", body.clone()).sign();
    let mut socket = Socket::open(gateway.address()).await.unwrap();
    socket.send(&signed.request.head()).await.unwrap();
    socket.send(&body[..SIZE / 2]).await.unwrap();
    gateway.terminate();
    let address = gateway.address();
    gateway.until("new connections are refused", || {
        std::net::TcpStream::connect(address).is_err()
    });
    assert!(gateway.is_running());
    socket.send(&body[SIZE / 2..]).await.unwrap();
    let (status, _, answer) = socket.answer().await.unwrap().expect("an answer");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    drop(socket);
    assert!(gateway.wait().success());
    gateway.restart();
    let reply = gateway.s3().get("bucket", "key").send().await.expect(200);
    assert!(reply.body == body);
    assert_eq!(reply.etag(), data::md5_hex(&body));
}

#[tokio::test]
async fn a_download_that_runs_is_finished() {
    let (mut gateway, s3) = Gateway::with_bucket().await;
    let body = data::bytes(1, SIZE);
    s3.store("bucket", "key", body.clone()).await;
    let mut connection = Connection::open(gateway.address()).await.unwrap();
    let reply = connection
        .start(s3.get("bucket", "key").sign().request)
        .await
        .unwrap();
    gateway.terminate();
    let address = gateway.address();
    gateway.until("new connections are refused", || {
        std::net::TcpStream::connect(address).is_err()
    });
    let found = reply.into_body().collect().await.unwrap().to_bytes();
    assert!(found == body);
    drop(connection);
    assert!(gateway.wait().success());
}

#[tokio::test]
async fn connections_that_are_idle_do_not_delay_a_stop() {
    let (mut gateway, s3) = Gateway::with_bucket().await;
    let mut idle = Vec::new();
    for _ in 0..10 {
        let mut connection = Connection::open(gateway.address()).await.unwrap();
        connection
            .send(s3.list("bucket").sign().request)
            .await
            .unwrap()
            .expect(200);
        idle.push(connection);
        // One that has never said anything.
        idle.push(Connection::open(gateway.address()).await.unwrap());
    }
    gateway.terminate();
    // One that waits for them gives up at last, breaks them off, and says so by its exit code.
    assert!(gateway.wait().success());
}

#[tokio::test]
async fn a_stop_that_is_asked_for_twice_at_once_breaks_nothing_off() {
    let (mut gateway, s3) = Gateway::with_bucket().await;
    let signed = s3.put("bucket", "key", "body").sign();
    let mut socket = Socket::open(gateway.address()).await.unwrap();
    socket.send(&signed.request.head()).await.unwrap();
    socket.send(b"bo").await.unwrap();
    gateway.until("the upload runs", || {
        gateway.files().iter().any(|(name, _)| name.contains("tmp"))
    });
    let pid = gateway.pid();
    let twice = format!("kill -TERM {pid}; kill -INT {pid}");
    let sent = std::process::Command::new("sh")
        .args(["-c", &twice])
        .status();
    assert!(sent.unwrap().success());
    gateway.until_said("a second signal stops at once");
    socket.send(b"dy").await.unwrap();
    let (status, ..) = socket.answer().await.unwrap().expect("an answer");
    assert_eq!(status, 200);
    drop(socket);
    assert!(gateway.wait().success());
}

#[tokio::test]
async fn after_a_stop_the_database_is_one_file() {
    let (mut gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "body").await;
    gateway.terminate();
    assert!(gateway.wait().success());
    let config = gateway.data().parent().unwrap().join(".config/pys3local");
    let has = |name: &str| std::fs::metadata(config.join(name)).is_ok_and(|meta| meta.len() > 0);
    assert!(has("metadata.db"));
    assert!(
        !has("metadata.db-wal"),
        "a plain copy of the file would miss something"
    );
}

#[tokio::test]
async fn a_program_can_read_every_line_about_a_stop_that_was_broken_off() {
    let mut gateway = Options::default().arg("--log-format=json").start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    let signed = s3.put("bucket", "key", data::bytes(1, SIZE)).sign();
    let mut socket = Socket::open(gateway.address()).await.unwrap();
    socket.send(&signed.request.head()).await.unwrap();
    socket.send(b"x").await.unwrap();
    gateway.until("the upload runs", || {
        gateway.files().iter().any(|(name, _)| name.contains("tmp"))
    });
    gateway.terminate();
    gateway.until_said("a second signal stops at once");
    assert!(gateway.is_running());
    // Those that come at once with the first are the first.
    while gateway.is_running() {
        gateway.terminate();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(gateway.wait().code(), Some(1));
    gateway.until_said("connections broken off: 1");
    let said = gateway.stderr();
    let lines = said.lines().map(serde_json::from_str::<serde_json::Value>);
    let lines: Vec<_> = lines.collect::<Result<_, _>>().unwrap();
    let last = lines.last().unwrap();
    assert_eq!(last["level"], "ERROR");
    assert_eq!(last["message"], "stopped; connections broken off: 1");
    assert_eq!(last.get("hint"), None);
}
