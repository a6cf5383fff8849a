//! Objects as clients see them, and what they cost.

use crate::index::asked;
use crate::{Cloud, gateway};
use drime_sim::{Download, Duplicate, SameName, Switches};
use pys3local_tests::data::{self, md5_hex};

#[tokio::test(flavor = "multi_thread")]
async fn an_object_comes_back_with_its_tag_type_and_metadata() {
    let cloud = Cloud::new().await;
    for (key, size) in [("empty", 0), ("a/b/small", 1000), ("a/five", 5 << 20)] {
        let body = data::bytes(size as u64, size);
        let put = cloud.s3.put("bucket", key, body.clone());
        let put = put
            .header("content-type", "text/x-mine")
            .header("x-amz-meta-colour", "blue");
        let etag = put.send().await.expect(200).etag().to_owned();
        assert_eq!(etag, md5_hex(&body));
        for method in ["GET", "HEAD"] {
            let reply = cloud.s3.object(method, "bucket", key).send().await;
            let reply = reply.expect(200);
            assert_eq!(reply.etag(), etag);
            assert_eq!(reply.header("content-type"), Some("text/x-mine"));
            assert_eq!(reply.header("x-amz-meta-colour"), Some("blue"));
            if method == "GET" {
                assert!(reply.body == body);
            }
        }
    }
    let names: Vec<String> = cloud.files().into_iter().map(|(path, _)| path).collect();
    let below = "backups/s3/bucket";
    let expected = ["a/b/small", "a/five", "empty"].map(|key| format!("{below}/{key}"));
    assert_eq!(names, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_small_objects_cost_one_upload_each_and_one_call_for_each_new_folder() {
    let cloud = Cloud::new().await;
    for n in 0..60 {
        let key = format!("dir{}/{n}", n % 3);
        cloud.s3.store("bucket", &key, data::bytes(n, 100)).await;
    }
    let counters = cloud.simulator.counters();
    assert_eq!(counters.get("upload"), Some(&60), "{counters:?}");
    assert_eq!(counters.get("new folder"), Some(&3), "{counters:?}");
    // The bucket itself is new, so there is nothing to list. What is kept with the objects costs
    // one call each, later.
    cloud.until_described();
    assert_eq!(cloud.simulator.count("change"), 60);
    assert_eq!(cloud.simulator.calls(), 123, "{counters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_one_call_whatever_the_service_makes_of_it() {
    for download in [Download::Direct, Download::Redirect, Download::IgnoresRange] {
        let cloud = Cloud::with(Switches {
            download,
            ..Switches::default()
        })
        .await;
        let body = data::bytes(3, 400_000);
        cloud.s3.store("bucket", "key", body.clone()).await;
        cloud.simulator.reset_log();
        let get = cloud.s3.get("bucket", "key");
        let reply = get.header("range", "bytes=123456-234567").send().await;
        let reply = reply.expect(206);
        assert!(reply.body == body.slice(123_456..234_568), "{download:?}");
        assert_eq!(asked(&cloud.simulator), 1, "{download:?}");
        let token_left = cloud
            .simulator
            .log()
            .iter()
            .any(|record| record.origin == drime_sim::Origin::Storage && record.authorization);
        assert!(!token_left);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overwrite_leaves_one_entry_however_the_service_treats_the_old_one() {
    for same_name in [SameName::KeepBoth, SameName::Replace, SameName::Trash] {
        let cloud = Cloud::with(Switches {
            same_name,
            ..Switches::default()
        })
        .await;
        for n in 0..3 {
            cloud
                .s3
                .store("bucket", "a/key", data::bytes(n, 1000))
                .await;
        }
        assert!(cloud.s3.fetch("bucket", "a/key").await == data::bytes(2, 1000));
        assert_eq!(cloud.files().len(), 1, "{same_name:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_entries_with_one_name_the_newest_counts_and_all_are_deleted() {
    let mut cloud = Cloud::new().await;
    let folder = cloud.simulator.find("backups/s3/bucket")[0];
    for text in ["one", "two", "three"] {
        let seeded = cloud
            .simulator
            .seed_file(Some(folder), "key", text.as_bytes());
        seeded.unwrap();
    }
    cloud.restart();
    assert_eq!(cloud.s3.fetch("bucket", "key").await, "three");
    assert_eq!(cloud.s3.keys("bucket").await, ["key"]);
    cloud.s3.delete("bucket", "key").send().await.expect(204);
    assert_eq!(cloud.files(), []);
    cloud.s3.head("bucket", "key").send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_made_by_the_service_or_without_it() {
    for duplicate in [Duplicate::Works, Duplicate::Fails] {
        let cloud = Cloud::with(Switches {
            duplicate,
            ..Switches::default()
        })
        .await;
        let body = data::bytes(1, 50_000);
        let etag = cloud.s3.store("bucket", "source", body.clone()).await;
        cloud.s3.store("bucket", "there", "old").await;
        for target in ["new/target", "there"] {
            let put = cloud.s3.object("PUT", "bucket", target);
            let copy = put.header("x-amz-copy-source", "/bucket/source");
            copy.send().await.expect(200);
            let reply = cloud.s3.get("bucket", target).send().await.expect(200);
            assert!(reply.body == body, "{duplicate:?} {target}");
            assert_eq!(reply.etag(), etag);
        }
        assert_eq!(cloud.files().len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_through_folders_in_the_order_of_keys() {
    let mut cloud = Cloud::with(Switches {
        page_cap: 20,
        ..Switches::default()
    })
    .await;
    let bucket = cloud.simulator.find("backups/s3/bucket")[0];
    let mut keys = Vec::new();
    for dir in ["a", "a.b", "b"] {
        let folder = cloud.simulator.seed_folder(Some(bucket), dir);
        for n in 0..45 {
            let name = format!("{n:03}");
            cloud
                .simulator
                .seed_file(Some(folder), &name, b"x")
                .unwrap();
            keys.push(format!("{dir}/{name}"));
        }
    }
    keys.sort();
    cloud.restart();
    let pages = cloud.s3.list("bucket").query("max-keys", "50");
    let pages = cloud.s3.pages(pages).await;
    let listed: Vec<String> = pages
        .iter()
        .flat_map(|page| page.texts("Contents", "Key"))
        .collect();
    assert_eq!(pages.len(), 3);
    assert_eq!(listed, keys);
    let shallow = cloud.s3.list("bucket").query("delimiter", "/");
    let page = shallow.send().await.expect(200).xml();
    assert_eq!(page.texts("CommonPrefixes", "Prefix"), ["a.b/", "a/", "b/"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_on_one_account_see_each_others_objects() {
    let cloud = Cloud::new().await;
    let other = gateway(&cloud.simulator);
    let body = data::bytes(7, 5000);
    cloud.s3.store("bucket", "dir/key", body.clone()).await;
    assert!(other.s3().fetch("bucket", "dir/key").await == body);
    other.s3().store("bucket", "dir/key", "other").await;
    assert_eq!(cloud.s3.fetch("bucket", "dir/key").await, "other");
    assert_eq!(cloud.files().len(), 1);
    assert_eq!(cloud.gateway.s3().keys("bucket").await, ["dir/key"]);
}
