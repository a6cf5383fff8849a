//! What clients see of a plugin that misbehaves: its own request fails, and nothing else.

use pys3local_tests::client::PATIENCE;
use pys3local_tests::gateway::{self, Options};
use pys3local_tests::{Gateway, S3};
use std::time::Instant;

/// Bytes of every object that the hostile plugin claims to have.
const SIZE: usize = 1 << 20;

/// The bucket's name selects the misdeed; `fine` is none.
fn hostile() -> (Gateway, S3) {
    hostile_with("")
}

/// With more keys in its section.
fn hostile_with(keys: &str) -> (Gateway, S3) {
    let component = gateway::component("guest-hostile").unwrap();
    let toml = format!(
        "[hostile]\ntype = \"hostile\"\ncomponent = \"{}\"\nmemory = \"32 MiB\"\ncall_timeout = \"3 s\"\n\
         dirs = [{{ host = \"{{data}}\", guest = \"/\" }}]\n{keys}",
        component.display()
    );
    let gateway = Options::default().backend("hostile", &toml).start();
    let s3 = gateway.s3();
    (gateway, s3)
}

async fn is_fine(s3: &S3) {
    let reply = s3.get("fine", "key").send().await.expect(200);
    assert!(reply.body.len() == SIZE && reply.body.iter().all(|byte| *byte == b'x'));
}

