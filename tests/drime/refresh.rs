//! `cache refresh`: what others have written is listed at once, whether a server runs or not. And
//! the other commands that look at all objects: they list from the index.

use crate::index::{asked, bucket, indexed, wary};
use drime_sim::{Simulator, Switches};
use pys3local_tests::command::{Output, Program};
use pys3local_tests::{Gateway, S3};

/// Nothing is asked again during a test.
const LONG: &str = "max_age = \"1 h\"\n";

/// A gateway that has an index of the bucket, and another one that writes to the same account.
struct Two {
    simulator: Simulator,
    gateway: Gateway,
    s3: S3,
    _other: Gateway,
    other: S3,
}

impl Two {
    async fn new() -> Self {
        let (simulator, gateway, s3) = wary(Switches::default(), LONG).await;
        // Not by the gateway itself: what it has just written is not given up so soon.
        let dir = simulator.seed_folder(Some(bucket(&simulator)), "dir");
        simulator.seed_file(Some(dir), "old", b"old").unwrap();
        s3.store("bucket", "dir/mine", "mine").await;
        indexed(&simulator, &s3).await;
        let other = crate::gateway(&simulator);
        Self {
            other: other.s3(),
            _other: other,
            simulator,
            gateway,
            s3,
        }
    }

    /// Somebody else writes, replaces and deletes.
    async fn meddle(&self) {
        self.other.store("bucket", "dir/new", "new").await;
        self.other.store("bucket", "far/deep/new", "new").await;
        self.other.store("bucket", "dir/mine", "theirs").await;
        let delete = self.other.delete("bucket", "dir/old").send().await;
        delete.expect(204);
    }

    fn refresh(&self, more: &[&str]) -> Output {
        let command = ["cache", "refresh", "--backend-config", "cloud"];
        Program::in_home(self.gateway.home()).run(&[&command[..], more].concat())
    }
}

const REFRESHED: &str = "\
Refreshing the listing index...
  Backend: cloud
  Bucket: bucket
    Folders: 4
    Objects: 3 (2 new, 1 changed, 1 gone)
