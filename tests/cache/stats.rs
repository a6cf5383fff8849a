use super::{home, old_home, settled};
use pys3local_tests::command::Program;
use pys3local_tests::gateway::Options;

#[test]
fn without_a_database_the_cache_is_empty_and_none_is_made() {
    let (dir, program) = home();
    insta::assert_snapshot!(program.run(&["cache", "stats"]), @"
    Cache is empty
    --- exit code Some(0)
    ");
    insta::assert_snapshot!(program.ok(&["cache", "stats", "--json"]), @r#"{"files":0,"newest":null,"oldest":null,"size":0,"stores":[]}"#);
    insta::assert_snapshot!(program.ok(&["cache", "stats", "--workspace", "7"]), @"No cache entries for workspace 7");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_database_that_is_named_and_not_there_is_an_error() {
    let (dir, program) = home();
    let path = dir.path().join("none.db");
    let named = ["--metadata-db", path.to_str().unwrap()];
    let expected = program.fails(1, &[&["cache", "vacuum"][..], &named].concat());
    assert!(expected.contains("none.db"), "{expected}");
    for args in [
        [&["cache", "stats"][..], &named].concat(),
        [&["cache"][..], &named, &["stats", "--json"]].concat(),
    ] {
        assert_eq!(program.fails(1, &args), expected, "{args:?}");
    }
    // One that a variable names, as in a container, may not be there yet.
    let mut command = program.command(&["cache", "stats"]);
    let output = command
        .env("PYS3LOCAL_METADATA_DB", &path)
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"Cache is empty\n", "{output:?}");
    assert!(!path.exists());
}

#[test]
fn the_statistics_have_the_shape_that_scripts_know() {
    let (_dir, program) = old_home();
    insta::assert_snapshot!(program.ok(&["cache", "stats"]), @"
    MD5 Cache Statistics

    Overall Statistics:
      Total files: 45
      Total size: 810.0 B
      Oldest entry: 2025-12-16T16:01:11.801768+00:00
      Newest entry: 2025-12-16T16:46:57.111257+00:00

    Per-Workspace Statistics:

      Workspace 0:
        Files: 1
        Size: 8.0 B
        Oldest: 2025-12-16T16:43:11.801768+00:00
        Newest: 2025-12-16T16:43:11.801768+00:00

      Workspace 1465:
        Files: 41
        Size: 790.0 B
        Oldest: 2025-12-16T16:01:11.801768+00:00
        Newest: 2025-12-16T16:42:11.801768+00:00

      Backend local (imported):
        Files: 3
        Size: 12.0 B
        Oldest: 2025-12-16T16:38:11.801768+00:00
        Newest: 2025-12-16T16:46:57.111257+00:00
    ");
    insta::assert_snapshot!(program.ok(&["cache", "stats", "--workspace", "1465"]), @"
    MD5 Cache Statistics - Workspace 1465

    Total files: 41
    Total size: 790.0 B
    Oldest entry: 2025-12-16T16:01:11.801768+00:00
    Newest entry: 2025-12-16T16:42:11.801768+00:00
    ");
    let photos = [
        "cache",
        "stats",
        "--workspace",
        "1465",
        "--bucket",
        "photos",
    ];
    insta::assert_snapshot!(program.ok(&photos), @"
    MD5 Cache Statistics - Workspace 1465, Bucket 'photos'

    Total files: 1
    Total size: 5.0 B
    Oldest entry: 2025-12-16T16:42:11.801768+00:00
    Newest entry: 2025-12-16T16:42:11.801768+00:00
    ");
    insta::assert_snapshot!(program.ok(&["cache", "stats", "--bucket", "photos"]), @"
    MD5 Cache Statistics - Bucket 'photos'

    Total files: 1
    Total size: 3.0 B
    Oldest entry: 2025-12-16T16:40:00+00:00
    Newest entry: 2025-12-16T16:40:00+00:00
    ");
    insta::assert_snapshot!(program.ok(&["cache", "stats", "--bucket", "default"]), @"
    MD5 Cache Statistics - Bucket 'default'

    Total files: 2
    Total size: 9.0 B
    Oldest entry: 2025-12-16T16:38:11.801768+00:00
    Newest entry: 2025-12-16T16:46:57.111257+00:00
    ");
    insta::assert_snapshot!(program.ok(&["cache", "stats", "--workspace", "7"]), @"No cache entries for workspace 7");
    let nothing = ["cache", "stats", "--workspace", "0", "--bucket", "photos"];
    insta::assert_snapshot!(program.ok(&nothing), @"No cache entries for workspace 0, bucket 'photos'");
}

#[test]
fn the_statistics_as_json_have_all_stores_and_buckets() {
    let (_dir, program) = old_home();
    insta::assert_snapshot!(program.ok(&["cache", "stats", "--json"]), @r#"{"files":45,"newest":"2025-12-16T16:46:57.111257+00:00","oldest":"2025-12-16T16:01:11.801768+00:00","size":810,"stores":[{"buckets":[{"bucket":"backup","files":1,"newest":"2025-12-16T16:43:11.801768+00:00","oldest":"2025-12-16T16:43:11.801768+00:00","size":8}],"component":"drime","files":1,"imported":true,"name":"drime:imported:0","newest":"2025-12-16T16:43:11.801768+00:00","oldest":"2025-12-16T16:43:11.801768+00:00","size":8,"workspace":0},{"buckets":[{"bucket":"","files":40,"newest":"2025-12-16T16:40:11.801768+00:00","oldest":"2025-12-16T16:01:11.801768+00:00","size":785},{"bucket":"photos","files":1,"newest":"2025-12-16T16:42:11.801768+00:00","oldest":"2025-12-16T16:42:11.801768+00:00","size":5}],"component":"drime","files":41,"imported":true,"name":"drime:imported:1465","newest":"2025-12-16T16:42:11.801768+00:00","oldest":"2025-12-16T16:01:11.801768+00:00","size":790,"workspace":1465},{"buckets":[{"bucket":"","files":2,"newest":"2025-12-16T16:46:57.111257+00:00","oldest":"2025-12-16T16:38:11.801768+00:00","size":9},{"bucket":"photos","files":1,"newest":"2025-12-16T16:40:00+00:00","oldest":"2025-12-16T16:40:00+00:00","size":3}],"component":"local","files":3,"imported":true,"name":"local:imported","newest":"2025-12-16T16:46:57.111257+00:00","oldest":"2025-12-16T16:38:11.801768+00:00","size":12,"workspace":null}]}"#);
}

#[tokio::test]
async fn a_store_without_a_workspace_is_named_while_its_server_runs() {
    let gateway = Options::default()
        .backend("mine", "[mine]\ntype = \"local\"\npath = \"{data}\"\n")
        .start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    for key in ["a", "b"] {
        s3.store("bucket", key, "12345").await;
    }
    settled(&gateway).await;
    let program = Program::in_home(gateway.home());
    let stats = program.ok(&["cache", "stats"]);
    assert!(
        stats.contains("  Backend local:~/data:\n    Files: 2\n    Size: 10.0 B\n"),
        "{stats}"
    );
    let stats = program.ok(&["cache", "stats", "--backend-config", "mine"]);
    let title = "MD5 Cache Statistics - Backend mine\n\nTotal files: 2\n";
    assert!(stats.starts_with(title), "{stats}");
    let unknown = program.fails(1, &["cache", "stats", "--backend-config", "yours"]);
    assert!(unknown.contains("mine"), "{unknown}");
}

#[test]
fn a_bucket_that_only_workspaces_have_needs_one_of_them() {
    let (_dir, program) = old_home();
    program.ok(&["cache", "stats"]); // imports it
    // `backup` is in workspace 0, and rows of a local store are there, too.
    for command in ["stats", "cleanup"] {
        let said = program.fails(1, &["cache", command, "--bucket", "backup"]);
        insta::allow_duplicates! {
            insta::assert_snapshot!(said, @"
            error: the bucket 'backup' is known in workspace 0 alone
            hint: say so: --workspace 0
            ");
        }
    }
    insta::assert_snapshot!(program.ok(&["cache", "stats", "--bucket", "nowhere"]), @"No cache entries for bucket 'nowhere'");
    insta::assert_snapshot!(program.ok(&["cache", "cleanup", "--bucket", "nowhere"]), @"No entries found for bucket 'nowhere'");
    assert!(program.ok(&["cache", "stats"]).contains("Total files: 45"));
}
