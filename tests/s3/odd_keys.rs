//! Keys that are no good paths, over HTTP.

use pys3local_tests::data::{md5_hex, odd_keys, stamp_of};
use pys3local_tests::gateway::Options;
use pys3local_tests::{Gateway, S3};

async fn round_trip(mut gateway: Gateway, bucket: &str) {
    let keys = odd_keys();
    let s3 = gateway.s3();
    for key in &keys {
        s3.store(bucket, key, stamp_of(key)).await;
    }
    check(&s3, bucket, &keys).await;
    gateway.restart();
    let s3 = gateway.s3();
    check(&s3, bucket, &keys).await;
    // Every second one goes; the others do not notice.
    for key in keys.iter().step_by(2) {
        s3.delete(bucket, key).send().await.expect(204);
    }
    let left: Vec<_> = keys.iter().skip(1).step_by(2).cloned().collect();
    check(&s3, bucket, &left).await;
    for key in &left {
        s3.delete(bucket, key).send().await.expect(204);
    }
    assert!(
        s3.list(bucket)
            .send()
            .await
            .expect(200)
            .xml()
            .find("Contents")
            .is_none()
    );
}

async fn check(s3: &S3, bucket: &str, keys: &[String]) {
    for key in keys {
        let reply = s3.get(bucket, key).send().await.expect(200);
        assert_eq!(reply.text(), stamp_of(key), "{key:?}");
        assert_eq!(reply.etag(), md5_hex(stamp_of(key).as_bytes()), "{key:?}");
    }
    let mut found = Vec::new();
    let list = s3
        .list(bucket)
        .query("encoding-type", "url")
        .query("max-keys", "10");
    for page in s3.pages(list).await {
        for key in page.texts("Contents", "Key") {
            let key = percent_encoding::percent_decode_str(&key.replace('+', " "))
                .decode_utf8()
                .unwrap()
                .into_owned();
            found.push(key);
        }
    }
    assert_eq!(found, keys);
}

#[tokio::test]
async fn every_key_round_trips_in_a_bucket_of_its_own() {
    let (gateway, _) = Gateway::with_bucket().await;
    round_trip(gateway, "bucket").await;
}

#[tokio::test]
async fn every_key_round_trips_in_the_default_bucket() {
    round_trip(Options::default().default_bucket().start(), "default").await;
}

#[tokio::test]
async fn every_key_round_trips_in_the_plain_layout() {
    let gateway = Options::default().arg("--layout").arg("plain").start();
    gateway.s3().create_bucket("bucket").await;
    round_trip(gateway, "bucket").await;
}

#[tokio::test]
async fn ordinary_keys_are_ordinary_paths() {
    let (gateway, s3) = Gateway::with_bucket().await;
    for key in [
        "photo.jpg",
        "2024/12/photo (1).jpg",
        "Grüße/ñ.txt",
        "a-b_c.d~e/f+g,h@i",
    ] {
        s3.store("bucket", key, key.to_owned()).await;
        let path = gateway.data().join("bucket/objects").join(key);
        assert_eq!(
            std::fs::read(&path).unwrap(),
            key.as_bytes(),
            "{}",
            path.display()
        );
    }
}

#[tokio::test]
async fn no_key_leaves_the_data_directory() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let outside = gateway.data().parent().unwrap().join("outside");
    for key in [
        "../outside",
        "../../outside",
        "../../../outside",
        "/../../../outside",
    ] {
        s3.store("bucket", key, "x").await;
    }
    let absolute = outside.to_str().unwrap();
    s3.store("bucket", absolute, "x").await;
    assert!(!outside.exists());
    assert_eq!(s3.keys("bucket").await.len(), 5);
}
