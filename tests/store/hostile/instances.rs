//! Calls that bring an instance down: what it costs, and that another takes its place.

use super::{Hostile, RECOVERY, SIZE, bucket};
use crate::guests;
use crate::rig::{accepted, collect, directory, filled, key, options};
use pys3local::backend::{Component, PluginConfig, open};
use pys3local_core::service::ports::{PutOptions, StoreError};
use std::time::{Duration, Instant};

/// A call that brings its instance down.
async fn is_survived(misdeed: &str) {
    // Right after the start there may be one instance only, which then has both calls.
    for pause in [100, 1000, 10_000] {
        let hostile = Hostile::start().await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        // A download that needs its instance to the end. Where there is only one core there is
        // only one instance, and the download is lost with it.
        let alone = std::thread::available_parallelism().map_or(1, usize::from) == 1;
        let bystander = hostile.get("fine").await.unwrap();
        let answer = tokio::time::timeout(RECOVERY, hostile.stat(misdeed, "key"));
        let answer = answer.await.expect("an answer");
        assert!(
            matches!(answer, Err(StoreError::Unavailable(_))),
            "{answer:?}"
        );
        let seen = collect(bystander).await;
        if alone || seen.is_ok_and(|bytes| bytes.len() == SIZE) {
            hostile.recovers().await;
            // Counted behind the answer.
            let start = Instant::now();
            while hostile.backend.store.losses() == 0 {
                assert!(start.elapsed() < RECOVERY, "what it knew is lost");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            return;
        }
    }
    panic!("the bystander was hurt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_costs_one_instance() {
    is_survived("trap").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_costs_one_instance() {
    is_survived("spin").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_bomb_costs_one_instance() {
    is_survived("memory-bomb").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_recursion_costs_one_instance() {
    is_survived("stack-bomb").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_never_returns_costs_one_instance() {
    is_survived("never").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_for_nothing_costs_one_instance() {
    is_survived("stuck").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_holds_up_all_others_costs_one_instance() {
    is_survived("sleep").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_until_the_end_of_time_costs_one_instance() {
    is_survived("huge-wait").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_ends_its_program_costs_one_instance() {
    is_survived("exit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_dies_again_and_again_comes_back() {
    let hostile = Hostile::start().await;
    for _ in 0..5 {
        let answer = hostile.stat("trap", "key").await;
        assert!(
            matches!(answer, Err(StoreError::Unavailable(_))),
            "{answer:?}"
        );
    }
    hostile.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_lost_says_what_brought_its_instance_down() {
    for (misdeed, words) in [
        ("trap", &["unreachable"][..]),
        ("panic", &["unreachable"]),
        ("spin", &["computed for too long", "no progress"]),
        ("never", &["no progress"]),
    ] {
        let hostile = Hostile::start().await;
        let answer = hostile.stat(misdeed, "key").await.unwrap_err().to_string();
        let told = words.iter().any(|word| answer.contains(word));
        assert!(told, "{misdeed}: {answer}");
    }
}

/// Every call that names a bucket, which says what to do in it.
async fn each_call(hostile: &Hostile, misdeed: &str) -> Vec<(&'static str, StoreError)> {
    let (store, at) = (&hostile.backend.store, bucket(misdeed));
    let (name, in_bucket) = (
        misdeed.parse().unwrap(),
        format!("{misdeed}-bucket").parse().unwrap(),
    );
    let put = async {
        let options = PutOptions::default();
        let (body, verdict) = (filled(1, 10), accepted(10));
        store
            .put(&at, &key("key"), 10, options, body, verdict)
            .await
    };
    vec![
        (
            "create-bucket",
            store.create_bucket(&name).await.unwrap_err(),
        ),
        (
            "stat-bucket",
            store.stat_bucket(&in_bucket).await.unwrap_err(),
        ),
        (
            "delete-bucket",
            store.delete_bucket(&name).await.unwrap_err(),
        ),
        ("put", put.await.unwrap_err()),
        ("get", hostile.get(misdeed).await.err().unwrap()),
        ("stat", hostile.stat(misdeed, "key").await.unwrap_err()),
        (
            "delete",
            store.delete(&at, &key("key"), None).await.unwrap_err(),
        ),
        ("list", hostile.list(misdeed).await.unwrap_err()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misdeed_in_any_call_can_be_tried_again_and_hurts_no_other() {
    for misdeed in ["trap", "never"] {
        let hostile = Hostile::start().await;
        for (call, error) in each_call(&hostile, misdeed).await {
            assert!(
                matches!(error, StoreError::Unavailable(_)),
                "{misdeed} in {call}: {error:?}"
            );
        }
        hostile.recovers().await;
    }
}

/// How many threads run instances of the plugin that is named so in the config.
#[cfg(target_os = "linux")]
fn threads_of(kind: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
    let name = format!("plugin-{kind}\n");
    names
        .filter(|found| found.as_ref().is_ok_and(|found| *found == name))
        .count()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_an_instance_that_was_replaced() {
    for (number, misdeed) in ["never", "stuck", "sleep"].into_iter().enumerate() {
        let kind = format!("old-{number}");
        let hostile = Hostile::start_as(&kind).await;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for (call, error) in each_call(&hostile, misdeed).await {
            let lost = matches!(error, StoreError::Unavailable(_));
            assert!(lost, "{misdeed} in {call}: {error:?}");
        }
        hostile.recovers().await;
        let start = std::time::Instant::now();
        // One that has just begun has no name yet.
        while threads_of(&kind) != cores {
            let left = threads_of(&kind);
            assert!(start.elapsed() < RECOVERY, "{misdeed}: {left} threads");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_in_a_call_without_a_bucket_is_an_error_too() {
    let dir = directory();
    let config = |call: &str| PluginConfig {
        kind: "hostile".into(),
        component: Some(guests::component("hostile")),
        settings: [("misdeed".to_owned(), format!("{call}:trap"))].into(),
        ..PluginConfig::default()
    };
    let failed = open(config("configure"), options(&dir)).await;
    let failed = failed.err().unwrap().to_string();
    assert!(
        failed.contains("does not start") && !failed.contains('\n'),
        "{failed}"
    );

    let backend = open(config("list-buckets"), options(&dir)).await.unwrap();
    let listed = backend.store.list_buckets().await;
    assert!(
        matches!(listed, Err(StoreError::Unavailable(_))),
        "{listed:?}"
    );
    backend.shutdown();

    let config = config("choices");
    let component = Component::load(&config, &options(&dir)).await.unwrap();
    let choices = component.choices("misdeed", &config.settings).await;
    let failed = choices.err().unwrap().to_string();
    assert!(!failed.contains('\n'), "{failed}");
}
