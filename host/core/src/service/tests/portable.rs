use super::*;
use crate::model::{PartNumber, Timestamp};
use crate::service::ports::StoreError;
use crate::service::{SurveyPage, Surveyed};

/// A store that keeps texts, as cloud drives do.
fn cloud() -> Fixture {
    let f = Fixture::with(RowTrust::Indexed, BucketMode::Default.into());
    f.store.set_portable_bytes(1000);
    f
}

/// Another gateway on the same store, whose database is empty.
fn elsewhere(f: &Fixture) -> Fixture {
    let cache = Arc::new(MemoryCache::default());
    Fixture {
        service: service(&f.store, &cache, f.options),
        store: Arc::clone(&f.store),
        cache,
        options: f.options,
    }
}

async fn flush(f: &Fixture) -> u64 {
    f.service.flush_portable_texts().await.unwrap()
}

async fn queued(f: &Fixture) -> u64 {
    let queue = f.cache.portable_queue(Timestamp(i64::MAX), 100).await;
    queue.unwrap().waiting
}

async fn text(f: &Fixture, at: &str) -> Option<String> {
    let stored = f.store.stat(&root(), &key(at), None).await.unwrap();
    stored.portable
}

async fn tag_in_list(f: &Fixture, at: &str) -> ETag {
    let page = f.service.list_objects(super::listing::request(1000)).await;
    let mut objects = page.unwrap().objects.into_iter();
    objects.find(|object| object.key == key(at)).unwrap().etag
}

async fn set_tags(f: &Fixture, at: &str, tags: &[(String, String)]) {
    let bucket = name("default");
    let set = f
        .service
        .set_object_tags(&bucket, &key(at), tags.to_vec())
        .await;
    set.unwrap();
}

async fn heal(f: &Fixture, at: &str) {
    let healed = f.service.heal(&name("default"), &key(at), &|_| {}).await;
    healed.unwrap();
}

async fn believe(f: &Fixture, object: &Surveyed) -> bool {
    let believed = f.service.believe(&name("default"), object).await;
    believed.unwrap()
}

async fn survey(f: &Fixture) -> SurveyPage {
    f.service.survey(&name("default"), None).await.unwrap()
}

#[tokio::test]
async fn what_a_plugin_that_has_died_may_have_left_behind_is_looked_for_once_more() {
    let f = cloud();
    for raw in ["deleted", "many", "written", "once"] {
        f.put(raw, b"old").await.unwrap();
    }
    for raw in ["deleted", "many", "written"] {
        f.put(raw, b"new").await.unwrap();
    }
    f.store.forget();
    f.store.take_known();
    f.delete("deleted").await.unwrap();
    let keys = vec![key("many")];
    f.service
        .delete_objects(&name("default"), keys)
        .await
        .unwrap();
    assert_eq!(f.store.take_known(), [None, None]);
    let jobs = f
        .cache
        .portable_queue(Timestamp(i64::MAX), 100)
        .await
        .unwrap()
        .jobs;
    let inherited = jobs.iter().map(|job| (job.key.as_str(), job.inherited));
    let inherited: Vec<_> = inherited.collect();
    assert_eq!(inherited, [("once", false), ("written", true)]);
    // What is replaced from then on is known again.
    flush(&f).await;
    f.put("written", b"newest").await.unwrap();
    f.store.take_known();
    f.delete("written").await.unwrap();
    assert!(f.store.take_known().iter().all(Option::is_some));
}

#[tokio::test]
async fn another_gateway_with_an_empty_database_tells_the_same() {
    let f = cloud();
    f.put("a", b"bytes").await.unwrap();
    f.put("b", b"others").await.unwrap();
    assert_eq!(text(&f, "a").await, None, "nobody waits for it");
    assert_eq!(flush(&f).await, 0);
    let other = elsewhere(&f);
    assert_eq!(tag_in_list(&other, "a").await, md5(b"bytes"));
    other.assert_holds("a", b"bytes").await;
    other.assert_holds("b", b"others").await;
    assert_eq!(other.service.fallback_tags(), 0);
    // What it has read there it remembers.
    let row = other.cache.object(&root(), &key("a")).await.unwrap().row;
    assert_eq!(row, f.cache.object(&root(), &key("a")).await.unwrap().row);
    assert_eq!(queued(&other).await, 0, "and does not write it again");
}

