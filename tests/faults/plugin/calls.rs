//! Calls that bring their instance down or keep it busy: others are served meanwhile and after.

use super::{SIZE, fine_in_the_end, hostile, is_fine};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_brings_its_instance_down_can_be_tried_again() {
    let (mut gateway, s3) = hostile();
    is_fine(&s3).await;
    for misdeed in ["trap", "spin", "memory-bomb", "never"] {
        let head = s3.head(misdeed, "key").send().await;
        assert_eq!(head.status, 503, "{misdeed}");
        fine_in_the_end(&s3).await;
        let put = s3.put(misdeed, "key", vec![b'x'; SIZE]).try_send().await;
        if let Ok(reply) = put {
            assert_eq!(reply.status, 503, "{misdeed}: {}", reply.text());
        }
        fine_in_the_end(&s3).await;
    }
    assert!(gateway.is_running());
    fine_in_the_end(&s3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_served_while_one_call_misbehaves() {
    let (mut gateway, s3) = hostile();
    for misdeed in ["trap", "spin", "memory-bomb", "never"] {
        let bad = s3.head(misdeed, "key");
        let bad = tokio::spawn(bad.send());
        let good: Vec<_> = (0..8)
            .map(|_| {
                let s3 = s3.clone();
                tokio::spawn(async move { fine_in_the_end(&s3).await })
            })
            .collect();
        for good in good {
            good.await.unwrap();
        }
        assert_eq!(bad.await.unwrap().status, 503, "{misdeed}");
    }
    assert!(gateway.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_wakes_up_now_and_then_may_go_on() {
    let (gateway, s3) = hostile();
    s3.head("background", "key").send().await.expect(200);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(!gateway.stderr().contains("died"), "{}", gateway.stderr());
    is_fine(&s3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_asks_for_what_it_may_not_have_does_not_flood_the_log() {
    let (gateway, s3) = hostile();
    let asked = s3
        .head("fetch-flood", "https://not-granted.example/")
        .send();
    asked.await.expect(200);
    gateway.until_said("not-granted.example");
    is_fine(&s3).await;
    let log = gateway.stderr();
    let lines = log
        .lines()
        .filter(|line| line.contains("not-granted.example"));
    let lines = lines.count();
    assert!((1..1000).contains(&lines), "{lines} lines");
}
