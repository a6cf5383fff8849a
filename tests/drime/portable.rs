//! What the gateway knows of an object is kept with it, so that another gateway knows it, too.

use crate::{Cloud, MIB, gateway, options};
use drime_sim::Switches;
use pys3local_tests::client::Reply;
use pys3local_tests::command::Program;
use pys3local_tests::{S3, data};

const HEADERS: [&str; 5] = [
    "etag",
    "content-type",
    "content-disposition",
    "x-amz-meta-colour",
    "last-modified",
];

fn told(reply: &Reply) -> [Option<String>; 5] {
    HEADERS.map(|name| reply.header(name).map(str::to_owned))
}

/// Three objects: small, large, and put in parts.
async fn fill(s3: &S3) -> Vec<(&'static str, bytes::Bytes, [Option<String>; 5])> {
    let small = data::bytes(1, 1000);
    let large = data::bytes(2, 12 * MIB);
    for (key, body) in [("a/small", &small), ("large", &large)] {
        let put = s3.put("bucket", key, body.clone());
        let put = put.header("content-type", "text/x-mine; charset=utf-8");
        let put = put.header("content-disposition", "attachment; filename=\"f\"");
        put.header("x-amz-meta-colour", "deep blue")
            .send()
            .await
            .expect(200);
    }
    let upload = s3.create_upload("bucket", "parts").await;
    let bodies = [data::bytes(3, 5 * MIB), data::bytes(4, 10)];
    let mut parts = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        let stored = s3.store_part("bucket", "parts", &upload, number, body.clone());
        parts.push((number, stored.await));
    }
    let complete = s3.complete("bucket", "parts", &upload, &parts);
    complete.send().await.expect(200);
    let mut objects = Vec::new();
    for (key, body) in [
        ("a/small", small),
        ("large", large),
        ("parts", bodies.concat().into()),
    ] {
        let head = s3.head("bucket", key).send().await.expect(200);
        objects.push((key, body, told(&head)));
    }
    objects
}