#[tokio::test]
async fn a_store_that_keeps_no_texts_has_no_queue() {
    let f = Fixture::new();
    f.put("a", b"bytes").await.unwrap();
    assert_eq!((queued(&f).await, flush(&f).await), (0, 0));
    f.service.write_portable_texts().await;
}

#[tokio::test]
async fn the_writer_waits_for_work_and_does_it() {
    let f = cloud();
    let writer = {
        let service = Arc::clone(&f.service);
        tokio::spawn(async move { service.write_portable_texts().await })
    };
    tokio::task::yield_now().await;
    f.put("a", b"bytes").await.unwrap();
    while text(&f, "a").await.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while queued(&f).await > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(f.service.portable_texts_waiting(), 0);
    writer.abort();
}

#[tokio::test]
async fn of_an_object_that_is_replaced_only_the_last_state_is_written() {
    let f = cloud();
    for n in 0..5u8 {
        f.put("a", &[n]).await.unwrap();
    }
    f.put("gone", b"soon").await.unwrap();
    f.delete("gone").await.unwrap();
    assert_eq!(queued(&f).await, 1);
    assert_eq!(flush(&f).await, 0);
    elsewhere(&f).assert_holds("a", &[4]).await;
}

#[tokio::test]
async fn a_write_during_the_writing_is_written_again() {
    let f = cloud();
    f.put("a", b"one").await.unwrap();
    let queue = f.cache.portable_queue(Timestamp(i64::MAX), 9).await;
    let job = queue.unwrap().jobs.remove(0);
    f.put("a", b"two").await.unwrap();
    f.cache.portable_done(vec![job.number]).await.unwrap();
    assert_eq!(queued(&f).await, 1);
    flush(&f).await;
    elsewhere(&f).assert_holds("a", b"two").await;
}

#[tokio::test]
async fn what_a_crash_interrupts_is_written_later() {
    let f = cloud();
    f.put("a", b"bytes").await.unwrap();
    let f = f.restarted();
    assert_eq!(flush(&f).await, 0);
    elsewhere(&f).assert_holds("a", b"bytes").await;
}

#[tokio::test]
async fn new_tags_and_a_copy_onto_itself_are_written_too() {
    let f = cloud();
    f.put("a", b"bytes").await.unwrap();
    flush(&f).await;
    let tags = vec![("colour".to_owned(), "blue".to_owned())];
    set_tags(&f, "a", &tags).await;
    flush(&f).await;
    let other = elsewhere(&f);
    let (head, _) = other.get("a").await.unwrap();
    assert_eq!((head.metadata.tags, head.etag), (tags, md5(b"bytes")));
    let metadata = Metadata {
        content_type: Some("image/png".into()),
        ..Metadata::default()
    };
    let copy = CopyObject {
        metadata: Some(metadata.clone()),
        tags: Some(Vec::new()),
        ..copy_request("a", "a")
    };
    f.service.copy_object(copy).await.unwrap();
    flush(&f).await;
    let (head, _) = elsewhere(&f).get("a").await.unwrap();
    assert_eq!((head.metadata, head.etag), (metadata, md5(b"bytes")));
}

#[tokio::test]
async fn an_object_put_in_parts_has_its_tag_and_its_parts_elsewhere() {
    let f = cloud();
    let upload = f.begin("a").await;
    let large = vec![1; 5 << 20];
    let parts = [(1, large.as_slice()), (2, b"the end")];
    for (number, part) in parts {
        f.part(&upload, number, part).await.unwrap();
    }
    let etag = f.complete(&upload, &parts).await.unwrap().etag;
    flush(&f).await;
    let other = elsewhere(&f);
    let request = ReadObject {
        section: Some(Section::Part(PartNumber::new(2).unwrap())),
        ..read_request("a")
    };
    let reply = other.service.get_object(request).await.unwrap();
    assert_eq!(reply.head.etag, etag);
    assert_eq!(reply.range, Some(5 << 20..(5 << 20) + 7));
    assert_eq!(reply.head.parts, Some(2));
}

