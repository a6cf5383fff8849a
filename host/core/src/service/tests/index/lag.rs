//! Own writes, and answers and listings of the storage that are older than these.

use super::*;

#[tokio::test]
async fn an_answer_that_arrives_late_neither_hides_nor_brings_back() {
    let f = indexed(100, NEVER, true);
    for raw in ["dir/gone", "dir/changed", "dir/stays"] {
        f.plant(raw, b"old");
    }
    f.plant("dir/unknown", b"old");
    let held = f.store.hold_scans().await;
    let listing = {
        let service = Arc::clone(&f.service);
        let request = ListObjects {
            bucket: name("default"),
            prefix: "dir/".into(),
            delimiter: None,
            after: None,
            max_keys: 1000,
        };
        tokio::spawn(async move { service.list_objects(request).await })
    };
    while f.store.take_questions() == 0 {
        tokio::task::yield_now().await;
    }
    f.put("dir/changed", b"newer").await.unwrap();
    f.put("dir/new", b"new").await.unwrap();
    for raw in ["dir/gone", "dir/unknown"] {
        f.delete(raw).await.unwrap();
    }
    f.put("dir/brief", b"brief").await.unwrap();
    let deleting = {
        let service = Arc::clone(&f.service);
        let (bucket, always) = (name("default"), WriteConditions::default());
        // It waits until it is known whether something hides behind what was written.
        tokio::spawn(async move {
            service
                .delete_object(&bucket, &key("dir/brief"), always)
                .await
        })
    };
    drop(held);
    let page = listing.await.unwrap().unwrap();
    let found = page.objects.iter().map(|o| o.key.as_str());
    let found: Vec<_> = found.filter(|key| *key != "dir/brief").collect();
    assert_eq!(found, ["dir/changed", "dir/new", "dir/stays"]);
    let changed = page.objects.iter().find(|o| o.key.as_str() == found[0]);
    assert_eq!(changed.unwrap().etag, md5(b"newer"));
    deleting.await.unwrap().unwrap();
    f.crawled().await;
    assert_eq!(f.keys().await.len(), 3);
    assert_eq!(f.cache.marks(), 0);
}

#[tokio::test]
async fn what_was_just_written_outlasts_listings_that_lag_behind() {
    for rows in [2, 100] {
        let f = indexed(rows, Duration::ZERO, false);
        for raw in ["a/old", "a/replaced", "b/other"] {
            f.plant(raw, b"planted");
        }
        f.keys().await;
        f.crawled().await;
        let replaced = f.store.stat(&root(), &key("a/replaced"), None).await;
        let replaced = replaced.unwrap();
        f.put("a/new", b"new").await.unwrap();
        f.put("a/replaced", b"ours").await.unwrap();
        f.put("deep/er/new", b"new").await.unwrap();
        // Its listings show nothing of that yet, and the old object; and we have crashed.
        f.store.lag(&key("a/new"), None);
        f.store.lag(&key("a/replaced"), Some(replaced));
        f.store.lag(&key("deep/er/new"), None);
        let f = f.restarted();
        f.service.recover().await.unwrap();
        let keys = ["a/new", "a/old", "a/replaced", "b/other", "deep/er/new"];
        for _ in 0..3 {
            assert_eq!(f.keys().await, keys, "pages of {rows}");
            assert_eq!(f.head("a/replaced").await.unwrap().etag, md5(b"ours"));
        }
        // When they have caught up, others count again.
        f.store.catch_up();
        assert_eq!(f.keys().await, keys, "pages of {rows}");
        f.plant("a/replaced", b"theirs");
        assert_eq!(f.head("a/replaced").await.unwrap().size, 6);
        assert_eq!(f.cache.marks(), 0);
        assert!(f.cache.own_marks() > 0);
    }
}
