use super::{home, settled};
use pys3local_tests::artifacts::component;
use pys3local_tests::command::Program;
use pys3local_tests::gateway::Options;
use std::fs::{self, File};

#[test]
fn migrating_reads_what_is_not_known_and_says_so() {
    let (dir, program) = home();
    let data = dir.path().join("data");
    fs::create_dir_all(data.join("b")).unwrap();
    fs::write(data.join("a"), "one").unwrap();
    fs::write(data.join("b/c"), "three").unwrap();
    let data = data.to_str().unwrap();
    // One after the other, so that the lines come in order.
    let migrate = ["cache", "migrate", "--path", data, "--jobs", "1"];
    let plan = [&migrate[..], &["--dry-run"]].concat();
    insta::assert_snapshot!(program.ok(&plan), @"
    Migrating MD5s (dry run)
      Backend: ~/data
      Bucket: default

    default/a: would migrate (3.0 B)
    default/b/c: would migrate (5.0 B)

    Summary:
      Total files: 2
      Already cached: 0
      Would migrate: 2 (8.0 B to read)
    ");
    insta::assert_snapshot!(program.ok(&migrate), @"
    Migrating MD5s
      Backend: ~/data
      Bucket: default

    default/a: migrated (f97c5d29941bfb1b2fdab0874906ab82)
    default/b/c: migrated (35d6d33467aae9a2e3dccb4b6b027878)

    Summary:
      Total files: 2
      Already cached: 0
      Migrated: 2
    ");
    insta::assert_snapshot!(program.ok(&migrate), @"
    Migrating MD5s
      Backend: ~/data
      Bucket: default

    default/a: already cached
    default/b/c: already cached

    Summary:
      Total files: 2
      Already cached: 2
      Migrated: 0
    ");
    insta::assert_snapshot!(program.ok(&[&plan[..], &["--json"]].concat()), @r#"
    {"bucket":"default","key":"a","outcome":"cached","size":3}
    {"bucket":"default","key":"b/c","outcome":"cached","size":5}
    {"summary":{"bytes_to_read":0,"cached":2,"failed":0,"skipped":0,"total":2,"would_migrate":0}}
    "#);
    fs::write(format!("{data}/a"), "changed").unwrap();
    insta::assert_snapshot!(program.ok(&[&migrate[..], &["--json"]].concat()), @r#"
    {"bucket":"default","etag":"8977dfac2f8e04cb96e66882235f5aba","key":"a","outcome":"migrated","read":true,"size":7}
    {"bucket":"default","key":"b/c","outcome":"cached","size":5}
    {"summary":{"cached":1,"failed":0,"migrated":1,"skipped":0,"total":2}}
    "#);
    insta::assert_snapshot!(program.run(&["cache", "migrate"]), @"
    --- exit code Some(2)
    error: say which store: --backend-config NAME, or --path DIR
    ");
    let workspace = program.run(&[&migrate[..], &["--workspace", "3"]].concat());
    insta::assert_snapshot!(workspace, @"
    --- exit code Some(2)
    error: --workspace: the backend `local` has no such setting
    ");
}

#[test]
fn rot_is_found_named_and_has_an_exit_code_of_its_own() {
    let (dir, program) = home();
    let data = dir.path().join("data");
    fs::create_dir_all(&data).unwrap();
    for name in ["sound", "rotten", "unknown"] {
        fs::write(data.join(name), name).unwrap();
    }
    let path = data.to_str().unwrap();
    fs::rename(data.join("unknown"), dir.path().join("unknown")).unwrap();
    program.ok(&["cache", "migrate", "--path", path]);
    fs::rename(dir.path().join("unknown"), data.join("unknown")).unwrap();
    // A bit that falls over leaves the time alone.
    let time = fs::metadata(data.join("rotten"))
        .unwrap()
        .modified()
        .unwrap();
    fs::write(data.join("rotten"), "rottem").unwrap();
    File::options()
        .write(true)
        .open(data.join("rotten"))
        .unwrap()
        .set_modified(time)
        .unwrap();
    let verify = ["cache", "verify", "--path", path, "--jobs", "1"];
    insta::assert_snapshot!(program.run(&verify), @"
    Verifying objects
      Backend: ~/data
      Bucket: default

    default/rotten: failed: rotten: its bytes have 7d28b44427205b7344be3d863425a355, not 78226289aba350a58537ecc63eccdff6
    default/sound: ok
    default/unknown: skipped: its MD5 is not known

    Summary:
      Total files: 3
      Verified: 1
      Skipped: 1
      Failed: 1
    --- exit code Some(3)
    error: 1 object failed
    ");
    insta::assert_snapshot!(program.run(&[&verify[..], &["--json"]].concat()), @r#"
    {"bucket":"default","error":"rotten: its bytes have 7d28b44427205b7344be3d863425a355, not 78226289aba350a58537ecc63eccdff6","key":"rotten","outcome":"failed","size":6}
    {"bucket":"default","key":"sound","outcome":"ok","size":5}
    {"bucket":"default","key":"unknown","outcome":"unknown","size":7}
    {"summary":{"failed":1,"missing":0,"skipped":1,"total":3,"verified":1}}
    --- exit code Some(3)
    error: 1 object failed
    "#);
    fs::write(data.join("rotten"), "new").unwrap();
    program.ok(&verify);
}

#[test]
fn objects_that_are_known_and_not_there_are_named_and_counted() {
    let (dir, program) = home();
    let data = dir.path().join("data");
    fs::create_dir_all(data.join("b")).unwrap();
    for name in ["a", "b/c", "d", "z"] {
        fs::write(data.join(name), name).unwrap();
    }
    let path = data.to_str().unwrap();
    program.ok(&["cache", "migrate", "--path", path]);
    for name in ["b/c", "z"] {
        fs::remove_file(data.join(name)).unwrap();
    }
    let verify = ["cache", "verify", "--path", path, "--jobs", "1"];
    insta::assert_snapshot!(program.run(&verify), @"
    Verifying objects
      Backend: ~/data
      Bucket: default

    default/a: ok
    default/d: ok
    default/b/c: missing: it is known, and not there
    default/z: missing: it is known, and not there

    Summary:
      Total files: 2
      Verified: 2
      Missing: 2
    --- exit code Some(3)
    error: 2 objects missing
    ");
    // Looking changes nothing: they are still missing, and so is all of an empty directory.
    for name in ["a", "d"] {
        fs::remove_file(data.join(name)).unwrap();
    }
    insta::assert_snapshot!(program.run(&[&verify[..], &["--json"]].concat()), @r#"
    {"bucket":"default","key":"a","outcome":"missing","size":1}
    {"bucket":"default","key":"b/c","outcome":"missing","size":3}
    {"bucket":"default","key":"d","outcome":"missing","size":1}
    {"bucket":"default","key":"z","outcome":"missing","size":1}
    {"summary":{"failed":0,"missing":4,"skipped":0,"total":0,"verified":0}}
    --- exit code Some(3)
    error: 4 objects missing
    "#);
}

#[test]
fn many_objects_and_whole_buckets_that_are_missing_are_all_found() {
    const EACH: usize = 2300; // more than a page of either side
    let (dir, program) = home();
    let data = dir.path().join("data");
    for bucket in ["gone", "half"] {
        let objects = data.join(bucket).join("objects");
        fs::create_dir_all(&objects).unwrap();
        for n in 0..EACH {
            fs::write(objects.join(format!("{n:04}")), "").unwrap();
        }
    }
    let store = ["--path", data.to_str().unwrap(), "--allow-bucket-creation"];
    program.ok(&[&["cache", "migrate"], &store[..]].concat());
    fs::remove_dir_all(data.join("gone")).unwrap();
    for n in (0..EACH).step_by(2) {
        fs::remove_file(data.join(format!("half/objects/{n:04}"))).unwrap();
    }
    let verify = [&["cache", "verify"], &store[..]].concat();
    let verified = program.run(&verify);
    assert_eq!(verified.code, Some(3), "{verified}");
    assert_eq!(verified.stdout.matches("\ngone/").count(), EACH);
    assert_eq!(verified.stderr, "error: 3,450 objects missing\n");
    assert!(
        verified.stdout.contains("  Verified: 1,150\n"),
        "{verified}"
    );
    // Of the other bucket alone, only its own are missed.
    let half = program.run(&[&verify[..], &["--bucket", "half"]].concat());
    assert_eq!(half.stderr, "error: 1,150 objects missing\n");
}

#[tokio::test]
async fn a_plain_tree_is_migrated_and_verified_with_the_layout_of_its_server() {
    let plain = ["--layout", "plain"];
    let gateway = Options::default().arg(plain[0]).arg(plain[1]).start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    let mut etags = Vec::new();
    for key in ["a", "b/c"] {
        etags.push(s3.store("bucket", key, key).await);
    }
    settled(&gateway).await;
    fs::write(gateway.data().join("bucket/by-hand"), "more").unwrap();
    let program = Program::in_home(gateway.home());
    let data = gateway.data();
    let command = |name| {
        let store = ["--path", data.to_str().unwrap(), "--allow-bucket-creation"];
        [&["cache", name, "--jobs", "1"], &store[..]].concat()
    };
    insta::assert_snapshot!(program.ok(&[&command("migrate")[..], &plain].concat()), @"
    Migrating MD5s
      Backend: ~/data
      Bucket: bucket

    bucket/a: already cached
    bucket/b/c: already cached
    bucket/by-hand: migrated (addec426932e71323700afa1911f8f1c)

    Summary:
      Total files: 3
      Already cached: 2
      Migrated: 1
    ");
    // The variable says it as well as the option.
    let mut verify = program.command(&command("verify"));
    let verified = verify.env("PYS3LOCAL_LAYOUT", "plain").output().unwrap();
    let said = String::from_utf8(verified.stdout).unwrap();
    assert!(verified.status.success(), "{said}");
    assert!(said.contains("Total files: 3\n  Verified: 3\n"), "{said}");
    // What was forgotten is found again, and is what the server had told.
    program.ok(&["cache", "cleanup", "--bucket", "bucket"]);
    program.ok(&[&command("migrate")[..], &plain].concat());
    for (key, etag) in ["a", "b/c"].into_iter().zip(etags) {
        assert_eq!(s3.head("bucket", key).send().await.etag(), etag, "{key}");
    }
    let wrong = program.fails(2, &[&command("verify")[..], &["--layout", "flat"]].concat());
    assert_eq!(wrong, "error: --layout: expected `objects` or `plain`\n");
}

#[test]
fn a_variable_for_the_layout_may_be_meant_for_another_backend_and_a_flag_may_not() {
    let (_dir, program) = with_hostile_plugin();
    let store = ["--backend-config", "mine", "--bucket", "fine"];
    let migrate = [&["cache", "migrate"], &store[..]].concat();
    let mut command = program.command(&migrate);
    let migrated = command.env("PYS3LOCAL_LAYOUT", "plain").output().unwrap();
    assert!(migrated.status.success(), "{migrated:?}");
    let said = program.fails(2, &[&migrate[..], &["--layout", "plain"]].concat());
    let expected = "error: --layout: the backend `hostile` has no such setting\n";
    assert_eq!(said, expected);
}

#[tokio::test]
async fn migrating_beside_a_running_server_never_spoils_an_object() {
    let gateway = Options::default().start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    for n in 0..60 {
        let folder = gateway.data().join("bucket/objects");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{n:02}")), format!("by hand {n}")).unwrap();
    }
    let program = Program::in_home(gateway.home());
    let data = gateway.data();
    let migrating = tokio::task::spawn_blocking(move || {
        let path = data.to_str().unwrap();
        let migrate = ["cache", "migrate", "--path", path, "--bucket", "bucket"];
        for _ in 0..4 {
            program.ok(&migrate);
        }
    });
    let mut expected: Vec<(usize, String, String)> = Vec::new();
    for round in 0..6 {
        for n in (0..60).step_by(7) {
            let body = format!("put {n} in round {round}");
            let etag = s3.store("bucket", &format!("{n:02}"), body.clone()).await;
            expected.retain(|(at, ..)| *at != n);
            expected.push((n, body, etag));
        }
    }
    migrating.await.unwrap();
    for (n, body, etag) in expected {
        let got = s3.get("bucket", &format!("{n:02}")).send().await;
        assert_eq!(got.etag(), etag, "{n}");
        assert_eq!(got.body, body.as_bytes(), "{n}");
    }
    let list = s3.list("bucket").send().await;
    let list = list.text();
    assert!(!list.contains("x-"), "an object without an MD5 in {list}");
}

#[test]
fn what_was_interrupted_goes_on_where_it_was() {
    let (dir, program) = home();
    let data = dir.path().join("data");
    fs::create_dir_all(&data).unwrap();
    for n in 0..200 {
        fs::write(data.join(format!("{n:03}")), vec![7; 100_000]).unwrap();
    }
    let path = data.to_str().unwrap();
    let migrate = ["cache", "migrate", "--path", path, "--jobs", "1"];
    let lines = program.kill_after(&migrate, 20);
    let migrated = lines.iter().filter(|line| line.contains(": migrated ("));
    let migrated: Vec<_> = migrated
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert!(!migrated.is_empty(), "{lines:?}");
    let again = program.ok(&migrate);
    for key in migrated {
        assert!(again.contains(&format!("{key}: already cached")), "{key}");
    }
    assert!(again.contains("Total files: 200"), "{again}");
    assert!(program.ok(&migrate).contains("Already cached: 200"));
}

/// A home with a plugin by somebody else, whose buckets are named for what is wrong with them.
fn with_hostile_plugin() -> (tempfile::TempDir, Program) {
    let (dir, program) = home();
    let component = component("guest-hostile").unwrap();
    let toml = format!(
        "[mine]\ntype = \"hostile\"\ncomponent = {:?}\n",
        component.to_str().unwrap()
    );
    fs::create_dir_all(program.config()).unwrap();
    fs::write(program.config().join("backends.toml"), toml).unwrap();
    (dir, program)
}

#[test]
fn objects_that_cannot_be_read_are_named_and_the_others_migrated() {
    let (_dir, program) = with_hostile_plugin();
    let migrate = |bucket| {
        let store = ["--backend-config", "mine", "--bucket", bucket];
        program.run(&[&["cache", "migrate"], &store[..]].concat())
    };
    let failed = migrate("short-body");
    assert_eq!(failed.code, Some(3), "{failed}");
    for part in [
        "short-body/a: failed: ",
        "short-body/b: failed: ",
        "  Migrated: 0\n  Failed: 2\n",
    ] {
        assert!(failed.stdout.contains(part), "{failed}");
    }
    assert_eq!(failed.stderr, "error: 2 objects failed\n");
    let fine = migrate("fine");
    assert_eq!(fine.code, Some(0), "{fine}");
    assert!(fine.stdout.contains("  Migrated: 2\n"), "{fine}");
    // A store without a workspace goes by its name.
    let stats = program.ok(&["cache", "stats"]);
    assert!(stats.contains("\n  Backend hostile:"), "{stats}");
    let cleanup = ["cache", "cleanup", "--backend-config", "mine"];
    assert_eq!(
        program.ok(&cleanup),
        "✓ Removed 2 entries for backend mine\n"
    );
}

#[test]
fn buckets_of_the_other_mode_are_warned_about_and_nothing_verified_is_a_failure() {
    let (dir, program) = home();
    let data = dir.path().join("data");
    for bucket in ["aaa", "bbb", "ccc", "ddd"] {
        fs::create_dir_all(data.join(bucket).join("objects")).unwrap();
        fs::write(data.join(bucket).join("objects/key"), bucket).unwrap();
    }
    let path = ["--path", data.to_str().unwrap()];
    let advanced = ["--path", path[1], "--allow-bucket-creation"];
    let run = |command: &str, more: &[&str]| program.run(&[&["cache", command], more].concat());
    let migrated = run("migrate", &advanced);
    assert_eq!((migrated.code, &*migrated.stderr), (Some(0), ""));
    let verified = run("verify", &path);
    assert_eq!(verified.code, Some(1), "{verified}");
    insta::assert_snapshot!(verified.stderr, @"
    WARNING: this looks at the one bucket `default`, and the database knows 4 objects of this store in the buckets aaa, bbb, ccc and 1 more: add --allow-bucket-creation, as for `serve`, to look there
    error: nothing was verified: all that is known is in other buckets
    hint: add --allow-bucket-creation, as for `serve`, to look there
    ");
    let planned = run("migrate", &["--dry-run", path[0], path[1]]);
    assert_eq!(planned.code, Some(0), "{planned}");
    assert!(
        planned.stderr.starts_with("WARNING: this looks"),
        "{planned}"
    );

    fs::write(data.join("top"), "top").unwrap();
    assert_eq!(run("migrate", &path).code, Some(0));
    assert_eq!(run("verify", &path).code, Some(0));
    fs::remove_dir_all(&data).unwrap();
    fs::create_dir_all(data.join("eee/objects")).unwrap();
    let named = run("verify", &["--path", path[1], "--bucket", "eee"]);
    assert_eq!((named.code, &*named.stderr), (Some(0), ""));
}

#[test]
fn the_bucket_of_default_mode_is_warned_about_where_buckets_are_real() {
    let (dir, program) = home();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("key"), "key").unwrap();
    let path = data.to_str().unwrap();
    program.ok(&["cache", "migrate", "--path", path]);
    let verify = ["cache", "verify", "--path", path, "--allow-bucket-creation"];
    insta::assert_snapshot!(program.fails(1, &verify), @"
    WARNING: this looks at the buckets that clients have made, and the database knows 1 object of this store in its one bucket `default`: leave --allow-bucket-creation out to look there
    error: nothing was verified: all that is known is in other buckets
    hint: leave --allow-bucket-creation out to look there
    ");
}
