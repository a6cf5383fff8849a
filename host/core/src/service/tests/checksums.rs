//! Checksums, tags, copies of parts, and what becomes of abandoned uploads.

use super::*;
use crate::model::{ChecksumPlan, ChecksumType, NamedPart, ObjectChecksum, PartNumber, Timestamp};
use crate::service::{CompleteUpload, CopyPart, UploadRef};

const MIB5: usize = 5 * 1024 * 1024;

fn number(number: u32) -> PartNumber {
    PartNumber::new(number).unwrap()
}

fn crc32(bytes: &[u8]) -> Checksum {
    Checksum::of(ChecksumAlgorithm::Crc32, bytes)
}

/// As a client sends it that promises a CRC-32.
fn promised(bytes: &[u8]) -> Upload {
    Upload {
        promised: Some(ChecksumAlgorithm::Crc32),
        ..good(bytes)
    }
}

async fn begin(f: &Fixture, plan: Option<ChecksumPlan>) -> UploadRef {
    let (bucket, metadata) = (name("default"), Metadata::default());
    let id = f
        .service
        .create_upload(&bucket, key("k"), metadata, plan)
        .await
        .unwrap();
    UploadRef {
        bucket,
        key: key("k"),
        id,
    }
}

fn completion(upload: &UploadRef, parts: &[&[u8]]) -> CompleteUpload {
    let parts = (1..).zip(parts).map(|(at, bytes)| NamedPart {
        number: number(at),
        etag: md5(bytes),
        checksum: Some(crc32(bytes)),
    });
    CompleteUpload {
        upload: upload.clone(),
        parts: parts.collect(),
        checksum: None,
        kind: None,
        size: None,
        conditions: WriteConditions::default(),
    }
}

const COMPOSITE: ChecksumPlan = ChecksumPlan {
    algorithm: ChecksumAlgorithm::Crc32,
    kind: ChecksumType::Composite,
};
const FULL: ChecksumPlan = ChecksumPlan {
    algorithm: ChecksumAlgorithm::Crc32,
    kind: ChecksumType::FullObject,
};

/// An upload whose two parts have arrived.
async fn two_parts(f: &Fixture, plan: ChecksumPlan) -> (UploadRef, Vec<u8>) {
    let upload = begin(f, Some(plan)).await;
    let first = vec![1; MIB5];
    for (at, bytes) in [(1, first.as_slice()), (2, b"end")] {
        let part = f
            .service
            .upload_part(upload.clone(), number(at), promised(bytes));
        assert_eq!(part.await.unwrap().checksum, Some(crc32(bytes).into()));
    }
    (upload, first)
}

#[tokio::test]
async fn checksums_of_parts_become_one_of_the_object() {
    for plan in [COMPOSITE, FULL] {
        let f = Fixture::new();
        let (upload, first) = two_parts(&f, plan).await;
        let parts: [&[u8]; 2] = [&first, b"end"];
        let sums = parts.map(|part| (part.len() as u64, crc32(part)));
        let sums = sums.iter().map(|(size, sum)| (*size, sum));
        let expected = ObjectChecksum::of_parts(plan.kind, sums);
        let written = f.service.complete_upload(completion(&upload, &parts)).await;
        assert_eq!(written.unwrap().checksum, expected);
        let (head, _) = f.get("k").await.unwrap();
        assert_eq!(head.checksum, expected);
        let conditions = ReadConditions::default();
        let attributes = f
            .service
            .object_attributes(&name("default"), &key("k"), &conditions)
            .await
            .unwrap();
        assert_eq!(attributes.part_checksums, parts.map(crc32));

        let request = ReadObject {
            section: Some(Section::Part(number(2))),
            ..read_request("k")
        };
        let (head, range) = f.service.head_object(request).await.unwrap();
        assert_eq!(range, Some(MIB5 as u64..MIB5 as u64 + 3));
        assert_eq!(head.checksum, Some(crc32(b"end").into()));
        let request = ReadObject {
            section: Some(Section::Part(number(3))),
            ..read_request("k")
        };
        let missing = f.service.get_object(request).await.err();
        assert!(matches!(
            missing,
            Some(ServiceError::NoSuchPart { parts: 2 })
        ));
    }
}

#[tokio::test]
async fn a_completion_that_tells_other_checksums_publishes_nothing() {
    let f = Fixture::new();
    let (upload, first) = two_parts(&f, COMPOSITE).await;
    let right = completion(&upload, &[&first, b"end"]);
    let mut bare = right.clone();
    bare.parts[1].checksum = None;
    let mut wrong_part = right.clone();
    wrong_part.parts[0].checksum = Some(crc32(b"other"));
    let mut wrong = right.clone();
    wrong.checksum = Some((ChecksumAlgorithm::Crc32, "AAAAAA==-2".into()));
    let mut kind = right.clone();
    kind.kind = Some(ChecksumType::FullObject);
    let mut size = right.clone();
    size.size = Some(1);
    let mut failures = Vec::new();
    for request in [bare, wrong_part, wrong, kind, size] {
        failures.push(f.service.complete_upload(request).await.unwrap_err());
    }
    assert!(matches!(
        failures.as_slice(),
        [
            ServiceError::Checksums(_),
            ServiceError::InvalidPart { .. },
            ServiceError::Upload(UploadError::ChecksumMismatch("CRC32")),
            ServiceError::Checksums(_),
            ServiceError::Checksums(_),
        ]
    ));
    assert!(matches!(f.get("k").await, Err(ServiceError::NoSuchKey)));
    f.service.complete_upload(right).await.unwrap();
}

