use super::*;
use crate::service::index::{End, Found, IndexCache as _};
use crate::service::ports::{Cache as _, Lesson, NEVER, PortableQueue};

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

/// A look at the root that tells of several objects of `k`, and of none of `gone`.
async fn tell_of_doubles(cache: &NamespaceCache) {
    let told = |id: u64| {
        let mut row = row(id);
        (row.state.id, row.state.version) = (id.to_string(), format!("v{id}"));
        (key("k"), Row { etag: None, ..row })
    };
    let began = Timestamp::now();
    let root = Bucket::Root;
    cache.open_index(&root).await.unwrap();
    cache.begin_run(&root, "", began).await.unwrap();
    let found = Found {
        entries: vec![told(2), told(1)],
        folders: Vec::new(),
        end: End::Whole(None),
    };
    let applied = cache.apply_run(&root, "", began, found).await.unwrap();
    assert_eq!(applied.unwrap().new, 1);
}

async fn is_inherited(cache: &NamespaceCache) -> bool {
    let inherited = cache.inherited(&Bucket::Root, &[&key("k")]).await;
    inherited.unwrap()[0]
}

#[tokio::test]
async fn of_several_objects_of_a_key_the_newest_counts_and_that_there_are_others_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    {
        let cache = open(directory.path()).unwrap().namespace(&LOCAL).unwrap();
        tell_of_doubles(&cache).await;
        let number = queue(&cache).await.jobs[0].number;
        tell_of_doubles_again(&cache).await;
        // It was looked after for the last time before that.
        cache.portable_done(vec![number]).await.unwrap();
        let number = queue(&cache).await.jobs[0].number;
        cache.portable_later(vec![number], NEVER).await.unwrap();
    }
    let cache = open(directory.path()).unwrap().namespace(&LOCAL).unwrap();
    let known = cache.object(&Bucket::Root, &key("k")).await.unwrap();
    assert_eq!(known.row.unwrap().state.id, "2");
    assert!(is_inherited(&cache).await);
    // There is nothing to do for it.
    let waiting = cache.portable_queue(Timestamp::now(), 10).await.unwrap();
    assert_eq!((waiting.jobs.len(), waiting.waiting), (0, 0));
    // A write does not change that, and is to be told beside its object.
    let settled = cache.settle(&Bucket::Root, &key("k"), row(3), true).await;
    settled.unwrap();
    assert!(is_inherited(&cache).await);
    let jobs = queue(&cache).await.jobs;
    assert!(jobs[0].inherited);
    cache.forget(&Bucket::Root, &[&key("k")]).await.unwrap();
    assert!(!is_inherited(&cache).await);
}

async fn tell_of_doubles_again(cache: &NamespaceCache) {
    let began = Timestamp::now();
    cache.begin_run(&Bucket::Root, "", began).await.unwrap();
    let known = cache.object(&Bucket::Root, &key("k")).await.unwrap();
    let mut older = known.row.clone().unwrap();
    older.state.id = "1".into();
    let found = Found {
        entries: vec![(key("k"), older), (key("k"), known.row.unwrap())],
        folders: Vec::new(),
        end: End::Whole(None),
    };
    let applied = cache.apply_run(&Bucket::Root, "", began, found).await;
    let applied = applied.unwrap().unwrap();
    assert_eq!((applied.new, applied.changed), (0, 0));
}

#[tokio::test]
async fn a_key_that_had_several_objects_is_forgotten_when_a_look_tells_of_none() {
    let (_directory, cache) = fresh();
    tell_of_doubles(&cache).await;
    let began = Timestamp::now();
    cache.begin_run(&Bucket::Root, "", began).await.unwrap();
    let nothing = Found {
        entries: Vec::new(),
        folders: Vec::new(),
        end: End::Whole(None),
    };
    let applied = cache.apply_run(&Bucket::Root, "", began, nothing).await;
    assert_eq!(applied.unwrap().unwrap().gone, 1);
    assert!(!is_inherited(&cache).await);
    assert!(queue(&cache).await.jobs.is_empty());
}

#[tokio::test]
async fn an_object_is_confirmed_by_a_look_that_began_after_it_came_to_be_known() {
    let (_directory, cache) = fresh();
    let unconfirmed = async |exclusive: bool| {
        let keys = [&key("k"), &key("absent")];
        let found = cache.unconfirmed(&Bucket::Root, &keys, exclusive).await;
        let found = found.unwrap();
        assert_eq!(found[1], None);
        found[0].is_some()
    };
    let look = async |began: Timestamp, id: Option<u64>| {
        cache.begin_run(&Bucket::Root, "", began).await.unwrap();
        let told = id.map(|id| {
            let mut row = row(id);
            row.state.version = format!("v{id}");
            (key("k"), row)
        });
        let found = Found {
            entries: told.into_iter().collect(),
            folders: Vec::new(),
            end: End::Whole(None),
        };
        let applied = cache.apply_run(&Bucket::Root, "", began, found).await;
        assert!(applied.unwrap().is_some());
    };
    cache.open_index(&Bucket::Root).await.unwrap();
    let before = Timestamp::now();
    let settle = async |id: u64| {
        let mut row = row(id);
        row.state.version = format!("v{id}");
        let settled = cache.settle(&Bucket::Root, &key("k"), row, false).await;
        settled.unwrap();
    };
    settle(1).await;
    assert!(unconfirmed(false).await && unconfirmed(true).await);
    look(before, None).await;
    assert!(unconfirmed(false).await && !unconfirmed(true).await);
    look(Timestamp::now(), Some(1)).await;
    assert!(!unconfirmed(false).await);
    // The same object is still confirmed, another one is not.
    settle(1).await;
    assert!(!unconfirmed(false).await);
    let mut other = row(2);
    (other.state.id, other.state.version) = ("other".into(), "v2".into());
    let settled = cache.settle(&Bucket::Root, &key("k"), other, false).await;
    settled.unwrap();
    assert!(unconfirmed(false).await);
}
