//! The listing index: what listings, heads and reads cost, and what they tell when others write
//! to the same account and when the service's listings have their whims.

use crate::options_with;
use drime_sim::{Simulator, Switches};
use pys3local_tests::{Gateway, S3, data};
use std::collections::BTreeSet;
use std::time::Duration;

/// A gateway that takes nothing for granted, over an account with a bucket.
pub(crate) async fn wary(
    account: impl Into<drime_sim::Options>,
    keys: &str,
) -> (Simulator, Gateway, S3) {
    let simulator = Simulator::start(account).await.unwrap();
    let root = simulator.seed_folder(None, "backups");
    let root = simulator.seed_folder(Some(root), "s3");
    simulator.seed_folder(Some(root), "bucket");
    let gateway = options_with(&simulator, keys).start();
    let s3 = gateway.s3();
    (simulator, gateway, s3)
}

/// API calls but those that keep a text with an object, which nobody waits for.
pub(crate) fn asked(simulator: &Simulator) -> u64 {
    let counters = simulator.counters().into_iter();
    let asked = counters.filter(|(kind, _)| *kind != "change" && !kind.starts_with("storage "));
    asked.map(|(_, count)| count).sum()
}

pub(crate) fn bucket(simulator: &Simulator) -> i64 {
    simulator.find("backups/s3/bucket")[0]
}

/// Waits until a listing costs nothing.
pub(crate) async fn indexed(simulator: &Simulator, s3: &S3) {
    for _ in 0..2_000 {
        simulator.reset_log();
        s3.keys("bucket").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        if asked(simulator) == 0 {
            return;
        }
    }
    panic!("it is never indexed");
}

