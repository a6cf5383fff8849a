use super::*;
use crate::service::RangeCondition;
use futures_util::TryStreamExt;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test]
async fn ranges_are_resolved_against_the_object() {
    let f = Fixture::new();
    f.put("k", b"0123456789").await.unwrap();
    for (range, expected) in [
        ("bytes=0-3", "0123"),
        ("bytes=7-", "789"),
        ("bytes=-2", "89"),
        ("bytes=8-100", "89"),
    ] {
        let (head, bytes) = f.get_range("k", Some(range)).await.unwrap();
        assert_eq!(bytes, expected.as_bytes());
        assert_eq!(head.size, 10);
    }
    let outcome = f.get_range("k", Some("bytes=10-")).await;
    assert!(matches!(
        outcome,
        Err(ServiceError::InvalidRange { size: 10 })
    ));
    let request = ReadObject {
        section: RangeSpec::parse("bytes=2-4").map(Section::Range),
        ..read_request("k")
    };
    assert_eq!(f.service.head_object(request).await.unwrap().1, Some(2..5));
}

#[tokio::test]
async fn a_range_of_another_object_gives_all_of_this_one() {
    let f = Fixture::new();
    let etag = f.put("k", b"0123456789").await.unwrap().etag;
    let read = |range: &str, condition| ReadObject {
        section: RangeSpec::parse(range).map(Section::Range),
        if_range: Some(condition),
        ..read_request("k")
    };
    // The second lies behind the end of what is there now.
    for range in ["bytes=2-4", "bytes=10-"] {
        let other = || read(range, RangeCondition::Tag(ETag::Md5([0; 16])));
        let reply = f.service.get_object(other()).await.unwrap();
        assert_eq!(reply.range, None);
        let pieces: Vec<Bytes> = reply.body.try_collect().await.unwrap();
        assert_eq!(pieces.concat(), b"0123456789");
        assert_eq!(f.service.head_object(other()).await.unwrap().1, None);
    }
    let same = || read("bytes=2-4", RangeCondition::Tag(etag.clone()));
    assert_eq!(
        f.service.get_object(same()).await.unwrap().range,
        Some(2..5)
    );
    assert_eq!(f.service.head_object(same()).await.unwrap().1, Some(2..5));
}

#[tokio::test]
async fn a_failed_condition_outranks_a_bad_range() {
    let f = Fixture::new();
    let etag = f.put("k", b"0123456789").await.unwrap().etag;
    let request = ReadObject {
        section: RangeSpec::parse("bytes=10-").map(Section::Range),
        conditions: ReadConditions {
            if_none_match: Some(only(etag)),
            ..ReadConditions::default()
        },
        ..read_request("k")
    };
    let outcome = f.service.head_object(request.clone()).await;
    assert!(matches!(outcome, Err(ServiceError::NotModified { .. })));
    let outcome = f.service.get_object(request).await;
    assert!(matches!(outcome, Err(ServiceError::NotModified { .. })));
}

#[tokio::test]
async fn an_object_that_was_changed_behind_our_back_never_gets_the_old_md5() {
    let f = Fixture::new();
    f.put("k", b"ours").await.unwrap();
    for foreign in [b"them".as_slice(), b"longer than ours", b"x"] {
        let bytes = Bytes::copy_from_slice(foreign);
        f.store.plant(&root(), &key("k"), bytes).unwrap();
        let (head, bytes) = f.get("k").await.unwrap();
        assert_eq!(bytes, foreign);
        assert!(matches!(head.etag, ETag::Opaque(_)));
        assert_eq!(head.metadata, Metadata::default());
        assert_eq!(head.size, foreign.len() as u64);
        let (_, last) = f.get_range("k", Some("bytes=-1")).await.unwrap();
        assert_eq!(last, &foreign[foreign.len() - 1..]);
        let in_head = f.service.head_object(read_request("k")).await.unwrap();
        assert_eq!(in_head.0, head);
    }
    let outcome = f.get_range("k", Some("bytes=3-")).await;
    assert!(matches!(
        outcome,
        Err(ServiceError::InvalidRange { size: 1 })
    ));
    f.put("k", b"ours again").await.unwrap();
    f.assert_holds("k", b"ours again").await;
}

#[tokio::test]
async fn an_object_without_a_row_is_served_with_ranges() {
    let f = Fixture::new();
    let bytes = Bytes::from_static(b"by hand");
    f.store.plant(&root(), &key("k"), bytes).unwrap();
    let (head, bytes) = f.get_range("k", Some("bytes=3-")).await.unwrap();
    assert_eq!(bytes, b"hand");
    assert!(matches!(head.etag, ETag::Opaque(_)));
}

#[tokio::test]
async fn an_imported_row_serves_an_object_that_is_not_younger_than_it() {
    let f = Fixture::new();
    f.put("k", b"bytes").await.unwrap();
    f.cache.edit_rows(|row| row.state = ObjectState::default());
    f.assert_holds("k", b"bytes").await;
    f.cache.edit_rows(|row| {
        row.state = ObjectState::default();
        row.modified.0 -= 10_000_000_000;
    });
    let (head, _) = f.get("k").await.unwrap();
    assert!(matches!(head.etag, ETag::Opaque(_)));
}

