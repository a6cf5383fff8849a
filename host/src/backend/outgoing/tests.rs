use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

const PATIENCE: Duration = Duration::from_millis(200);

fn handle() -> Option<Handle> {
    Arc::new(Semaphore::new(1)).try_acquire_owned().ok()
}

/// A server of HTTP that counts its connections.
async fn server() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            seen.fetch_add(1, Ordering::SeqCst);
            let _ = connection.read(&mut [0; 4096]).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = connection.write_all(answer).await;
        }
    });
    (port, count)
}

/// Answers each look-up with the next of `answers`, the last one for ever.
fn names(answers: &[&str]) -> (Lookup, Arc<AtomicUsize>) {
    let answers: Vec<Vec<SocketAddr>> = answers
        .iter()
        .map(|list| {
            list.split(' ')
                .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0))
                .collect()
        })
        .collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        let turn = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let answer = answers[turn].clone();
        Box::pin(async move { Ok(answer) })
    });
    (lookup, asked)
}

fn get(uri: &str) -> http::Request<WasiBody> {
    let body = http_body_util::Empty::<bytes::Bytes>::new();
    let body = body.map_err(|never| match never {}).boxed_unsync();
    http::Request::get(uri).body(body).unwrap()
}

async fn ask(grant: &str, lookup: Lookup, uri: &str) -> Result<u16, Error> {
    let outgoing = Outgoing::with_lookup(&[grant.parse().unwrap()], PATIENCE, lookup);
    let request = get(uri);
    let (response, _) = outgoing.send(request, None, handle()).await?;
    Ok(response.status().as_u16())
}

#[tokio::test]
async fn a_name_under_a_wildcard_does_not_lead_home() {
    let (port, connections) = server().await;
    let (grant, uri) = (
        format!("http://*.cloud.example:{port}"),
        format!("http://a.cloud.example:{port}/"),
    );
    for inner in [
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "127.0.0.1 10.0.0.1 169.254.169.254",
    ] {
        let answer = ask(&grant, names(&[inner]).0, &uri).await;
        assert!(
            matches!(answer, Err(Error::Connect(_))),
            "{inner}: {answer:?}"
        );
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_name_that_was_granted_leads_home_but_not_to_a_metadata_service() {
    let (port, connections) = server().await;
    let (grant, uri) = (
        format!("http://nas.example:{port}"),
        format!("http://nas.example:{port}/"),
    );
    assert_eq!(
        ask(&grant, names(&["127.0.0.1"]).0, &uri).await.unwrap(),
        200
    );
    // Only what may be reached is tried, in whatever order the answer has.
    let mixed = names(&["169.254.169.254 127.0.0.1"]).0;
    assert_eq!(ask(&grant, mixed, &uri).await.unwrap(), 200);
    for never in ["169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.0"] {
        let answer = ask(&grant, names(&[never]).0, &uri).await;
        assert!(
            matches!(answer, Err(Error::Connect(_))),
            "{never}: {answer:?}"
        );
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_connected_to() {
    let (port, connections) = server().await;
    let (grant, uri) = (
        format!("http://nas.example:{port}"),
        format!("http://nas.example:{port}/"),
    );
    // A second answer would lead elsewhere, and nobody asks for it.
    let (lookup, asked) = names(&["127.0.0.1", "169.254.169.254"]);
    assert_eq!(ask(&grant, lookup, &uri).await.unwrap(), 200);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_no_grant_names_is_refused_before_a_name_is_looked_up() {
    let (port, connections) = server().await;
    for uri in [
        format!("http://other.example:{port}/"),
        format!("http://nas.example:{}/", port.wrapping_add(1)),
        format!("https://nas.example:{port}/"),
        format!("http://nas.example.:{port}/"),
        format!("http://127.0.0.1:{port}/"),
        format!("http://nas.example@127.0.0.1:{port}/"),
        format!("http://nas.example:{port}@127.0.0.1:{port}/"),
        format!("http://nas.example%00.evil.example:{port}/"),
    ] {
        // Some of these are no addresses at all.
        if uri.parse::<http::Uri>().is_err() {
            continue;
        }
        let (lookup, asked) = names(&["127.0.0.1"]);
        let answer = ask(&format!("http://nas.example:{port}"), lookup, &uri).await;
        assert!(
            matches!(answer, Err(Error::HttpRequestDenied)),
            "{uri}: {answer:?}"
        );
        assert_eq!(asked.load(Ordering::SeqCst), 0, "{uri}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_that_does_not_go_on_ends_in_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _ = connection.read(&mut [0; 4096]).await;
        let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello";
        connection.write_all(begun).await.unwrap();
        std::future::pending::<()>().await;
    });
    let (lookup, _) = names(&["127.0.0.1"]);
    let grant = format!("http://127.0.0.1:{port}");
    let outgoing = Outgoing::with_lookup(&[grant.parse().unwrap()], PATIENCE, lookup);
    let request = get(&format!("{grant}/"));
    let options = RequestOptions {
        between_bytes_timeout: Some(Duration::from_hours(1)),
        ..RequestOptions::default()
    };
    let sent = outgoing.send(request, Some(options), handle()).await;
    let mut body = sent.unwrap().0.into_body();
    let piece = body.frame().await.unwrap().unwrap();
    assert_eq!(piece.into_data().unwrap(), "hello");
    let end = body.frame().await.unwrap().unwrap_err();
    assert!(matches!(end, Error::ConnectionReadTimeout), "{end:?}");
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_plugin_with_too_many_handles_sends_no_further_request() {
    let (port, connections) = server().await;
    let (lookup, _) = names(&["127.0.0.1"]);
    let grant = format!("http://127.0.0.1:{port}");
    let outgoing = Outgoing::with_lookup(&[grant.parse().unwrap()], PATIENCE, lookup);
    let request = get(&format!("{grant}/"));
    let refused = outgoing.send(request, None, None).await;
    assert!(matches!(refused, Err(Error::ConnectionLimitReached)));
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}
