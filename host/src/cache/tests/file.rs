use super::*;
use crate::service::ports::{Cache, Remembered};
use std::fs;
use std::time::{Duration, Instant};

/// The moved-aside databases in a directory, without their side files.
fn corrupt_copies(directory: &Path) -> Vec<String> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("metadata.db.corrupt-") && name.ends_with('Z'))
        .collect()
}

/// Copies only the files named; what a backup program or a crash leaves.
fn copy(from: &Path, names: &[&str]) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in names {
        fs::copy(from.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

async fn sees(directory: &Path, text: &str) -> Remembered {
    let cache = open(directory).unwrap().namespace(&LOCAL).unwrap();
    cache.object(&Bucket::Root, &key(text)).await.unwrap()
}

#[tokio::test]
async fn everything_is_there_after_closing_and_opening() {
    let (directory, cache) = fresh();
    cache
        .settle(&Bucket::Root, &key("a"), row(1), false)
        .await
        .unwrap();
    drop(cache);
    assert!(!directory.path().join("metadata.db-wal").exists());
    assert_eq!(sees(directory.path(), "a").await.row, Some(row(1)));
}

#[tokio::test]
async fn an_announced_intent_survives_a_crash() {
    for durable in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metadata.db");
        let database = SqliteCache::open(&path, CacheOptions { durable }).unwrap();
        let cache = database.namespace(&LOCAL).unwrap();
        cache
            .announce(&Bucket::Root, &key("a"), intent(&row(1)))
            .await
            .unwrap();
        // No destructor runs, as in a process that is killed.
        std::mem::forget((database, cache.clone()));
        std::mem::forget(cache);
        let after = copy(directory.path(), &["metadata.db", "metadata.db-wal"]);
        assert_eq!(sees(after.path(), "a").await.intent, Some(intent(&row(1))));
        assert_eq!(
            sees(directory.path(), "a").await.intent,
            Some(intent(&row(1)))
        );
    }
}

#[tokio::test]
async fn a_checkpoint_makes_a_copy_of_the_file_alone_complete() {
    let (directory, cache) = fresh();
    let database = open(directory.path()).unwrap();
    cache
        .settle(&Bucket::Root, &key("a"), row(1), false)
        .await
        .unwrap();
    database.checkpoint().await.unwrap();
    let alone = copy(directory.path(), &["metadata.db"]);
    assert_eq!(sees(alone.path(), "a").await.row, Some(row(1)));
}

#[tokio::test]
async fn the_log_of_an_idle_database_becomes_empty_by_itself() {
    let (directory, cache) = fresh();
    cache
        .settle(&Bucket::Root, &key("a"), row(1), false)
        .await
        .unwrap();
    let log = directory.path().join("metadata.db-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0);
    let start = Instant::now();
    while fs::metadata(&log).unwrap().len() > 0 {
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "the log is still there"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let alone = copy(directory.path(), &["metadata.db"]);
    assert_eq!(sees(alone.path(), "a").await.row, Some(row(1)));
    // And the cache goes on.
    cache
        .settle(&Bucket::Root, &key("b"), row(2), false)
        .await
        .unwrap();
    assert_eq!(
        cache.object(&Bucket::Root, &key("b")).await.unwrap().row,
        Some(row(2))
    );
}

#[test]
fn a_database_of_a_later_program_is_refused_and_left_alone() {
    let (directory, cache) = fresh();
    drop(cache);
    let path = directory.path().join("metadata.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 1000).unwrap();
    db.close().unwrap();
    let before = fs::read(&path).unwrap();
    let refusal = open(directory.path()).map(drop).unwrap_err().to_string();
    assert!(
        refusal.contains("was written by a newer version"),
        "{refusal}"
    );
    assert!(refusal.contains(path.to_str().unwrap()), "{refusal}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(corrupt_copies(directory.path()).is_empty());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_moved_aside_and_replaced() {
    for content in [&b"hello"[..], &[0xff; 10_000]] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metadata.db");
        fs::write(&path, content).unwrap();
        let cache = open(directory.path()).unwrap().namespace(&LOCAL).unwrap();
        cache
            .settle(&Bucket::Root, &key("a"), row(1), false)
            .await
            .unwrap();
        let copies = corrupt_copies(directory.path());
        assert_eq!(copies.len(), 1, "{copies:?}");
        assert_eq!(
            fs::read(directory.path().join(&copies[0])).unwrap(),
            content
        );
    }
}

#[tokio::test]
async fn a_database_with_damaged_pages_is_moved_aside_and_replaced() {
    let (directory, cache) = fresh();
    for n in 0..200 {
        let at = key(&format!("{n:0>60}"));
        cache
            .settle(&Bucket::Root, &at, row(n), false)
            .await
            .unwrap();
    }
    drop(cache);
    let path = directory.path().join("metadata.db");
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > 10 * 4096);

    let mut scribbled = whole.clone();
    scribbled[whole.len() / 2..].fill(0xa5);
    for damaged in [&scribbled[..], &whole[..whole.len() / 2]] {
        let scene = tempfile::tempdir().unwrap();
        fs::write(scene.path().join("metadata.db"), damaged).unwrap();
        let found = sees(scene.path(), &"0".repeat(60)).await;
        assert_eq!(found, Remembered::default());
        assert_eq!(corrupt_copies(scene.path()).len(), 1);
    }
}

#[tokio::test]
async fn damage_that_is_met_later_has_the_next_start_replace_the_database() {
    let (directory, cache) = fresh();
    for n in 0..4 {
        let at = key(&format!("{n}/{}", "x".repeat(900)));
        cache
            .settle(&Bucket::Root, &at, row(n), false)
            .await
            .unwrap();
    }
    drop(cache);
    let path = directory.path().join("metadata.db");
    // Large enough not to be read whole at a start.
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
         INSERT INTO objects (bucket_id, key, id, size, modified)
         SELECT 1, printf('%0500d', i), '', 0, 0 FROM n",
    )
    .unwrap();
    db.close().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 5 << 20);
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xa5);
    fs::write(&path, bytes).unwrap();

    let cache = open(directory.path()).unwrap().namespace(&LOCAL).unwrap();
    let far = key(&format!("{:0500}", 11_990));
    cache.object(&Bucket::Root, &far).await.unwrap_err();
    assert!(corrupt_copies(directory.path()).is_empty());
    drop(cache);
    let cache = open(directory.path()).unwrap().namespace(&LOCAL).unwrap();
    assert_eq!(corrupt_copies(directory.path()).len(), 1);
    assert_eq!(cache.object(&Bucket::Root, &far).await.unwrap().row, None);
    assert!(!directory.path().join("metadata.db.suspect").exists());
}

