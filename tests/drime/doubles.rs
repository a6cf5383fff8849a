//! A key of which the service keeps several entries side by side, because it was written by somebody
//! who did not know of the older one: that one never comes back.

use crate::gateway;
use crate::index::{asked, bucket, indexed, wary};
use drime_sim::{Simulator, Switches};
use pys3local_tests::{Gateway, S3, data};
use std::time::Duration;

/// Nothing is looked at again of itself.
const LONG: &str = "max_age = \"1 h\"\n";
/// The folder `dir` has six pages then.
const OTHERS: usize = 55;

fn switches() -> Switches {
    Switches {
        page_cap: 10,
        ..Switches::default()
    }
}

fn entries(simulator: &Simulator, key: &str) -> usize {
    simulator.find(&format!("backups/s3/bucket/{key}")).len()
}

/// A folder that somebody has filled: the objects of these keys first, and many others.
fn seed(simulator: &Simulator, keys: &[&str]) -> i64 {
    let dir = simulator.seed_folder(Some(bucket(simulator)), "dir");
    for key in keys {
        simulator.seed_file(Some(dir), key, b"old").unwrap();
    }
    for n in 0..OTHERS {
        let seeded = simulator.seed_file(Some(dir), &format!("{n:06}"), b"seeded");
        seeded.unwrap();
    }
    dir
}

async fn delete(s3: &S3, key: &str) {
    s3.delete("bucket", key).send().await.expect(204);
}

/// Nobody is told of an object of this key, now or after another look, and the service has none.
async fn assert_gone(simulator: &Simulator, s3: &S3, key: &str) {
    s3.head("bucket", key).send().await.expect(404);
    s3.get("bucket", key).send().await.expect(404);
    assert!(!s3.keys("bucket").await.contains(&key.to_owned()));
    assert_eq!(entries(simulator, key), 0, "{key}");
    // Who knows nothing yet sees none, either.
    let other = gateway(simulator).s3().keys("bucket").await;
    assert!(!other.contains(&key.to_owned()));
}

/// How a key is written and deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Put,
    Parts,
    Copy,
    CopyOntoItself,
    Many,
}

const WAYS: [Way; 5] = [
    Way::Put,
    Way::Parts,
    Way::Copy,
    Way::CopyOntoItself,
    Way::Many,
];

async fn copy(s3: &S3, from: &str, to: &str) {
    let put = s3.object("PUT", "bucket", to);
    let copy = put
        .header("x-amz-copy-source", &format!("/bucket/{from}"))
        .header("x-amz-metadata-directive", "REPLACE");
    copy.send().await.expect(200);
}

impl Way {
    /// Writes `new`, or what the key has anyway.
    async fn write(self, s3: &S3, key: &str) {
        match self {
            Self::Put | Self::Many => drop(s3.store("bucket", key, "new").await),
            Self::Parts => {
                let upload = s3.create_upload("bucket", key).await;
                let part = s3.store_part("bucket", key, &upload, 1, "new").await;
                let complete = s3.complete("bucket", key, &upload, &[(1, part)]);
                complete.send().await.expect(200);
            }
            Self::Copy => {
                s3.store("bucket", "source/k", "new").await;
                copy(s3, "source/k", key).await;
            }
            Self::CopyOntoItself => copy(s3, key, key).await,
        }
    }