#[tokio::test]
async fn a_part_without_the_checksum_of_its_upload_is_refused() {
    let f = Fixture::new();
    let upload = begin(&f, Some(COMPOSITE)).await;
    let other = Upload {
        promised: Some(ChecksumAlgorithm::Sha1),
        ..good(b"x")
    };
    for body in [good(b"x"), other] {
        let part = f.service.upload_part(upload.clone(), number(1), body).await;
        assert!(matches!(part, Err(ServiceError::Checksums(_))));
    }
    let listed = f.service.list_parts(&upload, 0, 10).await.unwrap();
    assert!(listed.parts.is_empty());
    assert_eq!(listed.plan, Some(COMPOSITE));
}

#[tokio::test]
async fn a_part_can_be_copied_from_an_object() {
    let f = Fixture::new();
    f.put("source", b"0123456789").await.unwrap();
    let upload = begin(&f, Some(COMPOSITE)).await;
    let copy = |range: Option<&str>| CopyPart {
        upload: upload.clone(),
        number: number(1),
        source_bucket: name("default"),
        source_key: key("source"),
        range: range.and_then(RangeSpec::parse),
        source_conditions: ReadConditions::default(),
    };
    let beyond = f.service.upload_part_copy(copy(Some("bytes=5-10"))).await;
    assert!(matches!(beyond, Err(ServiceError::CopyRange { size: 10 })));
    let refused = CopyPart {
        source_conditions: ReadConditions {
            if_match: Some(only(md5(b"x"))),
            ..ReadConditions::default()
        },
        ..copy(None)
    };
    let refused = f.service.upload_part_copy(refused).await;
    assert!(matches!(refused, Err(ServiceError::PreconditionFailed(_))));
    f.service.upload_part_copy(copy(None)).await.unwrap();
    let written = f.service.upload_part_copy(copy(Some("bytes=2-4"))).await;
    assert_eq!(written.unwrap().checksum, Some(crc32(b"234").into()));
    let done = f.service.complete_upload(completion(&upload, &[b"234"]));
    done.await.unwrap();
    assert_eq!(f.get("k").await.unwrap().1, b"234");
}

#[tokio::test]
async fn tags_can_be_changed_without_the_object() {
    let f = Fixture::new();
    let tag = |value: &str| vec![("a".to_owned(), value.to_owned())];
    let (bucket, k) = (name("default"), key("k"));
    let missing = f.service.set_object_tags(&bucket, &k, tag("1"));
    assert!(matches!(missing.await, Err(ServiceError::NoSuchKey)));
    let etag = f.put("k", b"body").await.unwrap().etag;
    let set = f.service.set_object_tags(&bucket, &k, tag("1"));
    set.await.unwrap();
    let found = f.service.object_tags(&bucket, &key("k")).await.unwrap();
    assert_eq!(found, tag("1"));
    assert_eq!(f.get("k").await.unwrap().0.etag, etag);

    f.copy("k", "same").await.unwrap();
    let request = CopyObject {
        tags: Some(tag("2")),
        ..copy_request("k", "other")
    };
    f.service.copy_object(request).await.unwrap();
    for (at, value) in [("same", "1"), ("other", "2")] {
        let found = f.service.object_tags(&bucket, &key(at)).await.unwrap();
        assert_eq!(found, tag(value), "{at}");
    }
    let cleared = f.service.set_object_tags(&bucket, &k, Vec::new());
    cleared.await.unwrap();
    assert_eq!(f.get("k").await.unwrap().0.metadata.tags, []);
}

#[tokio::test]
async fn a_deletion_happens_only_with_the_right_tag() {
    let f = Fixture::new();
    let etag = f.put("k", b"body").await.unwrap().etag;
    let delete = |tag| {
        let conditions = WriteConditions {
            if_match: Some(only(tag)),
            if_none_match: None,
        };
        let service = Arc::clone(&f.service);
        async move {
            let (bucket, key) = (name("default"), key("k"));
            service.delete_object(&bucket, &key, conditions).await
        }
    };
    let refused = delete(md5(b"other")).await;
    assert!(matches!(
        refused,
        Err(ServiceError::PreconditionFailed("If-Match"))
    ));
    f.assert_holds("k", b"body").await;
    delete(etag.clone()).await.unwrap();
    assert!(matches!(delete(etag).await, Err(ServiceError::NoSuchKey)));
}

#[tokio::test]
async fn only_abandoned_uploads_expire() {
    let f = Fixture::new();
    let upload = begin(&f, None).await;
    let part = f.service.upload_part(upload.clone(), number(1), good(b"x"));
    part.await.unwrap();
    let before = Timestamp::now() - Duration::from_hours(1);
    assert_eq!(f.service.expire_uploads(before).await.unwrap(), 0);
    let after = Timestamp(Timestamp::now().0 + 1);
    assert_eq!(f.service.expire_uploads(after).await.unwrap(), 1);
    let gone = f.service.list_parts(&upload, 0, 10).await;
    assert!(matches!(gone, Err(ServiceError::NoSuchUpload)));
}

#[tokio::test]
async fn of_sixteen_racing_creators_one_wins_also_with_parts() {
    let f = Arc::new(Fixture::new());
    let mut racers = Vec::new();
    for racer in 0..16u8 {
        let f = Arc::clone(&f);
        racers.push(tokio::spawn(async move {
            if racer % 2 == 0 {
                return f.put_if("k", &[racer], absent()).await.is_ok();
            }
            let upload = begin(&f, None).await;
            let part = f
                .service
                .upload_part(upload.clone(), number(1), good(&[racer]));
            part.await.unwrap();
            let request = CompleteUpload {
                conditions: absent(),
                ..completion(&upload, &[&[racer]])
            };
            f.service.complete_upload(request).await.is_ok()
        }));
    }
    let mut winners = 0;
    for racer in racers {
        winners += usize::from(racer.await.unwrap());
    }
    assert_eq!(winners, 1);
}