#[tokio::test]
async fn a_corrupt_database_in_use_is_left_where_it_is() {
    let (directory, cache) = fresh();
    cache
        .settle(&Bucket::Root, &key("a"), row(1), false)
        .await
        .unwrap();
    let path = directory.path().join("metadata.db");
    // Other processes would see the same: nothing is open but by `cache`.
    fs::write(&path, [0xff; 8192]).unwrap();
    fs::remove_file(directory.path().join("metadata.db-wal")).unwrap();
    let refusal = open(directory.path()).map(drop).unwrap_err();
    assert!(
        matches!(refusal, OpenError::CorruptInUse { .. }),
        "{refusal}"
    );
    assert!(corrupt_copies(directory.path()).is_empty());
}

#[tokio::test]
async fn a_deleted_database_begins_anew_whatever_lies_beside_it() {
    let (directory, cache) = fresh();
    cache
        .settle(&Bucket::Root, &key("a"), row(1), false)
        .await
        .unwrap();
    let crashed = copy(directory.path(), &["metadata.db", "metadata.db-wal"]);
    fs::remove_file(crashed.path().join("metadata.db")).unwrap();
    assert_eq!(sees(crashed.path(), "a").await, Remembered::default());
}

#[test]
fn a_place_that_cannot_hold_a_database_is_named_in_the_error() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    for (place, name) in [("file", "metadata.db"), ("", ".")] {
        let path = directory.path().join(place).join(name);
        let options = CacheOptions { durable: true };
        let refusal = SqliteCache::open(&path, options).map(drop).unwrap_err();
        let text = refusal.to_string();
        assert!(text.contains(path.to_str().unwrap()), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
}

#[test]
fn a_missing_directory_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("config").join("pys3local");
    open(&deep).unwrap();
    assert!(deep.join("metadata.db").exists());
}

#[test]
fn while_one_opens_a_database_alone_others_wait() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metadata.db");
    let lock = fs::File::create(directory.path().join("metadata.db.lock")).unwrap();
    lock.lock().unwrap();
    std::thread::scope(|scope| {
        let opener = scope.spawn(|| open(directory.path()).map(drop));
        std::thread::sleep(Duration::from_millis(100));
        assert!(!path.exists());
        lock.unlock().unwrap();
        opener.join().unwrap().unwrap();
    });
    assert!(path.exists());
}

#[test]
fn a_first_opener_keeps_all_others_out_until_it_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metadata.db");
    let (held, alone) = super::super::file::lock(&path).unwrap();
    assert!(alone);
    let other = fs::File::open(directory.path().join("metadata.db.lock")).unwrap();
    assert!(other.try_lock_shared().is_err());
    held.unlock().unwrap();
    held.lock_shared().unwrap();
    assert!(other.try_lock().is_err());
    assert!(other.try_lock_shared().is_ok());
}

#[test]
fn a_database_is_in_its_place_until_it_is_deleted_or_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metadata.db");
    let cache = open(directory.path()).unwrap();
    assert!(cache.is_in_place());
    let aside = directory.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    assert!(!cache.is_in_place());
    fs::copy(&aside, &path).unwrap();
    assert!(!cache.is_in_place());
    fs::rename(&aside, &path).unwrap();
    assert!(cache.is_in_place());
}
