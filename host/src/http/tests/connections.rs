//! All connections together: the places that there are for them, and how a stop ends them.

use super::*;

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_slot() {
    let server = start(Limits {
        connections: 1,
        ..Limits::default()
    });
    let mut first = server.connect().await;
    first.write_all(get("/slow").as_bytes()).await.unwrap();
    server.application.entered.notified().await;
    let mut second = server.connect().await;
    second.write_all(get("/stream").as_bytes()).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), second.readable()).await;
    assert!(
        early.is_err(),
        "the second connection must not be served yet"
    );
    server.application.release.notify_one();
    assert!(rest(&mut first).await.ends_with("done"));
    assert!(rest(&mut second).await.ends_with("goodgood"));
}

#[tokio::test]
async fn the_connection_that_is_idle_for_longest_makes_room() {
    let server = start(places(2));
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    ask(&mut second, "/stream", "goodgood").await;
    ask(&mut first, "/stream", "goodgood").await;
    ask(&mut second, "/stream", "goodgood").await;
    ask(&mut server.connect().await, "/stream", "goodgood").await;
    assert_eq!(rest(&mut first).await, "");
    ask(&mut second, "/stream", "goodgood").await;
}

#[tokio::test]
async fn half_a_head_makes_room_after_a_moment() {
    let server = start(places(1));
    let mut stalled = server.connect().await;
    stalled.write_all(b"GET /str").await.unwrap();
    ask(&mut server.connect().await, "/stream", "goodgood").await;
    assert_eq!(rest(&mut stalled).await, "");
}

#[tokio::test]
async fn uploads_and_answers_that_do_not_get_on_keep_their_places() {
    let server = start(places(2));
    let mut upload = server.connect().await;
    let head = "PUT /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nconnection: close\r\n\r\n";
    upload.write_all(head.as_bytes()).await.unwrap();
    let mut download = server.connect().await;
    download.write_all(get("/long").as_bytes()).await.unwrap();
    download.readable().await.unwrap();
    let mut third = server.connect().await;
    third.write_all(get("/stream").as_bytes()).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(200), third.readable()).await;
    assert!(early.is_err(), "there was no place");
    upload.write_all(b"hello").await.unwrap();
    assert!(rest(&mut upload).await.ends_with("hello"));
    assert!(rest(&mut third).await.ends_with("goodgood"));
    assert!(rest(&mut download).await.len() > LONG);
}

#[tokio::test]
async fn any_number_of_connections_that_are_kept_open_is_served_in_few_places() {
    let server = start(places(4));
    let mut all = Vec::new();
    for _ in 0..50 {
        let mut socket = server.connect().await;
        ask(&mut socket, "/stream", "goodgood").await;
        all.push(socket);
    }
}

#[tokio::test]
async fn a_stop_finishes_the_running_request_and_refuses_new_ones() {
    let server = start(Limits::default());
    let mut fresh = server.connect().await;
    let mut socket = server.connect().await;
    socket
        .write_all(get("/slow").replace("connection: close\r\n", "").as_bytes())
        .await
        .unwrap();
    server.application.entered.notified().await;
    server.stop.finish();
    assert_eq!(
        rest(&mut fresh).await,
        "",
        "a connection without a request is closed"
    );
    while let Ok(mut late) = TcpStream::connect(server.address).await {
        // The listener was not closed yet; the connection must not be served.
        late.write_all(get("/stream").as_bytes()).await.ok();
        assert_eq!(rest(&mut late).await, "");
    }
    assert!(!server.task.is_finished());
    server.application.release.notify_one();
    assert!(rest(&mut socket).await.ends_with("done"));
    assert_eq!(server.task.await.unwrap(), Drained::Whole);
}

#[tokio::test]
async fn an_idle_connection_does_not_delay_a_stop() {
    let server = start(Limits::default());
    let mut socket = server.connect().await;
    ask(&mut socket, "/stream", "goodgood").await;
    server.stop.finish();
    assert_eq!(server.task.await.unwrap(), Drained::Whole);
}

#[tokio::test]
async fn half_a_head_does_not_delay_a_stop() {
    let server = start(places(4));
    let mut first = server.connect().await;
    first.write_all(b"GET /str").await.unwrap();
    let mut later = server.connect().await;
    ask(&mut later, "/stream", "goodgood").await;
    later.write_all(b"GET /str").await.unwrap();
    // Both of them were read: whoever comes now is served behind them.
    ask(&mut server.connect().await, "/stream", "goodgood").await;
    server.stop.finish();
    assert_eq!(server.task.await.unwrap(), Drained::Whole);
    assert_eq!(rest(&mut first).await, "");
    assert_eq!(rest(&mut later).await, "");
}

#[tokio::test]
async fn an_upload_that_gets_on_is_finished_however_long_a_stop_takes() {
    let still = Duration::from_millis(600);
    let limits = Limits {
        drain: still,
        ..Limits::default()
    };
    let server = start(limits);
    let mut upload = server.connect().await;
    let head = "PUT /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 30\r\n\r\n";
    upload.write_all(head.as_bytes()).await.unwrap();
    upload.write_all(b"#").await.unwrap();
    let mut stalled = server.connect().await;
    stalled.write_all(get("/slow").as_bytes()).await.unwrap();
    server.application.entered.notified().await;
    server.stop.finish();
    for _ in 1..30 {
        tokio::time::sleep(still / 6).await;
        upload.write_all(b"#").await.unwrap();
    }
    assert!(rest(&mut upload).await.ends_with(&"#".repeat(30)));
    assert_eq!(rest(&mut stalled).await, "");
    assert_eq!(server.task.await.unwrap(), Drained::BrokenOff(1));
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_is_finished_however_long_a_stop_takes() {
    let still = Duration::from_millis(600);
    let server = start(Limits {
        drain: still,
        ..Limits::default()
    });
    let mut socket = server.connect().await;
    socket.write_all(get("/long").as_bytes()).await.unwrap();
    socket.readable().await.unwrap();
    server.stop.finish();
    let mut taken = 0;
    let mut buffer = vec![0; 1 << 20];
    loop {
        tokio::time::sleep(still / 12).await;
        match socket.read(&mut buffer).await.unwrap() {
            0 => break,
            count => taken += count,
        }
    }
    assert!(taken > LONG);
    assert_eq!(server.task.await.unwrap(), Drained::Whole);
}

#[tokio::test]
async fn what_stands_still_after_a_stop_is_broken_off() {
    let limits = Limits {
        drain: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = start(limits);
    let mut socket = server.connect().await;
    socket.write_all(get("/slow").as_bytes()).await.unwrap();
    server.application.entered.notified().await;
    server.stop.finish();
    assert_eq!(server.task.await.unwrap(), Drained::BrokenOff(1));
    assert_eq!(rest(&mut socket).await, "");
}

#[tokio::test]
async fn a_second_stop_breaks_off_at_once() {
    let server = start(Limits::default());
    let mut socket = server.connect().await;
    socket.write_all(get("/slow").as_bytes()).await.unwrap();
    server.application.entered.notified().await;
    server.stop.finish();
    server.stop.break_off();
    assert_eq!(server.task.await.unwrap(), Drained::BrokenOff(1));
}
