//! Memory does not grow with what passes through.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use http_body_util::BodyExt as _;
use pys3local_tests::client::Connection;
use pys3local_tests::gateway::Options;
use pys3local_tests::{Gateway, S3, data};

const LIMIT: u64 = 96 << 20;
const CLIENTS: u64 = 8;

fn is_long() -> bool {
    std::env::var_os("PYS3LOCAL_LONG").is_some()
}

fn below_the_limit(gateway: &Gateway) {
    let peak = gateway.peak_memory();
    println!(
        "peak: {:.1} MiB",
        f64::from(u32::try_from(peak >> 10).unwrap()) / 1024.0
    );
    assert!(peak < LIMIT, "{peak} bytes are more than {LIMIT}");
}

/// Reads an object that must be `piece` over and over, without keeping it.
async fn download(s3: &S3, key: &str, piece: &[u8]) -> u64 {
    let mut connection = Connection::open(s3.address).await.unwrap();
    let reply = connection
        .start(s3.get("bucket", key).sign().request)
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    let mut body = reply.into_body();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        let mut rest = &data[..];
        while !rest.is_empty() {
            let place = usize::try_from(read % piece.len() as u64).unwrap();
            let here = rest.len().min(piece.len() - place);
            let (now, later) = rest.split_at(here);
            assert!(
                piece.get(place..place + here) == Some(now),
                "another byte near {read}"
            );
            read += here as u64;
            rest = later;
        }
    }
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_size_of_objects() {
    let size: u64 = if is_long() { 2 << 30 } else { 256 << 20 };
    let (gateway, s3) = Gateway::with_bucket().await;
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let s3 = s3.clone();
        clients.push(tokio::spawn(async move {
            let key = format!("big/{client}");
            let piece = data::bytes(client, 1 << 20);
            // Twice: what a download leaves behind must not add to the next upload. The disk
            // holds one of the two at a time.
            for _ in 0..2 {
                s3.delete("bucket", &key).send().await.expect(204);
                let put = s3
                    .put("bucket", &key, "")
                    .repeated(piece.clone(), size)
                    .sign()
                    .request;
                let mut connection = Connection::open(s3.address).await.unwrap();
                let reply = connection.start(put).await.unwrap();
                let status = reply.status();
                let text = reply.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(status, 200, "{}", String::from_utf8_lossy(&text));
                assert_eq!(download(&s3, &key, &piece).await, size);
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    below_the_limit(&gateway);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_size_and_number_of_parts() {
    let (count, size): (u32, u64) = if is_long() {
        (400, 64 << 20)
    } else {
        (300, 5 << 20)
    };
    let (gateway, s3) = Gateway::with_bucket().await;
    let upload = s3.create_upload("bucket", "big").await;
    let piece = data::bytes(1, 1 << 20);
    let mut workers = Vec::new();
    for worker in 0..4 {
        let (s3, upload, piece) = (s3.clone(), upload.clone(), piece.clone());
        workers.push(tokio::spawn(async move {
            let mut connection = Connection::open(s3.address).await.unwrap();
            let mut list = Vec::new();
            for number in (1..=count).filter(|number| number % 4 == worker) {
                let part = s3.part("bucket", "big", &upload, number, "");
                let part = part.repeated(piece.clone(), size).sign().request;
                let reply = connection.start(part).await.unwrap();
                assert_eq!(reply.status(), 200);
                let etag = reply.headers()["etag"]
                    .to_str()
                    .unwrap()
                    .trim_matches('"')
                    .to_owned();
                reply.into_body().collect().await.unwrap();
                list.push((number, etag));
            }
            list
        }));
    }
    let mut list = Vec::new();
    for worker in workers {
        list.extend(worker.await.unwrap());
    }
    list.sort();
    s3.complete("bucket", "big", &upload, &list)
        .send()
        .await
        .expect(200);
    assert_eq!(download(&s3, "big", &piece).await, u64::from(count) * size);
    below_the_limit(&gateway);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_100_000_objects_is_listed_in_bounded_memory() {
    let gateway = Options::default().start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    s3.store("bucket", "flat/000000", "").await;
    // By hand: what is measured is the listing.
    let objects = gateway.data().join("bucket/objects");
    for n in 1..50_000 {
        std::fs::write(objects.join(format!("flat/{n:06}")), "").unwrap();
    }
    for n in 0..50_000 {
        let dir = objects.join(format!("deep/{:03}", n / 100));
        if n % 100 == 0 {
            std::fs::create_dir_all(&dir).unwrap();
        }
        std::fs::write(dir.join(format!("{n:06}")), "").unwrap();
    }
    let keys = s3.keys("bucket").await;
    assert_eq!(keys.len(), 100_000);
    assert!(keys.is_sorted());
    let list = s3
        .list("bucket")
        .query("delimiter", "/")
        .send()
        .await
        .expect(200)
        .xml();
    assert_eq!(list.texts("CommonPrefixes", "Prefix"), ["deep/", "flat/"]);
    below_the_limit(&gateway);
}
