use super::OLD;
use pys3local_tests::gateway::{Gateway, Options};
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

/// A file as the Python program has left it, with its time of last modification.
fn old_file(gateway: &Gateway, name: &str, content: &str, seconds: u64) {
    let path = gateway.data().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

/// 2025-12-16T16:38:11Z, as in the row of `hello.txt`.
const WRITTEN: u64 = 1_765_903_091;

#[tokio::test]
async fn objects_of_the_python_program_keep_etag_and_content_type() {
    let mut gateway = Options::default().default_bucket().start();
    gateway.kill9();
    let database = gateway.home().join(".config/pys3local/metadata.db");
    for side in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{side}", database.display()));
    }
    fs::write(&database, OLD).unwrap();
    old_file(&gateway, "hello.txt", "hello", WRITTEN + 1);
    // Of the same size, but written later.
    old_file(&gateway, "deep/er/data.bin", "DATA", WRITTEN + 3600);
    gateway.restart();
    let s3 = gateway.s3();
    let head = async |key: &str| {
        let reply = s3.head("default", key).send().await;
        let header = |name: &str| reply.header(name).unwrap_or_default().to_owned();
        (header("etag"), header("content-type"))
    };
    let md5 = "\"5d41402abc4b2a76b9719d911017c592\"";
    // Whatever is looked at first, and the second time by its version.
    for _ in 0..2 {
        assert_eq!(
            head("hello.txt").await,
            (md5.to_owned(), "text/plain".to_owned())
        );
        let (etag, _) = head("deep/er/data.bin").await;
        assert!(etag.starts_with("\"x-"), "{etag}");
    }
    gateway.until_said("imported the database of the Python program");
    let kept = fs::read_dir(database.parent().unwrap()).unwrap();
    let kept = kept.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().starts_with("metadata.db.python-")
    });
    assert_eq!(kept.count(), 1);
    // From now on the version counts, and a change with an old time is seen.
    old_file(&gateway, "hello.txt", "HELLO", WRITTEN);
    assert!(head("hello.txt").await.0.starts_with("\"x-"));
}