/// Files in a folder of the bucket, made by somebody else.
fn seed(simulator: &Simulator, folder: &str, count: usize) {
    let folder = simulator.seed_folder(Some(bucket(simulator)), folder);
    for n in 0..count {
        let seeded = simulator.seed_file(Some(folder), &format!("{n:06}"), b"seeded");
        seeded.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn once_indexed_listings_and_heads_cost_nothing_and_reads_one_call() {
    let (simulator, _gateway, s3) = wary(Switches::default(), "").await;
    for folder in ["a", "b", "c"] {
        seed(&simulator, folder, 30);
    }
    assert_eq!(s3.keys("bucket").await.len(), 90);
    indexed(&simulator, &s3).await;
    for n in 0..30 {
        s3.head("bucket", &format!("b/{n:06}"))
            .send()
            .await
            .expect(200);
    }
    s3.head("bucket", "b/absent").send().await.expect(404);
    s3.head("bucket", "absent/deep").send().await.expect(404);
    let shallow = s3.list("bucket").query("delimiter", "/").send().await;
    let prefixes = shallow.expect(200).xml().texts("CommonPrefixes", "Prefix");
    assert_eq!(prefixes, ["a/", "b/", "c/"]);
    assert_eq!(asked(&simulator), 0, "{:?}", simulator.counters());
    let get = s3.get("bucket", "b/000007").header("range", "bytes=1-3");
    assert_eq!(get.send().await.expect(206).text(), "eed");
    assert_eq!(asked(&simulator), 1, "{:?}", simulator.counters());
    s3.store("bucket", "b/own", data::bytes(1, 100)).await;
    s3.delete("bucket", "a/000000").send().await.expect(204);
    simulator.reset_log();
    let keys = s3.keys("bucket").await;
    assert_eq!(keys.len(), 90);
    assert!(keys.contains(&"b/own".to_owned()) && !keys.contains(&"a/000000".to_owned()));
    assert_eq!(asked(&simulator), 0, "{:?}", simulator.counters());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_is_listed_after_max_age_for_one_call_a_folder() {
    for (page_cap, size) in [(200, 30), (20, 50)] {
        let switches = Switches {
            page_cap,
            ..Switches::default()
        };
        let (simulator, _gateway, s3) = wary(switches, "max_age = 1\n").await;
        seed(&simulator, "dir", size);
        assert_eq!(s3.keys("bucket").await.len(), size);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        seed(&simulator, "dir", 0);
        let dir = simulator.find("backups/s3/bucket/dir")[0];
        simulator.seed_file(Some(dir), "new", b"new").unwrap();
        simulator.reset_log();
        let keys = s3.list("bucket").query("prefix", "dir/").send().await;
        let keys = keys.expect(200).xml().texts("Contents", "Key");
        assert_eq!(keys.len(), size + 1);
        assert_eq!(asked(&simulator), 1, "{:?}", simulator.counters());
        // Replaced and deleted by others, too.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let old = simulator.find("backups/s3/bucket/dir/000003")[0];
        simulator
            .seed_file(Some(dir), "000003", b"replaced")
            .unwrap();
        simulator.remove(old);
        simulator.remove(simulator.find("backups/s3/bucket/dir/000004")[0]);
        let head = s3.head("bucket", "dir/000003").send().await.expect(200);
        assert_eq!(head.header("content-length"), Some("8"));
        s3.head("bucket", "dir/000004").send().await.expect(404);
        assert_eq!(s3.keys("bucket").await.len(), size);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_account_is_crawled_once() {
    let (simulator, mut gateway, s3) =
        wary(Switches::default(), "max_age = 1\nexclusive = true\n").await;
    seed(&simulator, "dir", 10);
    s3.keys("bucket").await;
    indexed(&simulator, &s3).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(s3.keys("bucket").await.len(), 10);
    s3.head("bucket", "dir/absent").send().await.expect(404);
    assert_eq!(asked(&simulator), 0, "{:?}", simulator.counters());
    gateway.restart();
    simulator.reset_log();
    assert_eq!(gateway.s3().keys("bucket").await.len(), 10);
    assert_eq!(simulator.count("list"), 0, "{:?}", simulator.counters());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_goes_on_after_a_crash() {
    let switches = Switches {
        page_cap: 20,
        latency: 10,
        ..Switches::default()
    };
    let (simulator, mut gateway, s3) = wary(switches, "").await;
    seed(&simulator, "flat", 2_000);
    let client = tokio::spawn(s3.list("bucket").try_send());
    gateway.until("the crawl has begun", || asked(&simulator) > 5);
    client.abort();
    gateway.until("half of it is scanned", || asked(&simulator) > 55);
    gateway.kill9();
    simulator.reset_log();
    gateway.restart();
    let s3 = gateway.s3();
    let pages = s3.pages(s3.list("bucket")).await;
    let keys: BTreeSet<String> = pages
        .iter()
        .flat_map(|page| page.texts("Contents", "Key"))
        .collect();
    assert_eq!(keys.len(), 2_000);
    assert!(asked(&simulator) < 75, "{:?}", simulator.counters());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_gone_is_looked_up_once_more() {
    let (simulator, _gateway, s3) = wary(Switches::default(), "").await;
    seed(&simulator, "dir", 3);
    s3.keys("bucket").await;
    indexed(&simulator, &s3).await;
    let dir = simulator.find("backups/s3/bucket/dir")[0];
    for (name, replaced) in [("000000", true), ("000001", false)] {
        simulator.remove(simulator.find(&format!("backups/s3/bucket/dir/{name}"))[0]);
        if replaced {
            simulator.seed_file(Some(dir), name, b"another").unwrap();
        }
    }
    assert_eq!(s3.fetch("bucket", "dir/000000").await, "another");
    s3.get("bucket", "dir/000001")
        .send()
        .await
        .expect_error(404, "NoSuchKey");
    assert_eq!(s3.keys("bucket").await, ["dir/000000", "dir/000002"]);
    let head = s3.head("bucket", "dir/000000").send().await.expect(200);
    assert_eq!(head.header("content-length"), Some("7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_traps_of_the_services_listings_catch_no_object() {
    let traps: [(&str, Switches); 6] = [
        (
            "true totals",
            Switches {
                paging: drime_sim::Paging::TrueTotals,
                ..Switches::default()
            },
        ),
        (
            "repeated pages",
            Switches {
                page_ceiling: Some(2),
                ..Switches::default()
            },
        ),
        (
            "trashed rows",
            Switches {
                list_trashed: true,
                ..Switches::default()
            },
        ),
        (
            "rows from elsewhere",
            Switches {
                unscoped_lists_all: true,
                ..Switches::default()
            },
        ),
        (
            "unknown folders are the root",
            Switches {
                unknown_folder: drime_sim::UnknownFolder::Root,
                ..Switches::default()
            },
        ),
        (
            "lag",
            Switches {
                create_lag: 300,
                delete_lag: 300,
                ..Switches::default()
            },
        ),
    ];
    for (name, trap) in traps {
        let switches = Switches {
            page_cap: 20,
            ..trap
        };
        let (simulator, _gateway, s3) = wary(switches, "max_age = 1\n").await;
        // One a second: the service goes on behind a time.
        let clock = simulator.clock();
        let dir = simulator.seed_folder(Some(bucket(&simulator)), "dir");
        for n in 0..70 {
            simulator
                .seed_file(Some(dir), &format!("{n:03}"), b"seeded")
                .unwrap();
            clock.advance(Duration::from_secs(1));
        }
        simulator.seed_file(None, "stray", b"x").unwrap();
        assert_eq!(s3.keys("bucket").await.len(), 70, "{name}");
        s3.store("bucket", "dir/new", "new").await;
        s3.store("bucket", "dir/000", "replaced").await;
        s3.delete("bucket", "dir/001").send().await.expect(204);
        for _ in 0..3 {
            let keys = s3.keys("bucket").await;
            assert_eq!(keys.len(), 70, "{name}");
            assert!(keys.contains(&"dir/new".to_owned()), "{name}");
            assert!(!keys.contains(&"dir/001".to_owned()), "{name}");
            assert_eq!(s3.fetch("bucket", "dir/000").await, "replaced", "{name}");
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_move_while_a_folder_is_listed_are_not_lost() {
    let switches = Switches {
        page_cap: 20,
        latency: 30,
        ..Switches::default()
    };
    let (simulator, _gateway, s3) = wary(switches, "max_age = 1\n").await;
    seed(&simulator, "flat", 400);
    let first = simulator.find("backups/s3/bucket/flat/000000")[0];
    let listing = async { s3.pages(s3.list("bucket")).await };
    let meddling = async {
        while simulator.count("list") < 8 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // All rows behind it move to the page before.
        simulator.remove(first);
    };
    let (pages, ()) = futures_util::join!(listing, meddling);
    let keys: BTreeSet<String> = pages
        .iter()
        .flat_map(|page| page.texts("Contents", "Key"))
        .collect();
    for n in 1..400 {
        assert!(keys.contains(&format!("flat/{n:06}")), "{n} is missing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_new_rows_of_one_second_hides_none_on_the_page_before() {
    let account = drime_sim::Options {
        switches: Switches {
            page_cap: 20,
            ..Switches::default()
        },
        clock: drime_sim::Clock::frozen(),
        ..drime_sim::Options::default()
    };
    let (simulator, _gateway, s3) = wary(account, "max_age = 1\n").await;
    seed(&simulator, "dir", 41);
    assert_eq!(s3.keys("bucket").await.len(), 41);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(s3.keys("bucket").await.len(), 41);
    s3.delete("bucket", "dir/000040").send().await.expect(204);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(s3.keys("bucket").await.len(), 40);
    let dir = simulator.find("backups/s3/bucket/dir")[0];
    for name in ["y", "z"] {
        simulator.seed_file(Some(dir), name, b"new").unwrap();
    }
    simulator.remove(simulator.find("backups/s3/bucket/dir/000000")[0]);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let keys = s3.keys("bucket").await;
    assert!(keys.contains(&"dir/y".to_owned()) && keys.contains(&"dir/z".to_owned()));
    assert!(!keys.contains(&"dir/000000".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_meet_after_max_age() {
    let (simulator, _gateway, one) = wary(Switches::default(), "max_age = 1\n").await;
    let other = options_with(&simulator, "max_age = 1\n").start();
    let two = other.s3();
    assert!(one.keys("bucket").await.is_empty());
    assert!(two.keys("bucket").await.is_empty());
    one.store("bucket", "locks/one", "1").await;
    indexed(&simulator, &one).await;
    two.store("bucket", "locks/two", "2").await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for s3 in [&one, &two] {
        assert_eq!(s3.keys("bucket").await, ["locks/one", "locks/two"]);
    }
    two.store("bucket", "locks/one", "other").await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let head = one.head("bucket", "locks/one").send().await.expect(200);
    assert_eq!(head.header("content-length"), Some("5"));
    assert_eq!(one.fetch("bucket", "locks/one").await, "other");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_listed_after_a_crash_however_the_service_lags_behind() {
    for page_cap in [200, 10] {
        let switches = Switches {
            page_cap,
            ..Switches::default()
        };
        let (simulator, mut gateway, s3) = wary(switches, "max_age = 1\n").await;
        seed(&simulator, "dir", 25);
        assert_eq!(s3.keys("bucket").await.len(), 25);
        simulator.switch(|switches| {
            switches.create_lag = 600_000;
            switches.delete_lag = 600_000;
        });
        s3.store("bucket", "dir/new", "new").await;
        s3.store("bucket", "dir/000003", "replaced").await;
        s3.store("bucket", "other/deep/new", "new").await;
        gateway.kill9();
        gateway.restart();
        let s3 = gateway.s3();
        for _ in 0..3 {
            let keys = s3.keys("bucket").await;
            assert_eq!(keys.len(), 27, "{keys:?}");
            assert!(keys.contains(&"dir/new".to_owned()));
            let head = s3.head("bucket", "dir/000003").send().await.expect(200);
            assert_eq!(head.header("content-length"), Some("8"));
            assert_eq!(s3.fetch("bucket", "dir/000003").await, "replaced");
            assert_eq!(s3.fetch("bucket", "other/deep/new").await, "new");
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_has_met_another_one_deletes_what_that_has_put_in_the_place_of_an_object() {
    let (simulator, _gateway, one) = wary(Switches::default(), "max_age = 1\n").await;
    let other = options_with(&simulator, "max_age = 1\n").start();
    let two = other.s3();
    one.store("bucket", "dir/key", "1").await;
    one.store("bucket", "dir/own", "1").await;
    indexed(&simulator, &one).await;
    two.store("bucket", "dir/theirs", "2").await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for s3 in [&one, &two] {
        assert_eq!(s3.keys("bucket").await.len(), 3);
    }
    two.store("bucket", "dir/key", "other").await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // The service says nothing of it that the object with the known id is in the trash.
    one.delete("bucket", "dir/key").send().await.expect(204);
    assert_eq!(simulator.find("backups/s3/bucket/dir/key"), [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_kept_in_the_trash_a_deletion_always_finds_what_others_have_put_there() {
    let keys = "delete = \"forever\"\n";
    let (simulator, _gateway, one) = wary(Switches::default(), keys).await;
    one.store("bucket", "dir/key", "1").await;
    let other = options_with(&simulator, keys).start();
    let two = other.s3();
    assert_eq!(two.keys("bucket").await, ["dir/key"]);
    two.store("bucket", "dir/key", "other").await;
    one.delete("bucket", "dir/key").send().await.expect(204);
    assert_eq!(simulator.find("backups/s3/bucket/dir/key"), [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_others_write_a_hundred_deletions_in_a_folder_take_few_looks_at_it() {
    let (simulator, _gateway, s3) = wary(Switches::default(), "max_age = 2\n").await;
    seed(&simulator, "dir", 450);
    assert_eq!(s3.keys("bucket").await.len(), 450);
    let dir = simulator.find("backups/s3/bucket/dir")[0];
    simulator.seed_file(Some(dir), "theirs", b"x").unwrap();
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(s3.keys("bucket").await.len(), 451);
    let other = options_with(&simulator, "").start();
    assert_eq!(other.s3().keys("bucket").await.len(), 451);
    let replaced = ["dir/000050", "dir/000150"];
    for key in replaced {
        other.s3().store("bucket", key, "theirs").await;
    }
    tokio::time::sleep(Duration::from_millis(2100)).await;
    simulator.reset_log();
    for n in 0..100 {
        let key = format!("dir/{n:06}");
        s3.delete("bucket", &key).send().await.expect(204);
    }
    // One each time that what was seen is no longer fresh, however slow this machine is.
    let looks = simulator.count("list");
    assert!((1..20).contains(&looks), "{looks}");
    let objects = (100..200).map(|n| format!("<Object><Key>dir/{n:06}</Key></Object>"));
    let many = format!("<Delete>{}</Delete>", objects.collect::<String>());
    simulator.reset_log();
    s3.delete_many("bucket", &many).send().await.expect(200);
    let looks = simulator.count("list");
    assert!(looks <= 4, "{looks}");
    for key in replaced {
        let path = format!("backups/s3/bucket/{key}");
        assert_eq!(simulator.find(&path), [0; 0]);
    }
    assert_eq!(s3.keys("bucket").await.len(), 251);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_came_before_the_texts_of_objects_tells_their_tags_after_max_age() {
    let (simulator, gateway, one) = wary(Switches::default(), "max_age = 1\n").await;
    simulator.script("POST /file-entries/7=503*".parse().unwrap());
    let mut tags = Vec::new();
    for n in 0..25 {
        let key = format!("dir/{n:02}");
        let etag = one.store("bucket", &key, data::bytes(n, 100)).await;
        tags.push(format!("\"{etag}\""));
    }
    let other = options_with(&simulator, "max_age = 1\n").start();
    let two = other.s3();
    let told = async || {
        let page = two.list("bucket").send().await.expect(200).xml();
        page.texts("Contents", "ETag")
    };
    assert!(told().await.iter().all(|tag| tag.starts_with("\"x-")));
    simulator.clear_scripts();
    gateway.until("every object has its text", || {
        let mut files = simulator.entries().into_iter();
        files.all(|entry| entry.folder || entry.description.is_some())
    });
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let get = two.get("bucket", "dir/03").send().await.expect(200);
    assert_eq!(format!("\"{}\"", get.etag()), tags[3]);
    assert_eq!(told().await, tags);
}
