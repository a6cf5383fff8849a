//! Requests and their replies, over one connection.

use super::*;

#[tokio::test]
async fn a_body_goes_there_and_back() {
    let server = start(Limits::default());
    let reply = server
        .exchange(
            "PUT /echo HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
        )
        .await;
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    assert!(
        reply.contains("content-length: 5\r\n") && reply.ends_with("\r\n\r\nhello"),
        "{reply}"
    );
}

#[tokio::test]
async fn a_streamed_reply_has_its_length() {
    let reply = start(Limits::default()).exchange(&get("/stream")).await;
    assert!(
        reply.contains("content-length: 8\r\n") && reply.ends_with("\r\n\r\ngoodgood"),
        "{reply}"
    );
}

#[tokio::test]
async fn a_reply_to_head_keeps_the_length_of_the_object() {
    let request = get("/head").replace("GET", "HEAD");
    let reply = start(Limits::default()).exchange(&request).await;
    assert!(
        reply.contains("content-length: 1000\r\n") && reply.ends_with("\r\n\r\n"),
        "{reply}"
    );
}

#[tokio::test]
async fn a_204_has_no_length() {
    let reply = start(Limits::default()).exchange(&get("/deleted")).await;
    assert!(
        reply.starts_with("HTTP/1.1 204") && !reply.contains("content-length"),
        "{reply}"
    );
}

#[tokio::test]
async fn an_early_reply_reaches_a_client_that_is_still_sending() {
    let server = start(Limits {
        linger: Duration::from_mins(1),
        ..Limits::default()
    });
    let mut socket = server.connect().await;
    let head = "PUT /refuse HTTP/1.1\r\nhost: h\r\ncontent-length: 8388608\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    // Like urllib3: the whole body first, and only then a look at the answer.
    for _ in 0..1024 {
        socket.write_all(&[0; 8192]).await.unwrap();
    }
    let reply = rest(&mut socket).await;
    assert!(
        reply.starts_with("HTTP/1.1 403") && reply.ends_with("refused"),
        "{reply}"
    );
    assert!(reply.contains("connection: close\r\n"), "{reply}");
}

#[tokio::test]
async fn the_rest_of_an_unwanted_body_is_not_read_for_ever() {
    let limits = Limits {
        linger: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = start(limits);
    let mut socket = server.connect().await;
    socket
        .write_all(b"PUT /refuse HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\n")
        .await
        .unwrap();
    assert!(rest(&mut socket).await.ends_with("refused"));
    server.stop.finish();
    assert_eq!(server.task.await.unwrap(), Drained::Whole);
}

#[tokio::test]
async fn nobody_is_told_to_continue_with_a_body_that_is_refused() {
    let server = start(Limits::default());
    let expect = "content-length: 5\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n";
    let reply = server
        .exchange(&format!("PUT /refuse HTTP/1.1\r\nhost: h\r\n{expect}"))
        .await;
    assert!(reply.starts_with("HTTP/1.1 403"), "{reply}");

    let mut socket = server.connect().await;
    let head = format!("PUT /echo HTTP/1.1\r\nhost: h\r\n{expect}");
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    socket.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"hello").await.unwrap();
    assert!(rest(&mut socket).await.ends_with("hello"));
}

#[tokio::test]
async fn an_error_in_a_reply_breaks_the_connection_off_before_the_last_bytes() {
    let reply = start(Limits::default()).exchange(&get("/rot")).await;
    assert!(reply.contains("content-length: 8\r\n"), "{reply}");
    assert!(!reply.contains("bad!"), "{reply}");
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_server_lives_on() {
    let server = start(Limits::default());
    let reply = server.exchange(&get("/panic")).await;
    assert!(reply.starts_with("HTTP/1.1 500"), "{reply}");
    assert!(reply.ends_with("the program has panicked"), "{reply}");
    assert!(server.exchange(&get("/stream")).await.ends_with("goodgood"));
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let server = start(Limits::default());
    let request = get("/stream").replace("connection: close\r\n", "");
    let reply = server
        .exchange(&format!("{request}{request}{}", get("/stream")))
        .await;
    assert_eq!(reply.matches("goodgood").count(), 3, "{reply}");
}
