//! Large objects and uploads in parts.

use crate::{Cloud, MIB};
use bytes::Bytes;
use pys3local_tests::data::{self, md5_hex, multipart_etag};

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_goes_up_in_parts_and_keeps_its_md5() {
    let cloud = Cloud::new().await;
    let body = data::bytes(1, 21 * MIB + 5);
    let etag = cloud.s3.store("bucket", "dir/big", body.clone()).await;
    assert_eq!(etag, md5_hex(&body));
    assert!(cloud.s3.fetch("bucket", "dir/big").await == body);
    assert_eq!(cloud.simulator.count("storage put"), 3);
    assert_eq!(cloud.simulator.open_uploads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_with_a_wrong_digest_never_becomes_visible() {
    let cloud = Cloud::new().await;
    let put = cloud.s3.put("bucket", "big", data::bytes(1, 12 * MIB));
    let put = put.header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
    put.send().await.expect_error(400, "BadDigest");
    assert_eq!(cloud.files(), []);
    cloud.gateway.until("the upload is aborted", || {
        cloud.simulator.open_uploads() == 0
    });
    assert_eq!(cloud.simulator.orphans(), 0);
}

/// Uploads parts in the order given and completes them by number.
async fn uploaded(cloud: &Cloud, parts: &[(u32, Bytes)]) {
    let s3 = &cloud.s3;
    let upload = s3.create_upload("bucket", "key").await;
    let mut list = Vec::new();
    for (number, body) in parts {
        let stored = s3.store_part("bucket", "key", &upload, *number, body.clone());
        list.push((*number, stored.await));
    }
    list.sort();
    let complete = s3.complete("bucket", "key", &upload, &list);
    complete.send().await.expect(200);
    let mut parts = parts.to_vec();
    parts.sort_by_key(|(number, _)| *number);
    let bodies: Vec<Bytes> = parts.into_iter().map(|(_, body)| body).collect();
    let reply = s3.get("bucket", "key").send().await.expect(200);
    assert_eq!(reply.etag(), multipart_etag(&bodies));
    assert!(reply.body == bodies.concat());
    assert_eq!(cloud.simulator.open_uploads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_parts_pass_straight_through() {
    let cloud = Cloud::new().await;
    let parts = [
        (1, data::bytes(1, 6 * MIB)),
        (2, data::bytes(2, 6 * MIB)),
        (3, data::bytes(3, 77)),
    ];
    uploaded(&cloud, &parts).await;
    assert_eq!(cloud.simulator.count("storage put"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_any_sizes_in_any_order_become_an_object() {
    let layouts: [&[(u32, usize)]; 4] = [
        &[(3, 6 * MIB), (1, 5 * MIB), (2, 7 * MIB)],
        &[(1, 5 * MIB), (3, 5 * MIB), (2, 6 * MIB + 1), (9, 10)],
        &[(2, 5), (1, 8 * MIB)],
        &[(7, 100)],
    ];
    for layout in layouts {
        let cloud = Cloud::new().await;
        let parts: Vec<(u32, Bytes)> = layout
            .iter()
            .map(|(number, size)| (*number, data::bytes(u64::from(*number), *size)))
            .collect();
        uploaded(&cloud, &parts).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_part_that_comes_again_with_another_size_the_others_come_again_too() {
    let cloud = Cloud::new().await;
    let s3 = &cloud.s3;
    let upload = s3.create_upload("bucket", "key").await;
    let mut parts: Vec<Bytes> = (1..=4).map(|n| data::bytes(n, 5 * MIB)).collect();
    let store = async |number: usize, body: &Bytes| {
        let at = u32::try_from(number).unwrap();
        let stored = s3.store_part("bucket", "key", &upload, at, body.clone());
        (at, stored.await)
    };
    let mut list = Vec::new();
    for (number, body) in (1..).zip(&parts) {
        list.push(store(number, body).await);
    }
    parts[1] = data::bytes(9, 6 * MIB);
    list[1] = store(2, &parts[1]).await;
    let complete = s3.complete("bucket", "key", &upload, &list).send().await;
    let refused = complete.expect_error(400, "InvalidPart");
    let told = refused.text().contains("so part 3 and all parts behind it");
    assert!(told, "{}", refused.text());
    for number in [4, 3] {
        list[number - 1] = store(number, &parts[number - 1]).await;
    }
    let complete = s3.complete("bucket", "key", &upload, &list).send().await;
    complete.expect(200);
    assert!(s3.fetch("bucket", "key").await == parts.concat());
    assert_eq!(cloud.simulator.open_uploads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_after_a_crash() {
    let mut cloud = Cloud::new().await;
    let parts = [1_u32, 2, 3].map(|n| data::bytes(n.into(), 5 * MIB));
    let upload = cloud.s3.create_upload("bucket", "key").await;
    let mut list = Vec::new();
    for (number, body) in (1..).zip(&parts) {
        let stored = cloud
            .s3
            .store_part("bucket", "key", &upload, number, body.clone());
        list.push((number, stored.await));
        cloud.restart();
    }
    let complete = cloud.s3.complete("bucket", "key", &upload, &list);
    complete.send().await.expect(200);
    assert!(cloud.s3.fetch("bucket", "key").await == parts.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spool_takes_no_more_of_the_disk_than_it_may() {
    let simulator = drime_sim::Simulator::start(drime_sim::Switches::default());
    let simulator = simulator.await.unwrap();
    let gateway = crate::options(&simulator);
    let gateway = gateway.arg("--spool-limit").arg("13MiB").start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    let part = data::bytes(1, 6 * MIB);
    let one = s3.create_upload("bucket", "one").await;
    // Before their turn they have to wait here.
    for number in [3, 4] {
        s3.store_part("bucket", "one", &one, number, part.clone())
            .await;
    }
    let more = s3.part("bucket", "one", &one, 5, part.clone());
    more.send().await.expect_error(507, "InsufficientStorage");
    let other = s3.create_upload("bucket", "other").await;
    let waits = s3.part("bucket", "other", &other, 2, part.clone());
    waits.send().await.expect_error(503, "SlowDown");
    // What passes straight through needs no room.
    s3.store_part("bucket", "other", &other, 1, part.clone())
        .await;
    let abort = s3.delete("bucket", "one").query("uploadId", &one);
    abort.send().await.expect(204);
    s3.store_part("bucket", "other", &other, 3, part).await;
    // A large object in one request needs none either when there is none.
    s3.store("bucket", "large", data::bytes(9, 30 * MIB)).await;
    assert!(s3.fetch("bucket", "large").await == data::bytes(9, 30 * MIB));
}
