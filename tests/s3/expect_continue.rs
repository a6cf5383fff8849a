//! `Expect: 100-continue`: a body is asked for only when it will be taken.

use pys3local_tests::client::{Outgoing, Socket};
use pys3local_tests::sign::Credentials;
use pys3local_tests::{Call, Gateway};
use std::net::SocketAddr;

fn expecting(call: Call) -> Outgoing {
    call.unsigned_header("expect", "100-continue")
        .sign()
        .request
}

/// Sends the head alone and returns the first answer.
async fn first_answer(address: SocketAddr, request: &Outgoing) -> (Socket, u16) {
    let mut socket = Socket::open(address).await.unwrap();
    socket.send(&request.head()).await.unwrap();
    let (status, _) = socket.head().await.unwrap().unwrap();
    (socket, status)
}

#[tokio::test]
async fn a_good_request_is_told_to_continue() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let request = expecting(s3.put("bucket", "key", "hello"));
    let (mut socket, status) = first_answer(gateway.address(), &request).await;
    assert_eq!(status, 100);
    socket.send(b"hello").await.unwrap();
    let (status, _, _) = socket.answer().await.unwrap().unwrap();
    assert_eq!(status, 200);
    assert_eq!(s3.fetch("bucket", "key").await, "hello");
}

#[tokio::test]
async fn a_request_that_will_be_refused_is_not_told_to_continue() {
    let (gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "there", "x").await;
    let liar = Credentials {
        secret_key: "wrong".into(),
        ..Credentials::default()
    };
    for (call, expected) in [
        (s3.put("bucket", "key", "hello").credentials(liar), 403),
        (s3.put("missing", "key", "hello"), 404),
        (
            s3.put("bucket", "there", "hello")
                .header("if-none-match", "*"),
            412,
        ),
        (s3.put("bucket", &"k".repeat(1025), "hello"), 400),
        (s3.put("bucket", "key", "hello").query("torrent", ""), 501),
        (s3.part("bucket", "key", "unknown", 1, "hello"), 404),
    ] {
        let request = expecting(call);
        let (_socket, status) = first_answer(gateway.address(), &request).await;
        assert_eq!(status, expected, "{}", request.target);
    }
}

#[tokio::test]
async fn a_client_that_does_not_wait_is_served_too() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let request = expecting(s3.put("bucket", "key", "hello"));
    let mut socket = Socket::open(gateway.address()).await.unwrap();
    let mut all = request.head();
    all.extend_from_slice(b"hello");
    socket.send(&all).await.unwrap();
    let (status, _, _) = socket.answer().await.unwrap().unwrap();
    assert_eq!(status, 200);
    assert_eq!(s3.fetch("bucket", "key").await, "hello");
}
