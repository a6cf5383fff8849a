//! Uploads in parts: races, many parts, what they cost, and their end.

use pys3local_tests::client::{PATIENCE, Socket};
use pys3local_tests::data::{self, md5_hex};
use pys3local_tests::gateway::Options;
use pys3local_tests::{Gateway, S3};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

/// Inodes of the files of at least this size.
fn inodes(gateway: &Gateway, size: usize) -> BTreeSet<u64> {
    let large = gateway
        .files()
        .into_iter()
        .filter(|(_, bytes)| *bytes >= size as u64);
    large
        .map(|(name, _)| std::fs::metadata(gateway.data().join(name)).unwrap().ino())
        .collect()
}

async fn upload(s3: &S3, parts: &[bytes::Bytes]) -> (String, Vec<(u32, String)>) {
    let upload = s3.create_upload("bucket", "key").await;
    let mut list = Vec::new();
    for (number, body) in (1..).zip(parts) {
        let etag = s3
            .store_part("bucket", "key", &upload, number, body.clone())
            .await;
        list.push((number, etag));
    }
    (upload, list)
}

#[tokio::test]
async fn completing_parts_of_equal_size_copies_nothing() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let parts = [
        data::bytes(1, 5 * MIB),
        data::bytes(2, 5 * MIB),
        data::bytes(3, MIB),
    ];
    let (upload, list) = upload(&s3, &parts).await;
    let before = inodes(&gateway, 10 * MIB);
    assert_eq!(before.len(), 1, "{:?}", gateway.files());
    let complete = s3.complete("bucket", "key", &upload, &list);
    complete.send().await.expect(200);
    assert_eq!(inodes(&gateway, MIB), before, "the object is another file");
    assert!(s3.fetch("bucket", "key").await == parts.concat());
}

#[tokio::test]
async fn parts_of_different_sizes_become_one_file() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let files = gateway.files().len();
    let parts = [(1, 5), (2, 7), (3, 6), (4, 1)].map(|(seed, size)| data::bytes(seed, size * MIB));
    let (upload, list) = upload(&s3, &parts).await;
    let complete = s3.complete("bucket", "key", &upload, &list);
    complete.send().await.expect(200);
    assert!(s3.fetch("bucket", "key").await == parts.concat());
    assert_eq!(gateway.files().len(), files + 1, "{:?}", gateway.files());
}

