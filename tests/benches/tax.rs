//! What the sandbox costs: the same storage logic as a component, and linked natively.
//!
//!     cargo bench -p pys3local-tests --bench tax [-- DIRECTORY]
//!
//! Both put and get the same objects one after the other, in turns, below `DIRECTORY` (name one on
//! the disk in question; default: the directory for temporary files), through no more than their
//! storage interface: no HTTP, no database, no hashes. The table has the medians of the rounds, and
//! the tax is the time that the component takes more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::similar_names,
    reason = "a bench fails by panicking"
)]

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use pys3local::backend::{self, Backend, BackendOptions, PluginConfig};
use pys3local::model::{Bucket, ByteStream, ETag, ObjectKey};
use pys3local::service::ports::{self, PutOptions};
use pys3local_plugin_local::native::{Body, NativeDir};
use pys3local_plugin_local::settings::{Layout, Settings};
use pys3local_plugin_local::{Local, Receipt};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, spawn_blocking};

const ROUNDS: usize = 9;
/// Bytes of an object, and how many there are in a round.
const SMALL: (u64, usize) = (4 << 10, 400);
const LARGE: (u64, usize) = (256 << 20, 1);
/// Bytes that the client's side hands over at once.
const PIECE: usize = 256 << 10;
/// As the host does it: up to here on the calling thread, and beyond it in such batches.
const INLINE: u64 = 64 << 10;
const BATCH: usize = 512 << 10;

/// The native side's bodies: moved the way the host moves those of components.
struct Native(ByteStream);

impl Body for Native {
    async fn store(mut self, file: Arc<File>, mut offset: u64) -> io::Result<u64> {
        let start = offset;
        let mut writing: Option<JoinHandle<io::Result<()>>> = None;
        let mut ended = false;
        while !ended {
            let (mut batch, mut length) = (Vec::new(), 0);
            while length < BATCH && !ended {
                match self.0.next().await {
                    Some(piece) => {
                        let piece = piece?;
                        length += piece.len();
                        batch.push(piece);
                    }
                    None => ended = true,
                }
            }
            if let Some(writing) = writing.take() {
                writing.await??;
            }
            let (target, mut at) = (file.clone(), offset);
            offset += length as u64;
            let write = move || {
                for piece in batch {
                    target.write_all_at(&piece, at)?;
                    at += piece.len() as u64;
                }
                Ok(())
            };
            if ended && length as u64 <= INLINE {
                write()?;
            } else {
                writing = Some(spawn_blocking(write));
            }
        }
        if let Some(writing) = writing {
            writing.await??;
        }
        Ok(offset - start)
    }

    fn load(file: Arc<File>, offset: u64) -> Self {
        let pieces = stream::try_unfold((file, offset), async |(file, offset)| {
            let left = file.metadata()?.len().saturating_sub(offset);
            let read = move || {
                let mut piece = vec![0; usize::try_from(left).unwrap_or(BATCH).min(BATCH)];
                file.read_exact_at(&mut piece, offset)?;
                Ok::<_, io::Error>((Bytes::from(piece), file))
            };
            let (piece, file) = match left {
                0 => return Ok(None),
                1..=INLINE => read()?,
                _ => spawn_blocking(read).await??,
            };
            let next = offset + piece.len() as u64;
            Ok(Some((piece, (file, next))))
        });
        Self(pieces.boxed())
    }
}

/// What both can do.
enum Side {
    Native(Local<NativeDir<Native>>),
    Component(Backend),
}

impl Side {
    fn native(path: &Path) -> Self {
        let settings = Settings {
            layout: Layout::Objects,
            single_bucket: true,
            durable: false,
            instance: "bench".into(),
        };
        Self::Native(Local::new(NativeDir::open(path).unwrap(), settings))
    }

    async fn component(path: &Path) -> Self {
        let config = PluginConfig {
            kind: "local".into(),
            settings: [("path".to_owned(), path.display().to_string())].into(),
            ..PluginConfig::default()
        };
        let options = BackendOptions {
            single_bucket: true,
            spool: path.join("spool"),
            ..BackendOptions::default()
        };
        Self::Component(backend::open(config, options).await.unwrap())
    }

