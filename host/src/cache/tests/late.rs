use super::*;
use crate::service::ports::Cache;
use std::fs;
use std::time::Duration;

/// Announces and settles a small object, as a PUT does.
async fn put(cache: &NamespaceCache, at: &str, size: u64) {
    let row = row(size);
    let bucket = Bucket::Root;
    cache
        .announce(&bucket, &key(at), intent(&row))
        .await
        .unwrap();
    cache.settle_late(&bucket, &key(at), row).await.unwrap();
}

/// What another process finds in the database now, which must not change it: in a copy, that is.
async fn seen_by_others(directory: &Path, at: &str) -> (Option<Row>, Option<Intent>) {
    let scene = tempfile::tempdir().unwrap();
    for name in ["metadata.db", "metadata.db-wal", "metadata.db-shm"] {
        fs::copy(directory.join(name), scene.path().join(name)).unwrap();
    }
    let cache = open(scene.path()).unwrap().namespace(&LOCAL).unwrap();
    let found = cache.object(&Bucket::Root, &key(at)).await.unwrap();
    (found.row, found.intent)
}

#[tokio::test]
async fn the_row_of_a_small_object_goes_with_the_next_commit() {
    let (directory, cache) = fresh();
    let (bucket, a) = (Bucket::Root, key("a"));
    cache.announce(&bucket, &a, intent(&row(1))).await.unwrap();
    // For as long as that takes, there is no commit.
    let other = other(directory.path(), "BEGIN IMMEDIATE");
    cache.settle_late(&bucket, &a, row(1)).await.unwrap();
    let left = seen_by_others(directory.path(), "a").await;
    assert_eq!(left, (None, Some(intent(&row(1)))));
    other.execute_batch("ROLLBACK").unwrap();

    put(&cache, "b", 2).await;
    let left = seen_by_others(directory.path(), "a").await;
    assert_eq!(left, (Some(row(1)), None));
}

#[tokio::test]
async fn who_reads_finds_what_was_answered() {
    let (_directory, cache) = fresh();
    put(&cache, "a", 1).await;
    put(&cache, "a", 2).await;
    let found = cache.object(&Bucket::Root, &key("a")).await.unwrap();
    assert_eq!((found.row, found.intent), (Some(row(2)), None));

    put(&cache, "b", 3).await;
    let (a, b) = (key("a"), key("b"));
    let found = cache.objects(&Bucket::Root, &[&a, &b]).await.unwrap();
    let rows: Vec<_> = found.into_iter().map(|found| found.row).collect();
    assert_eq!(rows, [Some(row(2)), Some(row(3))]);

    put(&cache, "c", 4).await;
    assert_eq!(cache.intents().await.unwrap(), []);
}

#[tokio::test]
async fn what_comes_later_is_done_later() {
    let (directory, cache) = fresh();
    let bucket = Bucket::Root;
    put(&cache, "a", 1).await;
    cache.forget(&bucket, &[&key("a")]).await.unwrap();
    let left = seen_by_others(directory.path(), "a").await;
    assert_eq!(left, (None, None));

    put(&cache, "a", 2).await;
    cache
        .announce(&bucket, &key("a"), intent(&row(3)))
        .await
        .unwrap();
    cache.withdraw(&bucket, &key("a")).await.unwrap();
    let left = seen_by_others(directory.path(), "a").await;
    assert_eq!(left, (Some(row(2)), None));
}

/// Drops the intent of another process, and notes an own one.
async fn announce_instead(cache: &NamespaceCache, at: &ObjectKey, row: &Row) {
    let bucket = Bucket::Root;
    // Unless the late row was quicker, and has taken its intent along.
    if !cache.announce(&bucket, at, intent(row)).await.unwrap() {
        cache.withdraw(&bucket, at).await.unwrap();
        assert!(cache.announce(&bucket, at, intent(row)).await.unwrap());
    }
}

#[tokio::test]
async fn a_late_row_does_not_take_the_place_of_one_that_another_process_wrote_meanwhile() {
    let (directory, cache) = fresh();
    let other = open(directory.path()).unwrap().namespace(&LOCAL).unwrap();
    let bucket = Bucket::Root;
    let later = Row {
        modified: Timestamp(row(1).modified.0 + 1),
        ..row(2)
    };

    // Its object is published and has its row.
    put(&cache, "a", 1).await;
    let (a, b) = (key("a"), key("b"));
    announce_instead(&other, &a, &later).await;
    other
        .settle(&bucket, &a, later.clone(), false)
        .await
        .unwrap();
    for _ in 0..2 {
        let found = cache.object(&bucket, &a).await.unwrap();
        assert_eq!((found.row, found.intent), (Some(later.clone()), None));
        // Now it is late no more.
        cache.intents().await.unwrap();
    }

    // Its object may never be published.
    put(&cache, "b", 1).await;
    announce_instead(&other, &b, &later).await;
    cache.intents().await.unwrap();
    let found = cache.object(&bucket, &b).await.unwrap();
    assert_eq!(
        (found.row, found.intent),
        (Some(row(1)), Some(intent(&later)))
    );
    other.withdraw(&bucket, &b).await.unwrap();
    let found = cache.object(&bucket, &b).await.unwrap();
    assert_eq!((found.row, found.intent), (Some(row(1)), None));
}