#[tokio::test]
async fn an_imported_row_gets_the_version_of_the_object_that_it_describes() {
    for trust in [RowTrust::Check, RowTrust::Indexed] {
        let f = Fixture::with(trust, BucketMode::Default.into());
        for name in ["read", "listed"] {
            f.put(name, b"bytes").await.unwrap();
        }
        let version_of = async |name: &str| {
            let found = f.cache.object(&root(), &key(name)).await.unwrap();
            found.row.unwrap().state.version
        };
        let versions = [version_of("read").await, version_of("listed").await];
        f.cache.edit_rows(|row| row.state.version.clear());
        if trust == RowTrust::Check {
            f.cache.edit_rows(|row| row.state.id.clear());
        }
        f.assert_holds("read", b"bytes").await;
        assert_eq!(version_of("read").await, versions[0]);
        assert_eq!(version_of("listed").await, "");
        list_all(&f).await;
        assert_eq!(version_of("listed").await, versions[1]);
    }
}

#[tokio::test]
async fn a_row_whose_md5_was_forgotten_still_has_the_metadata() {
    let f = Fixture::new();
    f.put("k", b"bytes").await.unwrap();
    let (before, _) = f.get("k").await.unwrap();
    f.cache.edit_rows(|row| row.etag = None);
    let (head, bytes) = f.get("k").await.unwrap();
    assert_eq!(bytes, b"bytes");
    assert!(matches!(head.etag, ETag::Opaque(_)));
    assert_eq!(head.metadata, before.metadata);
}

#[tokio::test]
async fn every_tag_that_is_no_md5_is_counted() {
    let f = Fixture::new();
    f.put("known", b"bytes").await.unwrap();
    f.get("known").await.unwrap();
    assert_eq!(f.service.fallback_tags(), 0);
    let bytes = Bytes::from_static(b"by hand");
    f.store.plant(&root(), &key("k"), bytes).unwrap();
    f.get("k").await.unwrap();
    f.get("k").await.unwrap();
    list_all(&f).await;
    assert_eq!(f.service.fallback_tags(), 3);
}

#[tokio::test]
async fn an_indexed_row_is_trusted_while_the_id_is_the_same() {
    let f = Fixture::with(RowTrust::Indexed, BucketMode::Default.into());
    f.put("k", b"bytes").await.unwrap();
    f.cache.edit_rows(|row| row.state.version = "moved".into());
    f.assert_holds("k", b"bytes").await;
    let bytes = Bytes::from_static(b"other");
    f.store.plant(&root(), &key("k"), bytes).unwrap();
    let (head, _) = f.get("k").await.unwrap();
    assert!(matches!(head.etag, ETag::Opaque(_)));
}

#[tokio::test]
async fn a_verified_read_of_rotten_bytes_fails() {
    let options = ServiceOptions {
        mode: BucketMode::Default,
        verify_reads: true,
        freshness: Freshness::default(),
    };
    let f = Fixture::with(RowTrust::Check, options);
    f.put("k", b"bytes").await.unwrap();
    f.assert_holds("k", b"bytes").await;
    f.cache.edit_rows(|row| row.etag = Some(ETag::Md5([0; 16])));
    assert!(f.get("k").await.is_err());
    f.get_range("k", Some("bytes=0-1")).await.unwrap();
    // A range of everything is no way around it.
    assert!(f.get_range("k", Some("bytes=0-4")).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_that_race_writers_never_see_a_mixture() {
    let f = Arc::new(Fixture::new());
    f.put("k", b"first").await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4usize)
        .map(|writer| {
            let f = Arc::clone(&f);
            tokio::spawn(async move {
                for round in 0..150 {
                    // Some of the same size, some of others.
                    let bytes = format!("{writer}-{round}-").repeat(1 + round % 3);
                    if round % 40 == 39 {
                        f.delete("k").await.unwrap();
                    }
                    f.put("k", bytes.as_bytes()).await.unwrap();
                }
            })
        })
        .collect();
    let readers: Vec<_> = (0..8)
        .map(|reader| {
            let (f, done) = (Arc::clone(&f), Arc::clone(&done));
            tokio::spawn(async move {
                let mut seen = 0;
                while !done.load(Ordering::Relaxed) || seen == 0 {
                    // Nothing in memory ever waits, and the writers want their turn.
                    tokio::task::yield_now().await;
                    if reader % 4 == 0 {
                        for object in list_all(&f).await {
                            assert!(matches!(object, ETag::Md5(_)));
                        }
                    }
                    match f.get("k").await {
                        Ok((head, bytes)) => {
                            assert_eq!(head.etag, md5(&bytes));
                            assert_eq!(head.metadata.user.len(), 1);
                            seen += 1;
                        }
                        Err(ServiceError::NoSuchKey) => {}
                        Err(other) => panic!("{other}"),
                    }
                    match f.get_range("k", Some("bytes=1-")).await {
                        Ok((head, bytes)) => assert_eq!(bytes.len() as u64, head.size - 1),
                        Err(ServiceError::NoSuchKey) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(f.cache.open_intents(), 0);
}

async fn list_all(f: &Fixture) -> Vec<ETag> {
    let request = crate::service::ListObjects {
        bucket: name("default"),
        prefix: String::new(),
        delimiter: None,
        after: None,
        max_keys: 1000,
    };
    let page = f.service.list_objects(request).await.unwrap();
    page.objects.into_iter().map(|object| object.etag).collect()
}
