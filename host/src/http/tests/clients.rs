//! Clients that fall silent, go away, or say that they are done.

use super::*;

#[tokio::test]
async fn a_client_that_stops_sending_its_body_is_an_error_of_the_body() {
    let limits = Limits {
        silence: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = start(limits);
    let reply = server
        .exchange("PUT /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhel")
        .await;
    assert!(reply.ends_with("TimedOut"), "{reply}");
}

#[tokio::test]
async fn a_client_that_goes_away_is_an_error_of_the_body() {
    let server = start(Limits::default());
    let mut socket = server.connect().await;
    socket
        .write_all(b"PUT /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhel")
        .await
        .unwrap();
    socket.shutdown().await.unwrap();
    let reply = rest(&mut socket).await;
    assert!(reply.ends_with("UnexpectedEof"), "{reply}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_dropped() {
    let limits = Limits {
        silence: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = start(limits);
    let mut socket = server.connect().await;
    socket.write_all(get("/endless").as_bytes()).await.unwrap();
    socket.readable().await.unwrap();
    server.stop.finish(); // Ends only when the connection does.
    assert_eq!(server.task.await.unwrap(), Drained::Whole);
}

#[tokio::test]
async fn idle_connections_and_half_sent_heads_are_closed() {
    let limits = Limits {
        idle: Duration::from_millis(500),
        head: Duration::from_millis(500),
        ..Limits::default()
    };
    let server = start(limits);
    let request = get("/stream").replace("connection: close\r\n", "");
    let reply = server.exchange(&request).await; // reads until the server closes
    assert!(reply.ends_with("goodgood"), "{reply}");
    assert_eq!(server.exchange("").await, "");
    assert_eq!(server.exchange("GET /str").await, "");
}

#[tokio::test]
async fn a_client_that_says_it_is_done_gets_all_its_answers() {
    let server = start(places(9));
    let request = |path: &str| get(path).replace("connection: close\r\n", "");
    let mut socket = server.connect().await;
    let all = request("/stream").repeat(20) + &request("/long") + &request("/stream");
    socket.write_all(all.as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let reply = rest(&mut socket).await;
    assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 22);
    assert_eq!(reply.matches("goodgood").count(), 21);
    assert_eq!(reply.matches('#').count(), LONG);
    // Also while it waits for the answer.
    let mut socket = server.connect().await;
    socket.write_all(request("/slow").as_bytes()).await.unwrap();
    server.application.entered.notified().await;
    socket.shutdown().await.unwrap();
    tokio::task::yield_now().await;
    server.application.release.notify_one();
    assert!(rest(&mut socket).await.ends_with("done"));
}

#[tokio::test]
async fn a_client_that_is_done_in_the_middle_of_a_head_is_left() {
    let server = start(places(9));
    for half in ["", "GET /str", "GET /stream HTTP/1.1\r\nhost: h\r\n"] {
        let mut socket = server.connect().await;
        let all = get("/stream").replace("connection: close\r\n", "") + half;
        socket.write_all(all.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let reply = rest(&mut socket).await;
        assert_eq!(reply.matches("HTTP/1.1").count(), 1, "{reply}");
        assert!(reply.ends_with("goodgood"), "{reply}");
    }
    server.stop.finish();
    assert_eq!(server.task.await.unwrap(), Drained::Whole);
}

#[tokio::test]
async fn nothing_is_kept_of_a_client_that_vanishes_during_its_answer() {
    let server = start(places(9));
    for path in ["/endless", "/long", "/slow"] {
        let mut socket = server.connect().await;
        socket.write_all(get(path).as_bytes()).await.unwrap();
        if path == "/slow" {
            server.application.entered.notified().await;
            drop(socket);
            server.application.release.notify_one();
        } else {
            socket.read_exact(&mut [0; 100]).await.unwrap();
        }
    }
    server.stop.finish();
    assert_eq!(server.task.await.unwrap(), Drained::Whole);
}
