//! What things cost at the service, in calls. `PYS3LOCAL_LONG` makes the numbers large.

use crate::index::{asked, bucket, indexed, wary};
use drime_sim::{Simulator, Switches};
use pys3local_tests::{S3, data};
use std::time::Duration;

fn long() -> bool {
    std::env::var_os("PYS3LOCAL_LONG").is_some()
}

/// As slow as the service where all runs in full size, and without its limit of calls a minute.
fn switches() -> Switches {
    Switches {
        latency: if long() { 150 } else { 2 },
        rate_limit: 1_000_000,
        ..Switches::default()
    }
}

/// Folders with files, by somebody else.
fn seed(simulator: &Simulator, folders: usize, files: usize) {
    for folder in 0..folders {
        let folder = simulator.seed_folder(Some(bucket(simulator)), &format!("dir{folder:04}"));
        for n in 0..files {
            let seeded = simulator.seed_file(Some(folder), &format!("{n:06}"), b"seeded");
            seeded.unwrap();
        }
    }
}

async fn all(s3: &S3) -> usize {
    let pages = s3.pages(s3.list("bucket")).await;
    let keys = pages.iter().map(|page| page.texts("Contents", "Key").len());
    keys.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_small_objects_cost_an_upload_and_a_text_each_and_their_folders() {
    let count = if long() { 1_000 } else { 200 };
    let (simulator, gateway, s3) = wary(switches(), "max_age = \"1 h\"\n").await;
    assert_eq!(all(&s3).await, 0);
    indexed(&simulator, &s3).await;
    let puts = (0..count).map(|n| {
        let key = format!("dir{}/{n}", n % 20);
        let s3 = &s3;
        async move { s3.store("bucket", &key, data::bytes(n, 100)).await }
    });
    let mut puts =
        futures_util::stream::StreamExt::buffer_unordered(futures_util::stream::iter(puts), 8);
    while futures_util::StreamExt::next(&mut puts).await.is_some() {}
    gateway.until("every object has its text", || {
        simulator.count("change") >= count
    });
    assert_eq!(usize::try_from(count).unwrap(), all(&s3).await);
    let counters = simulator.counters();
    let allowed = count + count / 20;
    assert_eq!(counters.get("new folder"), Some(&20), "{counters:?}");
    assert!(simulator.count("upload") <= allowed, "{counters:?}");
    assert!(simulator.count("change") <= allowed, "{counters:?}");
    let others = simulator.calls() - 20 - simulator.count("upload") - simulator.count("change");
    assert!(others <= count / 20, "{counters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_bucket_is_crawled_once_page_by_page_and_then_listed_for_nothing() {
    let (folders, files) = if long() { (250, 400) } else { (10, 450) };
    let (simulator, _gateway, s3) = wary(switches(), "max_age = \"1 h\"\n").await;
    seed(&simulator, folders, files);
    assert_eq!(all(&s3).await, folders * files);
    let pages = files.div_ceil(200) * folders + folders.div_ceil(200);
    let counters = simulator.counters();
    let most = (pages * 105).div_ceil(100) + 2 * (folders + 1);
    let calls = simulator.count("list") + simulator.count("folder count");
    assert!(
        usize::try_from(calls).unwrap() <= most,
        "{most}: {counters:?}"
    );
    indexed(&simulator, &s3).await;
    assert_eq!(all(&s3).await, folders * files);
    for n in 0..if long() { 1_000 } else { 100 } {
        let key = format!("dir{:04}/{n:06}", n % folders, n = n % files);
        s3.head("bucket", &key).send().await.expect(200);
    }
    assert_eq!(asked(&simulator), 0, "{:?}", simulator.counters());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flat_folder_costs_its_pages() {
    let files = if long() { 100_000 } else { 5_000 };
    let (simulator, _gateway, s3) = wary(switches(), "max_age = \"1 h\"\n").await;
    seed(&simulator, 1, files);
    for _ in 0..100 {
        // Clients give up while so much is listed; the crawl does not.
        let page = s3.list("bucket").query("max-keys", "1").send();
        if tokio::time::timeout(Duration::from_secs(20), page)
            .await
            .is_ok()
        {
            break;
        }
    }
    let counters = simulator.counters();
    let most = (files.div_ceil(200) * 105).div_ceil(100) + 5;
    let calls = simulator.count("list") + simulator.count("folder count");
    assert!(
        usize::try_from(calls).unwrap() <= most,
        "{most}: {counters:?}"
    );
    simulator.reset_log();
    assert_eq!(all(&s3).await, files);
    assert_eq!(asked(&simulator), 0, "{:?}", simulator.counters());
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_through_an_unchanged_tree_costs_a_call_for_each_folder_after_max_age() {
    let (folders, files) = if long() { (100, 100) } else { (20, 30) };
    let (simulator, _gateway, s3) = wary(switches(), "max_age = 5\n").await;
    seed(&simulator, folders, files);
    assert_eq!(all(&s3).await, folders * files);
    tokio::time::sleep(Duration::from_millis(5_200)).await;
    simulator.reset_log();
    // As programs that synchronise do it: folder by folder.
    for folder in 0..folders {
        let prefix = format!("dir{folder:04}/");
        let page = s3
            .list("bucket")
            .query("delimiter", "/")
            .query("prefix", &prefix);
        let keys = page.send().await.expect(200).xml().texts("Contents", "Key");
        assert_eq!(keys.len(), files);
    }
    let calls = usize::try_from(asked(&simulator)).unwrap();
    assert!(calls <= folders, "{:?}", simulator.counters());
}
