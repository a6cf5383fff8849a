//! Hands in the data directory while the gateway runs, or while it does not.

use pys3local_tests::data::md5_hex;
use pys3local_tests::{Gateway, Reply, S3};
use std::path::{Path, PathBuf};
use std::process::Command;

async fn stored(body: &str) -> (Gateway, S3, PathBuf) {
    let (gateway, s3) = Gateway::with_bucket().await;
    let put = s3.put("bucket", "dir/key", body.to_owned());
    put.header("content-type", "text/x-ours")
        .send()
        .await
        .expect(200);
    let path = gateway.data().join("bucket/objects/dir/key");
    (gateway, s3, path)
}

/// The tag is not the MD5 of what was there before, in any answer.
async fn has_no_stale_md5(s3: &S3, old: &str, new: &str) -> Reply {
    let stale = md5_hex(old.as_bytes());
    let reply = s3.get("bucket", "dir/key").send().await.expect(200);
    assert_eq!(reply.text(), new);
    assert_ne!(reply.etag(), stale);
    let head = s3.head("bucket", "dir/key").send().await.expect(200);
    assert_ne!(head.etag(), stale);
    let list = s3.list("bucket").send().await.expect(200).xml();
    assert_eq!(list.text("Contents/Size"), new.len().to_string());
    assert_ne!(list.text("Contents/ETag"), format!("\"{stale}\""));
    // A conditional read must not say "unchanged".
    let read = s3
        .get("bucket", "dir/key")
        .header("if-none-match", &format!("\"{stale}\""));
    read.send().await.expect(200);
    reply
}

#[tokio::test]
async fn a_file_that_was_written_over_has_no_stale_md5() {
    let (_gateway, s3, path) = stored("what we put").await;
    for new in ["what they", "what they put, which is longer", ""] {
        std::fs::write(&path, new).unwrap();
        has_no_stale_md5(&s3, "what we put", new).await;
    }
}

#[tokio::test]
async fn a_file_of_the_same_size_has_no_stale_md5() {
    let (_gateway, s3, path) = stored("same size 1").await;
    std::fs::write(&path, "same size 2").unwrap();
    has_no_stale_md5(&s3, "same size 1", "same size 2").await;
}

#[tokio::test]
async fn a_file_that_was_replaced_has_no_stale_md5() {
    let (gateway, s3, path) = stored("same size 1").await;
    let other = gateway.data().join("other");
    std::fs::write(&other, "same size 2").unwrap();
    std::fs::rename(&other, &path).unwrap();
    has_no_stale_md5(&s3, "same size 1", "same size 2").await;
}

#[tokio::test]
async fn a_file_that_changed_while_the_gateway_was_down_has_no_stale_md5() {
    let (mut gateway, _, path) = stored("same size 1").await;
    gateway.kill9();
    std::fs::write(&path, "same size 2").unwrap();
    gateway.restart();
    has_no_stale_md5(&gateway.s3(), "same size 1", "same size 2").await;
}

#[tokio::test]
async fn a_put_over_a_changed_file_is_ours_again() {
    let (_gateway, s3, path) = stored("first").await;
    std::fs::write(&path, "theirs").unwrap();
    let etag = s3.store("bucket", "dir/key", "second").await;
    assert_eq!(etag, md5_hex(b"second"));
    let reply = s3.get("bucket", "dir/key").send().await.expect(200);
    assert_eq!((reply.text(), reply.etag()), ("second", etag.as_str()));
}

#[tokio::test]
async fn a_file_that_was_removed_is_gone() {
    let (_gateway, s3, path) = stored("body").await;
    std::fs::remove_file(&path).unwrap();
    s3.get("bucket", "dir/key")
        .send()
        .await
        .expect_error(404, "NoSuchKey");
    assert!(s3.keys("bucket").await.is_empty());
    // And when it is back, it has nothing of what was known before.
    std::fs::write(&path, "back").unwrap();
    let reply = has_no_stale_md5(&s3, "body", "back").await;
    assert_ne!(reply.header("content-type"), Some("text/x-ours"));
}

#[tokio::test]
async fn a_directory_that_was_removed_is_gone() {
    let (gateway, s3, _) = stored("body").await;
    std::fs::remove_dir_all(gateway.data().join("bucket/objects/dir")).unwrap();
    assert!(s3.keys("bucket").await.is_empty());
    s3.store("bucket", "dir/key", "again").await;
    assert_eq!(s3.fetch("bucket", "dir/key").await, "again");
}

