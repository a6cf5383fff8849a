use super::*;
use crate::model::PartSizes;
use crate::service::{Healed, Verified};
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicU64, Ordering};

async fn heal(f: &Fixture, at: &str) -> Healed {
    let healed = f.service.heal(&name("default"), &key(at), &|_| {}).await;
    healed.unwrap()
}

async fn verify(f: &Fixture, at: &str) -> Verified {
    let verified = f.service.verify(&name("default"), &key(at), &|_| {}).await;
    verified.unwrap()
}

async fn unknown(f: &Fixture) -> Vec<String> {
    let page = f.service.survey(&name("default"), None).await.unwrap();
    let objects = page.objects.into_iter().filter(|o| o.etag.is_none());
    objects.map(|o| o.key.as_str().to_owned()).collect()
}

fn plant(f: &Fixture, at: &str, bytes: &'static [u8]) {
    let bytes = Bytes::from_static(bytes);
    f.store.plant(&root(), &key(at), bytes).unwrap();
}

async fn assert_tag(f: &Fixture, at: &str, expected: &[u8]) {
    let (head, bytes) = f.get(at).await.unwrap();
    assert_eq!(bytes, expected);
    assert_eq!(head.etag, md5(expected));
}

fn in_parts(parts: &[&[u8]]) -> (ETag, PartSizes) {
    let md5s: Vec<u8> = parts
        .iter()
        .flat_map(|part| Md5::digest(part).to_vec())
        .collect();
    let tag = ETag::Multipart {
        digest: Md5::digest(&md5s).into(),
        parts: NonZeroU16::new(u16::try_from(parts.len()).unwrap()).unwrap(),
    };
    (tag, parts.iter().map(|part| part.len() as u64).collect())
}

#[tokio::test]
async fn an_object_put_by_hand_has_its_md5_after_it_was_read() {
    let f = Fixture::new();
    f.put("ours", b"known").await.unwrap();
    plant(&f, "theirs", b"by hand");
    assert_eq!(unknown(&f).await, ["theirs"]);
    let read = AtomicU64::new(0);
    let count = |bytes| _ = read.fetch_add(bytes, Ordering::Relaxed);
    let healed = f
        .service
        .heal(&name("default"), &key("theirs"), &count)
        .await;
    assert_eq!(healed.unwrap(), Healed::Learned(md5(b"by hand")));
    assert_eq!(read.into_inner(), 7);
    assert!(unknown(&f).await.is_empty());
    assert_tag(&f, "theirs", b"by hand").await;
}

#[tokio::test]
async fn a_row_about_the_same_bytes_keeps_its_metadata_and_its_tag_of_parts() {
    let f = Fixture::new();
    f.put("k", b"abcde").await.unwrap();
    let (tag, sizes) = in_parts(&[b"abc", b"de"]);
    let (before, _) = f.get("k").await.unwrap();
    // As after a restore from a backup: the same bytes with another time.
    f.cache.edit_rows(|row| {
        row.state.version = "another".into();
        row.etag = Some(tag.clone());
        row.part_sizes = sizes.clone();
    });
    assert_eq!(unknown(&f).await, ["k"]);
    assert_eq!(heal(&f, "k").await, Healed::Learned(tag.clone()));
    let (head, _) = f.get("k").await.unwrap();
    assert_eq!(head.etag, tag);
    assert_eq!(head.parts, Some(2));
    assert_eq!(head.metadata, before.metadata);
    // Forgotten, it is computed from the parts' sizes again.
    f.cache.edit_rows(|row| row.etag = None);
    assert_eq!(heal(&f, "k").await, Healed::Learned(tag));
}

#[tokio::test]
async fn a_row_about_other_bytes_is_replaced_by_what_the_storage_says() {
    let f = Fixture::new();
    f.put("k", b"ours").await.unwrap();
    plant(&f, "k", b"them");
    assert_eq!(heal(&f, "k").await, Healed::Learned(md5(b"them")));
    let (head, _) = f.get("k").await.unwrap();
    assert_eq!(head.metadata, Metadata::default());
}