async fn tags_in_list(s3: &S3) -> Vec<String> {
    let list = s3.list("bucket").send().await.expect(200).xml();
    list.texts("Contents", "ETag")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_with_an_empty_database_tells_the_same_without_downloading() {
    let cloud = Cloud::new().await;
    let objects = fill(&cloud.s3).await;
    let tags = tags_in_list(&cloud.s3).await;
    cloud.until_described();
    let other = gateway(&cloud.simulator);
    let s3 = other.s3();
    assert_eq!(tags_in_list(&s3).await, tags);
    for (key, _, expected) in &objects {
        let head = s3.head("bucket", key).send().await.expect(200);
        assert_eq!(told(&head), *expected, "{key}");
    }
    assert_eq!(cloud.simulator.count("download"), 0);
    // Reads are checked against the MD5s that were found there.
    for (key, body, expected) in &objects {
        let get = s3.get("bucket", key).send().await.expect(200);
        assert!(get.body == *body, "{key}");
        assert_eq!(told(&get), *expected, "{key}");
    }
    let part = s3.get("bucket", "parts").query("partNumber", "2");
    assert_eq!(part.send().await.expect(206).body.len(), 10);
    assert!(!other.stderr().contains("MD5"), "{}", other.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn new_tags_and_metadata_are_told_elsewhere_too() {
    let cloud = Cloud::new().await;
    let etag = cloud.s3.store("bucket", "key", "bytes").await;
    cloud.until_described();
    let before = cloud.simulator.entries().pop().unwrap().description;
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b c</Value></Tag></TagSet></Tagging>";
    let put = cloud.s3.object("PUT", "bucket", "key").query("tagging", "");
    put.body(tags).send().await.expect(200);
    cloud.gateway.until("the tags are kept", || {
        cloud.simulator.entries().pop().unwrap().description != before
    });
    let other = gateway(&cloud.simulator);
    let other_s3 = other.s3();
    let reply = other_s3.object("GET", "bucket", "key").query("tagging", "");
    let reply = reply.send().await.expect(200);
    assert!(reply.text().contains("<Value>b c</Value>"));
    // A copy onto itself with other metadata.
    let copy = cloud.s3.object("PUT", "bucket", "key");
    let copy = copy
        .header("x-amz-copy-source", "/bucket/key")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("x-amz-meta-colour", "red");
    copy.send().await.expect(200);
    cloud.until_described();
    let other = gateway(&cloud.simulator);
    let other_s3 = other.s3();
    let head = other_s3.head("bucket", "key").send().await.expect(200);
    assert_eq!(head.header("x-amz-meta-colour"), Some("red"));
    assert_eq!(head.etag(), etag);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_writes_what_waits_and_a_crash_leaves_it_to_the_next_start() {
    let mut cloud = Cloud::new().await;
    for n in 0..20 {
        cloud.s3.store("bucket", &format!("stop{n}"), "bytes").await;
    }
    cloud.gateway.terminate();
    assert!(cloud.gateway.wait().success(), "{}", cloud.gateway.stderr());
    let described = |entry: &drime_sim::Listed| entry.folder || entry.description.is_some();
    assert!(cloud.simulator.entries().iter().all(described));
    cloud.restart();
    for n in 0..20 {
        cloud.s3.store("bucket", &format!("kill{n}"), "bytes").await;
    }
    cloud.gateway.kill9();
    assert!(!cloud.simulator.entries().iter().all(described));
    cloud.restart();
    cloud.until_described();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_refuses_texts_now_gets_them_later_and_writes_go_on() {
    let cloud = Cloud::new().await;
    cloud.script("POST /file-entries/7=429,503,html,reset-before,reset-after,500");
    for n in 0..10 {
        cloud.s3.store("bucket", &format!("key{n}"), "bytes").await;
    }
    cloud.until_described();
    for n in 0..10 {
        assert_eq!(cloud.s3.fetch("bucket", &format!("key{n}")).await, "bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_short_texts_are_kept_the_tag_is_what_is_told() {
    let cloud = Cloud::with(Switches {
        max_description: 120,
        ..Switches::default()
    })
    .await;
    let mut tags = Vec::new();
    for n in 0..3 {
        let put = cloud.s3.put("bucket", &format!("key{n}"), "bytes");
        let put = put.header("x-amz-meta-long", &"long".repeat(100)).send();
        tags.push(format!("\"{}\"", put.await.expect(200).etag()));
        cloud.until_described();
        // What is too long is found out with the first one.
        let tried = cloud.simulator.count("change");
        cloud.simulator.reset_log();
        assert!(n == 0 || tried == 1, "{n}: {tried}");
    }
    let other = gateway(&cloud.simulator);
    let other_s3 = other.s3();
    assert_eq!(tags_in_list(&other_s3).await, tags);
    let head = other_s3.head("bucket", "key0").send().await.expect(200);
    assert_eq!(head.header("x-amz-meta-long"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_people_and_texts_of_other_objects_are_not_believed() {
    let cloud = Cloud::new().await;
    let etag = cloud.s3.store("bucket", "ours", "bytes").await;
    cloud.until_described();
    let entries = cloud.simulator.entries();
    let ours = entries.iter().find(|entry| entry.path.ends_with("/ours"));
    let text = ours.unwrap().description.clone().unwrap();
    let folder = cloud.simulator.find("backups/s3/bucket")[0];
    for (name, description) in [
        ("copied", text.clone()),
        ("words", "My summer in Rome, 2019".to_owned()),
        ("both", format!("My summer {text}")),
    ] {
        let id = cloud.simulator.seed_file(Some(folder), name, b"other");
        assert!(cloud.simulator.describe(id.unwrap(), Some(&description)));
    }
    // Behind what a person has added, ours still counts.
    let id = cloud.simulator.find("backups/s3/bucket/ours")[0];
    let added = format!("Very important!\n{text}");
    assert!(cloud.simulator.describe(id, Some(&added)));
    let other = gateway(&cloud.simulator);
    let other_s3 = other.s3();
    for name in ["copied", "words", "both"] {
        let head = other_s3.head("bucket", name).send().await.expect(200);
        assert!(head.etag().starts_with("x-"), "{name}: {}", head.etag());
    }
    let head = other_s3.head("bucket", "ours").send().await.expect(200);
    assert_eq!(head.etag(), etag);
    let words = cloud.simulator.entries().into_iter();
    let words: Vec<_> = words.filter_map(|entry| entry.description).collect();
    assert!(words.contains(&"My summer in Rome, 2019".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_takes_what_is_kept_with_objects_and_reads_only_the_others() {
    let cloud = Cloud::new().await;
    cloud.s3.store("bucket", "a", "bytes").await;
    cloud.s3.store("bucket", "b", "others").await;
    cloud.until_described();
    let folder = cloud.simulator.find("backups/s3/bucket")[0];
    let seeded = cloud.simulator.seed_file(Some(folder), "c", b"by hand");
    seeded.unwrap();
    let home = options(&cloud.simulator).start();
    let program = Program::in_home(home.home());
    let migrate = ["cache", "migrate", "--backend-config", "cloud"];
    let migrate = [&migrate[..], &["--bucket", "bucket", "--jobs", "1"]].concat();
    // Who lists them sees what is kept with them.
    insta::assert_snapshot!(program.ok(&[&migrate[..], &["--dry-run"]].concat()), @"
    Migrating MD5s (dry run)
      Backend: cloud
      Workspace: 0
      Bucket: bucket

    bucket/a: already cached
    bucket/b: already cached
    bucket/c: would migrate (7.0 B)

    Summary:
      Total files: 3
      Already cached: 2
      Would migrate: 1 (7.0 B to read)
    ");
    assert_eq!(cloud.simulator.count("download"), 0);
    insta::assert_snapshot!(program.ok(&migrate), @"
    Migrating MD5s
      Backend: cloud
      Workspace: 0
      Bucket: bucket

    bucket/a: already cached
    bucket/b: already cached
    bucket/c: migrated (7d909037a76176adb749eda313187060)

    Summary:
      Total files: 3
      Already cached: 2
      Migrated: 1
    ");
    assert_eq!(cloud.simulator.count("download"), 1);
    cloud.until_described();
    // What was forgotten is learned again.
    let cleanup = ["cache", "cleanup", "--backend-config", "cloud"];
    insta::assert_snapshot!(program.ok(&cleanup), @"✓ Removed 3 entries for backend cloud");
    insta::assert_snapshot!(program.ok(&[&migrate[..], &["--json"]].concat()), @r#"
    {"bucket":"bucket","etag":"4b3a6218bb3e3a7303e8a171a60fcf92","key":"a","outcome":"migrated","read":false,"size":5}
    {"bucket":"bucket","etag":"5e2bab0ecb94c4ea40777733195abe1b","key":"b","outcome":"migrated","read":false,"size":6}
    {"bucket":"bucket","etag":"7d909037a76176adb749eda313187060","key":"c","outcome":"migrated","read":false,"size":7}
    {"summary":{"cached":0,"failed":0,"migrated":3,"skipped":0,"total":3}}
    "#);
    program.ok(&[&cleanup[..], &["--forget-metadata", "--yes"]].concat());
    assert_eq!(tags_in_list(&home.s3()).await.len(), 3);
    assert_eq!(cloud.simulator.count("download"), 1);
    let stats = program.ok(&["cache", "stats", "--backend-config", "cloud"]);
    assert!(stats.contains("Total files: 3\n"), "{stats}");
}