✓ Index refreshed
";

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_beside_a_running_server_shows_it_what_others_wrote() {
    let two = Two::new().await;
    two.meddle().await;
    assert_eq!(two.s3.keys("bucket").await, ["dir/mine", "dir/old"]);
    let refreshed = two.refresh(&["--bucket", "bucket"]);
    let stdout = refreshed.stdout.replace("\n\n", "\n");
    assert_eq!((refreshed.code, stdout.as_str()), (Some(0), REFRESHED));
    two.simulator.reset_log();
    let keys = two.s3.keys("bucket").await;
    assert_eq!(keys, ["dir/mine", "dir/new", "far/deep/new"]);
    let head = two.s3.head("bucket", "dir/mine").send().await.expect(200);
    assert_eq!(head.header("content-length"), Some("6"));
    assert_eq!(asked(&two.simulator), 0, "{:?}", two.simulator.counters());
    assert_eq!(two.s3.fetch("bucket", "dir/mine").await, "theirs");
    // What is written meanwhile stays: nothing of ours is taken for something that has gone.
    let writes = async {
        for n in 0..40 {
            two.s3.store("bucket", &format!("own/{n:02}"), "own").await;
        }
    };
    let beside = tokio::task::spawn_blocking({
        let program = Program::in_home(two.gateway.home());
        move || {
            let command = ["cache", "refresh", "--backend-config", "cloud"];
            program.run(&[&command[..], &["--bucket", "bucket"]].concat())
        }
    });
    let ((), refreshed) = futures_util::join!(writes, beside);
    assert_eq!(refreshed.unwrap().code, Some(0));
    assert_eq!(two.s3.keys("bucket").await.len(), 43);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_while_no_server_runs_is_known_to_the_next_one() {
    let mut two = Two::new().await;
    two.gateway.terminate();
    assert!(two.gateway.wait().success(), "{}", two.gateway.stderr());
    two.meddle().await;
    // All buckets, for scripts.
    let refreshed = two.refresh(&["--allow-bucket-creation", "--json"]);
    assert_eq!(
        (refreshed.code, refreshed.stdout.as_str()),
        (
            Some(0),
            "{\"bucket\":\"bucket\",\"changed\":1,\"folders\":4,\"gone\":1,\"new\":2,\
             \"objects\":3}\n"
        )
    );
    two.gateway.restart();
    let s3 = two.gateway.s3();
    let keys = s3.keys("bucket").await;
    assert_eq!(keys, ["dir/mine", "dir/new", "far/deep/new"]);
    assert_eq!(s3.fetch("bucket", "dir/mine").await, "theirs");
    // Nothing has changed since.
    let again = two.refresh(&["--bucket", "bucket"]);
    assert!(
        again.stdout.contains("(0 new, 0 changed, 0 gone)"),
        "{again}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_refreshes_are_one_clear_line() {
    let two = Two::new().await;
    let refused = |more: &[&str]| {
        let output = two.refresh(more);
        assert_eq!(output.code, Some(1), "{output}");
        output.stderr
    };
    assert_eq!(
        refused(&["--bucket", "nowhere"]),
        "error: bucket nowhere: no such bucket\n"
    );
    two.simulator.remove(bucket(&two.simulator));
    assert_eq!(
        refused(&["--bucket", "bucket"]),
        "error: bucket bucket: no such bucket\n"
    );
    two.simulator.set_tokens(&["another"]);
    let rejected = refused(&["--bucket", "bucket"]);
    assert!(rejected.contains("Drime rejects the API key"), "{rejected}");
    let program = Program::in_home(two.gateway.home());
    assert_eq!(
        program.fails(2, &["cache", "refresh"]),
        "error: say which store: --backend-config NAME, or --path DIR\n"
    );
    let data = two.gateway.data();
    let local = ["cache", "refresh", "--path", data.to_str().unwrap()];
    assert_eq!(
        program.fails(1, &local),
        "error: the backend ~/data has no listing index: it lists its objects itself\n"
    );
    let unknown = ["cache", "refresh", "--backend-config", "rain"];
    let unknown = program.fails(1, &unknown);
    assert!(unknown.contains("rain"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_and_verify_list_from_the_index() {
    let two = Two::new().await;
    let delete = two.s3.delete("bucket", "dir/old").send().await;
    delete.expect(204);
    for n in 0..50 {
        let key = format!("dir/{n:02}");
        two.s3.store("bucket", &key, "bytes").await;
    }
    two.gateway.until("every object has its text", || {
        two.simulator.count("change") >= 50
    });
    let program = Program::in_home(two.gateway.home());
    let run = |what: &str| {
        two.simulator.reset_log();
        let store = ["--backend-config", "cloud", "--bucket", "bucket"];
        let text = program.ok(&[&["cache", what], &store[..]].concat());
        (text, two.simulator.counters())
    };
    let (nothing, costs) = run("migrate");
    assert!(nothing.contains("Already cached: 51"), "{nothing}");
    // The way to the root folder alone, and what is in it.
    assert_eq!(costs.get("list"), Some(&3), "{costs:?}");
    let (whole, costs) = run("verify");
    assert!(whole.contains("Total files: 51"), "{whole}");
    assert_eq!(costs.get("download"), Some(&51), "{costs:?}");
    // What was forgotten is in the texts beside the objects, which are not read.
    program.ok(&["cache", "cleanup", "--backend-config", "cloud"]);
    let (learned, costs) = run("migrate");
    assert!(learned.contains("Migrated: 51"), "{learned}");
    assert_eq!(costs.get("download"), None, "{costs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_lists_a_bucket_once() {
    let switches = Switches {
        page_cap: 10,
        ..Switches::default()
    };
    let (simulator, gateway, s3) = wary(switches, LONG).await;
    let dir = simulator.seed_folder(Some(bucket(&simulator)), "dir");
    for n in 0..45 {
        let seeded = simulator.seed_file(Some(dir), &format!("{n:02}"), b"seeded");
        seeded.unwrap();
    }
    s3.store("bucket", "dir/mine", "mine").await;
    indexed(&simulator, &s3).await;
    // What has no tag in the index is listed by the service.
    let lists = |command: &str, more: &[&str]| {
        simulator.reset_log();
        let command = [
            "cache",
            command,
            "--backend-config",
            "cloud",
            "--bucket",
            "bucket",
        ];
        let output = Program::in_home(gateway.home()).run(&[&command[..], more].concat());
        assert_eq!(output.code, Some(0), "{output}");
        simulator.count("list")
    };
    let once = lists("migrate", &["--dry-run"]);
    assert!(once >= 5, "{once}");
    // One more to find the object that is read, at the most.
    let verified = lists("verify", &[]);
    assert!(verified < once + 5, "{verified}, and {once}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_in_the_other_mode_of_buckets_says_that_it_looks_elsewhere() {
    let two = Two::new().await;
    let elsewhere = two.refresh(&[]);
    let warning = "WARNING: this looks at the one bucket `default`, and the database knows ";
    assert!(elsewhere.stderr.starts_with(warning), "{elsewhere}");
    assert!(
        elsewhere
            .stderr
            .contains("in the bucket bucket: add --allow-bucket-creation"),
        "{elsewhere}"
    );
    let there = two.refresh(&["--allow-bucket-creation"]);
    assert_eq!((there.code, &*there.stderr), (Some(0), ""), "{there}");
    assert!(there.stdout.contains("Bucket: bucket\n"), "{there}");
}
