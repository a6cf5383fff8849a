//! Very many connections: idle ones, and all at once.

use pys3local_tests::Gateway;
use pys3local_tests::client::{Connection, Socket};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// How many connections this process can hold, up to `wanted`.
fn connections(wanted: u64) -> usize {
    let most = rlimit::increase_nofile_limit(wanted + 500).unwrap();
    let count = wanted.min(most.saturating_sub(500));
    if count < wanted {
        println!("only {count} connections: this process may not open more files");
    }
    usize::try_from(count).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_keep_nobody_out() {
    let (mut gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "body").await;
    let mut working = Connection::open(gateway.address()).await.unwrap();
    let get = || s3.get("bucket", "key").sign().request;
    assert_eq!(working.send(get()).await.unwrap().body, "body");
    let before = gateway.usage();

    let mut idle = Vec::new();
    for number in 0..connections(10_000) {
        idle.push(TcpStream::connect(gateway.address()).unwrap());
        // Others come in between.
        if number % 250 == 0 {
            assert_eq!(s3.fetch("bucket", "key").await, "body");
        }
    }
    assert_eq!(s3.fetch("bucket", "key").await, "body");
    s3.store("bucket", "key", "other").await;
    let now = gateway.usage();
    assert!(
        now.resident < before.resident + (64 << 20),
        "{now:?} after {before:?}"
    );
    drop(idle);
    gateway.until("their files are closed", || {
        gateway.usage().files <= before.files + 20
    });
    assert!(gateway.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_is_answered_one_after_the_other() {
    let (mut gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "body").await;
    let requests: Vec<_> = (0..connections(2000))
        .map(|_| tokio::spawn(s3.get("bucket", "key").try_send()))
        .collect();
    for request in requests {
        // A connection that the system has refused is no answer; a wrong answer is.
        if let Ok(reply) = request.await.unwrap() {
            let right = reply.status == 200 && reply.body == "body";
            assert!(right || reply.status == 503, "{}", reply.status);
        }
    }
    // Connections that are reset as soon as they are there.
    for _ in 0..1000 {
        let socket = Socket::open(gateway.address()).await.unwrap();
        let _ = socket.reset();
    }
    assert_eq!(s3.fetch("bucket", "key").await, "body");
    assert!(gateway.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_sent_ahead_are_answered_in_their_order() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let mut all = Vec::new();
    for number in 0..50 {
        let (key, body) = (format!("key{number}"), format!("body {number}"));
        all.extend(s3.put("bucket", &key, body.clone()).sign().request.head());
        all.extend(body.as_bytes());
        let mut get = s3.get("bucket", &key).sign().request;
        if number == 49 {
            get.set("connection", "close");
        }
        all.extend(get.head());
    }
    let address = gateway.address();
    let text = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(&all).unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        text
    });
    let text = text.await.unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK\r\n").count(), 100, "{text}");
    let mut rest = text.as_str();
    for number in 0..50 {
        let body = format!("\r\n\r\nbody {number}HTTP/1.1");
        let body = body.trim_end_matches(if number == 49 { "HTTP/1.1" } else { "-" });
        let at = rest.find(body);
        rest = &rest[at.unwrap_or_else(|| panic!("no body {number} in its place: {text}"))..];
    }
}
