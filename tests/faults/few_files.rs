//! With the customary 1024 open files, more clients come than files can be open for.

use pys3local_tests::client::Socket;
use pys3local_tests::gateway::Options;
use pys3local_tests::{Gateway, S3, data};
use std::future::Future;
use tokio::task::JoinSet;

const CLIENTS: usize = 400;

async fn start() -> (Gateway, S3) {
    let limited = ["sh", "-c", "ulimit -n 1024 && exec \"$0\" \"$@\""];
    let limited = limited.map(str::to_owned).to_vec();
    let gateway = Options::default().durable().behind(limited).start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    (gateway, s3)
}

/// What all clients do at the same time.
async fn all<F: Future<Output = ()> + Send + 'static>(client: impl Fn(usize) -> F) {
    let mut clients: JoinSet<()> = (0..CLIENTS).map(client).collect();
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_uploads_of_many_clients_wait_for_their_turn() {
    let (_gateway, s3) = start().await;
    all(|client| {
        let s3 = s3.clone();
        async move {
            for round in 0..3 {
                let key = format!("{round}/{client}");
                let put = s3.put("bucket", &key, data::bytes(client as u64, 4096));
                put.send().await.expect(200);
            }
        }
    })
    .await;
    assert!(s3.fetch("bucket", "2/399").await == data::bytes(399, 4096));
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_uploads_of_many_clients_wait_for_their_turn_also_those_of_one_key() {
    let (_gateway, s3) = start().await;
    all(|client| {
        let s3 = s3.clone();
        async move {
            let key = match client % 2 {
                0 => "one".to_owned(),
                _ => format!("of/{client}"),
            };
            let put = s3.put("bucket", &key, "");
            put.send().await.expect(200);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_uploads_of_many_clients_wait_for_their_turn_and_hold_up_nobody_else() {
    let (gateway, s3) = start().await;
    s3.store("bucket", "there", "yes").await;
    let body = data::bytes(1, 4096);
    let mut sockets = Vec::new();
    for client in 0..CLIENTS {
        let signed = s3.put("bucket", &format!("{client}"), body.clone()).sign();
        let mut socket = Socket::open(gateway.address()).await.unwrap();
        socket.send(&signed.request.head()).await.unwrap();
        socket.send(&body[..2048]).await.unwrap();
        sockets.push(socket);
    }
    // As many as may are under way, and their clients take their time. Others do not wait for them.
    assert_eq!(s3.fetch("bucket", "there").await, "yes");
    s3.list("bucket").send().await.expect(200);
    s3.delete("bucket", "there").send().await.expect(204);
    // Those that came last, and wait, have sent everything long before it is their turn.
    for socket in sockets.iter_mut().rev() {
        socket.send(&body[2048..]).await.unwrap();
    }
    for socket in &mut sockets {
        let (status, _, answer) = socket.answer().await.unwrap().expect("an answer");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    }
    for client in [0, CLIENTS - 1] {
        assert!(s3.fetch("bucket", &client.to_string()).await == body);
    }
}
