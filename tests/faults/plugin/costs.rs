//! What misdeeds cost the host: memory, files and threads that have an end and come back.

use super::{assert_no_panic, fine_in_the_end, hostile, is_fine};
use pys3local_tests::S3;
use pys3local_tests::client::PATIENCE;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn what_misdeeds_cost_comes_back() {
    let (mut gateway, s3) = hostile();
    // Few enough of them that instances which die again and again need not wait for long.
    let deeds = async |s3: &S3| {
        for misdeed in ["memory-bomb", "hoard", "never"] {
            let _ = s3.head(misdeed, "key").try_send().await;
            fine_in_the_end(s3).await;
        }
        for misdeed in ["dropped-body", "endless-body", "trap-in-body"] {
            let _ = s3.get(misdeed, "key").try_send().await;
            fine_in_the_end(s3).await;
        }
        for misdeed in ["flood", "millions"] {
            let list = s3.list(misdeed).query("prefix", "p/");
            let _ = list.try_send().await;
            fine_in_the_end(s3).await;
        }
    };
    // The first round brings everything up to its ordinary size.
    deeds(&s3).await;
    let before = gateway.usage();
    deeds(&s3).await;
    gateway.until_back_at(before);
    assert!(gateway.is_running());
    assert_no_panic(&gateway);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_piles_up_in_our_own_memory_has_an_end() {
    for (misdeed, most) in [
        ("stream-bomb", 64),
        ("task-bomb", 64),
        ("huge-random", 192),
        ("log-flood", 192),
    ] {
        let (mut gateway, s3) = hostile();
        is_fine(&s3).await;
        let before = gateway.peak_memory();
        for _ in 0..3 {
            let _ = s3.head(misdeed, "key").try_send().await;
            fine_in_the_end(&s3).await;
        }
        let grown = gateway.peak_memory().saturating_sub(before);
        assert!(grown < most << 20, "{misdeed}: {grown} bytes");
        assert!(gateway.is_running());
        assert_no_panic(&gateway);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handles_that_a_plugin_keeps_come_back() {
    let (mut gateway, s3) = hostile();
    is_fine(&s3).await;
    let before = gateway.usage().files;
    for _ in 0..3 {
        // It keeps what it got, and the instance ends as it asks for more than there is for it.
        let head = s3.head("hoard", "key").send().await;
        assert_eq!(head.status, 503);
        fine_in_the_end(&s3).await;
    }
    let deadline = Instant::now() + PATIENCE;
    while gateway.usage().files > before + 100 {
        let open = gateway.usage().files;
        assert!(Instant::now() < deadline, "{open} of {before}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(gateway.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_a_plugin_keeps_leave_files_to_the_others() {
    let (mut gateway, s3) = hostile();
    is_fine(&s3).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
    let most = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let most = most.unwrap().split_whitespace().nth(3).unwrap();
    let most: usize = most.parse().unwrap();
    // More than once: each instance has its share, and keeps to it.
    for _ in 0..6 {
        let _ = s3.head("hoard-streams", "key").try_send().await;
        let open = gateway.usage().files;
        assert!(open < most, "{open} of {most}");
    }
    // Those of an instance that was given up go a little later.
    gateway.until("few open files", || gateway.usage().files < most * 3 / 4);
    fine_in_the_end(&s3).await;
    assert!(gateway.is_running());
}
