//! A service that misbehaves: nothing is lost, doubled or mixed up, and errors are ones that
//! clients try again.

use crate::{Cloud, MIB};
use drime_sim::{BadToken, Download, SameName, Simulator, Switches, TOKEN, UploadAnswer};
use pys3local_tests::client::Reply;
use pys3local_tests::data;

/// Sends until it works, as any client does.
async fn stubborn(cloud: &Cloud, key: &str, body: &bytes::Bytes) -> Reply {
    for _ in 0..20 {
        let reply = cloud.s3.put("bucket", key, body.clone()).send().await;
        if reply.status == 200 {
            return reply;
        }
        assert!(
            [500, 503].contains(&reply.status.as_u16()),
            "{} {}",
            reply.status,
            reply.text()
        );
    }
    panic!("it never worked");
}

#[tokio::test(flavor = "multi_thread")]
async fn small_uploads_survive_every_fault_and_leave_one_entry_each() {
    for fault in [
        "429",
        "500",
        "502",
        "520",
        "html",
        "reset-before",
        "reset-after",
        "after-502",
        "after-500",
    ] {
        let cloud = Cloud::new().await;
        cloud.script(&format!("POST /uploads={fault},pass,{fault},{fault},pass"));
        for n in 0..3 {
            let body = data::bytes(n, 10_000);
            stubborn(&cloud, "dir/key", &body).await;
            assert!(cloud.s3.fetch("bucket", "dir/key").await == body, "{fault}");
        }
        assert_eq!(cloud.s3.keys("bucket").await, ["dir/key"], "{fault}");
        // What a lost answer left behind goes with the next write of the key.
        cloud.simulator.clear_scripts();
        cloud.s3.store("bucket", "dir/key", "last").await;
        assert_eq!(cloud.files().len(), 1, "{fault}: {:?}", cloud.files());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_uploads_survive_every_fault_and_leave_one_entry_each() {
    for (call, fault) in [
        ("storage:PUT /", "500"),
        ("storage:PUT /", "reset-before"),
        ("storage:PUT /", "reset-after"),
        ("storage:PUT /", "403"),
        ("POST /s3/multipart/create", "reset-after"),
        ("POST /s3/multipart/batch-sign-part-urls", "503"),
        ("POST /s3/multipart/complete", "502"),
        ("POST /s3/multipart/complete", "reset-after"),
        ("POST /s3/entries", "500"),
        ("POST /s3/entries", "reset-before"),
        ("POST /s3/entries", "reset-after"),
        ("POST /s3/entries", "html"),
    ] {
        let cloud = Cloud::new().await;
        cloud.script(&format!("{call}={fault}"));
        let body = data::bytes(1, 11 * MIB);
        stubborn(&cloud, "dir/key", &body).await;
        let what = format!("{call} {fault}");
        assert!(cloud.s3.fetch("bucket", "dir/key").await == body, "{what}");
        assert_eq!(cloud.files().len(), 1, "{what}: {:?}", cloud.files());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_made_once_though_answers_are_lost() {
    for fault in ["reset-after", "after-502", "500", "html"] {
        let cloud = Cloud::new().await;
        cloud.script(&format!("POST /folders={fault},pass,{fault}"));
        let body = data::bytes(1, 10);
        stubborn(&cloud, "a/b/c/key", &body).await;
        let folders = cloud.simulator.entries().into_iter();
        let mut folders: Vec<String> = folders
            .filter(|entry| entry.folder)
            .map(|entry| entry.path)
            .collect();
        let all = folders.len();
        folders.dedup();
        assert_eq!(folders.len(), all, "{fault}");
        assert!(cloud.s3.fetch("bucket", "a/b/c/key").await == body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_service_stored_wrongly_is_no_success() {
    for upload_answer in [UploadAnswer::WrongSize, UploadAnswer::EmptyUsers] {
        let cloud = Cloud::new().await;
        cloud.s3.store("bucket", "key", "good").await;
        cloud.simulator.switch(|s| s.upload_answer = upload_answer);
        let put = cloud.s3.put("bucket", "key", "bad").send().await;
        put.expect_error(503, "ServiceUnavailable");
        cloud
            .simulator
            .switch(|s| s.upload_answer = UploadAnswer::Complete);
        assert_eq!(cloud.s3.fetch("bucket", "key").await, "good");
        assert_eq!(cloud.files().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_and_listings_outlast_passing_faults() {
    let cloud = Cloud::new().await;
    let body = data::bytes(1, 300_000);
    cloud.s3.store("bucket", "dir/key", body.clone()).await;
    for fault in ["429", "500", "503", "reset-before", "reset-after"] {
        cloud.script(&format!("GET /file-entries={fault},{fault}"));
        assert!(cloud.s3.fetch("bucket", "dir/key").await == body, "{fault}");
    }
    let mut gateway = crate::gateway(&cloud.simulator);
    for fault in ["429", "500", "html", "reset-before", "reset-after"] {
        cloud.script(&format!("GET /drive={fault},{fault}"));
        assert_eq!(gateway.s3().keys("bucket").await, ["dir/key"], "{fault}");
        gateway.restart();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_down_is_said_to_be_and_is_not_flooded() {
    let cloud = Cloud::new().await;
    cloud.script("* /=503*");
    let puts = (0..40).map(|n| {
        let put = cloud.s3.put("bucket", &format!("key{n}"), "x");
        async move { put.send().await.expect(503) }
    });
    futures_util::future::join_all(puts).await;
    let calls = cloud.simulator.calls();
    assert!(calls < 80, "{calls}");
    // By now it is asked only now and then whether it is back.
    let put = cloud.s3.put("bucket", "key", "x").send().await;
    put.expect(503);
    let more = cloud.simulator.calls() - calls;
    assert!(more <= 3, "{more}");
    cloud.simulator.clear_scripts();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_rejected_is_one_clear_line() {
    for bad_token in [BadToken::NullUser, BadToken::Unauthenticated] {
        let simulator = drime_sim::Simulator::start(Switches {
            bad_token,
            ..Switches::default()
        })
        .await
        .unwrap();
        simulator.set_tokens(&["another"]);
        let failed = crate::options(&simulator).try_start().err().unwrap();
        assert!(failed.stderr.contains("API key"), "{}", failed.stderr);
        let errors = failed
            .stderr
            .lines()
            .filter(|line| !line.contains(" INFO "));
        assert_eq!(errors.count(), 1, "{}", failed.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_answer_left_behind_goes_without_another_write_of_the_key() {
    for create_lag in [0, 500] {
        let cloud = Cloud::with(Switches {
            create_lag,
            ..Switches::default()
        })
        .await;
        for (n, fault) in ["reset-after", "after-502", "after-500"]
            .into_iter()
            .enumerate()
        {
            let key = format!("dir/key{n}");
            cloud.s3.store("bucket", &key, "old").await;
            cloud.script(&format!("POST /uploads={fault}"));
            let body = data::bytes(1, 1000);
            stubborn(&cloud, &key, &body).await;
            assert!(cloud.s3.fetch("bucket", &key).await == body, "{fault}");
        }
        cloud
            .gateway
            .until("each is there once", || cloud.files().len() == 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_of_a_first_write_leaves_one_entry() {
    for create_lag in [0, 700] {
        let cloud = Cloud::with(Switches {
            create_lag,
            ..Switches::default()
        })
        .await;
        cloud.script("POST /uploads=reset-after,reset-after,pass,reset-after");
        for n in 0..3 {
            let body = data::bytes(n, 1000);
            stubborn(&cloud, &format!("key{n}"), &body).await;
        }
        cloud
            .gateway
            .until("each is there once", || cloud.files().len() == 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_entry_that_could_not_be_deleted_goes_later() {
    let mut cloud = Cloud::with(Switches {
        same_name: SameName::KeepBoth,
        ..Switches::default()
    })
    .await;
    cloud.s3.store("bucket", "key", "old").await;
    cloud.script("POST /file-entries/delete=503,503,503,503,503");
    cloud.s3.store("bucket", "key", "new").await;
    assert_eq!(cloud.files().len(), 2);
    cloud
        .gateway
        .until("it is gone", || cloud.files().len() == 1);
    // The same when the program dies before it could even try.
    cloud.script("POST /file-entries/delete=delay-600000");
    let put = cloud.s3.put("bucket", "key", "newer");
    let put = tokio::spawn(async move { put.try_send().await });
    cloud
        .gateway
        .until("it has begun", || cloud.simulator.count("upload") == 3);
    cloud.gateway.kill9();
    put.abort();
    cloud.simulator.clear_scripts();
    cloud.restart();
    cloud
        .gateway
        .until("it is gone", || cloud.files().len() == 1);
    assert_eq!(cloud.s3.fetch("bucket", "key").await, "newer");
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_the_key_of_the_account_nor_a_signed_url_of_the_service_is_logged() {
    let simulator = Simulator::start(Switches::default()).await.unwrap();
    let options = crate::options(&simulator).arg("--debug");
    let gateway = options
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "1")
        .start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    let large = data::bytes(1, 11 * MIB);
    s3.store("bucket", "large", large.clone()).await;
    s3.store("bucket", "small", "small").await;
    simulator.switch(|switches| switches.download = Download::Redirect);
    assert!(s3.fetch("bucket", "large").await == large);
    for fault in ["500", "html", "403"] {
        for call in [
            "storage:PUT /",
            "storage:GET /",
            "POST /uploads",
            "GET /file-entries",
        ] {
            simulator.script(format!("{call}={fault}").parse().unwrap());
            let _ = s3.put("bucket", "large", large.clone()).try_send().await;
            let _ = s3.put("bucket", "small", "other").try_send().await;
            let _ = s3.get("bucket", "large").try_send().await;
            simulator.clear_scripts();
        }
    }
    simulator.set_tokens(&["another"]);
    let _ = s3.put("bucket", "small", "other").try_send().await;
    let said = gateway.stdout() + &gateway.stderr();
    assert!(said.contains("request failed"), "nothing has failed");
    let secrets = [TOKEN, "X-Amz-Signature=", "Bearer "];
    for line in said.lines() {
        assert!(
            !secrets.iter().any(|secret| line.contains(secret)),
            "{line}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_in_place_of_an_object_is_neither_served_nor_believed() {
    let cloud = Cloud::new().await;
    for (key, size) in [("dir/small", 29), ("dir/large", 1 << 20)] {
        let body = data::bytes(1, size);
        let put = cloud.s3.put("bucket", key, body.clone());
        let put = put.header("x-amz-meta-colour", "blue").send().await;
        let etag = put.expect(200).etag().to_owned();
        cloud.until_described();
        for (range, last) in [
            (None, size),
            (Some("bytes=0-9"), 10),
            (Some("bytes=2-19"), 20),
        ] {
            for times in [1, 2, 40] {
                cloud.script(&format!(
                    "GET /file-entries={}",
                    vec!["html"; times].join(",")
                ));
                let mut get = cloud.s3.get("bucket", key);
                if let Some(range) = range {
                    get = get.header("range", range);
                }
                let reply = get.send().await;
                if reply.status.is_success() {
                    let from =
                        range.map_or(0, |range| usize::from(range.starts_with("bytes=2")) * 2);
                    assert!(
                        reply.body == body.slice(from..last),
                        "{key} {range:?} {times}"
                    );
                    assert_eq!(reply.header("x-amz-meta-colour"), Some("blue"));
                } else {
                    assert!(times > 1, "{key} {range:?}");
                    assert_eq!(
                        reply.status,
                        503,
                        "{key} {range:?} {times}: {}",
                        reply.text()
                    );
                }
                cloud.simulator.clear_scripts();
                let head = cloud.s3.head("bucket", key).send().await.expect(200);
                assert_eq!(head.etag(), etag);
                assert_eq!(head.header("x-amz-meta-colour"), Some("blue"));
                let length = size.to_string();
                assert_eq!(head.header("content-length"), Some(length.as_str()));
                assert!(cloud.s3.fetch("bucket", key).await == body);
            }
        }
    }
}
