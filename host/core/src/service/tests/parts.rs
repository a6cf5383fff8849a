use super::*;
use crate::model::{NamedPart, PartNumber, Timestamp, UploadId};
use crate::service::memory::Fault;
use crate::service::ports::StoreError;
use crate::service::{CompleteUpload, ListUploads, UploadPage, UploadRef};

const MIB5: usize = 5 * 1024 * 1024;

fn number(number: u32) -> PartNumber {
    PartNumber::new(number).unwrap()
}

type Parts<'a> = &'a [(u32, &'a [u8])];

impl Fixture {
    pub(super) async fn begin(&self, raw: &str) -> UploadRef {
        let metadata = put_request(raw).metadata;
        let bucket = name("default");
        let id = self
            .service
            .create_upload(&bucket, key(raw), metadata, None);
        UploadRef {
            id: id.await.unwrap(),
            key: key(raw),
            bucket,
        }
    }

    pub(super) async fn part(
        &self,
        upload: &UploadRef,
        at: u32,
        bytes: &[u8],
    ) -> Result<ETag, ServiceError> {
        let upload = upload.clone();
        self.service
            .upload_part(upload, number(at), good(bytes))
            .await
            .map(|written| written.etag)
    }

    pub(super) async fn complete(
        &self,
        upload: &UploadRef,
        parts: &[(u32, &[u8])],
    ) -> Result<Written, ServiceError> {
        let parts = parts.iter().map(|(at, bytes)| NamedPart {
            number: number(*at),
            etag: md5(bytes),
            checksum: None,
        });
        let request = CompleteUpload {
            upload: upload.clone(),
            parts: parts.collect(),
            checksum: None,
            kind: None,
            size: None,
            conditions: WriteConditions::default(),
        };
        self.service.complete_upload(request).await
    }
}

fn tag_of(parts: &[&[u8]]) -> ETag {
    let md5s: Vec<u8> = parts.iter().flat_map(Md5::digest).collect();
    ETag::Multipart {
        digest: Md5::digest(md5s).into(),
        parts: u16::try_from(parts.len()).unwrap().try_into().unwrap(),
    }
}

fn large(byte: u8) -> Vec<u8> {
    vec![byte; MIB5]
}

#[tokio::test]
async fn parts_in_any_order_make_one_object_with_gaps_in_the_numbers() {
    let f = Fixture::new();
    let upload = f.begin("k").await;
    let (one, two) = (large(1), large(2));
    f.part(&upload, 9, b"end").await.unwrap();
    f.part(&upload, 5, &two).await.unwrap();
    f.part(&upload, 2, b"replaced").await.unwrap();
    f.part(&upload, 2, &one).await.unwrap();
    f.part(&upload, 7, b"not wanted").await.unwrap();
    let parts: [(u32, &[u8]); 3] = [(2, &one), (5, &two), (9, b"end")];
    let written = f.complete(&upload, &parts).await.unwrap();
    assert_eq!(written.etag, tag_of(&[&one, &two, b"end"]));
    let (head, bytes) = f.get("k").await.unwrap();
    assert_eq!(bytes, [one, two, b"end".to_vec()].concat());
    assert_eq!(head.etag, written.etag);
    assert_eq!(head.parts, Some(3));
    assert_eq!(head.metadata, put_request("k").metadata);
    assert_eq!(f.store.open_uploads(), 0);
}

#[tokio::test]
async fn a_completion_with_a_wrong_list_is_refused_and_the_upload_stays() {
    let f = Fixture::new();
    let upload = f.begin("k").await;
    let one = large(1);
    f.part(&upload, 1, &one).await.unwrap();
    f.part(&upload, 2, b"small").await.unwrap();
    f.part(&upload, 3, b"end").await.unwrap();
    let order: [Parts; 2] = [&[(3, b"end"), (1, &one)], &[(1, &one), (1, &one)]];
    for parts in order {
        let outcome = f.complete(&upload, parts).await;
        assert!(matches!(outcome, Err(ServiceError::InvalidPartOrder)));
    }
    let invalid: [(u16, Parts); 2] = [(1, &[(1, b"other")]), (4, &[(1, &one), (4, b"end")])];
    for (odd, parts) in invalid {
        let outcome = f.complete(&upload, parts).await;
        assert!(matches!(outcome, Err(ServiceError::InvalidPart { number, .. }) if number == odd));
    }
    let none = f.complete(&upload, &[]).await;
    assert!(matches!(none, Err(ServiceError::NoParts)));
    let parts: Parts = &[(1, &one), (2, b"small"), (3, b"end")];
    assert!(matches!(
        f.complete(&upload, parts).await,
        Err(ServiceError::PartTooSmall {
            number: 2,
            size: 5,
            ..
        })
    ));
    assert!(matches!(f.get("k").await, Err(ServiceError::NoSuchKey)));
    f.complete(&upload, &[(1, &one), (3, b"end")])
        .await
        .unwrap();
}

#[tokio::test]
async fn completing_again_succeeds_as_long_as_the_object_is_the_same() {
    let f = Fixture::new();
    let upload = f.begin("k").await;
    f.part(&upload, 1, b"all").await.unwrap();
    let first = f.complete(&upload, &[(1, b"all")]).await.unwrap();
    assert_eq!(f.complete(&upload, &[(1, b"all")]).await.unwrap(), first);
    f.put("k", b"another").await.unwrap();
    let late = f.complete(&upload, &[(1, b"all")]).await;
    assert!(matches!(late, Err(ServiceError::NoSuchUpload)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_completions_all_succeed_and_publish_once() {
    let f = Arc::new(Fixture::new());
    let upload = f.begin("k").await;
    f.part(&upload, 1, b"all").await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (f, upload) = (Arc::clone(&f), upload.clone());
            tokio::spawn(async move { f.complete(&upload, &[(1, b"all")]).await })
        })
        .collect();
    let mut times = std::collections::HashSet::new();
    for task in tasks {
        times.insert(task.await.unwrap().unwrap().modified);
    }
    assert_eq!(times.len(), 1);
}

#[tokio::test]
async fn a_bad_part_is_not_kept() {
    let f = Fixture::new();
    let upload = f.begin("k").await;
    f.part(&upload, 1, b"good").await.unwrap();
    let part = bad(b"evil", UploadError::ChecksumMismatch("CRC32"));
    let outcome = f.service.upload_part(upload.clone(), number(1), part).await;
    assert!(matches!(
        outcome,
        Err(ServiceError::Upload(UploadError::ChecksumMismatch("CRC32")))
    ));
    f.complete(&upload, &[(1, b"good")]).await.unwrap();
}

#[tokio::test]
async fn a_part_that_is_still_arriving_when_its_upload_ends_is_turned_away() {
    for abort in [true, false] {
        let f = Fixture::new();
        let upload = f.begin("k").await;
        f.part(&upload, 1, b"all").await.unwrap();
        let (service, to) = (Arc::clone(&f.service), upload.clone());
        let part =
            tokio::spawn(async move { service.upload_part(to, number(2), stuck(b"half")).await });
        tokio::time::sleep(Duration::from_millis(10)).await;
        if abort {
            f.service.abort_upload(&upload).await.unwrap();
        } else {
            f.complete(&upload, &[(1, b"all")]).await.unwrap();
        }
        let outcome = part.await.unwrap();
        assert!(matches!(outcome, Err(ServiceError::NoSuchUpload)));
        let late = f.part(&upload, 3, b"late").await;
        assert!(matches!(late, Err(ServiceError::NoSuchUpload)));
        assert_eq!(f.store.open_uploads(), 0);
        assert_eq!(f.get("k").await.is_err(), abort);
    }
}

#[tokio::test]
async fn an_aborted_upload_is_gone() {
    let f = Fixture::new();
    let upload = f.begin("k").await;
    f.part(&upload, 1, b"all").await.unwrap();
    f.service.abort_upload(&upload).await.unwrap();
    let again = f.service.abort_upload(&upload).await;
    assert!(matches!(again, Err(ServiceError::NoSuchUpload)));
    let late = f.complete(&upload, &[(1, b"all")]).await;
    assert!(matches!(late, Err(ServiceError::NoSuchUpload)));
    let listed = f.service.list_parts(&upload, 0, 10).await;
    assert!(matches!(listed, Err(ServiceError::NoSuchUpload)));
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("not now".into())
}

#[tokio::test]
async fn an_abort_that_the_storage_refuses_can_be_tried_again() {
    let f = Fixture::new();
    let upload = f.begin("k").await;
    f.part(&upload, 1, b"all").await.unwrap();
    f.store.fail_next_abort(unavailable());
    f.service.abort_upload(&upload).await.unwrap_err();
    assert_eq!(f.store.open_uploads(), 1);
    assert_eq!(paged(&f, None, 10).await.len(), 1);
    f.service.abort_upload(&upload).await.unwrap();
    assert_eq!(f.store.open_uploads(), 0);
    assert!(paged(&f, None, 10).await.is_empty());
}

#[tokio::test]
async fn an_upload_that_was_left_after_a_refused_abort_can_be_completed() {
    let f = Fixture::new();
    let upload = f.begin("k").await;
    f.part(&upload, 1, b"all").await.unwrap();
    f.store.fail_next_abort(unavailable());
    f.service.abort_upload(&upload).await.unwrap_err();
    f.part(&upload, 1, b"new").await.unwrap();
    f.complete(&upload, &[(1, b"new")]).await.unwrap();
    assert_eq!(f.get("k").await.unwrap().1, b"new");
}

#[tokio::test]
async fn an_upload_of_which_a_crash_has_left_only_the_row_takes_nothing_and_can_be_aborted() {
    let f = Fixture::new();
    let upload = f.begin("k").await;
    f.part(&upload, 1, b"all").await.unwrap();
    let row = f.cache.upload(&root(), &upload.id).await.unwrap().unwrap();
    f.store
        .abort_upload(&root(), &row.key, &row.store_id)
        .await
        .unwrap();
    let late = f.part(&upload, 2, b"late").await;
    assert!(matches!(late, Err(ServiceError::NoSuchUpload)), "{late:?}");
    let completed = f.complete(&upload, &[(1, b"all")]).await;
    assert!(completed.is_err(), "{completed:?}");
    assert!(matches!(f.get("k").await, Err(ServiceError::NoSuchKey)));
    f.service.abort_upload(&upload).await.unwrap();
    assert!(paged(&f, None, 10).await.is_empty());
}

#[tokio::test]
async fn an_abandoned_upload_that_cannot_be_aborted_holds_up_no_other_and_is_tried_again() {
    let f = Fixture::new();
    for key in ["a", "b", "c"] {
        f.begin(key).await;
    }
    let later = Timestamp::now() + Duration::from_mins(1);
    f.store.fail_next_abort(unavailable());
    assert_eq!(f.service.expire_uploads(later).await.unwrap(), 2);
    assert_eq!(f.store.open_uploads(), 1);
    assert_eq!(paged(&f, None, 10).await.len(), 1);
    assert_eq!(f.service.expire_uploads(later).await.unwrap(), 1);
    assert_eq!(f.store.open_uploads(), 0);
}

#[tokio::test]
async fn an_upload_belongs_to_its_key() {
    let f = Fixture::new();
    let upload = f.begin("k").await;
    let other = UploadRef {
        key: key("other"),
        ..upload
    };
    let outcome = f.part(&other, 1, b"all").await;
    assert!(matches!(outcome, Err(ServiceError::NoSuchUpload)));
}

#[tokio::test]
async fn a_completion_that_fails_can_be_tried_again_and_one_that_published_succeeds() {
    let f = Fixture::new();
    f.put("k", b"old").await.unwrap();
    let upload = f.begin("k").await;
    let one = large(1);
    f.part(&upload, 1, &one).await.unwrap();
    f.part(&upload, 2, b"end").await.unwrap();
    let parts: [(u32, &[u8]); 2] = [(1, &one), (2, b"end")];
    f.store.fail_next(Fault::FailBefore);
    assert!(f.complete(&upload, &parts).await.is_err());
    f.assert_holds("k", b"old").await;
    f.store.fail_next(Fault::FailAfter);
    let written = f.complete(&upload, &parts).await.unwrap();
    assert_eq!(f.get("k").await.unwrap().0.etag, written.etag);
    assert_eq!(f.cache.open_intents(), 0);
    assert!(f.cache.store_uploads().await.unwrap().is_empty());
}

#[tokio::test]
async fn after_a_crash_a_completion_is_whole_or_can_be_tried_again() {
    for published in [true, false] {
        let f = Fixture::new();
        let upload = f.begin("k").await;
        let one = large(1);
        f.part(&upload, 1, &one).await.unwrap();
        f.part(&upload, 2, b"end").await.unwrap();
        let parts: [(u32, &[u8]); 2] = [(1, &one), (2, b"end")];
        f.store.fail_next(if published {
            Fault::HangAfter
        } else {
            Fault::HangBefore
        });
        f.die_in(f.complete(&upload, &parts)).await;
        let f = f.restarted();
        f.service.recover().await.unwrap();
        // Where nothing is at all, nobody can tell.
        assert_eq!(f.cache.open_intents(), usize::from(!published));
        assert_eq!(f.get("k").await.is_ok(), published);
        let written = f.complete(&upload, &parts).await.unwrap();
        assert_eq!(f.cache.open_intents(), 0);
        assert_eq!(f.get("k").await.unwrap().0.etag, written.etag);
    }
}

#[tokio::test]
async fn a_copy_of_an_object_put_in_parts_has_an_md5() {
    let f = Fixture::new();
    let upload = f.begin("k").await;
    f.part(&upload, 1, b"all").await.unwrap();
    f.complete(&upload, &[(1, b"all")]).await.unwrap();
    assert_eq!(f.copy("k", "copy").await.unwrap().etag, md5(b"all"));
}

#[tokio::test]
async fn parts_are_listed_in_pages() {
    let f = Fixture::new();
    let upload = f.begin("k").await;
    for at in [4u8, 1, 9] {
        f.part(&upload, at.into(), &[at; 3]).await.unwrap();
    }
    let first = f.service.list_parts(&upload, 0, 2).await.unwrap();
    let numbers: Vec<_> = first.parts.iter().map(|p| p.number.get()).collect();
    assert_eq!(numbers, [1, 4]);
    assert_eq!(first.next, Some(4));
    assert_eq!(first.parts[1].etag, md5(&[4; 3]));
    let last = f.service.list_parts(&upload, 4, 1).await.unwrap();
    assert_eq!(last.parts[0].number.get(), 9);
    assert_eq!(last.next, None);
}

/// All items of a listing, in pages of `max_uploads`.
async fn paged(f: &Fixture, delimiter: Option<&str>, max_uploads: u16) -> Vec<(String, bool)> {
    let mut request = ListUploads {
        bucket: name("default"),
        prefix: String::new(),
        delimiter: delimiter.map(str::to_owned),
        key_marker: None,
        upload_id_marker: None,
        max_uploads,
    };
    let mut all = Vec::new();
    loop {
        let UploadPage {
            uploads,
            prefixes,
            next,
        } = f.service.list_uploads(request.clone()).await.unwrap();
        assert!(uploads.len() + prefixes.len() <= max_uploads.into());
        let mut items: Vec<(String, bool)> = prefixes.into_iter().map(|p| (p, true)).collect();
        items.extend(
            uploads
                .into_iter()
                .map(|u| (u.key.as_str().to_owned(), false)),
        );
        items.sort();
        all.extend(items);
        match next {
            Some((key, id)) => {
                request.key_marker = Some(key);
                request.upload_id_marker = id;
            }
            None => return all,
        }
    }
}

#[tokio::test]
async fn uploads_are_listed_in_pages_by_key_and_rolled_up() {
    let f = Fixture::new();
    for key in ["a", "a", "b/1", "b/2", "b/2", "c", "d-1"] {
        f.begin(key).await;
    }
    let item = |key: &str, rolled| (key.to_owned(), rolled);
    for max_uploads in [1, 2, 3, 100] {
        let flat = paged(&f, None, max_uploads).await;
        let keys: Vec<_> = flat.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["a", "a", "b/1", "b/2", "b/2", "c", "d-1"]);
        let rolled = paged(&f, Some("/"), max_uploads).await;
        let expected = [
            item("a", false),
            item("a", false),
            item("b/", true),
            item("c", false),
            item("d-1", false),
        ];
        assert_eq!(rolled, expected);
    }
}

#[tokio::test]
async fn upload_ids_are_not_guessable() {
    let f = Fixture::new();
    let ids: std::collections::HashSet<UploadId> = {
        let (a, b) = (f.begin("k").await, f.begin("k").await);
        [a.id, b.id].into()
    };
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| id.as_str().len() == 32));
}

#[tokio::test]
async fn a_completion_replaces_what_the_key_holds_when_its_turn_has_come() {
    let f = Fixture::with(RowTrust::Indexed, BucketMode::Default.into());
    f.put("k", b"old").await.unwrap();
    let upload = f.begin("k").await;
    f.part(&upload, 1, b"part").await.unwrap();
    // Another writer has the key.
    let place = crate::service::locks::Place {
        bucket: root(),
        key: key("k"),
    };
    let guard = f.service.inner.locks.lock(&place).await;
    let completing = async { f.complete(&upload, &[(1, b"part")]).await };
    let other = async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        f.cache.edit_rows(|row| row.state.id = "theirs".into());
        drop(guard);
    };
    let (completed, ()) = tokio::join!(completing, other);
    completed.unwrap();
    let known = f.store.take_known().pop().flatten();
    assert_eq!(known.unwrap().id, "theirs");
}
