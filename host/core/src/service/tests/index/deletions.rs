//! What deletions ask of a storage that others write to, too, and what listings tell after them.

use super::*;
use std::time::Instant;

#[tokio::test]
async fn what_was_just_deleted_outlasts_listings_that_lag_behind() {
    for rows in [2, 100] {
        let f = indexed(rows, Duration::ZERO, false);
        for raw in ["a/one", "a/other", "a/stays"] {
            f.plant(raw, b"planted");
        }
        f.put("a/own", b"own").await.unwrap();
        f.keys().await;
        f.crawled().await;
        // Its listings still show all of that; and we have crashed.
        for raw in ["a/one", "a/other", "a/own"] {
            let stored = f.store.stat(&root(), &key(raw), None).await.unwrap();
            f.delete(raw).await.unwrap();
            f.store.lag(&key(raw), Some(stored));
        }
        let f = f.restarted();
        f.service.recover().await.unwrap();
        for _ in 0..3 {
            assert_eq!(f.keys().await, ["a/stays"], "pages of {rows}");
            let head = f.head("a/own").await;
            assert!(matches!(head, Err(ServiceError::NoSuchKey)));
        }
        // What others put there counts at once.
        f.store.catch_up();
        f.plant("a/other", b"theirs");
        assert_eq!(f.keys().await, ["a/other", "a/stays"], "pages of {rows}");
        assert_eq!(f.head("a/other").await.unwrap().size, 6);
    }
}

#[tokio::test]
async fn where_others_write_a_deletion_looks_for_what_it_is_to_delete() {
    let f = indexed(100, NEVER, false);
    for raw in ["dir/key", "dir/many", "else/where"] {
        f.put(raw, b"ours").await.unwrap();
    }
    f.keys().await;
    f.crawled().await;
    f.store.take_questions();
    f.delete("else/where").await.unwrap();
    assert_eq!(f.store.take_questions(), 0, "nobody else writes");
    // Others are met.
    f.plant("dir/theirs", b"theirs");
    let service = service(
        &f.store,
        &f.cache,
        indexed(1, Duration::ZERO, false).options,
    );
    let wary = Fixture {
        service,
        store: Arc::clone(&f.store),
        cache: Arc::clone(&f.cache),
        options: f.options,
    };
    assert_eq!(wary.keys().await.len(), 3);
    let state = async |raw: &str| {
        f.plant(raw, b"theirs");
        let stored = f.store.stat(&root(), &key(raw), None).await;
        Some(stored.unwrap().state)
    };
    let states = [state("dir/key").await, state("dir/many").await];
    f.store.take_known();
    wary.delete("dir/key").await.unwrap();
    let keys = vec![key("dir/many")];
    let many = wary.service.delete_objects(&name("default"), keys).await;
    assert!(many.unwrap().iter().all(Result::is_ok));
    assert_eq!(f.store.take_known(), states);
    // Without that look nobody is sure, and the storage has to look itself.
    f.put("dir/key", b"ours").await.unwrap();
    let gone = StoreError::Unavailable("it has a rest".into());
    f.store.fail_next_scan(gone);
    wary.delete("dir/key").await.unwrap();
    assert_eq!(f.store.take_known(), [None]);
}

#[tokio::test]
async fn what_was_written_since_the_last_look_is_looked_for_once_in_a_folder_before_it_is_deleted()
{
    for exclusive in [false, true] {
        let f = indexed(100, NEVER, exclusive);
        for raw in ["dir/a", "else/a"] {
            f.plant(raw, b"planted");
        }
        f.keys().await;
        f.crawled().await;
        for n in 0..10 {
            f.put(&format!("dir/{n}"), b"ours").await.unwrap();
            f.put(&format!("else/{n}"), b"ours").await.unwrap();
        }
        f.store.take_questions();
        // What a look has told needs none.
        f.delete("dir/a").await.unwrap();
        assert_eq!(f.store.take_questions(), 0);
        let looks = usize::from(!exclusive);
        for n in 0..10 {
            f.delete(&format!("dir/{n}")).await.unwrap();
        }
        assert_eq!(f.store.take_questions(), looks);
        let keys = (0..10).map(|n| key(&format!("else/{n}"))).collect();
        let many = f.service.delete_objects(&name("default"), keys).await;
        assert!(many.unwrap().iter().all(Result::is_ok));
        assert_eq!(f.store.take_questions(), looks);
        assert!(f.store.take_known().iter().all(Option::is_some));
        // Without the look the storage has to find what has the key.
        f.put("dir/last", b"ours").await.unwrap();
        let gone = StoreError::Unavailable("it has a rest".into());
        f.store.fail_next_scan(gone);
        f.delete("dir/last").await.unwrap();
        let known = f.store.take_known();
        assert_eq!(known.iter().all(Option::is_none), !exclusive);
        assert_eq!(f.keys().await, ["else/a"]);
    }
}