#[tokio::test]
async fn a_write_that_another_process_has_announced_is_left_alone() {
    let f = Fixture::new();
    plant(&f, "k", b"old");
    let intent = super::super::ports::Intent {
        size: 3,
        etag: md5(b"new"),
        part_md5s: Vec::new(),
        checksum: None,
        part_checksums: Vec::new(),
        part_sizes: PartSizes::default(),
        metadata: Metadata::default(),
        upload: None,
    };
    f.cache.announce(&root(), &key("k"), intent).await.unwrap();
    assert_eq!(heal(&f, "k").await, Healed::BeingWritten);
    assert_eq!(f.cache.open_intents(), 1);
}

#[tokio::test]
async fn an_object_that_changes_while_it_is_read_never_gets_the_old_md5() {
    let f = Fixture::new();
    plant(&f, "k", b"one");
    // The first read is followed by a change.
    let changed = AtomicU64::new(0);
    let change = |_| {
        if changed.fetch_add(1, Ordering::Relaxed) == 0 {
            plant(&f, "k", b"two");
        }
    };
    let healed = f.service.heal(&name("default"), &key("k"), &change).await;
    assert_eq!(healed.unwrap(), Healed::Learned(md5(b"two")));
    assert_tag(&f, "k", b"two").await;
    // And one that never rests is an error.
    let n = AtomicU64::new(0);
    let change = |_| {
        let bytes = if n.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            b"ab"
        } else {
            b"ba"
        };
        f.store
            .plant(&root(), &key("k"), Bytes::from_static(bytes))
            .unwrap();
    };
    let healed = f.service.heal(&name("default"), &key("k"), &change).await;
    assert!(matches!(healed, Err(ServiceError::Unavailable(_))));
}

#[tokio::test]
async fn a_deleted_object_is_gone() {
    let f = Fixture::new();
    assert_eq!(heal(&f, "k").await, Healed::Gone);
    f.put("k", b"bytes").await.unwrap();
    let row = f.cache.object(&root(), &key("k")).await.unwrap().row;
    f.store.delete(&root(), &key("k"), None).await.unwrap();
    assert!(row.is_some());
    assert_eq!(verify(&f, "k").await, Verified::Gone);
}

#[tokio::test]
async fn bytes_that_do_not_match_their_tag_are_rotten() {
    let f = Fixture::new();
    f.put("k", b"abcde").await.unwrap();
    assert_eq!(verify(&f, "k").await, Verified::Whole);
    f.cache.edit_rows(|row| row.etag = Some(md5(b"other")));
    let rotten = Verified::Rotten {
        expected: md5(b"other"),
        found: md5(b"abcde"),
    };
    assert_eq!(verify(&f, "k").await, rotten);
    let (tag, sizes) = in_parts(&[b"ab", b"cde"]);
    f.cache.edit_rows(|row| {
        row.etag = Some(tag.clone());
        row.part_sizes = sizes.clone();
    });
    assert_eq!(verify(&f, "k").await, Verified::Whole);
}

#[tokio::test]
async fn without_a_tag_of_this_state_there_is_nothing_to_compare() {
    let f = Fixture::new();
    plant(&f, "k", b"by hand");
    assert_eq!(verify(&f, "k").await, Verified::Unknown);
    f.put("k", b"ours").await.unwrap();
    plant(&f, "k", b"them");
    assert_eq!(verify(&f, "k").await, Verified::Unknown);
    let (tag, _) = in_parts(&[b"ab", b"cde"]);
    f.put("k", b"abcde").await.unwrap();
    f.cache.edit_rows(|row| row.etag = Some(tag.clone()));
    assert_eq!(verify(&f, "k").await, Verified::Unknown);
}

#[tokio::test]
async fn a_survey_walks_the_whole_bucket_in_pages() {
    let f = Fixture::new();
    for n in 0..2100 {
        let bytes = Bytes::from_static(b"x");
        f.store
            .plant(&root(), &key(&format!("{n:04}")), bytes)
            .unwrap();
    }
    let (mut found, mut after) = (0, None);
    loop {
        let page = f
            .service
            .survey(&name("default"), after.as_ref())
            .await
            .unwrap();
        found += page.objects.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, 2100);
}