    async fn put(&self, key: &ObjectKey, size: u64) {
        let body = body(size);
        match self {
            Self::Native(local) => {
                let verdict = std::future::ready(Ok(Receipt { size }));
                let stored = local.put("", key.as_str(), Native(body), verdict).await;
                assert_eq!(stored.unwrap().size, size);
            }
            Self::Component(backend) => {
                let (approve, verdict) = tokio::sync::oneshot::channel();
                let receipt = ports::Receipt {
                    size,
                    md5: None,
                    etag: ETag::Md5([0; 16]),
                    content_type: None,
                };
                assert!(approve.send(receipt).is_ok());
                let options = PutOptions::default();
                let put = backend
                    .store
                    .put(&Bucket::Root, key, size, options, body, verdict);
                assert_eq!(put.await.unwrap().size, size);
            }
        }
    }

    async fn get(&self, key: &ObjectKey, size: u64) {
        let mut body = match self {
            Self::Native(local) => {
                local
                    .get("", key.as_str(), None, false)
                    .await
                    .unwrap()
                    .body
                    .0
            }
            Self::Component(backend) => {
                let got = backend.store.get(&Bucket::Root, key, None, None);
                got.await.unwrap().1
            }
        };
        let mut read = 0;
        while let Some(piece) = body.next().await {
            read += piece.unwrap().len() as u64;
        }
        assert_eq!(read, size);
    }
}

fn body(size: u64) -> ByteStream {
    let piece = Bytes::from(vec![7; PIECE]);
    let pieces = stream::unfold(size, move |left| {
        let now = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let item = (now > 0).then(|| (Ok(piece.slice(..now)), left - now as u64));
        std::future::ready(item)
    });
    pieces.boxed()
}

#[derive(Clone, Copy)]
enum Verb {
    Put,
    Get,
}

/// How long a round of one side takes. As connections do, it runs beside the plugin's instance.
async fn round(side: &Arc<Side>, verb: Verb, objects: (u64, usize)) -> Duration {
    let work = work(Arc::clone(side), verb, objects);
    match &**side {
        Side::Native(_) => work.await,
        Side::Component(backend) => {
            let seat = backend.seat().unwrap();
            seat.thread().spawn(work).await.unwrap()
        }
    }
}

async fn work(side: Arc<Side>, verb: Verb, (size, count): (u64, usize)) -> Duration {
    let keys: Vec<ObjectKey> = (0..count)
        .map(|number| format!("{size}/{number}").parse().unwrap())
        .collect();
    let start = Instant::now();
    for key in &keys {
        match verb {
            Verb::Put => side.put(key, size).await,
            Verb::Get => side.get(key, size).await,
        }
    }
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let named = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let directory = named.map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(directory).unwrap();
    let sides = [
        directory.path().join("native"),
        directory.path().join("component"),
    ];
    for side in &sides {
        std::fs::create_dir(side).unwrap();
    }
    let native = Arc::new(Side::native(&sides[0]));
    let component = Arc::new(Side::component(&sides[1]).await);
    println!(
        "{:<10} {:>12} {:>12} {:>8}",
        "", "native", "component", "tax"
    );
    for (name, verb, objects) in [
        ("put small", Verb::Put, SMALL),
        ("get small", Verb::Get, SMALL),
        ("put large", Verb::Put, LARGE),
        ("get large", Verb::Get, LARGE),
    ] {
        let mut times = [Vec::new(), Vec::new()];
        for turn in 0..=ROUNDS {
            for (side, times) in [&native, &component].into_iter().zip(&mut times) {
                let taken = round(side, verb, objects).await;
                // The first one finds nothing warm.
                if turn > 0 {
                    times.push(taken);
                }
            }
        }
        let [native, component] = times.map(median);
        #[expect(clippy::cast_precision_loss, reason = "small numbers, for people")]
        let per_object = |seconds: f64| seconds * 1e6 / objects.1 as f64;
        println!(
            "{name:<10} {:>9.1} us {:>9.1} us {:>6.1} %",
            per_object(native),
            per_object(component),
            (component / native - 1.0) * 100.0
        );
    }
}
