//! What is told from the index, at what cost, and when others write too.

mod deletions;
mod lag;
mod random;

use super::*;
use crate::model::Timestamp;
use crate::service::index::{Fresh, IndexCache};
use crate::service::ports::StoreError;
use crate::service::ports::{Store as _, StoreListQuery};
use crate::service::{ListObjects, ObjectPage};

const NEVER: Duration = Duration::from_hours(1);

fn indexed(rows: usize, max_age: Duration, exclusive: bool) -> Fixture {
    let freshness = Freshness { max_age, exclusive };
    let options = ServiceOptions {
        freshness,
        ..BucketMode::Default.into()
    };
    let store = Arc::new(MemoryStore::new(RowTrust::Indexed));
    store.set_scan_page(rows);
    let cache = Arc::new(MemoryCache::default());
    Fixture {
        service: service(&store, &cache, options),
        store,
        cache,
        options,
    }
}

impl Fixture {
    fn plant(&self, raw: &str, bytes: &'static [u8]) {
        let bytes = Bytes::from_static(bytes);
        self.store.plant(&root(), &key(raw), bytes).unwrap();
    }

    async fn list(&self, prefix: &str, delimiter: Option<&str>) -> ObjectPage {
        let request = ListObjects {
            bucket: name("default"),
            prefix: prefix.into(),
            delimiter: delimiter.map(str::to_owned),
            after: None,
            max_keys: 1000,
        };
        self.service.list_objects(request).await.unwrap()
    }

    async fn keys(&self) -> Vec<String> {
        let page = self.list("", None).await;
        page.objects.iter().map(|o| o.key.to_string()).collect()
    }

    async fn head(&self, raw: &str) -> Result<ObjectHead, ServiceError> {
        let head = self.service.head_object(read_request(raw)).await;
        head.map(|(head, _)| head)
    }

