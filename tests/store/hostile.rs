//! A plugin that misbehaves: each misdeed costs the call and at most the instance that it ran
//! in. What other instances do goes on, and later calls are answered.

use crate::guests;
use crate::rig::{accepted, collect, directory, filled, grant, key, options};
use futures_util::{StreamExt as _, stream};
use pys3local::backend::{Backend, Component, Grants, PluginConfig, open};
use pys3local_core::model::{Bucket, ByteStream};
use pys3local_core::service::ports::{
    PutOptions, StoreError, StoreListQuery, StorePage, StoredObject,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// How long a call may do nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait for what takes a moment on an idle machine.
const RECOVERY: Duration = Duration::from_mins(1);
/// Bytes of each object.
const SIZE: usize = 1 << 20;

pub(crate) struct Hostile {
    backend: Backend,
    pub(crate) dir: TempDir,
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.backend.shutdown();
    }
}

fn bucket(misdeed: &str) -> Bucket {
    Bucket::Named(misdeed.parse().unwrap())
}

impl Hostile {
    pub(crate) async fn start() -> Self {
        Self::start_with(Grants::default()).await
    }

    pub(crate) async fn start_with(grants: Grants) -> Self {
        let dir = directory();
        let grants = Grants {
            dirs: vec![grant(&dir.path().join("data"))],
            call_timeout: PATIENCE,
            ..grants
        };
        Self::start_in(dir, "hostile", grants).await
    }

    /// The same plugin by another name.
    async fn start_as(kind: &str) -> Self {
        let grants = Grants {
            call_timeout: PATIENCE,
            ..Grants::default()
        };
        Self::start_in(directory(), kind, grants).await
    }

    pub(crate) async fn start_in(dir: TempDir, kind: &str, grants: Grants) -> Self {
        let config = PluginConfig {
            kind: kind.into(),
            component: Some(guests::component("hostile")),
            grants,
            ..PluginConfig::default()
        };
        let backend = open(config, options(&dir)).await.unwrap();
        Self { backend, dir }
    }

    pub(crate) async fn stat(&self, misdeed: &str, name: &str) -> Result<StoredObject, StoreError> {
        self.backend
            .store
            .stat(&bucket(misdeed), &key(name), None)
            .await
    }

    async fn get(&self, misdeed: &str) -> Result<ByteStream, StoreError> {
        let got = self
            .backend
            .store
            .get(&bucket(misdeed), &key("key"), None, None)
            .await;
        got.map(|(_, body)| body)
    }

    async fn list(&self, misdeed: &str) -> Result<StorePage, StoreError> {
        let query = StoreListQuery {
            prefix: "p/".into(),
            after: None,
            shallow: false,
            limit: 10,
        };
        self.backend.store.list(&bucket(misdeed), query).await
    }

