//! The port's promises, and what the file does.

mod copies;
mod file;
mod imported;
mod in_order;
mod index;
mod late;
mod objects;
mod portable;
mod settings;
mod sharing;
mod uploads;

use super::{CacheOptions, NamespaceBinding, NamespaceCache, OpenError, SqliteCache};
use crate::model::{
    Bucket, Checksum, ChecksumAlgorithm, ChecksumPlan, ETag, Metadata, ObjectKey, ObjectState,
    PartNumber, Timestamp,
};
use crate::service::ports::{Intent, PartRow, Row, UploadRow};
use std::path::Path;

const LOCAL: NamespaceBinding<'_> = NamespaceBinding {
    component: "local",
    name: "local:/srv/s3",
    label: None,
};

fn open(directory: &Path) -> Result<SqliteCache, OpenError> {
    let options = CacheOptions { durable: false };
    SqliteCache::open(&directory.join("metadata.db"), options)
}

/// A namespace in a database of its own, which goes with the returned directory.
fn fresh() -> (tempfile::TempDir, NamespaceCache) {
    let directory = tempfile::tempdir().unwrap();
    let cache = open(directory.path()).unwrap().namespace(&LOCAL).unwrap();
    (directory, cache)
}

fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

fn bucket(name: &str) -> Bucket {
    Bucket::Named(name.parse().unwrap())
}

fn sum(algorithm: ChecksumAlgorithm) -> Checksum {
    Checksum::of(algorithm, b"bytes")
}

fn row(size: u64) -> Row {
    Row {
        state: ObjectState {
            id: "17".to_owned(),
            version: format!("v{size}"),
        },
        size,
        etag: Some(ETag::Md5([size.to_le_bytes()[0]; 16])),
        checksum: Some(sum(ChecksumAlgorithm::Crc32).into()),
        part_sizes: [].into_iter().collect(),
        metadata: Metadata::default(),
        modified: Timestamp(1_700_000_000_123_456_789),
    }
}

/// What would be announced before `row` is settled.
fn intent(row: &Row) -> Intent {
    Intent {
        size: row.size,
        etag: row.etag.clone().unwrap(),
        part_md5s: Vec::new(),
        checksum: row.checksum.clone(),
        part_checksums: Vec::new(),
        part_sizes: row.part_sizes.clone(),
        metadata: row.metadata.clone(),
        upload: None,
    }
}

fn upload(id: &str, of: &str, started: i64) -> UploadRow {
    UploadRow {
        id: id.parse().unwrap(),
        key: key(of),
        store_id: format!("store-{id}"),
        metadata: Metadata::default(),
        plan: Some(ChecksumPlan::USUAL),
        started: Timestamp(started),
    }
}

fn part(number: u32, size: u64) -> PartRow {
    PartRow {
        number: PartNumber::new(number).unwrap(),
        size,
        md5: [7; 16],
        checksum: Some(sum(ChecksumAlgorithm::Sha256)),
        token: format!("token-{number}"),
        modified: Timestamp(42),
    }
}

fn everything() -> Metadata {
    let text = |text: &str| Some(text.to_owned());
    Metadata {
        content_type: text("text/plain; charset=utf-8"),
        cache_control: text("no-cache"),
        content_disposition: text("attachment; filename=\"a\""),
        content_encoding: text("gzip"),
        content_language: text("de"),
        expires: text("Thu, 01 Dec 1994 16:00:00 GMT"),
        user: vec![
            ("zeta".to_owned(), "ü \"quoted\"".to_owned()),
            ("alpha".to_owned(), String::new()),
        ],
        tags: vec![("k".to_owned(), "v".to_owned())],
    }
}
