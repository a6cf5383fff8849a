use super::*;
use crate::cache::{CopyError, backup, restore};
use crate::service::ports::Cache;
use std::fs;

async fn etag_in(path: &Path, at: &str) -> Option<ETag> {
    let database = SqliteCache::open(path, CacheOptions { durable: false }).unwrap();
    let cache = database.namespace(&LOCAL).unwrap();
    let found = cache.object(&Bucket::Root, &key(at)).await.unwrap();
    found.row.and_then(|row| row.etag)
}

#[tokio::test]
async fn a_backup_made_while_others_write_is_whole_and_can_be_restored() {
    let (directory, cache) = fresh();
    let path = directory.path().join("metadata.db");
    cache
        .settle(&Bucket::Root, &key("a"), row(1), false)
        .await
        .unwrap();
    let target = directory.path().join("copy.db");
    let writing = async {
        for n in 0..300 {
            cache
                .settle(&Bucket::Root, &key(&n.to_string()), row(n), false)
                .await
                .unwrap();
        }
    };
    let (from, to) = (path.clone(), target.clone());
    let copying = tokio::task::spawn_blocking(move || backup(&from, &to, false));
    writing.await;
    copying.await.unwrap().unwrap();
    assert!(matches!(
        backup(&path, &target, false),
        Err(CopyError::Exists(_))
    ));
    backup(&path, &target, true).unwrap();
    assert_eq!(etag_in(&target, "a").await, row(1).etag);

    // It is in use, and stays as it is.
    cache
        .settle(&Bucket::Root, &key("a"), row(2), false)
        .await
        .unwrap();
    assert!(matches!(restore(&path, &target), Err(CopyError::InUse(_))));
    drop(cache);
    let old = restore(&path, &target).unwrap().unwrap();
    assert_eq!(etag_in(&path, "a").await, row(1).etag);
    assert_eq!(etag_in(&old, "a").await, row(2).etag);
}

#[tokio::test]
async fn a_restored_database_never_meets_the_log_of_the_old_one() {
    let (directory, cache) = fresh();
    cache
        .settle(&Bucket::Root, &key("a"), row(1), false)
        .await
        .unwrap();
    let (path, target) = (
        directory.path().join("metadata.db"),
        directory.path().join("copy.db"),
    );
    backup(&path, &target, false).unwrap();
    cache
        .settle(&Bucket::Root, &key("a"), row(2), false)
        .await
        .unwrap();
    // As after a crash: the log is still there.
    let scene = tempfile::tempdir().unwrap();
    for name in ["metadata.db", "metadata.db-wal", "metadata.db-shm"] {
        fs::copy(directory.path().join(name), scene.path().join(name)).unwrap();
    }
    let path = scene.path().join("metadata.db");
    assert!(
        fs::metadata(scene.path().join("metadata.db-wal"))
            .unwrap()
            .len()
            > 0
    );
    let old = restore(&path, &target).unwrap().unwrap();
    assert!(!scene.path().join("metadata.db-wal").exists());
    assert_eq!(etag_in(&path, "a").await, row(1).etag);
    assert_eq!(etag_in(&old, "a").await, row(2).etag);
}

#[test]
fn what_is_no_intact_database_is_not_restored() {
    let (directory, cache) = fresh();
    drop(cache);
    let path = directory.path().join("metadata.db");
    let before = fs::read(&path).unwrap();
    let bad = |name: &str, content: &[u8]| {
        let file = directory.path().join(name);
        fs::write(&file, content).unwrap();
        file
    };
    let mut newer = directory.path().join("newer.db");
    fs::copy(&path, &newer).unwrap();
    let db = rusqlite::Connection::open(&newer).unwrap();
    db.pragma_update(None, "user_version", 1000).unwrap();
    db.close().unwrap();
    let foreign = directory.path().join("foreign.db");
    let db = rusqlite::Connection::open(&foreign).unwrap();
    db.execute_batch("CREATE TABLE other (a)").unwrap();
    db.close().unwrap();
    let missing = directory.path().join("missing.db");
    for file in [
        bad("text", b"hello"),
        bad("empty", b""),
        foreign,
        missing,
        std::mem::take(&mut newer),
    ] {
        let outcome = restore(&path, &file);
        assert!(
            matches!(outcome, Err(CopyError::NoBackup { .. })),
            "{}",
            file.display()
        );
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_backup_of_nothing_or_to_nowhere_is_an_error_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metadata.db");
    let target = directory.path().join("copy.db");
    assert!(matches!(
        backup(&path, &target, false),
        Err(CopyError::NoDatabase(_))
    ));
    assert!(!path.exists());
    drop(open(directory.path()).unwrap());
    let nowhere = directory.path().join("missing").join("copy.db");
    assert!(matches!(
        backup(&path, &nowhere, false),
        Err(CopyError::Write { .. })
    ));
    assert!(!target.exists());
}