#[tokio::test]
async fn a_text_beside_another_content_is_not_believed() {
    let f = cloud();
    f.put("a", b"bytes").await.unwrap();
    f.put("b", b"other").await.unwrap();
    flush(&f).await;
    let copied = text(&f, "a").await.unwrap();
    f.store.describe(&root(), &key("b"), &copied).unwrap();
    let other = elsewhere(&f);
    let (head, _) = other.get("b").await.unwrap();
    assert!(matches!(head.etag, ETag::Opaque(_)));
    assert_eq!(head.metadata.user, []);
    assert!(matches!(tag_in_list(&other, "b").await, ETag::Opaque(_)));
    assert_eq!(survey(&other).await.objects[1].told(), None);
}

#[tokio::test]
async fn a_storage_that_cannot_now_is_asked_again_and_one_that_never_will_is_not() {
    let f = cloud();
    for error in [
        StoreError::Throttled { retry_after: None },
        StoreError::Unavailable("down".into()),
        StoreError::Quota,
    ] {
        f.put("a", b"bytes").await.unwrap();
        f.store.fail_next_portable(error);
        assert_eq!(flush(&f).await, 1);
        assert_eq!(f.service.portable_texts_waiting(), 1);
        assert_eq!(flush(&f).await, 0);
        assert!(text(&f, "a").await.is_some());
    }
    for error in [
        StoreError::Changed,
        StoreError::NoSuchKey,
        StoreError::Unsupported,
        StoreError::Other("odd".into()),
    ] {
        f.put("a", b"bytes").await.unwrap();
        f.store.fail_next_portable(error);
        assert_eq!(flush(&f).await, 0);
        assert_eq!(text(&f, "a").await, None);
    }
    // Patience that was asked for is had.
    f.put("a", b"bytes").await.unwrap();
    let moment = Some(Duration::from_millis(20));
    let throttled = StoreError::Throttled {
        retry_after: moment,
    };
    f.store.fail_next_portable(throttled);
    assert_eq!(flush(&f).await, 0);
}

#[tokio::test]
async fn a_text_that_is_always_refused_does_not_hold_the_others_up() {
    let f = cloud();
    for n in 0..5 {
        f.put(&n.to_string(), b"bytes").await.unwrap();
    }
    f.store
        .fail_next_portable(StoreError::Unavailable("this one".into()));
    let put = Timestamp::now();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let left = flush(&f).await;
    assert!(left > 0);
    let due = f.cache.portable_queue(put, 100).await.unwrap();
    assert_eq!(due.jobs.len() as u64, left - 1);
    assert_eq!(queued(&f).await, left);
}

#[tokio::test]
async fn what_is_refused_waits_long_and_is_not_forgotten_and_the_others_pass() {
    let f = cloud();
    for n in 0..5 {
        f.put(&n.to_string(), b"old").await.unwrap();
        f.put(&n.to_string(), b"new").await.unwrap();
    }
    f.store.fail_next_portable(StoreError::Denied("no".into()));
    let writer = {
        let service = Arc::clone(&f.service);
        tokio::spawn(async move { service.write_portable_texts().await })
    };
    while queued(&f).await > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    writer.abort();
    let _ = writer.await;
    let due = async |wait| {
        let at = Timestamp::now() + wait;
        f.cache.portable_queue(at, 100).await.unwrap().jobs
    };
    assert!(due(Duration::from_mins(30)).await.is_empty());
    let refused = due(Duration::from_hours(2)).await.remove(0).key;
    f.store.forget();
    f.store.take_known();
    f.delete(refused.as_str()).await.unwrap();
    assert_eq!(
        f.store.take_known(),
        [None],
        "the old one may still be there"
    );
}

#[tokio::test]
async fn a_storage_that_refuses_all_texts_ends_the_last_writes() {
    let f = cloud();
    f.put("a", b"bytes").await.unwrap();
    f.store.fail_next_portable(StoreError::Denied("no".into()));
    assert_eq!(flush(&f).await, 1);
    assert_eq!(flush(&f).await, 0);
}

