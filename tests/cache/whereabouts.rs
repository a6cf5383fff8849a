//! Stores whose directory has moved, or is not there for the moment.

use super::{home, settled};
use pys3local_tests::command::Program;
use pys3local_tests::gateway::{Gateway, Options};
use pys3local_tests::s3::S3;
use std::fs;
use std::path::Path;

fn section(path: &Path) -> String {
    let path = path.to_str().unwrap();
    format!("[mine]\ntype = \"local\"\npath = {path:?}\n")
}

/// A server whose store can be said to be elsewhere, with an object that has metadata.
async fn gateway_with_object() -> Gateway {
    let gateway = Options::default()
        .backend("mine", "[mine]\ntype = \"local\"\npath = \"{data}\"\n")
        .start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    let put = s3.put("bucket", "key", "12345");
    let put = put
        .header("content-type", "text/plain")
        .header("x-amz-meta-a", "b");
    assert_eq!(put.send().await.status, 200);
    settled(&gateway).await;
    gateway
}

async fn metadata(s3: &S3) -> Option<String> {
    let head = s3.head("bucket", "key").send().await;
    assert_eq!(head.status, 200);
    head.header("x-amz-meta-a").map(str::to_owned)
}

#[tokio::test]
async fn a_store_that_has_moved_gets_its_metadata_back_with_the_command_that_the_server_names() {
    let mut gateway = gateway_with_object().await;
    let program = Program::in_home(gateway.home());
    let (old, new) = (gateway.data(), gateway.home().join("new place"));
    gateway.kill9();
    fs::rename(&old, &new).unwrap();
    fs::write(program.config().join("backends.toml"), section(&new)).unwrap();
    gateway.restart();
    assert_eq!(metadata(&gateway.s3()).await, None);
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let command = format!("`pys3local cache rename {old} '{new}'`");
    let said = gateway.stderr();
    assert!(said.contains("but 1 object in "), "{said}");
    assert!(said.contains(&command), "{said}");

    let refusal = program.fails(1, &["cache", "rename", old, new]);
    assert!(refusal.contains("is in use"), "{refusal}");
    gateway.kill9();
    insta::assert_snapshot!(
        program.ok(&["cache", "rename", old, new]),
        @"✓ What was known of ~/data is now known of ~/new place (1 object)"
    );
    gateway.restart();
    assert_eq!(metadata(&gateway.s3()).await.as_deref(), Some("b"));
    let said = gateway.stderr();
    assert!(!said.contains("the database knows"), "{said}");
}

#[test]
fn a_store_is_renamed_only_if_it_is_known_and_nothing_is_known_of_the_other() {
    let (dir, program) = home();
    insta::assert_snapshot!(
        program.run(&["cache", "rename", "/a", "/"]),
        @"
    --- exit code Some(1)
    error: the metadata database knows nothing of any directory
    "
    );
    for name in ["a", "b"] {
        let store = dir.path().join(name);
        fs::create_dir(&store).unwrap();
        fs::write(store.join("object"), name).unwrap();
        program.ok(&["cache", "migrate", "--path", store.to_str().unwrap()]);
    }
    let before = program.ok(&["cache", "stats"]);
    for (args, refusal) in [
        (
            ["c", "a"],
            "error: the metadata database knows nothing of ~/c: it knows ~/a, ~/b\n",
        ),
        (
            ["a", "b"],
            "error: the metadata database knows of objects, uploads or settings of buckets in ~/b already\n",
        ),
        (
            ["a", "c"],
            "error: cannot use ~/c: No such file or directory\n",
        ),
    ] {
        let [old, new] = args.map(|name| dir.path().join(name).display().to_string());
        assert_eq!(program.fails(1, &["cache", "rename", &old, &new]), refusal);
    }
    assert_eq!(program.ok(&["cache", "stats"]), before);
}

#[tokio::test]
async fn a_disk_that_is_not_mounted_is_warned_about_and_a_store_that_was_emptied_is_not() {
    let mut gateway = Options::default().start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    s3.store("bucket", "key", "12345").await;
    settled(&gateway).await;
    gateway.kill9();
    let aside = gateway.home().join("aside");
    fs::rename(gateway.data(), &aside).unwrap();
    gateway.restart();
    let said = gateway.stderr();
    let expected = format!(
        "WARNING: {} is empty, but the database knows 1 object there",
        gateway.data().display()
    );
    assert!(said.contains(&expected), "{said}");
    gateway.kill9();
    fs::remove_dir_all(gateway.data()).unwrap();
    fs::rename(&aside, gateway.data()).unwrap();
    gateway.restart();
    assert!(
        !gateway.stderr().contains("is empty"),
        "{}",
        gateway.stderr()
    );
    let s3 = gateway.s3();
    assert_eq!(s3.delete("bucket", "key").send().await.status, 204);
    assert_eq!(s3.bucket("DELETE", "bucket").send().await.status, 204);
    gateway.restart();
    assert!(
        !gateway.stderr().contains("is empty"),
        "{}",
        gateway.stderr()
    );
}

#[tokio::test]
async fn a_directory_that_cannot_be_the_store_that_is_gone_is_served_without_a_word() {
    let mut gateway = gateway_with_object().await;
    let program = Program::in_home(gateway.home());
    gateway.kill9();
    fs::remove_dir_all(gateway.data()).unwrap();
    let other = gateway.home().join("other");
    fs::create_dir_all(other.join("letters")).unwrap();
    fs::write(program.config().join("backends.toml"), section(&other)).unwrap();
    gateway.restart();
    let said = gateway.stderr();
    assert!(!said.contains("cache rename"), "{said}");
    gateway.kill9();
    fs::create_dir_all(other.join("bucket/objects")).unwrap();
    gateway.restart();
    let said = gateway.stderr();
    assert!(said.contains("cache rename"), "{said}");
}
