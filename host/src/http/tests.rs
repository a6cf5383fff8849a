//! A fake application behind the real server, over loopback.

use super::*;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Bytes of `/long`: more than the system takes for a client that does not read.
const LONG: usize = 32 << 20;
const PIECE: &str = match std::str::from_utf8(&[b'#'; 1 << 16]) {
    Ok(piece) => piece,
    Err(_) => "",
};

/// Answers by path.
#[derive(Default)]
pub(super) struct Fake {
    entered: Notify,
    release: Notify,
}

impl Application for Fake {
    async fn respond(&self, request: Request<ByteStream>) -> Response<ReplyBody> {
        let (head, body) = request.into_parts();
        let mut response = Response::builder().header("x-amz-request-id", "ID");
        let body = match head.uri.path() {
            "/echo" => match collect(body).await {
                Ok(bytes) => ReplyBody::Full(bytes),
                Err(error) => {
                    response = response.status(400);
                    ReplyBody::Full(format!("{:?}", error.kind()).into())
                }
            },
            "/refuse" => {
                response = response.status(403);
                ReplyBody::Full("refused".into())
            }
            "/head" => {
                response = response.header("content-length", "1000");
                ReplyBody::Empty
            }
            "/deleted" => {
                response = response.status(204);
                ReplyBody::Empty
            }
            "/rot" => stream_of(vec![Ok("good"), Ok("bad!"), Err(io::Error::other("rot"))]),
            "/stream" => stream_of(vec![Ok("good"), Ok("good")]),
            "/long" => stream_of((0..LONG >> 16).map(|_| Ok(PIECE)).collect()),
            "/slow" => {
                self.entered.notify_one();
                self.release.notified().await;
                ReplyBody::Full("done".into())
            }
            "/endless" => ReplyBody::Stream {
                length: u64::MAX,
                stream: stream::repeat_with(|| Ok(Bytes::from_static(&[0; 8192]))).boxed(),
            },
            _ => panic!("asked to panic"),
        };
        response.body(body).unwrap()
    }
}

fn stream_of(chunks: Vec<io::Result<&'static str>>) -> ReplyBody {
    let length = chunks.iter().flatten().map(|chunk| chunk.len() as u64);
    let length = length.sum::<u64>().max(8); // What breaks has announced more.
    let chunks = chunks.into_iter().map(|chunk| chunk.map(Bytes::from));
    let stream = stream::iter(chunks).then(async |chunk| {
        tokio::task::yield_now().await; // hyper sends what it has
        chunk
    });
    ReplyBody::Stream {
        length,
        stream: stream.boxed(),
    }
}

async fn collect(mut body: ByteStream) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes.into())
}

struct Running {
    address: SocketAddr,
    application: Arc<Fake>,
    stop: Stop,
    task: JoinHandle<Drained>,
}

fn start(limits: Limits) -> Running {
    let listener = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = listener.local_addr().unwrap();
    let application = Arc::new(Fake::default());
    let stop = Stop::default();
    let task = tokio::spawn(serve(
        listener,
        router(application.clone()),
        limits,
        stop.clone(),
        Metrics::default(),
        None,
        no_place,
    ));
    Running {
        address,
        application,
        stop,
        task,
    }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `request` as it stands and reads until the server closes.
    async fn exchange(&self, request: &str) -> String {
        let mut socket = self.connect().await;
        socket.write_all(request.as_bytes()).await.unwrap();
        rest(&mut socket).await
    }
}

/// Sends a request and reads an answer that ends like this. The connection stays open.
async fn ask(socket: &mut TcpStream, path: &str, end: &str) {
    let request = get(path).replace("connection: close\r\n", "");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    while !reply.ends_with(end.as_bytes()) {
        assert_ne!(socket.read_buf(&mut reply).await.unwrap(), 0);
    }
}

/// Everything until the end of the connection, whether clean or not.
async fn rest(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = socket.read(&mut buffer).await {
        bytes.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(bytes).unwrap()
}

pub(super) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
}

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
    let server = start(Limits::default());
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
    assert!(server.exchange(&get("/stream")).await.ends_with("goodgood"));
}

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
    server.stop.finish(); // Ends only when the connection does.
    assert_eq!(server.task.await.unwrap(), Drained::Whole);
}

#[tokio::test]
async fn idle_connections_and_half_sent_heads_are_closed() {
    let limits = Limits {
        idle: Duration::from_millis(50),
        head: Duration::from_millis(50),
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
async fn a_connection_serves_many_requests() {
    let server = start(Limits::default());
    let request = get("/stream").replace("connection: close\r\n", "");
    let reply = server
        .exchange(&format!("{request}{request}{}", get("/stream")))
        .await;
    assert_eq!(reply.matches("goodgood").count(), 3, "{reply}");
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
async fn what_does_not_finish_in_time_is_broken_off() {
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

/// So many connections, which nothing else ends in the time of a test.
fn places(connections: usize) -> Limits {
    let never = Duration::from_hours(1);
    Limits {
        connections,
        grace: Duration::from_millis(20),
        idle: never,
        head: never,
        silence: never,
        ..Limits::default()
    }
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
