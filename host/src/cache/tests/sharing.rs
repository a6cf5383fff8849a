use super::*;
use crate::service::ports::Cache;
use std::thread;

#[test]
fn two_caches_of_one_file_write_from_many_threads_without_errors() {
    const THREADS: u64 = 8;
    const WRITES: u64 = 100;
    let directory = tempfile::tempdir().unwrap();
    let databases = [open(directory.path()), open(directory.path())].map(Result::unwrap);
    thread::scope(|scope| {
        for n in 0..THREADS {
            let database = &databases[usize::try_from(n).unwrap() % 2];
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                let cache = database.namespace(&LOCAL).unwrap();
                let bucket = bucket(&format!("bucket-{}", n % 3));
                runtime.block_on(async {
                    for size in 0..WRITES {
                        let at = key(&format!("{n}/{size}"));
                        cache
                            .announce(&bucket, &at, intent(&row(size)))
                            .await
                            .unwrap();
                        cache.settle(&bucket, &at, row(size), false).await.unwrap();
                        let found = cache.object(&bucket, &at).await.unwrap();
                        assert_eq!(found.row, Some(row(size)));
                    }
                });
            });
        }
    });
    drop(databases);
    let db = rusqlite::Connection::open(directory.path().join("metadata.db")).unwrap();
    let count = |sql| db.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
    assert_eq!(
        u64::from(count("SELECT count(*) FROM objects")),
        THREADS * WRITES
    );
    assert_eq!(count("SELECT count(*) FROM intents"), 0);
    assert_eq!(count("SELECT count(*) FROM buckets"), 3);
}

#[test]
fn many_openers_of_a_new_file_make_it_once() {
    let directory = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| open(directory.path()).unwrap().namespace(&LOCAL).unwrap());
        }
    });
    let db = rusqlite::Connection::open(directory.path().join("metadata.db")).unwrap();
    let namespaces: u32 = db
        .query_row("SELECT count(*) FROM namespaces", [], |row| row.get(0))
        .unwrap();
    assert_eq!(namespaces, 1);
}

#[tokio::test]
async fn one_cache_sees_what_the_other_has_written() {
    let directory = tempfile::tempdir().unwrap();
    let databases = [open(directory.path()), open(directory.path())].map(Result::unwrap);
    let [one, other] = databases.map(|database| database.namespace(&LOCAL).unwrap());
    let at = key("a");
    assert_eq!(other.object(&Bucket::Root, &at).await.unwrap().row, None);
    one.settle(&Bucket::Root, &at, row(1), false).await.unwrap();
    assert_eq!(
        other.object(&Bucket::Root, &at).await.unwrap().row,
        Some(row(1))
    );
    // Numbers of buckets that the other has given are taken over.
    other
        .settle(&Bucket::Root, &at, row(2), false)
        .await
        .unwrap();
    assert_eq!(
        one.object(&Bucket::Root, &at).await.unwrap().row,
        Some(row(2))
    );
}