    async fn delete(self, s3: &S3, key: &str) {
        match self {
            Self::Many => {
                let many = format!("<Delete><Object><Key>{key}</Key></Object></Delete>");
                let reply = s3.delete_many("bucket", &many).send().await.expect(200);
                assert_eq!(reply.xml().texts("Deleted", "Key"), [key]);
            }
            _ => delete(s3, key).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gateway_without_a_database_overwrites_does_not_come_back_when_it_is_deleted() {
    let (simulator, first, s3) = wary(switches(), "").await;
    seed(&simulator, &[]);
    let keys = ["dir/put", "dir/many", "alone/put"];
    for key in keys {
        s3.store("bucket", key, "old").await;
    }
    first.until("every own object has its text", || {
        simulator.count("change") >= 3
    });
    for key in keys {
        let second = gateway(&simulator);
        let s3 = second.s3();
        s3.store("bucket", key, "newer").await;
        assert_eq!(s3.fetch("bucket", key).await, "newer");
        let way = if key.ends_with("many") {
            Way::Many
        } else {
            Way::Put
        };
        way.delete(&s3, key).await;
        assert_gone(&simulator, &s3, key).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_there_by_hand_does_not_come_back_however_it_is_replaced_and_deleted() {
    for way in WAYS {
        let (simulator, _gateway, s3) = wary(switches(), LONG).await;
        let dir = seed(&simulator, &[]);
        s3.store("bucket", "dir/known", "known").await;
        indexed(&simulator, &s3).await;
        for key in ["k", "known"] {
            simulator.seed_file(Some(dir), key, b"by hand").unwrap();
            // What is newer is on the pages behind it.
            for n in 0..15 {
                let other = format!("{key}{n}");
                simulator.seed_file(Some(dir), &other, b"seeded").unwrap();
            }
        }
        for key in ["dir/k", "dir/known"] {
            if (way, key) == (Way::CopyOntoItself, "dir/k") {
                // Of which nobody knows.
                continue;
            }
            way.write(&s3, key).await;
            // The copy is one of what is there now.
            let copied = way == Way::CopyOntoItself;
            let expected = if copied { "by hand" } else { "new" };
            assert_eq!(s3.fetch("bucket", key).await, expected, "{way:?} {key}");
            way.delete(&s3, key).await;
            assert_gone(&simulator, &s3, key).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_overwritten_unseen_does_not_come_back_after_a_restart() {
    for way in WAYS {
        let (simulator, mut gateway, s3) = wary(switches(), LONG).await;
        seed(&simulator, &["k"]);
        way.write(&s3, "dir/k").await;
        gateway.kill9();
        // Nothing but the deletion may do it.
        simulator.script("POST /file-entries/7=503*".parse().unwrap());
        gateway.restart();
        let s3 = gateway.s3();
        way.delete(&s3, "dir/k").await;
        assert_gone(&simulator, &s3, "dir/k").await;
    }
}

/// People have made two files `dir/k`, on different pages of a folder.
async fn doubled(keys: &str) -> (Simulator, Gateway, S3) {
    let (simulator, gateway, s3) = wary(switches(), keys).await;
    let dir = seed(&simulator, &["k"]);
    simulator.seed_file(Some(dir), "k", b"new").unwrap();
    (simulator, gateway, s3)
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_one_name_on_different_pages_all_go_when_the_key_is_deleted() {
    for restarts in [false, true] {
        for many in [false, true] {
            let (simulator, mut gateway, mut s3) = doubled(LONG).await;
            indexed(&simulator, &s3).await;
            assert_eq!(s3.fetch("bucket", "dir/k").await, "new");
            if restarts {
                gateway.kill9();
                gateway.restart();
                s3 = gateway.s3();
            }
            let way = if many { Way::Many } else { Way::Put };
            way.delete(&s3, "dir/k").await;
            assert_gone(&simulator, &s3, "dir/k").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_one_name_that_people_made_are_left_alone_until_the_key_is_written_or_deleted() {
    let (simulator, mut gateway, s3) = doubled("max_age = 1\n").await;
    for _ in 0..3 {
        assert_eq!(s3.keys("bucket").await.len(), OTHERS + 1);
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    assert_eq!(entries(&simulator, "dir/k"), 2);
    gateway.terminate();
    let stopped = tokio::task::spawn_blocking(move || {
        let status = gateway.wait();
        (gateway, status)
    });
    let (mut gateway, status) = stopped.await.unwrap();
    assert!(status.success(), "{}", gateway.stderr());
    gateway.restart();
    let s3 = gateway.s3();
    s3.store("bucket", "dir/k", "ours").await;
    gateway.until("both are gone", || entries(&simulator, "dir/k") == 1);
    assert_eq!(s3.fetch("bucket", "dir/k").await, "ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_people_delete_is_no_longer_listed_although_its_name_was_there_twice() {
    let (simulator, _gateway, s3) = doubled("max_age = 1\n").await;
    assert!(s3.keys("bucket").await.contains(&"dir/k".to_owned()));
    for id in simulator.find("backups/s3/bucket/dir/k") {
        simulator.remove(id);
    }
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(!s3.keys("bucket").await.contains(&"dir/k".to_owned()));
    s3.head("bucket", "dir/k").send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_overwritten_unseen_goes_by_itself_once_its_folder_is_known() {
    let (simulator, gateway, s3) = wary(switches(), LONG).await;
    seed(&simulator, &["k"]);
    s3.store("bucket", "dir/k", "new").await;
    assert_eq!(s3.keys("bucket").await.len(), OTHERS + 1);
    gateway.until("it is gone", || entries(&simulator, "dir/k") == 1);
    assert_eq!(s3.fetch("bucket", "dir/k").await, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_whose_keys_were_all_there_twice_can_be_deleted_when_they_are() {
    let (simulator, mut gateway, s3) = wary(switches(), LONG).await;
    let dir = seed(&simulator, &[]);
    for n in 0..OTHERS {
        let name = format!("{n:06}");
        simulator.seed_file(Some(dir), &name, b"newer").unwrap();
    }
    s3.store("bucket", "dir/000000", "newest").await;
    gateway.kill9();
    gateway.restart();
    let s3 = gateway.s3();
    let keys = s3.keys("bucket").await;
    assert_eq!(keys.len(), OTHERS);
    let objects = keys
        .iter()
        .map(|key| format!("<Object><Key>{key}</Key></Object>"));
    let many = format!("<Delete>{}</Delete>", objects.collect::<String>());
    let reply = s3.delete_many("bucket", &many).send().await.expect(200);
    assert_eq!(reply.xml().texts("Deleted", "Key").len(), OTHERS);
    s3.object("DELETE", "bucket", "").send().await.expect(204);
    assert_eq!(simulator.find("backups/s3/bucket").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_what_was_just_written_takes_one_look_at_each_folder_and_at_an_exclusive_one_none()
{
    for exclusive in [false, true] {
        let keys = format!("{LONG}exclusive = {exclusive}\n");
        let (simulator, gateway, s3) = wary(Switches::default(), &keys).await;
        indexed(&simulator, &s3).await;
        let all: Vec<String> = (0..60).map(|n| format!("dir{}/{n}", n % 3)).collect();
        for key in &all {
            s3.store("bucket", key, data::bytes(1, 10)).await;
        }
        gateway.until("every object has its text", || {
            simulator.count("change") >= 60
        });
        simulator.reset_log();
        for key in &all {
            delete(&s3, key).await;
        }
        let counters = simulator.counters();
        let looks = if exclusive { 0 } else { 3 };
        assert_eq!(simulator.count("list"), looks, "{counters:?}");
        // To the trash, and no further.
        let calls = asked(&simulator) - looks;
        assert_eq!(calls, simulator.count("delete"), "{counters:?}");
        assert!(calls <= 120, "{counters:?}");
    }
}