#[tokio::test]
async fn a_part_that_comes_again_during_its_first_arrival_wins_when_it_ends_last() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let (early, late) = (data::bytes(1, MIB), data::bytes(2, MIB));
    for first_ends_last in [true, false] {
        let upload = s3.create_upload("bucket", "key").await;
        let mut slow = Socket::open(s3.address).await.unwrap();
        let part = s3.part("bucket", "key", &upload, 1, early.clone());
        slow.send(&part.sign().request.head()).await.unwrap();
        slow.send(&early[..MIB / 2]).await.unwrap();
        let finish = async |mut slow: Socket| {
            slow.send(&early[MIB / 2..]).await.unwrap();
            let (status, head, _) = slow.answer().await.unwrap().unwrap();
            assert_eq!(status, 200, "{head}");
        };
        let last = if first_ends_last {
            s3.store_part("bucket", "key", &upload, 1, late.clone())
                .await;
            finish(slow).await;
            &early
        } else {
            finish(slow).await;
            s3.store_part("bucket", "key", &upload, 1, late.clone())
                .await;
            &late
        };
        let parts = s3.get("bucket", "key").query("uploadId", &upload);
        let parts = parts.send().await.expect(200).xml();
        assert_eq!(parts.text("Part/ETag"), format!("\"{}\"", md5_hex(last)));
        let complete = s3.complete("bucket", "key", &upload, &[(1, md5_hex(last))]);
        complete.send().await.expect(200);
        assert!(s3.fetch("bucket", "key").await == last);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_racing_creators_of_both_kinds_exactly_one_wins() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let files = gateway.files().len();
    for round in 0..4 {
        let key = format!("lock/{round}");
        let mut calls = Vec::new();
        for racer in 0..16 {
            let body = format!("racer {racer}");
            let call = if racer % 2 == 0 {
                s3.put("bucket", &key, body)
            } else {
                let upload = s3.create_upload("bucket", &key).await;
                let etag = s3.store_part("bucket", &key, &upload, 1, body).await;
                s3.complete("bucket", &key, &upload, &[(1, etag)])
            };
            calls.push(call.header("if-none-match", "*"));
        }
        let racers: Vec<_> = calls
            .into_iter()
            .map(|call| tokio::spawn(async { call.send().await.outcome() }))
            .collect();
        let mut winners = Vec::new();
        for (number, racer) in racers.into_iter().enumerate() {
            match &*racer.await.unwrap() {
                "OK" => winners.push(number),
                "ConditionalRequestConflict" | "PreconditionFailed" => {}
                other => panic!("{other}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        let body = s3.fetch("bucket", &key).await;
        assert_eq!(body, format!("racer {}", winners[0]));
    }
    assert_eq!(s3.keys("bucket").await.len(), 4);
    assert!(gateway.files().len() >= files + 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_parts_cost_no_memory_and_leave_nothing() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let files = gateway.files();
    let upload = s3.create_upload("bucket", "key").await;
    s3.store_part("bucket", "key", &upload, 1, "part").await;
    let before = gateway.peak_memory();
    let senders = (0..8).map(|sender| {
        let (s3, upload) = (s3.clone(), upload.clone());
        tokio::spawn(async move {
            let mut connection = pys3local_tests::client::Connection::open(s3.address)
                .await
                .unwrap();
            for number in (1..=10_000).filter(|number| number % 8 == sender) {
                let part = s3.part("bucket", "key", &upload, number, format!("part {number}"));
                let reply = connection.send(part.sign().request).await.unwrap();
                reply.expect(200);
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    let grown = gateway.peak_memory().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
    let mut list: Vec<(u32, String)> = Vec::new();
    loop {
        let marker = list.last().map_or(0, |(number, _)| *number);

        let call = s3.get("bucket", "key").query("uploadId", &upload);
        let page = call
            .query("part-number-marker", &marker.to_string())
            .send()
            .await
            .expect(200)
            .xml();
        let tags = page.texts("Part", "ETag");
        list.extend(
            (marker + 1..)
                .zip(tags)
                .map(|(n, tag)| (n, tag.trim_matches('"').to_owned())),
        );
        if page.text("IsTruncated") == "false" {
            break;
        }
    }
    assert_eq!(list.len(), 10_000);
    assert_eq!(list[9_999].1, md5_hex(b"part 10000"));
    let complete = s3.complete("bucket", "key", &upload, &list);
    // Behind a status of 200, if it took more than 5 seconds.
    assert_eq!(complete.send().await.outcome(), "EntityTooSmall");
    let too_many = s3.part("bucket", "key", &upload, 10_001, "x").send().await;
    too_many.expect_error(400, "InvalidArgument");
    let abort = s3.delete("bucket", "key").query("uploadId", &upload);
    abort.send().await.expect(204);
    assert_eq!(gateway.files(), files);
}

#[tokio::test]
async fn an_upload_that_is_aborted_while_a_part_arrives_is_gone() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let files = gateway.files();
    let body = data::bytes(1, 2 * MIB);
    let upload = s3.create_upload("bucket", "key").await;
    let without_part = gateway.files();
    let mut slow = Socket::open(s3.address).await.unwrap();
    let part = s3.part("bucket", "key", &upload, 1, body.clone());
    slow.send(&part.sign().request.head()).await.unwrap();
    slow.send(&body[..MIB]).await.unwrap();
    let until = async |reached: &dyn Fn() -> bool| {
        let deadline = Instant::now() + PATIENCE;
        while !reached() {
            assert!(Instant::now() < deadline, "{:?}", gateway.files());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    until(&|| gateway.files() != without_part).await;
    let abort = s3.delete("bucket", "key").query("uploadId", &upload);
    abort.send().await.expect(204);
    // It may have been refused, and the connection ended, before that.
    let _ = slow.send(&body[MIB..]).await;
    let (status, head, text) = slow.answer().await.unwrap().unwrap();
    assert_eq!(status, 404, "{head}");
    assert!(String::from_utf8_lossy(&text).contains("NoSuchUpload"));
    s3.get("bucket", "key")
        .send()
        .await
        .expect_error(404, "NoSuchKey");
    until(&|| gateway.files() == files).await;
}

#[tokio::test]
async fn an_upload_that_nobody_goes_on_with_is_removed_with_its_parts() {
    let gateway = Options::default().arg("--upload-expiry").arg("1s").start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    let files = gateway.files();
    let deadline = Instant::now() + PATIENCE;
    let upload = loop {
        assert!(Instant::now() < deadline, "{}", gateway.stderr());
        let upload = s3.create_upload("bucket", "key").await;
        let part = s3.part("bucket", "key", &upload, 1, data::bytes(1, MIB));
        let stored = part.send().await;
        if stored.status == 200 {
            break upload;
        }
        // A busy machine took more than a second for it.
        stored.expect_error(404, "NoSuchUpload");
    };
    loop {
        let uploads = s3.bucket("GET", "bucket").query("uploads", "");
        let uploads = uploads.send().await.expect(200).xml();
        if uploads.texts("Upload", "UploadId").is_empty() && gateway.files() == files {
            break;
        }
        assert!(Instant::now() < deadline, "{:?}", gateway.files());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let part = s3.part("bucket", "key", &upload, 2, "x").send().await;
    part.expect_error(404, "NoSuchUpload");
}