#[tokio::test]
async fn a_late_row_is_noted_when_another_process_has_withdrawn_its_intent() {
    let (directory, cache) = fresh();
    let other = open(directory.path()).unwrap().namespace(&LOCAL).unwrap();
    put(&cache, "a", 1).await;
    // It has just started, and takes the intent for one that a crash has left.
    other.withdraw(&Bucket::Root, &key("a")).await.unwrap();
    cache.intents().await.unwrap();
    let found = cache.object(&Bucket::Root, &key("a")).await.unwrap();
    assert_eq!((found.row, found.intent), (Some(row(1)), None));
}

#[tokio::test]
async fn nothing_is_late_in_a_database_that_was_closed() {
    let (directory, cache) = fresh();
    put(&cache, "a", 1).await;
    drop(cache);
    let cache = open(directory.path()).unwrap().namespace(&LOCAL).unwrap();
    let found = cache.object(&Bucket::Root, &key("a")).await.unwrap();
    assert_eq!((found.row, found.intent), (Some(row(1)), None));
}

#[tokio::test]
async fn a_moment_after_the_last_write_nothing_is_late() {
    let (directory, cache) = fresh();
    put(&cache, "a", 1).await;
    let path = directory.path().join("metadata.db");
    let database = crate::cache::file::connect_to_read(&path).unwrap();
    let count = || -> i64 {
        let query = "SELECT count(*) FROM intents";
        database.query_row(query, [], |row| row.get(0)).unwrap()
    };
    let caught_up = async {
        while count() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let patience = Duration::from_mins(1);
    tokio::time::timeout(patience, caught_up).await.unwrap();
    drop(cache);
}

/// Another process with the same database.
fn other(directory: &Path, does: &str) -> rusqlite::Connection {
    let db = rusqlite::Connection::open(directory.join("metadata.db")).unwrap();
    db.execute_batch(does).unwrap();
    db
}

#[tokio::test]
async fn what_is_late_can_be_read_while_another_process_writes() {
    let (directory, cache) = fresh();
    let (bucket, a) = (Bucket::Root, key("a"));
    cache.announce(&bucket, &a, intent(&row(1))).await.unwrap();
    let other = other(directory.path(), "BEGIN IMMEDIATE");
    cache.settle_late(&bucket, &a, row(1)).await.unwrap();
    let found = cache.object(&bucket, &a).await.unwrap();
    assert_eq!((found.row, found.intent), (Some(row(1)), None));
    let found = cache.objects(&bucket, &[&a]).await.unwrap();
    assert_eq!(found[0].row, Some(row(1)));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(cache.intents().await.unwrap(), []);
}

#[tokio::test]
async fn a_database_that_does_not_take_what_is_late_takes_no_new_intent() {
    let (directory, cache) = fresh();
    let (bucket, a, b) = (Bucket::Root, key("a"), key("b"));
    put(&cache, "a", 1).await;
    let other = other(
        directory.path(),
        "ALTER TABLE part_checksums RENAME TO elsewhere",
    );
    if cache.announce(&bucket, &b, intent(&row(2))).await.is_ok() {
        // The row was quicker.
        cache.settle_late(&bucket, &b, row(2)).await.unwrap();
        let c = intent(&row(3));
        assert!(cache.announce(&bucket, &key("c"), c).await.is_err());
    }
    let found = cache.object(&bucket, &a).await.unwrap();
    assert_eq!((found.row, found.intent), (Some(row(1)), None));

    other
        .execute_batch("ALTER TABLE elsewhere RENAME TO part_checksums")
        .unwrap();
    put(&cache, "b", 2).await;
    assert_eq!(cache.intents().await.unwrap(), []);
    let found = cache.objects(&bucket, &[&a, &b]).await.unwrap();
    let rows: Vec<_> = found.into_iter().map(|found| found.row).collect();
    assert_eq!(rows, [Some(row(1)), Some(row(2))]);
}

#[tokio::test]
async fn a_row_that_can_never_be_written_holds_up_no_other() {
    let (directory, cache) = fresh();
    other(
        directory.path(),
        "CREATE TRIGGER refuse BEFORE INSERT ON objects WHEN NEW.key = 'bad'
         BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    put(&cache, "bad", 1).await;
    put(&cache, "good", 2).await;
    let open = cache.intents().await.unwrap();
    assert_eq!(open, [(Bucket::Root, key("bad"))]);
    let found = cache.object(&Bucket::Root, &key("good")).await.unwrap();
    assert_eq!((found.row, found.intent), (Some(row(2)), None));
}
