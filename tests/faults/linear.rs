//! Short forms of the programs `checker` and `soak`: writers that meet at the same keys, with and
//! without `kill -9`.

use pys3local_tests::checker::{Checker, End, Size};
use pys3local_tests::data::Random;
use pys3local_tests::gateway::Options;
use std::time::Duration;

async fn crashes(options: Options, rounds: usize) {
    let seed = Random::seed();
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut checker = Checker::new(options.start(), Size::default(), seed).await;
    let rounds = rounds
        * if std::env::var_os("PYS3LOCAL_LONG").is_some() {
            20
        } else {
            1
        };
    for _ in 0..rounds {
        let lasting = Duration::from_millis(50 + random.next() % 600);
        let judged = checker.round(lasting, End::Crash).await;
        judged.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    assert!(checker.totals.answered > 0, "{:?}", checker.totals);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_history_of_a_key_can_be_explained_across_crashes() {
    crashes(Options::default(), 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_history_of_a_key_can_be_explained_across_crashes_with_syncs() {
    crashes(Options::default().durable(), 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_history_of_a_key_can_be_explained_across_crashes_in_the_plain_layout() {
    crashes(Options::default().arg("--layout").arg("plain"), 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mixed_load_leaves_no_files_open_and_no_memory_behind() {
    let seed = Random::seed();
    let size = Size {
        keys: 50,
        ..Size::default()
    };
    let mut checker = Checker::new(Options::default().start(), size, seed).await;
    let round = Duration::from_secs(3);
    for _ in 0..2 {
        checker.round(round, End::Pause).await.unwrap();
    }
    let before = checker.usage();
    for _ in 0..2 {
        checker.round(round, End::Pause).await.unwrap();
    }
    // Threads that wait for work end after some seconds.
    checker.gateway().until_back_at(before);
    assert_eq!(checker.totals.broken, 0);
}