    /// Every instance answers again, soon.
    pub(crate) async fn recovers(&self) {
        let start = Instant::now();
        let mut answers = 0;
        while answers < 10 {
            match self.stat("fine", "key").await {
                Ok(_) => answers += 1,
                Err(StoreError::Unavailable(_)) if start.elapsed() < RECOVERY => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("it did not recover: {error}"),
            }
        }
        let whole = collect(self.get("fine").await.unwrap()).await.unwrap();
        assert_eq!(whole.len(), SIZE);
    }
}

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
            let losses = hostile.backend.store.losses();
            assert!(losses > 0, "what it knew is lost");
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
        let start = Instant::now();
        // One that has just begun has no name yet.
        while threads_of(&kind) != cores {
            let left = threads_of(&kind);
            assert!(start.elapsed() < RECOVERY, "{misdeed}: {left} threads");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_ends_in_an_error() {
    for misdeed in [
        "short-body",
        "dropped-body",
        "stalled-body",
        "trap-in-body",
        "spin-in-body",
    ] {
        let hostile = Hostile::start().await;
        let (mut seen, mut error) = (0, None);
        let mut body = hostile.get(misdeed).await.unwrap();
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => seen += piece.len(),
                Err(broken) => error = Some(broken),
            }
        }
        assert!(error.is_some(), "{misdeed}: a whole body of {seen} bytes");
        assert!(seen <= SIZE / 2, "{misdeed}: {seen}");
        hostile.recovers().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_never_longer_than_its_object() {
    let hostile = Hostile::start().await;
    for misdeed in ["long-body", "endless-body"] {
        let body = collect(hostile.get(misdeed).await.unwrap()).await.unwrap();
        assert_eq!(body.len(), SIZE);
        assert!(body.iter().all(|&byte| byte == b'x'));
    }
    hostile.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_breaks_the_contract_is_refused() {
    let hostile = Hostile::start().await;
    assert_eq!(hostile.list("fine").await.unwrap().entries.len(), 2);
    for misdeed in [
        "wrong-order",
        "doubled-key",
        "outside-prefix",
        "too-many",
        "empty-more",
        "long-keys",
    ] {
        let answer = hostile.list(misdeed).await;
        assert!(
            matches!(answer, Err(StoreError::Other(_))),
            "{misdeed}: {answer:?}"
        );
    }
    let answer = hostile.stat("long-version", "key").await;
    assert!(matches!(answer, Err(StoreError::Other(_))), "{answer:?}");
    let buckets = hostile.backend.store.list_buckets().await.unwrap();
    let names: Vec<_> = buckets.iter().map(|bucket| bucket.name.as_str()).collect();
    assert_eq!(names, ["fine"], "a name that no client could use is shown");
    hostile.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_plugin_spoils_ends_in_an_error() {
    for misdeed in ["trap", "spin", "memory-bomb", "never", "verdict-first"] {
        let hostile = Hostile::start().await;
        // The verdict is given when the body was read, as the service does.
        let (sender, verdict) = oneshot::channel();
        let last = stream::once(async move {
            let _ = sender.send(pys3local_core::contract::receipt(SIZE as u64));
            Ok(vec![1; SIZE / 2].into())
        });
        let body = filled(1, SIZE as u64 / 2).chain(last).boxed();
        let (store, to) = (Arc::clone(&hostile.backend.store), bucket(misdeed));
        let put = store
            .put(
                &to,
                &key("key"),
                SIZE as u64,
                PutOptions::default(),
                body,
                verdict,
            )
            .await;
        assert!(
            matches!(put, Err(StoreError::Unavailable(_))),
            "{misdeed}: {put:?}"
        );
        let (fine, body) = (bucket("fine"), filled(1, 10));
        hostile.recovers().await;
        store
            .put(
                &fine,
                &key("key"),
                10,
                PutOptions::default(),
                body,
                accepted(10),
            )
            .await
            .unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_too_large_for_the_host_costs_one_instance() {
    let hostile = Hostile::start().await;
    // Keys that are long, and entries that are many.
    for misdeed in ["flood", "millions"] {
        match hostile.list(misdeed).await {
            Err(StoreError::Unavailable(_)) => {}
            answer => panic!("{misdeed}: {:?}", answer.map(|page| page.entries.len())),
        }
        hostile.recovers().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_text_of_a_plugin_is_cut() {
    let hostile = Hostile::start().await;
    let answer = hostile.stat("huge-text", "key").await.unwrap_err();
    assert!(
        answer.to_string().len() < 1000,
        "{}",
        answer.to_string().len()
    );
    hostile.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_floods_the_log_still_answers() {
    let hostile = Hostile::start().await;
    hostile.stat("log-flood", "key").await.unwrap();
    hostile.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_sees_granted_variables_and_nothing_else_of_our_environment() {
    assert!(std::env::vars().next().is_some());
    let env = [("COLOUR".to_owned(), "red".to_owned())].into();
    let hostile = Hostile::start_with(Grants {
        env,
        ..Grants::default()
    })
    .await;
    let answer = hostile.stat("environment", "key").await.unwrap_err();
    let text = answer.to_string();
    assert!(text.contains(r#"[("COLOUR", "red")] 0"#), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_calls_run_at_once_than_are_granted() {
    let hostile = Hostile::start_with(Grants {
        max_calls: std::num::NonZeroUsize::new(1),
        ..Grants::default()
    })
    .await;
    let (sender, verdict) = oneshot::channel();
    let (more, rest) = oneshot::channel();
    let body = filled(1, 9).chain(stream::once(async move {
        let _ = rest.await;
        let _ = sender.send(pys3local_core::contract::receipt(10));
        Ok(vec![1].into())
    }));
    let (store, to) = (Arc::clone(&hostile.backend.store), bucket("fine"));
    let put = tokio::spawn(async move {
        let (key, options) = (key("key"), PutOptions::default());
        store
            .put(&to, &key, 10, options, body.boxed(), verdict)
            .await
    });
    // The upload has begun, and its client pauses.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut stat = std::pin::pin!(hostile.stat("fine", "other"));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut stat).await;
    assert!(early.is_err(), "{early:?}");
    // What the upload itself may have to wait for does not wait for the upload.
    hostile.stat("fine", "key").await.unwrap();
    more.send(()).unwrap();
    put.await.unwrap().unwrap();
    stat.await.unwrap();
}
