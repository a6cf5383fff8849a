//! What is left after the program was killed, and the service told something wrong about it.

use crate::index::{bucket, indexed, wary};
use drime_sim::{Simulator, Switches};
use pys3local_tests::{Gateway, S3, data};

/// Small pages, so that a folder soon has several.
fn small_pages() -> Switches {
    Switches {
        page_cap: 10,
        ..Switches::default()
    }
}

/// Files in a folder of the bucket, made by somebody else.
fn seed(simulator: &Simulator, folder: &str, count: usize) {
    let folder = simulator.seed_folder(Some(bucket(simulator)), folder);
    for n in 0..count {
        let seeded = simulator.seed_file(Some(folder), &format!("{n:06}"), b"seeded");
        seeded.unwrap();
    }
}

fn entries(simulator: &Simulator, key: &str) -> usize {
    simulator.find(&format!("backups/s3/bucket/{key}")).len()
}

/// `dir/key` was replaced, the old object could not be deleted, and the gateway was killed.
async fn killed_behind_an_overwrite() -> (Simulator, Gateway, S3) {
    let (simulator, mut gateway, s3) = wary(small_pages(), "max_age = 1\n").await;
    s3.store("bucket", "dir/key", "old").await;
    // What is in a folder of its own the gateway knows, the first time, without a look at it.
    indexed(&simulator, &s3).await;
    seed(&simulator, "dir", 45);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(s3.keys("bucket").await.len(), 46);
    for script in [
        "POST /file-entries/delete=503*",
        "POST /file-entries/7=503*",
    ] {
        simulator.script(script.parse().unwrap());
    }
    s3.store("bucket", "dir/key", "new").await;
    assert_eq!(entries(&simulator, "dir/key"), 2);
    gateway.kill9();
    simulator.clear_scripts();
    (simulator, gateway, s3)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_replaced_before_a_crash_goes_when_its_successor_is_deleted() {
    let (simulator, mut gateway, _) = killed_behind_an_overwrite().await;
    // Nothing but the deletion may do it.
    simulator.script("POST /file-entries/7=503*".parse().unwrap());
    gateway.restart();
    let s3 = gateway.s3();
    s3.delete("bucket", "dir/key").send().await.expect(204);
    assert_eq!(entries(&simulator, "dir/key"), 0);
    s3.head("bucket", "dir/key").send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_replaced_before_a_crash_goes_by_itself() {
    let (simulator, mut gateway, _) = killed_behind_an_overwrite().await;
    gateway.restart();
    gateway.until("it is gone", || entries(&simulator, "dir/key") == 1);
    assert_eq!(gateway.s3().fetch("bucket", "dir/key").await, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_replaced_before_a_crash_goes_after_the_next_overwrite() {
    let (simulator, mut gateway, _) = killed_behind_an_overwrite().await;
    gateway.restart();
    let s3 = gateway.s3();
    s3.store("bucket", "dir/key", "newest").await;
    gateway.until("it is gone", || entries(&simulator, "dir/key") == 1);
    assert_eq!(s3.fetch("bucket", "dir/key").await, "newest");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_could_not_be_deleted_when_it_was_replaced_goes_with_its_successor() {
    let (simulator, mut gateway, s3) = wary(small_pages(), "").await;
    s3.store("bucket", "dir/key", "old").await;
    seed(&simulator, "dir", 45);
    simulator.script("POST /file-entries/delete=403*".parse().unwrap());
    s3.store("bucket", "dir/key", "new").await;
    // Its text is written, and once more it was refused to delete the old one.
    gateway.until("it is refused", || {
        let entries = simulator.entries();
        simulator.count("delete") >= 2
            && entries.iter().any(|entry| {
                entry.path.ends_with("dir/key") && entry.size == 3 && entry.description.is_some()
            })
    });
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(entries(&simulator, "dir/key"), 2);
    gateway.kill9();
    simulator.clear_scripts();
    // Nothing but the deletion may do it.
    simulator.script("POST /file-entries/7=503*".parse().unwrap());
    gateway.restart();
    let s3 = gateway.s3();
    assert_eq!(s3.fetch("bucket", "dir/key").await, "new");
    s3.delete("bucket", "dir/key").send().await.expect(204);
    assert_eq!(entries(&simulator, "dir/key"), 0);
    s3.head("bucket", "dir/key").send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_is_not_listed_after_a_crash_however_the_service_lags_behind() {
    for page_cap in [200, 10] {
        let switches = Switches {
            page_cap,
            ..Switches::default()
        };
        let (simulator, mut gateway, s3) = wary(switches, "max_age = 1\n").await;
        seed(&simulator, "dir", 25);
        s3.store("bucket", "dir/own", "own").await;
        s3.store("bucket", "dir/many", "many").await;
        assert_eq!(s3.keys("bucket").await.len(), 27);
        simulator.switch(|switches| switches.delete_lag = 600_000);
        for key in ["dir/own", "dir/000003"] {
            s3.delete("bucket", key).send().await.expect(204);
        }
        let many = "<Delete><Object><Key>dir/many</Key></Object></Delete>";
        s3.delete_many("bucket", many).send().await.expect(200);
        gateway.kill9();
        gateway.restart();
        let s3 = gateway.s3();
        for _ in 0..3 {
            let keys = s3.keys("bucket").await;
            assert_eq!(keys.len(), 24, "{keys:?}");
            for key in ["dir/own", "dir/000003", "dir/many"] {
                assert!(!keys.contains(&key.to_owned()), "{key}");
                s3.head("bucket", key).send().await.expect(404);
            }
            tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_folder_that_is_looked_through_costs_no_instance() {
    let switches = Switches {
        latency: 30,
        ..small_pages()
    };
    let (simulator, gateway, s3) = wary(switches, "call_timeout = \"2 s\"\n").await;
    s3.store("bucket", "dir/key", "old").await;
    seed(&simulator, "dir", 1_000);
    simulator.script("POST /uploads=reset-after".parse().unwrap());
    let body = data::bytes(1, 100);
    let put = s3.put("bucket", "dir/key", body.clone()).send().await;
    put.expect(200);
    assert!(simulator.count("list") > 90, "{:?}", simulator.counters());
    assert!(s3.fetch("bucket", "dir/key").await == body);
    let said = gateway.stderr();
    assert!(!said.contains("no progress"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_deletes_many_objects_makes_few_calls() {
    let (simulator, _gateway, s3) = wary(Switches::default(), "").await;
    let keys: Vec<String> = (0..120).map(|n| format!("dir{}/{n}", n % 3)).collect();
    for key in &keys {
        s3.store("bucket", key, "x").await;
    }
    let objects: Vec<String> = keys
        .iter()
        .map(|key| format!("<Object><Key>{key}</Key></Object>"))
        .collect();
    let many = format!("<Delete>{}</Delete>", objects.concat());
    s3.store("bucket", "dir0/stays", "x").await;
    let deleted = s3
        .delete_many("bucket", &many)
        .send()
        .await
        .expect(200)
        .xml();
    assert_eq!(deleted.texts("Deleted", "Key"), keys);
    assert_eq!(simulator.count("delete"), 2, "{:?}", simulator.counters());
    assert_eq!(s3.keys("bucket").await, ["dir0/stays"]);
}