/// Requests that were under way elsewhere in the same instance may be asked to come again.
async fn fine_in_the_end(s3: &S3) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match s3.get("fine", "key").try_send().await {
            Ok(reply) if reply.status == 200 && reply.body.len() == SIZE => return,
            Ok(reply) if reply.status == 200 || reply.status == 503 => {}
            Err(_) => {}
            Ok(reply) => panic!("status {}: {}", reply.status, reply.text()),
        }
        assert!(Instant::now() < deadline, "the plugin does not come back");
    }
}

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
async fn a_body_that_is_not_whole_never_ends_well() {
    let (mut gateway, s3) = hostile();
    for misdeed in ["short-body", "stalled-body", "trap-in-body", "spin-in-body"] {
        let reply = s3.get(misdeed, "key").try_send().await;
        if let Ok(reply) = reply {
            assert!(
                reply.status.is_server_error(),
                "{misdeed}: {}",
                reply.status
            );
        }
        fine_in_the_end(&s3).await;
    }
    // What a plugin sends beyond the size that it has told reaches nobody.
    if let Ok(reply) = s3.get("long-body", "key").try_send().await {
        if reply.status == 200 {
            assert!(reply.body.len() == SIZE && !reply.body.contains(&b'y'));
        } else {
            assert!(reply.status.is_server_error(), "{}", reply.status);
        }
    }
    assert!(gateway.is_running());
    fine_in_the_end(&s3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_breaks_the_rules_is_an_error_and_no_endless_one() {
    let (mut gateway, s3) = hostile();
    s3.list("fine").send().await.expect(200);
    for misdeed in [
        "wrong-order",
        "doubled-key",
        "outside-prefix",
        "too-many",
        "empty-more",
    ] {
        let list = s3
            .list(misdeed)
            .query("prefix", "p/")
            .query("max-keys", "5");
        let reply = list.send().await;
        assert!(
            reply.status.is_server_error(),
            "{misdeed}: {}\n{}",
            reply.status,
            reply.text()
        );
    }
    assert!(gateway.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_plugin_has_not_stored_is_not_acknowledged() {
    let (mut gateway, s3) = hostile();
    for misdeed in ["unread", "verdict-first"] {
        let put = s3.put(misdeed, "key", vec![b'x'; SIZE]).try_send().await;
        if let Ok(reply) = put {
            let status = reply.status;
            assert!(status.is_server_error(), "{misdeed}: {status}");
        }
        fine_in_the_end(&s3).await;
    }
    assert!(gateway.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_publishes_too_early_never_has_the_tag_of_the_bad_upload() {
    let (_gateway, s3) = hostile();
    let body = pys3local_tests::data::bytes(1, SIZE);
    let bad = s3
        .put("unasked", "key", body.clone())
        .header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
    bad.send().await.expect_error(400, "BadDigest");
    let head = s3.head("unasked", "key").send().await.expect(200);
    assert!(head.etag().starts_with("x-"), "{}", head.etag());
    // The same plugin with an upload that is right.
    let etag = s3.store("unasked", "key", body).await;
    let head = s3.head("unasked", "key").send().await.expect(200);
    assert_eq!(head.etag(), etag);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_plugin_claims_to_be_shorter_is_not_acknowledged() {
    let (_gateway, s3) = hostile();
    let put = s3.put("lying-size", "key", vec![b'y'; SIZE]).send().await;
    assert!(put.status.is_server_error(), "{}", put.status);
    // What it has instead is nothing that the upload's tag stands for.
    let head = s3.head("lying-size", "key").send().await.expect(200);
    assert!(head.etag().starts_with("x-"), "{}", head.etag());
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_those_of_the_upload_never_arrive_whole() {
    let (_gateway, s3) = hostile();
    // It says that it has stored this, and has not: what it sends are other bytes.
    s3.store("fine", "lost", vec![b'y'; SIZE]).await;
    if let Ok(reply) = s3.get("fine", "lost").try_send().await {
        panic!("status {} and {} bytes", reply.status, reply.body.len());
    }
    is_fine(&s3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_belongs_to_an_object_of_another_bucket_brings_nothing_along() {
    for keys in ["", "misdeed = \"configure:indexed\"\n"] {
        let (mut gateway, s3) = hostile_with(keys);
        let (ours, theirs) = ("one-id-a", "one-id-b");
        let put = |bucket: &str, body: u8| {
            let put = s3.put(bucket, "key", vec![body; SIZE]);
            put.header("x-amz-meta-of", bucket).send()
        };
        let reply = put(ours, b'x').await.expect(200);
        let etag = reply.etag();
        // The plugin answers with the same id here, and nothing that is known of the other
        // object is said of this one.
        for reply in [
            s3.head(theirs, "key").send().await.expect(200),
            s3.get(theirs, "key").send().await.expect(200),
        ] {
            assert!(reply.etag().starts_with("x-"), "{}", reply.etag());
            assert!(reply.header("x-amz-meta-of").is_none(), "{reply:?}");
        }
        let list = s3.list(theirs).send().await.expect(200);
        assert!(list.text().contains("<Key>key</Key>"), "{}", list.text());
        assert!(!list.text().contains(etag), "{}", list.text());
        // Nor is the plugin ever told an id that it has not said of this very key.
        s3.head(theirs, "never-told").send().await.expect(200);
        s3.delete(theirs, "key").send().await.expect(204);
        let other = put(theirs, b'y').await.expect(200);
        for (bucket, etag) in [(ours, etag), (theirs, other.etag())] {
            let head = s3.head(bucket, "key").send().await.expect(200);
            assert_eq!(head.etag(), etag, "{bucket}");
            assert_eq!(head.header("x-amz-meta-of"), Some(bucket));
        }
        // It sends the bytes of the other object, which never arrive whole.
        if let Ok(reply) = s3.get(theirs, "key").try_send().await {
            panic!("status {} and {} bytes", reply.status, reply.body.len());
        }
        let reply = s3.get(ours, "key").send().await.expect(200);
        assert_eq!((reply.etag(), reply.body.len()), (etag, SIZE));
        assert!(gateway.is_running());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_at_the_end_of_their_range_are_no_reason_to_panic() {
    let (mut gateway, s3) = hostile();
    for misdeed in ["huge-size", "long-ago", "odd-hash", "odd-type"] {
        let head = s3.head(misdeed, "key").send().await;
        assert!(head.header("x").is_none(), "{misdeed}: {:?}", head.headers);
        let list = s3.list(misdeed).query("prefix", "p/").send().await;
        assert_ne!(list.status, 400, "{misdeed}");
        for range in ["bytes=0-9", "bytes=-10", "bytes=18446744073709551000-"] {
            let _ = s3
                .get(misdeed, "key")
                .header("range", range)
                .try_send()
                .await;
        }
        let _ = s3.get(misdeed, "key").try_send().await;
        let put = s3.put("fine", "copy", "");
        let put = put.header("x-amz-copy-source", &format!("{misdeed}/key"));
        let _ = put.try_send().await;
        fine_in_the_end(&s3).await;
    }
    assert!(gateway.is_running());
    assert_no_panic(&gateway);
}

/// That whatever panicked was the plugin, whose words stand in the log with its name.
#[track_caller]
fn assert_no_panic(gateway: &Gateway) {
    let log = gateway.stderr();
    let mut panics = log.lines().filter(|line| line.contains("panicked"));
    assert!(panics.all(|line| line.ends_with("plugin=hostile")), "{log}");
}

#[cfg(target_os = "linux")]
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
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = gateway.usage();
        if now.files <= before.files + 30
            && now.threads <= before.threads + 4
            && now.resident <= before.resident + (48 << 20)
        {
            break;
        }
        assert!(Instant::now() < deadline, "{now:?} after {before:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(gateway.is_running());
    assert_no_panic(&gateway);
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

#[cfg(target_os = "linux")]
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
        let grown = gateway.peak_memory() - before;
        assert!(grown < most << 20, "{misdeed}: {grown} bytes");
        assert!(gateway.is_running());
        assert_no_panic(&gateway);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn handles_that_a_plugin_keeps_come_back() {
    let (mut gateway, s3) = hostile();
    is_fine(&s3).await;
    let open = |gateway: &Gateway| {
        let fds = format!("/proc/{}/fd", gateway.pid());
        std::fs::read_dir(fds).unwrap().count()
    };
    let before = open(&gateway);
    for _ in 0..3 {
        // It keeps what it got, and the instance ends as it asks for more than there is for it.
        let head = s3.head("hoard", "key").send().await;
        assert_eq!(head.status, 503);
        fine_in_the_end(&s3).await;
    }
    let deadline = Instant::now() + PATIENCE;
    while open(&gateway) > before + 100 {
        assert!(Instant::now() < deadline, "{} of {before}", open(&gateway));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(gateway.is_running());
}

#[cfg(target_os = "linux")]
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
    }
    let fds = format!("/proc/{}/fd", gateway.pid());
    let open = std::fs::read_dir(fds).unwrap().count();
    assert!(open < most * 3 / 4, "{open} of {most}");
    fine_in_the_end(&s3).await;
    assert!(gateway.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_wakes_up_now_and_then_may_go_on() {
    let (gateway, s3) = hostile();
    let _ = s3.head("background", "key").send().await;
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    assert!(!gateway.stderr().contains("died"), "{}", gateway.stderr());
    is_fine(&s3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_conditional_writes_as_there_may_be_calls_do_not_wait_for_each_other() {
    let toml =
        "[few]\ntype = \"local\"\npath = \"{data}\"\nmax_calls = 1\ncall_timeout = \"20 s\"\n";
    let gateway = Options::default().backend("few", toml).start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    let puts: Vec<_> = (0..12)
        .map(|n| {
            let put = s3.put("bucket", &format!("key {n}"), vec![b'x'; 100_000]);
            tokio::spawn(put.header("if-none-match", "*").send())
        })
        .collect();
    for put in puts {
        put.await.unwrap().expect(200);
    }
    // Of one key, with deletions in between, which wait for the key and not for a turn.
    let calls: Vec<_> = (0..24)
        .map(|n| {
            let s3 = s3.clone();
            let call = match n % 3 {
                0 => s3.put("bucket", "one", vec![b'y'; 100_000]),
                1 => s3.put("bucket", "one", "z").header("if-match", "*"),
                _ => s3.delete("bucket", "one"),
            };
            tokio::spawn(call.send())
        })
        .collect();
    for call in calls {
        let reply = call.await.unwrap();
        assert!(!reply.status.is_server_error(), "{}", reply.text());
    }
    assert_eq!(s3.keys("bucket").await.len() / 12, 1);
}

#[tokio::test]
async fn bucket_names_that_are_none_are_not_shown() {
    let (_gateway, s3) = hostile();
    let list = s3.call("GET", "/").send().await.expect(200).xml();
    assert_eq!(
        list.find("Buckets").unwrap().texts("Bucket", "Name"),
        ["fine"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_encrypts_every_byte_serves_like_any_other() {
    let component = gateway::component("plugin-vault").unwrap();
    let toml = format!(
        "[vault]\ntype = \"vault\"\ncomponent = \"{}\"\npassword = \"{}\"\n\
         dirs = [{{ host = \"{{data}}\", guest = \"/\", writable = true }}]\n",
        component.display(),
        "5e".repeat(32)
    );
    let options = Options::default().backend("vault", &toml).arg("--debug");
    let mut gateway = options.env("RUST_LOG", "trace").start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    let body = pys3local_tests::data::bytes(1, 3_000_000);
    let etag = s3.store("bucket", "a/../key", body.clone()).await;
    let copy = s3
        .put("bucket", "copy", "")
        .header("x-amz-copy-source", "bucket/a/../key");
    copy.send().await.expect(200);
    let upload = s3.create_upload("bucket", "parts").await;
    let mut list = Vec::new();
    let parts = [
        pys3local_tests::data::bytes(2, 5 << 20),
        pys3local_tests::data::bytes(3, 99),
    ];
    for (number, part) in (1..).zip(&parts) {
        list.push((
            number,
            s3.store_part("bucket", "parts", &upload, number, part.clone())
                .await,
        ));
    }
    s3.complete("bucket", "parts", &upload, &list)
        .send()
        .await
        .expect(200);
    gateway.restart();
    let s3 = gateway.s3();
    assert_eq!(s3.keys("bucket").await, ["a/../key", "copy", "parts"]);
    for key in ["a/../key", "copy"] {
        let reply = s3.get("bucket", key).send().await.expect(200);
        assert!(reply.body == body && reply.etag() == etag, "{key}");
    }
    assert!(s3.fetch("bucket", "parts").await == parts.concat());
    let range = s3
        .get("bucket", "copy")
        .header("range", "bytes=1000000-1000099");
    assert!(range.send().await.expect(206).body == body[1_000_000..1_000_100]);
    let said = gateway.stdout() + &gateway.stderr();
    assert!(!said.contains(&"5e".repeat(8)), "{said}");
    // The bytes on the disk are not the bytes of the client.
    let needle = &body[1000..1064];
    for (file, _) in gateway.files() {
        let bytes = std::fs::read(gateway.data().join(&file)).unwrap();
        assert!(
            !bytes.windows(needle.len()).any(|window| window == needle),
            "{file}"
        );
    }
}