#[tokio::test]
async fn an_object_that_is_found_replaced_or_gone_tells_that_others_write() {
    for replaced in [true, false] {
        let f = indexed(100, NEVER, false);
        for raw in ["else/where", "dir/key"] {
            f.put(raw, b"ours").await.unwrap();
        }
        f.keys().await;
        f.crawled().await;
        let theirs = async |raw: &str| {
            f.plant(raw, b"theirs");
            let stored = f.store.stat(&root(), &key(raw), None).await;
            stored.unwrap().state
        };
        f.store.uproot(&root(), &key("else/where"));
        if replaced {
            theirs("else/where").await;
        }
        assert_eq!(f.get("else/where").await.is_ok(), replaced);
        let state = theirs("dir/key").await;
        f.cache.age_folders(long_ago());
        f.store.take_known();
        f.delete("dir/key").await.unwrap();
        assert_eq!(f.store.take_known(), [Some(state)]);
    }
}

/// A folder of 16 full pages, in a bucket into which others write.
async fn shared() -> Fixture {
    let f = indexed(20, NEVER, false);
    for n in 0..319 {
        f.put(&format!("dir/{n:03}"), b"ours").await.unwrap();
    }
    f.keys().await;
    f.crawled().await;
    f.plant("dir/theirs", b"theirs");
    f.cache.age_folders(long_ago());
    assert_eq!(f.keys().await.len(), 320);
    f.store.take_questions();
    f
}

#[tokio::test]
async fn many_deletions_in_a_folder_take_one_look_and_no_scan() {
    let began = Instant::now();
    let f = shared().await;
    for n in 0..10 {
        f.delete(&format!("dir/{n:03}")).await.unwrap();
    }
    let looks = f.store.take_questions();
    if began.elapsed() < crate::service::index::JUST_NOW {
        assert_eq!(looks, 0, "it was looked at just now");
    }
    assert!(f.store.take_known().iter().all(Option::is_some));
    f.cache.age_folders(long_ago());
    let keys = (10..15).map(|n| key(&format!("dir/{n:03}"))).collect();
    let deleted = f.service.delete_objects(&name("default"), keys).await;
    assert!(deleted.unwrap().iter().all(Result::is_ok));
    let looks = f.store.take_questions();
    assert!((1..=3).contains(&looks), "{looks}");
    // However often such a look is due, the folder is not scanned for that.
    for n in 15..55 {
        f.put(&format!("dir/new{n}"), b"new").await.unwrap();
        f.cache.age_folders(long_ago());
        f.delete(&format!("dir/{n:03}")).await.unwrap();
        let looks = f.store.take_questions();
        assert!((1..=3).contains(&looks), "{n}: {looks}");
    }
    assert_eq!(f.keys().await.len(), 305);
}

#[tokio::test]
async fn nobody_who_writes_a_key_waits_for_the_look_of_its_deletion() {
    let f = shared().await;
    f.cache.age_folders(long_ago());
    let held = f.store.hold_scans().await;
    let deleting = {
        let service = Arc::clone(&f.service);
        let keys = (0..319).map(|n| key(&format!("dir/{n:03}"))).collect();
        tokio::spawn(async move { service.delete_objects(&name("default"), keys).await })
    };
    while f.store.take_questions() == 0 {
        tokio::task::yield_now().await;
    }
    let put = f.put("dir/007", b"newer");
    let put = tokio::time::timeout(Duration::from_secs(20), put).await;
    put.expect("it has no lock").unwrap();
    drop(held);
    let deleted = deleting.await.unwrap().unwrap();
    assert!(deleted.iter().all(Result::is_ok));
    assert_eq!(f.keys().await, ["dir/theirs"]);
}

#[tokio::test]
async fn an_object_that_was_brought_back_is_listed_when_its_deletion_is_forgotten() {
    for at in ["dir/00", "dir/05", "dir/10"] {
        let f = indexed(3, Duration::ZERO, false);
        for n in 0..11 {
            f.plant(&format!("dir/{n:02}"), b"planted");
        }
        f.keys().await;
        f.crawled().await;
        let stored = f.store.stat(&root(), &key(at), None).await.unwrap();
        f.delete(at).await.unwrap();
        f.store.lag(&key(at), Some(stored));
        for _ in 0..3 {
            assert_eq!(
                f.keys().await.len(),
                10,
                "it may be a listing that lags behind"
            );
        }
        f.cache.age_marks(long_ago());
        assert!(f.keys().await.contains(&at.to_owned()), "{at} is hidden");
    }
}

#[tokio::test]
async fn an_object_that_listings_show_for_a_while_after_its_deletion_costs_no_scan_when_it_goes() {
    for at in ["dir/00", "dir/31", "dir/32"] {
        let f = indexed(3, Duration::ZERO, false);
        for n in 0..33 {
            f.plant(&format!("dir/{n:02}"), b"planted");
        }
        f.keys().await;
        f.crawled().await;
        let stored = f.store.stat(&root(), &key(at), None).await.unwrap();
        f.delete(at).await.unwrap();
        f.store.lag(&key(at), Some(stored));
        assert_eq!(f.keys().await.len(), 32);
        f.store.catch_up();
        f.store.take_questions();
        assert_eq!(f.keys().await.len(), 32);
        let looks = f.store.take_questions();
        // The root is asked, too.
        assert!(looks <= 3, "{at}: {looks}");
    }
}