    /// Waits until the whole bucket is known.
    async fn crawled(&self) {
        while self.cache.folders(&root()).is_empty()
            || !self.cache.unscanned(&root(), 1).await.unwrap().is_empty()
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn once_indexed_listings_and_heads_ask_nothing_and_a_get_asks_once() {
    let f = indexed(3, NEVER, false);
    for n in 0..20 {
        f.plant(&format!("dir{}/{n}", n % 4), b"planted");
    }
    assert_eq!(f.keys().await.len(), 20);
    f.crawled().await;
    f.put("dir9/sub/own", b"own").await.unwrap();
    f.crawled().await;
    f.store.take_questions();
    assert_eq!(f.keys().await.len(), 21);
    assert_eq!(f.list("", Some("/")).await.prefixes.len(), 5);
    assert_eq!(f.list("dir1/", Some("/")).await.objects.len(), 5);
    assert!(f.list("nowhere/deep/", Some("/")).await.objects.is_empty());
    for raw in ["dir0/0", "dir9/sub/own"] {
        f.head(raw).await.unwrap();
    }
    for raw in ["dir0/absent", "absent/0", "dir9/sub/own/below"] {
        assert!(matches!(f.head(raw).await, Err(ServiceError::NoSuchKey)));
        assert!(matches!(f.get(raw).await, Err(ServiceError::NoSuchKey)));
    }
    assert_eq!(f.store.take_questions(), 0);
    f.get_range("dir0/0", Some("bytes=1-2")).await.unwrap();
    assert_eq!(f.store.take_questions(), 1);
    f.assert_holds("dir9/sub/own", b"own").await;
}

#[tokio::test]
async fn a_listing_waits_only_for_the_folders_that_it_is_about() {
    let f = indexed(1, NEVER, false);
    for n in 0..30 {
        f.plant(&format!("far/{n}"), b"x");
    }
    f.plant("near/a", b"x");
    f.plant("near/b", b"x");
    // The crawl cannot come in between: it runs when this test waits for something.
    let fresh = Fresh {
        since: None,
        now: Timestamp::now(),
    };
    let stale = |prefix: &'static str, shallow| {
        let cache = Arc::clone(&f.cache);
        async move {
            let query = StoreListQuery {
                prefix: prefix.into(),
                after: None,
                shallow,
                limit: 10,
            };
            cache.index_page(&root(), &query, fresh).await.unwrap().1
        }
    };
    assert_eq!(stale("near/", true).await, ["near/"]);
    f.cache.open_index(&root()).await.unwrap();
    assert_eq!(stale("near/", false).await, ["near/"]);
    assert_eq!(stale("near/a", false).await, ["near/"]);
    assert_eq!(stale("", false).await, [""]);
    f.list("near/", Some("/")).await;
    f.crawled().await;
    assert!(stale("", false).await.is_empty());
}

#[tokio::test]
async fn what_others_write_is_seen_when_what_is_known_is_old() {
    for rows in [3, 100] {
        let f = indexed(rows, Duration::ZERO, false);
        for n in 0..10 {
            f.plant(&format!("dir/{n}"), b"old");
        }
        assert_eq!(f.keys().await.len(), 10);
        f.crawled().await;
        f.plant("dir/new", b"new");
        f.store.take_questions();
        assert_eq!(f.head("dir/new").await.unwrap().size, 3);
        assert_eq!(f.store.take_questions(), 1, "a page of {rows}");
        f.plant("dir/1", b"other");
        assert_eq!(f.head("dir/1").await.unwrap().size, 5);
        assert_eq!(f.store.take_questions(), 1, "a page of {rows}");
        f.store.uproot(&root(), &key("dir/2"));
        assert!(matches!(
            f.head("dir/2").await,
            Err(ServiceError::NoSuchKey)
        ));
        f.plant("another/deep/key", b"x");
        let keys = f.keys().await;
        assert_eq!(keys.len(), 11);
        assert_eq!(keys[0], "another/deep/key");
        let page = f.list("", Some("/")).await;
        assert_eq!(page.prefixes, ["another/", "dir/"]);
    }
}

#[tokio::test]
async fn a_page_does_not_say_that_there_is_more_for_what_others_have_deleted() {
    let f = indexed(3, Duration::ZERO, false);
    for raw in ["a", "b/1", "c/1"] {
        f.plant(raw, b"x");
    }
    assert_eq!(f.keys().await.len(), 3);
    f.crawled().await;
    let list = async |max_keys| {
        let request = ListObjects {
            bucket: name("default"),
            prefix: String::new(),
            delimiter: None,
            after: None,
            max_keys,
        };
        let page = f.service.list_objects(request).await.unwrap();
        (page.objects.len(), page.next.is_some())
    };
    assert_eq!(list(1).await, (1, true));
    f.store.uproot(&root(), &key("b/1"));
    assert_eq!(list(1).await, (1, true));
    f.store.uproot(&root(), &key("c/1"));
    assert_eq!(list(1).await, (1, false));
}

#[tokio::test]
async fn an_index_that_is_wrong_although_its_counts_are_right_is_mended() {
    let f = indexed(3, Duration::ZERO, false);
    for n in 0..11 {
        f.plant(&format!("dir/{n}"), b"old");
    }
    assert_eq!(f.keys().await.len(), 11);
    f.crawled().await;
    f.cache.forget(&root(), &[&key("dir/1")]).await.unwrap();
    f.cache.age_marks(Timestamp::now() - NEVER);
    f.store.uproot(&root(), &key("dir/2"));
    assert!(
        f.keys().await.contains(&"dir/2".to_owned()),
        "nobody can know"
    );
    for _ in 0..25 {
        f.keys().await;
    }
    let keys = f.keys().await;
    assert!(keys.contains(&"dir/1".to_owned()) && !keys.contains(&"dir/2".to_owned()));
}

#[tokio::test]
async fn what_only_the_cache_knows_of_an_object_outlives_a_scan_that_lacks_it() {
    let f = indexed(3, NEVER, false);
    f.store.set_portable_bytes(1000);
    f.keys().await;
    f.crawled().await;
    let later = StoreError::Unavailable("later".into());
    f.store.fail_next_portable(later);
    f.put("dir/own", b"own").await.unwrap();
    f.crawled().await;
    let scan_without_it = async |began: Timestamp| {
        let found = crate::service::index::Found {
            entries: Vec::new(),
            folders: Vec::new(),
            end: crate::service::index::End::Whole(None),
        };
        f.cache.begin_run(&root(), "dir/", began).await.unwrap();
        let applied = f.cache.apply_run(&root(), "dir/", began, found).await;
        applied.unwrap().unwrap().gone
    };
    // So late that nothing else keeps it.
    let began = Timestamp::now() + Duration::from_mins(10);
    assert_eq!(scan_without_it(began).await, 0);
    let queue = f.cache.portable_queue(began, 10).await.unwrap();
    let numbers = queue.jobs.iter().map(|job| job.number).collect();
    f.cache.portable_done(numbers).await.unwrap();
    assert_eq!(scan_without_it(began + Duration::from_mins(1)).await, 1);
}

#[tokio::test]
async fn an_exclusive_storage_is_asked_once_and_never_again() {
    let f = indexed(3, Duration::ZERO, true);
    f.plant("dir/1", b"x");
    assert_eq!(f.keys().await, ["dir/1"]);
    f.crawled().await;
    f.store.take_questions();
    f.put("dir/2", b"y").await.unwrap();
    for _ in 0..3 {
        assert_eq!(f.keys().await, ["dir/1", "dir/2"]);
        f.head("dir/1").await.unwrap();
        f.head("dir/3").await.unwrap_err();
    }
    assert_eq!(f.store.take_questions(), 0);
}

#[tokio::test]
async fn a_tag_that_is_told_later_is_seen_at_the_next_look() {
    for rows in [2, 100] {
        let f = indexed(rows, Duration::ZERO, false);
        f.store.set_portable_bytes(1000);
        let cache = Arc::new(MemoryCache::default());
        let other = Fixture {
            service: service(&f.store, &cache, f.options),
            store: Arc::clone(&f.store),
            cache,
            options: f.options,
        };
        for n in 0..7 {
            f.put(&format!("dir/{n}"), &[n]).await.unwrap();
        }
        let made_up = |page: ObjectPage| {
            let tags = page.objects.into_iter().map(|object| object.etag);
            tags.filter(|tag| matches!(tag, ETag::Opaque(_))).count()
        };
        let before = Timestamp::now();
        assert_eq!(made_up(other.list("", None).await), 7);
        other.crawled().await;
        // At the end of the folder there is nothing new.
        f.service.flush_portable_texts().await.unwrap();
        if rows < 7 {
            // As if they had been made a moment ago.
            let made = before - Duration::from_secs(1);
            other.cache.edit_rows(|row| row.modified = made);
            assert_eq!(made_up(other.list("", None).await), 6, "nobody expects it");
            // And as if that look were some seconds ago.
            let past = Duration::from_secs(35);
            other.cache.edit_rows(|row| row.modified = made - past);
            other.cache.age_folders(before - past);
        }
        let (head, _) = other.get("dir/0").await.unwrap();
        assert_eq!(head.etag, md5(&[0]), "pages of {rows}");
        assert_eq!(other.head("dir/1").await.unwrap().etag, md5(&[1]));
        assert_eq!(made_up(other.list("", None).await), 0);
    }
}

fn long_ago() -> Timestamp {
    Timestamp::now() - NEVER
}

#[tokio::test]
async fn marks_of_writes_expire() {
    let f = indexed(100, NEVER, true);
    f.keys().await;
    f.crawled().await;
    f.put("dir/old", b"x").await.unwrap();
    f.cache.age_marks(long_ago());
    f.put("other/new", b"x").await.unwrap();
    // Of the key and of its folder.
    assert_eq!(f.cache.own_marks(), 2);
}

#[tokio::test]
async fn an_object_that_is_gone_or_another_is_corrected_by_a_read() {
    let f = indexed(100, NEVER, false);
    f.put("gone", b"gone").await.unwrap();
    f.put("changed", b"mine").await.unwrap();
    f.crawled().await;
    f.store.uproot(&root(), &key("gone"));
    f.plant("changed", b"theirs");
    assert!(matches!(f.get("gone").await, Err(ServiceError::NoSuchKey)));
    assert!(matches!(f.head("gone").await, Err(ServiceError::NoSuchKey)));
    let (head, bytes) = f.get("changed").await.unwrap();
    assert_eq!((head.size, bytes.as_slice()), (6, &b"theirs"[..]));
    assert_eq!(f.head("changed").await.unwrap().etag, head.etag);
    assert_eq!(f.keys().await, ["changed"]);
    f.put("changed", b"mine again").await.unwrap();
    f.store.uproot(&root(), &key("changed"));
    assert!(matches!(
        f.copy("changed", "copy").await,
        Err(ServiceError::NoSuchKey)
    ));
    assert!(f.keys().await.is_empty());
}

#[tokio::test]
async fn a_crawl_goes_on_where_a_crash_has_stopped_it() {
    let f = indexed(1, NEVER, false);
    for n in 0..40 {
        f.plant(&format!("dir/{n:02}"), b"x");
    }
    let bucket = root();
    f.service.head_bucket(&name("default")).await.unwrap();
    let _ = f.head("dir/00").await;
    f.crawled().await;
    let whole = f.store.take_questions();
    // As it was in the middle of the folder.
    let began = Timestamp::now();
    f.cache.drop_index(&bucket).await.unwrap();
    f.cache.open_index(&bucket).await.unwrap();
    f.cache.begin_run(&bucket, "dir/", began).await.unwrap();
    for page in 0..30 {
        let cursor = (page > 0).then(|| page.to_string());
        let found = f.store.scan(&bucket, "dir/", cursor.as_deref()).await;
        let found = crate::service::index::found_in(found.unwrap(), cursor, None);
        let applied = f.cache.apply_run(&bucket, "dir/", began, found).await;
        assert!(applied.unwrap().is_some());
    }
    f.store.take_questions();
    let f = f.restarted();
    f.service.recover().await.unwrap();
    f.crawled().await;
    let rest = f.store.take_questions();
    assert!(rest < 20, "{rest} of {whole}");
    assert_eq!(f.keys().await.len(), 40);
    assert_eq!(f.store.take_questions(), 0);
}

#[tokio::test]
async fn a_storage_that_promises_more_for_ever_is_an_error_and_no_endless_listing() {
    let fixture = indexed(0, NEVER, false);
    fixture.plant("key", b"x");
    let request = ListObjects {
        bucket: name("default"),
        prefix: String::new(),
        delimiter: None,
        after: None,
        max_keys: 1000,
    };
    let listed = fixture.service.list_objects(request).await;
    assert!(
        matches!(listed, Err(ServiceError::Internal(_))),
        "{listed:?}"
    );
}

#[tokio::test]
async fn a_bucket_that_is_gone_or_new_has_no_index() {
    let f = indexed(10, NEVER, false);
    let options = ServiceOptions {
        mode: BucketMode::Advanced,
        ..f.options
    };
    let service = service(&f.store, &f.cache, options);
    let request = ListObjects {
        bucket: name("first"),
        prefix: String::new(),
        delimiter: None,
        after: None,
        max_keys: 10,
    };
    let list = || service.list_objects(request.clone());
    assert!(matches!(list().await, Err(ServiceError::NoSuchBucket)));
    service.create_bucket(&name("first"), None).await.unwrap();
    assert!(list().await.unwrap().objects.is_empty());
    let put = PutObject {
        bucket: name("first"),
        ..put_request("k")
    };
    service.put_object(put, good(b"x")).await.unwrap();
    assert_eq!(list().await.unwrap().objects.len(), 1);
    let always = WriteConditions::default();
    let (first, k) = (name("first"), key("k"));
    service.delete_object(&first, &k, always).await.unwrap();
    service.delete_bucket(&name("first")).await.unwrap();
    assert!(matches!(list().await, Err(ServiceError::NoSuchBucket)));
    let first = Bucket::Named(name("first"));
    assert!(f.cache.folders(&first).is_empty());
}
