//! A fake application behind the real server, over loopback.

mod clients;
mod connections;
mod exchange;

use super::*;
use crate::s3::StandIn;
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
        if let Some(why) = head.extensions.get::<StandIn>() {
            let body = ReplyBody::Full(why.to_string().into());
            return response.status(500).body(body).unwrap();
        }
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
        application.clone(),
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