#[tokio::test]
async fn a_file_that_somebody_put_there_appears_everywhere() {
    let (gateway, s3, _) = stored("ours").await;
    let dir = gateway.data().join("bucket/objects/new/sub");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("theirs.txt"), "theirs").unwrap();
    assert_eq!(s3.keys("bucket").await, ["dir/key", "new/sub/theirs.txt"]);
    assert_eq!(s3.fetch("bucket", "new/sub/theirs.txt").await, "theirs");
    let copy = s3
        .put("bucket", "copy", "")
        .header("x-amz-copy-source", "bucket/new/sub/theirs.txt");
    copy.send().await.expect(200);
    assert_eq!(
        s3.head("bucket", "copy").send().await.expect(200).etag(),
        md5_hex(b"theirs")
    );
    s3.delete("bucket", "new/sub/theirs.txt")
        .send()
        .await
        .expect(204);
    assert!(!dir.join("theirs.txt").exists());
}

#[tokio::test]
async fn a_store_that_was_copied_with_its_times_keeps_its_tags() {
    let (mut gateway, _, _) = stored("body").await;
    gateway.kill9();
    let (data, copy) = (gateway.data(), gateway.data().with_file_name("copy"));
    let copied = Command::new("cp")
        .arg("-a")
        .arg(&data)
        .arg(&copy)
        .status()
        .unwrap();
    assert!(copied.success());
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&copy, &data).unwrap();
    gateway.restart();
    let reply = gateway
        .s3()
        .get("bucket", "dir/key")
        .send()
        .await
        .expect(200);
    assert_eq!(reply.etag(), md5_hex(b"body"));
    assert_eq!(reply.header("content-type"), Some("text/x-ours"));
}

#[tokio::test]
async fn a_link_that_leads_out_of_the_directory_leads_nowhere() {
    let (gateway, s3, path) = stored("body").await;
    let secret = gateway.data().with_file_name("secret");
    std::fs::write(&secret, "the secret").unwrap();
    let link = |target: &Path, name: &str| {
        std::os::unix::fs::symlink(target, path.with_file_name(name)).unwrap();
    };
    link(&secret, "absolute");
    link(Path::new("../../../../secret"), "relative");
    link(secret.parent().unwrap(), "directory");
    for key in ["dir/absolute", "dir/relative", "dir/directory/secret"] {
        let reply = s3.get("bucket", key).send().await;
        assert!(!reply.status.is_success(), "{key}");
        assert!(!reply.text().contains("the secret"), "{key}");
    }
    s3.keys("bucket").await;
    assert_eq!(s3.fetch("bucket", "dir/key").await, "body");
    // Nor does a write go through it.
    let _ = s3.put("bucket", "dir/absolute", "overwritten").send().await;
    let _ = s3
        .put("bucket", "dir/directory/secret", "overwritten")
        .send()
        .await;
    assert_eq!(std::fs::read(&secret).unwrap(), b"the secret");
}

#[tokio::test]
async fn a_lost_database_costs_tags_and_no_objects() {
    let (mut gateway, _, _) = stored("body").await;
    gateway.kill9();
    let config = gateway.data().with_file_name(".config").join("pys3local");
    for entry in std::fs::read_dir(&config).unwrap().flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with("metadata.db")
        {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    gateway.restart();
    let s3 = gateway.s3();
    assert_eq!(s3.keys("bucket").await, ["dir/key"]);
    let reply = s3.get("bucket", "dir/key").send().await.expect(200);
    assert_eq!(reply.text(), "body");
    assert_eq!(s3.store("bucket", "dir/key", "new").await, md5_hex(b"new"));
}

#[tokio::test]
async fn a_corrupt_database_is_moved_aside_and_said_so() {
    let (mut gateway, _, _) = stored("body").await;
    gateway.kill9();
    let config = gateway.data().with_file_name(".config").join("pys3local");
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(config.join(format!("metadata.db{suffix}")));
    }
    std::fs::write(
        config.join("metadata.db"),
        "this is no database".repeat(1000),
    )
    .unwrap();
    gateway.restart();
    assert_eq!(gateway.s3().fetch("bucket", "dir/key").await, "body");
    gateway.until_said("metadata.db");
    let kept = std::fs::read_dir(&config).unwrap().flatten().any(|entry| {
        std::fs::read(entry.path()).is_ok_and(|bytes| bytes.starts_with(b"this is no database"))
    });
    assert!(kept, "the corrupt file is not there any more");
}
