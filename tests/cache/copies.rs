use super::{home, old_home, settled};
use pys3local_tests::command::Program;
use pys3local_tests::gateway::Options;
use std::fs;

#[test]
fn vacuum_says_what_it_has_saved() {
    let (_dir, program) = old_home();
    program.ok(&["cache", "cleanup", "--all", "--yes"]);
    let vacuum = program.ok(&["cache", "vacuum"]);
    let shape: String = vacuum
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    insta::assert_snapshot!(shape.replace("000", "00"), @"
    Optimizing cache database...
    ✓ Database optimized
      Before: 00.0 KB
      After: 00.0 KB
      Saved: 00.0 KB
    ");
    // The second finds nothing to save.
    let again = program.ok(&["cache", "vacuum"]);
    assert!(again.ends_with("\n  Saved: 0.0 B\n"), "{again}");
    let (_dir, program) = home();
    insta::assert_snapshot!(program.run(&["cache", "vacuum"]), @"
    --- exit code Some(1)
    error: there is no metadata database at ~/.config/pys3local/metadata.db
    ");
}

#[tokio::test]
async fn a_backup_is_made_while_the_server_runs_and_restored_when_it_does_not() {
    let mut gateway = Options::default().start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    s3.store("bucket", "a", "1").await;
    settled(&gateway).await;
    let program = Program::in_home(gateway.home());
    let copy = gateway.home().join("copy.db");
    let copy = copy.to_str().unwrap().to_owned();
    let shape = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
    insta::assert_snapshot!(shape(&program.ok(&["cache", "backup", &copy])), @"✓ Copied ~/.config/pys0local/metadata.db to ~/copy.db (00.0 KB)");
    insta::assert_snapshot!(program.run(&["cache", "backup", &copy]), @"
    --- exit code Some(1)
    error: ~/copy.db exists
    hint: --force replaces it
    ");
    program.ok(&["cache", "backup", "--force", &copy]);
    s3.store("bucket", "b", "2").await;
    insta::assert_snapshot!(program.run(&["cache", "restore", &copy]), @"
    --- exit code Some(1)
    error: the metadata database ~/.config/pys3local/metadata.db is in use
    hint: stop all pys3local that use it first
    ");

    gateway.kill9();
    // The log that a crash leaves belongs to the old database.
    assert!(program.config().join("metadata.db-wal").exists());
    let restored = program.ok(&["cache", "restore", &copy]);
    insta::assert_snapshot!(shape(&restored), @"
    ✓ Restored ~/.config/pys0local/metadata.db from ~/copy.db
      The old one is now ~/.config/pys0local/metadata.db.replaced-00000000T000000Z
    ");
    assert!(!program.config().join("metadata.db-wal").exists());
    gateway.restart();
    let s3 = gateway.s3();
    let etag = async |key: &str| {
        let reply = s3.head("bucket", key).send().await;
        reply.header("etag").unwrap_or_default().to_owned()
    };
    assert_eq!(etag("a").await, "\"c4ca4238a0b923820dcc509a6f75849b\"");
    assert!(etag("b").await.starts_with("\"x-"));
}

#[test]
fn what_is_no_backup_is_refused() {
    let (dir, program) = old_home();
    let text = dir.path().join("text");
    fs::write(&text, "hello").unwrap();
    insta::assert_snapshot!(program.run(&["cache", "restore", text.to_str().unwrap()]), @"
    --- exit code Some(1)
    error: ~/text is no intact metadata database: file is not a database
    ");
    insta::assert_snapshot!(program.run(&["cache", "restore", "/nowhere/at/all"]), @"
    --- exit code Some(1)
    error: /nowhere/at/all is no intact metadata database: no such file
    ");
    assert!(program.ok(&["cache", "stats"]).contains("Total files: 45"));
}

#[test]
fn a_damaged_database_is_left_alone_and_what_to_do_is_said() {
    let (_dir, program) = home();
    fs::create_dir_all(program.config()).unwrap();
    let database = program.config().join("metadata.db");
    fs::write(&database, [b'x'; 8_000]).unwrap();
    for args in [
        &["cache", "vacuum"][..],
        &["cache", "stats"],
        &["cache", "cleanup", "--all", "--yes"],
        &["cache", "backup", "copy.db"],
    ] {
        let said = program.fails(1, args);
        assert!(
            said.contains("hint: a backup can be put in its place"),
            "{args:?}: {said}"
        );
    }
    assert_eq!(fs::read(&database).unwrap(), [b'x'; 8_000]);
}
