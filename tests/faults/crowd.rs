//! Very many connections: idle ones, and all at once.

use pys3local_tests::Gateway;
use pys3local_tests::client::{Connection, PATIENCE, Socket};
use pys3local_tests::gateway::Options;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// How many connections this process can hold, up to `wanted`.
fn connections(wanted: u64) -> usize {
    let most = rlimit::increase_nofile_limit(wanted + 500).unwrap();
    let ports = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let ports = ports.ok().and_then(|text| {
        let mut bounds = text.split_whitespace().map(str::parse::<u64>);
        let (first, last) = (bounds.next()?.ok()?, bounds.next()?.ok()?);
        Some(last.saturating_sub(first))
    });
    let most = most.saturating_sub(500).min(ports.unwrap_or(wanted) / 2);
    if most < wanted {
        println!("only {most} connections: this process may not open more");
    }
    assert!(
        most >= 100,
        "this process may not open enough files or ports"
    );
    usize::try_from(wanted.min(most)).unwrap()
}

/// A connection that the gateway's system has accepted; nobody waits for it for ever.
async fn open(gateway: &Gateway) -> Socket {
    let opened = tokio::time::timeout(PATIENCE, Socket::open(gateway.address()));
    opened.await.expect("a connection in time").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_keep_nobody_out() {
    let (mut gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "body").await;
    assert_eq!(s3.fetch("bucket", "key").await, "body");
    let before = gateway.usage();

    let mut idle = Vec::new();
    for number in 0..connections(10_000) {
        idle.push(open(&gateway).await);
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
async fn a_gateway_that_may_not_open_more_files_makes_room_as_well() {
    let limited = ["sh", "-c", "ulimit -n 160 && exec \"$0\" \"$@\""];
    let options = Options::default().behind(limited.map(str::to_owned).to_vec());
    let mut gateway = options.start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    s3.store("bucket", "key", "body").await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(open(&gateway).await);
    }
    assert_eq!(s3.fetch("bucket", "key").await, "body");
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

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_kept_open_or_stall_keep_nobody_out() {
    let options = Options::default().arg("--max-connections=4");
    let mut gateway = options.start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    s3.store("bucket", "key", "body").await;
    let get = || s3.get("bucket", "key").sign().request;
    // One that works all the time, beside those that are kept by clients that do not.
    let mut working = Connection::open(gateway.address()).await.unwrap();
    let mut kept = Vec::new();
    for _ in 0..20 {
        let mut connection = Connection::open(gateway.address()).await.unwrap();
        assert_eq!(connection.send(get()).await.unwrap().body, "body");
        kept.push(connection);
        assert_eq!(working.send(get()).await.unwrap().body, "body");
    }
    // Half a head each.
    let mut stalled = Vec::new();
    for _ in 0..4 {
        let mut socket = Socket::open(gateway.address()).await.unwrap();
        let head = get().head();
        socket.send(&head[..head.len() / 2]).await.unwrap();
        stalled.push(socket);
    }
    assert_eq!(s3.fetch("bucket", "key").await, "body");
    assert!(gateway.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_no_more_gets_the_answers_to_all_that_it_has_sent() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let large = pys3local_tests::data::bytes(1, 20 << 20);
    s3.store("bucket", "large", large.clone()).await;
    let put = s3.put("bucket", "small", "small").sign().request.head();
    let get = |key| s3.get("bucket", key).sign().request.head();
    let mut socket = Socket::open(gateway.address()).await.unwrap();
    let all = [put, b"small".to_vec(), get("small"), get("large")].concat();
    socket.send(&all).await.unwrap();
    socket.finish().await.unwrap();
    for expected in [&b""[..], b"small", &large] {
        let answer = socket.answer().await.unwrap();
        let (status, head, body) = answer.expect("an answer");
        assert_eq!(status, 200, "{head}");
        assert!(body == expected, "{} bytes", body.len());
    }
    assert!(socket.answer().await.unwrap().is_none());
}
