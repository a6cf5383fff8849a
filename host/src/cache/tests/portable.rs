use super::*;
use crate::service::ports::{Cache as _, Lesson, PortableQueue};

const EVER: Timestamp = Timestamp(i64::MAX);

async fn queue(cache: &NamespaceCache) -> PortableQueue {
    cache.portable_queue(EVER, 10).await.unwrap()
}

async fn keys(cache: &NamespaceCache) -> Vec<String> {
    let jobs = queue(cache).await.jobs.into_iter();
    jobs.map(|job| job.key.as_str().to_owned()).collect()
}

async fn put(cache: &NamespaceCache, at: &str, size: u64) {
    cache
        .settle(&bucket("photos"), &key(at), row(size), true)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_object_is_in_the_queue_once_where_it_came_last_and_with_its_last_row() {
    let (_directory, cache) = fresh();
    for (at, size) in [("a", 1), ("b", 2), ("a", 3)] {
        put(&cache, at, size).await;
    }
    cache
        .settle(&Bucket::Root, &key("not"), row(4), false)
        .await
        .unwrap();
    let found = queue(&cache).await;
    assert_eq!(found.waiting, 2);
    assert_eq!(keys(&cache).await, ["b", "a"]);
    assert_eq!(found.jobs[1].row, Some(row(3)));
    assert_eq!(found.jobs[1].bucket, bucket("photos"));
    assert_eq!(cache.portable_queue(EVER, 1).await.unwrap().jobs.len(), 1);
}

#[tokio::test]
async fn what_replaced_something_in_another_run_of_the_store_is_inherited() {
    let (_directory, cache) = fresh();
    put(&cache, "a", 1).await;
    put(&cache, "b", 1).await;
    let place = bucket("photos");
    let mut new = row(2);
    new.state.id += "new";
    let settled = cache.settle(&place, &key("b"), new, true).await;
    settled.unwrap();
    let inherited = async || {
        let keys = [&key("a"), &key("b")];
        cache.inherited(&place, &keys).await.unwrap()
    };
    assert_eq!(inherited().await, [false, false]);
    for _ in 0..2 {
        cache.begin_store_run();
        assert_eq!(inherited().await, [false, true]);
    }
    let jobs = queue(&cache).await.jobs;
    assert_eq!((jobs[0].inherited, jobs[1].inherited), (false, true));
}

#[tokio::test]
async fn what_is_done_is_gone_unless_it_came_again_meanwhile() {
    let (_directory, cache) = fresh();
    put(&cache, "a", 1).await;
    put(&cache, "b", 1).await;
    let jobs = queue(&cache).await.jobs;
    put(&cache, "b", 2).await;
    let numbers: Vec<i64> = jobs.iter().map(|job| job.number).collect();
    cache.portable_done(numbers.clone()).await.unwrap();
    assert_eq!(keys(&cache).await, ["b"]);
    // And a number is never given twice, not even to an empty queue.
    cache.forget(&bucket("photos"), &[&key("b")]).await.unwrap();
    assert_eq!(keys(&cache).await, [] as [&str; 0]);
    put(&cache, "a", 3).await;
    assert!(queue(&cache).await.jobs[0].number > numbers[1] + 1);
}

#[tokio::test]
async fn what_is_to_wait_is_there_later() {
    let (_directory, cache) = fresh();
    put(&cache, "a", 1).await;
    let number = queue(&cache).await.jobs[0].number;
    let later = Timestamp::now() + std::time::Duration::from_mins(1);
    cache.portable_later(vec![number], later).await.unwrap();
    let now = cache.portable_queue(Timestamp::now(), 10).await.unwrap();
    assert_eq!((now.jobs.len(), now.waiting), (0, 1));
    assert_eq!(cache.portable_queue(later, 10).await.unwrap().jobs.len(), 1);
}

#[tokio::test]
async fn what_fails_again_and_again_does_not_keep_the_others_from_the_head() {
    let (_directory, cache) = fresh();
    put(&cache, "a", 1).await;
    let number = queue(&cache).await.jobs[0].number;
    let again = Timestamp::now();
    put(&cache, "b", 1).await;
    put(&cache, "c", 1).await;
    let later = Timestamp::now();
    cache.portable_later(vec![number], again).await.unwrap();
    assert_eq!(keys(&cache).await, ["a", "b", "c"]);
    cache.portable_later(vec![number], later).await.unwrap();
    assert_eq!(keys(&cache).await, ["b", "c", "a"]);
}

#[tokio::test]
async fn the_queue_outlives_the_process_and_belongs_to_its_store() {
    let directory = tempfile::tempdir().unwrap();
    {
        let cache = open(directory.path()).unwrap().namespace(&LOCAL).unwrap();
        put(&cache, "a", 1).await;
    }
    let cache = open(directory.path()).unwrap();
    assert_eq!(keys(&cache.namespace(&LOCAL).unwrap()).await, ["a"]);
    let other = NamespaceBinding {
        name: "local:/srv/other",
        ..LOCAL
    };
    let other = cache.namespace(&other).unwrap();
    assert_eq!(queue(&other).await, PortableQueue::default());
}

#[tokio::test]
async fn what_was_found_out_comes_into_the_queue_only_if_it_was_remembered() {
    let (_directory, cache) = fresh();
    let lesson = |at: &str, expected, portable| Lesson {
        key: key(at),
        expected,
        row: row(7),
        portable,
    };
    let lessons = vec![
        lesson("a", None, true),
        lesson("b", None, false),
        lesson("c", Some(row(1)), true),
    ];
    assert!(!cache.learn(&Bucket::Root, lessons).await.unwrap());
    assert_eq!(keys(&cache).await, ["a"]);
}
