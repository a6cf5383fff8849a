//! What a row of the metadata database costs.
//!
//!     cargo bench -p pys3local-tests --bench rows [-- ROWS]
//!
//! Writes a million rows with keys of 60 bytes as each of the built-in plugins would, through the
//! library, and prints the size of the file by the row after `VACUUM`, and how long it all took.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench fails by panicking"
)]

use futures_util::StreamExt;
use pys3local::cache::{CacheOptions, NamespaceBinding, SqliteCache};
use pys3local::model::{Bucket, ETag, Metadata, ObjectState, PartSizes, Timestamp};
use pys3local::service::ports::{Cache, Row};
use std::time::Instant;

/// What a row may cost.
const LIMIT: u64 = 220;

/// Writes that wait at the same time, and share commits.
const AT_ONCE: usize = 512;

#[tokio::main]
async fn main() {
    let rows = std::env::args().find_map(|arg| arg.parse().ok());
    let rows: u64 = rows.unwrap_or(1_000_000);
    let local = |n: u64| ObjectState {
        id: String::new(),
        version: format!(
            "{:x}-{:x}",
            16_777_216 + n,
            1_765_903_091_801_768_123 + n * 977
        ),
    };
    let drime = |n: u64| ObjectState {
        id: (1_500_000_000 + n).to_string(),
        version: format!(
            "{:08x}-5f0e-4d5b-a4e2-{:012x}",
            n * 2_654_435_761 % (1 << 32),
            n
        ),
    };
    let mut good = measure("local", rows, local).await;
    good &= measure("drime", rows, drime).await;
    assert!(good, "a row costs more than {LIMIT} bytes");
}

/// Prints the numbers; `false` when a row costs too much.
async fn measure(plugin: &str, rows: u64, state: impl Fn(u64) -> ObjectState) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metadata.db");
    let database = SqliteCache::open(&path, CacheOptions { durable: false }).unwrap();
    let binding = NamespaceBinding {
        component: plugin,
        name: plugin,
        label: None,
    };
    let cache = database.namespace(&binding).unwrap();
    let bucket = Bucket::Named("backup".parse().unwrap());
    let begun = Instant::now();
    let writes = futures_util::stream::iter(0..rows).map(|n| {
        // As restic has them: a folder, and a digest that comes in no order.
        let digest = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let key = format!("data/{:02x}/{digest:016x}{n:036x}", digest >> 56);
        let row = Row {
            state: state(n),
            size: 16_777_216 + n,
            etag: Some(ETag::Md5([(n % 251).to_le_bytes()[0]; 16])),
            checksum: None,
            part_sizes: PartSizes::default(),
            metadata: Metadata {
                content_type: Some("application/octet-stream".to_owned()),
                ..Metadata::default()
            },
            modified: Timestamp(1_765_903_091_801_768_123 + i64::try_from(n).unwrap() * 977),
        };
        assert_eq!(key.len(), 60);
        let (cache, bucket) = (&cache, &bucket);
        async move {
            cache
                .settle(bucket, &key.parse().unwrap(), row, false)
                .await
        }
    });
    let mut writes = std::pin::pin!(writes.buffer_unordered(AT_ONCE));
    while let Some(outcome) = writes.next().await {
        outcome.unwrap();
    }
    let written = begun.elapsed();
    let begun = Instant::now();
    let size = database.vacuum().unwrap();
    let bytes = size.after / rows;
    println!(
        "{plugin}: {rows} rows: {bytes} bytes a row ({} before VACUUM); written in {written:.1?}, \
         vacuumed in {:.1?}",
        size.before / rows,
        begun.elapsed()
    );
    bytes <= LIMIT
}
