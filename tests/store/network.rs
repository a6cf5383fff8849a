//! What a plugin can reach of the network, tried by one that wants more than it was granted.

use crate::hostile::Hostile;
use pys3local::backend::Grants;
use pys3local_core::service::ports::StoreError;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server of HTTP on this machine that keeps what it is sent.
struct Server {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Sends whoever asks on to `next`, if there is one.
    async fn start(next: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let (kept, next) = (Arc::clone(&kept), next.clone());
                tokio::spawn(async move {
                    let mut head = vec![0; 8192];
                    let count = connection.read(&mut head).await.unwrap_or(0);
                    let head = String::from_utf8_lossy(&head[..count]).into_owned();
                    let silent = head.starts_with("POST");
                    kept.lock().unwrap().push(head);
                    let status = match next {
                        Some(next) => format!("302 Found\r\nlocation: {next}"),
                        None => "200 OK".into(),
                    };
                    let rest = "content-length: 0\r\nconnection: close\r\n\r\n";
                    if silent {
                        // Whoever sends a body waits for the answer as long as it likes.
                        let _ = connection.read(&mut [0; 8192]).await;
                        std::future::pending::<()>().await;
                    }
                    let answer = format!("HTTP/1.1 {status}\r\n{rest}");
                    let _ = connection.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { address, seen }
    }

    fn url(&self) -> String {
        format!("http://{}/x", self.address)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn granted(hosts: &[String]) -> Hostile {
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    Hostile::start_with(Grants {
        hosts,
        ..Grants::default()
    })
    .await
}

/// What the plugin has to tell.
async fn told(hostile: &Hostile, misdeed: &str, words: &str) -> String {
    match hostile.stat(misdeed, words).await {
        Err(StoreError::Other(text)) => text,
        other => panic!("{misdeed} {words}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_hop_of_a_redirect_needs_a_grant_of_its_own() {
    let inner = Server::start(None).await;
    let good = Server::start(Some(inner.url())).await;
    let (first, second) = (
        format!("http://{}", good.address),
        format!("http://{}", inner.address),
    );

    let hostile = granted(&[first.clone(), second]).await;
    assert_eq!(told(&hostile, "fetch", &good.url()).await, "302 200");
    assert_eq!(inner.seen().len(), 1);

    let hostile = granted(std::slice::from_ref(&first)).await;
    let answer = told(&hostile, "fetch", &good.url()).await;
    assert_eq!(answer, "302 ErrorCode::HttpRequestDenied");
    assert_eq!(inner.seen().len(), 1, "it was asked");

    // The same server by another name, scheme or port is another one.
    let port = good.address.rsplit(':').next().unwrap().to_owned();
    for next in [
        format!("http://localhost:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        "http://127.0.0.1/".to_owned(),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://127.1:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let elsewhere = Server::start(Some(next.clone())).await;
        let granted_too = format!("http://{}", elsewhere.address);
        let hostile = granted(&[first.clone(), granted_too]).await;
        let before = good.seen().len();
        let answer = told(&hostile, "fetch", &elsewhere.url()).await;
        assert_eq!(answer, "302 ErrorCode::HttpRequestDenied", "{next}");
        assert_eq!(good.seen().len(), before, "{next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_without_a_grant_reaches_nobody() {
    let server = Server::start(None).await;
    let hostile = granted(&[]).await;
    let port = server.address.rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "x@127.0.0.1"] {
        let answer = told(&hostile, "fetch", &format!("http://{host}:{port}/")).await;
        assert!(
            answer.contains("HttpRequestDenied") || answer == "address",
            "{host}: {answer}"
        );
    }
    assert_eq!(server.seen(), [""; 0]);
    hostile.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_slipped_into_the_head_of_a_request() {
    let server = Server::start(None).await;
    let hostile = granted(&[format!("http://{}", server.address)]).await;
    let to = &server.address;
    let plain = told(&hostile, "inject", &format!("GET|{to}|/x|x-own|value")).await;
    assert_eq!(plain, "200");
    let before = server.seen().len();
    for (what, expected) in [
        (format!("GET|{to}|/x|x-own|value~x-evil: 1"), "field"),
        (format!("GET|{to}|/x|x-own~x-evil: 1|value"), "field"),
        (format!("GET|{to}|/x|x own|value"), "field"),
        (format!("GET|{to}|/x|host|evil.example"), "field"),
        (format!("GET|{to}|/x|Host|evil.example"), "field"),
        (format!("GET|{to}|/x|transfer-encoding|chunked"), "field"),
        (format!("GET|{to}|/x|connection|upgrade"), "field"),
        (format!("GET|{to}|/x|proxy-authorization|x"), "field"),
        (
            format!("GET|{to}|/x HTTP/1.1~x-evil: 1~~|x-own|value"),
            "address",
        ),
        (
            format!("GET / HTTP/1.1~x-evil: 1~~GET|{to}|/x|x-own|value"),
            "address",
        ),
        (format!("GET|{to}~x-evil: 1|/x|x-own|value"), "address"),
        (
            format!("GET|x@evil.example|/x|x-own|{to}"),
            "ErrorCode::HttpRequestDenied",
        ),
    ] {
        let answer = told(&hostile, "inject", &what).await;
        assert!(answer.starts_with(expected), "{what}: {answer}");
    }
    assert_eq!(server.seen().len(), before);
    let head = &server.seen()[0];
    assert!(head.starts_with("GET /x HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {to}\r\n")), "{head}");
    assert_eq!(head.matches("\r\n\r\n").count(), 1, "{head}");
    hostile.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_costs_one_instance() {
    let server = Server::start(None).await;
    let hostile = granted(&[format!("http://{}", server.address)]).await;
    let answer = hostile.stat("half-request", &server.address).await;
    assert!(
        matches!(answer, Err(StoreError::Unavailable(_))),
        "{answer:?}"
    );
    hostile.recovers().await;
}