#[tokio::test]
async fn the_words_of_a_person_are_left_alone() {
    let f = cloud();
    f.store
        .plant(&root(), &key("a"), Bytes::from_static(b"holidays"))
        .unwrap();
    f.store
        .describe(&root(), &key("a"), "My summer in Rome")
        .unwrap();
    let tags = vec![("k".to_owned(), "v".to_owned())];
    set_tags(&f, "a", &tags).await;
    heal(&f, "a").await;
    assert_eq!(queued(&f).await, 0);
    flush(&f).await;
    assert_eq!(text(&f, "a").await.as_deref(), Some("My summer in Rome"));
    // Where there is nothing, what was found out is kept for others.
    f.store
        .plant(&root(), &key("b"), Bytes::from_static(b"by hand"))
        .unwrap();
    heal(&f, "b").await;
    flush(&f).await;
    let (head, _) = elsewhere(&f).get("b").await.unwrap();
    assert_eq!(head.etag, md5(b"by hand"));
}

#[tokio::test]
async fn what_was_forgotten_is_learned_again_and_the_row_knows_better_otherwise() {
    let f = cloud();
    f.put("a", b"bytes").await.unwrap();
    flush(&f).await;
    f.cache.edit_rows(|row| {
        row.etag = None;
        row.metadata.tags = vec![("newer".into(), "than the text".into())];
    });
    let page = survey(&f).await;
    assert_eq!(page.objects[0].told(), Some(&md5(b"bytes")));
    assert_eq!(tag_in_list(&f, "a").await, md5(b"bytes"));
    let (head, _) = f.get("a").await.unwrap();
    assert_eq!(head.etag, md5(b"bytes"));
    assert_eq!(head.metadata.tags.len(), 1);
}

#[tokio::test]
async fn a_survey_says_what_the_texts_tell_and_it_can_be_believed_without_reading() {
    let f = cloud();
    f.put("a", b"bytes").await.unwrap();
    flush(&f).await;
    let other = elsewhere(&f);
    let page = survey(&other).await;
    let object = &page.objects[0];
    assert_eq!(
        (object.etag.clone(), object.told()),
        (None, Some(&md5(b"bytes")))
    );
    assert!(
        survey(&other).await.objects[0].etag.is_none(),
        "it changes nothing"
    );
    assert!(believe(&other, object).await);
    let again = survey(&other).await;
    assert_eq!(again.objects[0].etag, Some(md5(b"bytes")));
    assert_eq!(again.objects[0].told(), None);
    // Meanwhile somebody has put another object there.
    other.put("a", b"newer").await.unwrap();
    assert!(!believe(&other, object).await);
}

#[tokio::test]
async fn what_a_crash_may_have_left_beside_an_object_is_looked_for_when_that_is_deleted() {
    let f = cloud();
    f.put("new", b"new").await.unwrap();
    for bytes in [b"old", b"new"] {
        f.put("replaced", bytes).await.unwrap();
        f.put("another", bytes).await.unwrap();
    }
    let known = async |f: &Fixture, at: &str| {
        f.delete(at).await.unwrap();
        f.store.take_known().pop().unwrap()
    };
    assert!(known(&f, "another").await.is_some(), "the storage knows");
    let f = f.restarted();
    assert!(known(&f, "new").await.is_some(), "there was nothing before");
    assert_eq!(known(&f, "replaced").await, None);
    // A deletion of many keys is no other.
    for raw in ["one", "two"] {
        f.put(raw, b"old").await.unwrap();
    }
    f.put("two", b"new").await.unwrap();
    let f = f.restarted();
    let keys = vec![key("one"), key("two")];
    let deleted = f.service.delete_objects(&name("default"), keys).await;
    assert!(deleted.unwrap().iter().all(Result::is_ok));
    let known: Vec<bool> = f.store.take_known().iter().map(Option::is_some).collect();
    assert_eq!(known, [true, false]);
}

#[tokio::test]
async fn an_object_that_has_replaced_another_before_a_crash_is_asked_for_by_its_key() {
    let f = cloud();
    f.put("new", b"new").await.unwrap();
    f.put("replaced", b"old").await.unwrap();
    f.put("replaced", b"new").await.unwrap();
    let f = f.restarted();
    // It still counts when that is replaced once more.
    f.put("replaced", b"newer").await.unwrap();
    f.store.take_questions();
    assert_eq!(flush(&f).await, 0);
    assert_eq!(f.store.take_questions(), 1);
    assert!(text(&f, "replaced").await.is_some());
    // Now the storage knows.
    f.store.take_known();
    f.delete("replaced").await.unwrap();
    assert!(f.store.take_known().pop().unwrap().is_some());
}
