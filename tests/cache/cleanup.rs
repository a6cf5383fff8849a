use super::{home, old_home, settled};
use pys3local_tests::command::Program;
use pys3local_tests::gateway::Options;

#[test]
fn what_was_removed_is_said_as_scripts_know_it() {
    let (_dir, program) = old_home();
    let bucket = [
        "cache",
        "cleanup",
        "--workspace",
        "1465",
        "--bucket",
        "photos",
    ];
    insta::assert_snapshot!(program.ok(&bucket), @"✓ Removed 1 entries for bucket 'photos' in workspace 1465");
    insta::assert_snapshot!(program.ok(&bucket), @"No entries found for bucket 'photos' in workspace 1465");
    let workspace = ["cache", "cleanup", "--workspace", "1465"];
    insta::assert_snapshot!(program.ok(&workspace), @"✓ Removed 40 entries for workspace 1465");
    insta::assert_snapshot!(program.ok(&workspace), @"No entries found for workspace 1465");
    insta::assert_snapshot!(program.ok(&["cache", "cleanup", "--bucket", "photos"]), @"✓ Removed 1 entries for bucket 'photos'");
    insta::assert_snapshot!(program.ok(&["cache", "cleanup", "--all", "--yes"]), @"✓ Removed 3 entries from cache");
    insta::assert_snapshot!(program.ok(&["cache", "cleanup", "--all", "--yes"]), @"Cache is already empty");
    insta::assert_snapshot!(program.ok(&["cache", "cleanup", "--all", "--yes", "--json"]), @r#"{"removed":0}"#);
}

#[test]
fn without_a_database_there_is_nothing_to_clean() {
    let (dir, program) = home();
    insta::assert_snapshot!(program.ok(&["cache", "cleanup", "--workspace", "3"]), @"No entries found for workspace 3");
    insta::assert_snapshot!(program.ok(&["cache", "cleanup", "--all"]), @"Cache is already empty");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn everything_goes_only_after_a_confirmation_that_says_what_would_be_lost() {
    let (_dir, program) = old_home();
    program.ok(&["cache", "stats"]); // imports it
    insta::assert_snapshot!(program.run(&["cache", "cleanup", "--all"]), @"
    This will remove 45 entries from the cache. Objects stay, and so do the content type and user metadata of 4 objects. MD5s that are kept with the object itself are learned again.
    --- exit code Some(1)
    error: this needs a confirmation, and there is no terminal to ask on
    hint: --yes confirms it
    ");
    let forget = [
        "cache",
        "cleanup",
        "--bucket",
        "photos",
        "--forget-metadata",
    ];
    insta::assert_snapshot!(program.run(&forget), @"
    This will remove 2 entries from the cache. The content type and user metadata of 2 objects would be lost where they are not kept with the object itself; what is kept there is learned again.
    --- exit code Some(1)
    error: this needs a confirmation, and there is no terminal to ask on
    hint: --yes confirms it
    ");
    assert!(program.ok(&["cache", "stats"]).contains("Total files: 45"));
}

#[test]
fn wrong_combinations_are_one_line_and_exit_code_1() {
    let (_dir, program) = old_home();
    let errors = [
        &["cache", "cleanup"][..],
        &["cache", "cleanup", "--all", "--workspace", "3"],
    ];
    let errors = errors.map(|args| program.fails(1, args)).concat();
    insta::assert_snapshot!(errors, @"
    error: say what to clean: --workspace, --backend-config, --bucket or --all
    error: --all cannot be combined with --workspace, --bucket or --backend-config
    ");
}

#[tokio::test]
async fn content_type_and_metadata_survive_unless_they_are_to_go_too() {
    let gateway = Options::default().start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    let put = s3
        .put("bucket", "key", "12345")
        .header("content-type", "text/html")
        .header("x-amz-meta-owner", "me");
    assert_eq!(put.send().await.status, 200);
    let md5 = "\"827ccb0eea8a706c4c34a16891f84e7b\"";
    let head = async || {
        let reply = s3.head("bucket", "key").send().await;
        let header = |name: &str| reply.header(name).unwrap_or_default().to_owned();
        [
            header("etag"),
            header("content-type"),
            header("x-amz-meta-owner"),
        ]
    };
    assert_eq!(head().await, [md5, "text/html", "me"]);

    // The server runs on and sees it.
    settled(&gateway).await;
    let program = Program::in_home(gateway.home());
    let removed = program.ok(&["cache", "cleanup", "--bucket", "bucket"]);
    assert_eq!(removed, "✓ Removed 1 entries for bucket 'bucket'\n");
    let [etag, rest @ ..] = head().await;
    assert!(etag.starts_with("\"x-"), "{etag}");
    assert_eq!(rest, ["text/html", "me"]);

    let data = gateway.data();
    let migrate = [
        "cache",
        "migrate",
        "--bucket",
        "bucket",
        "--path",
        data.to_str().unwrap(),
    ];
    program.ok(&migrate);
    assert_eq!(head().await, [md5, "text/html", "me"]);

    let forget = ["cache", "cleanup", "--all", "--forget-metadata", "--yes"];
    assert_eq!(program.ok(&forget), "✓ Removed 1 entries from cache\n");
    let [_, content_type, owner] = head().await;
    assert_ne!(content_type, "text/html");
    assert_eq!(owner, "");
}
