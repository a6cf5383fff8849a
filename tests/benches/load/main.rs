//! Puts load on an S3 endpoint and prints a table: requests and bytes per second, latencies, and
//! the memory of the server.
//!
//! ```text
//! cargo run --release -p pys3local-tests --bin load -- \
//!     --endpoint http://127.0.0.1:10001 --pid $(pidof pys3local)
//! ```

mod lean;
mod report;
mod target;

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use pys3local_tests::client::{Body, Error};
use pys3local_tests::data;
use pys3local_tests::sign::Credentials;
use report::{Report, Row};
use std::sync::Arc;
use std::time::{Duration, Instant};
use target::{Session, Target};

/// Measure an S3 endpoint.
#[derive(Parser, Debug, Clone)]
pub(crate) struct Options {
    /// Where the server listens, `http://ADDRESS:PORT`.
    #[arg(long)]
    endpoint: String,
    /// The bucket to fill; it is created when it is not there.
    #[arg(long, default_value = "bench")]
    bucket: String,
    #[arg(long, default_value = "test")]
    access_key: String,
    #[arg(long, default_value = "test")]
    secret_key: String,
    #[arg(long, default_value = "us-east-1")]
    region: String,
    /// What to run, in this order.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "put,get,list,put-large,get-large"
    )]
    phases: Vec<Phase>,
    /// How many requests at once, for the small ones.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32")]
    concurrency: Vec<usize>,
    /// How many at once, for the large ones.
    #[arg(long, value_delimiter = ',', default_value = "1,4")]
    large_concurrency: Vec<usize>,
    /// Seconds for each line of small requests.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Bytes of a small object.
    #[arg(long, default_value_t = 4096)]
    small: usize,
    /// How many different small objects.
    #[arg(long, default_value_t = 1000)]
    keys: u64,
    /// MiB of a large object.
    #[arg(long, default_value_t = 1024)]
    large_mib: u64,
    /// What the signature says about the bodies.
    #[arg(long, value_enum, default_value_t = Payload::Unsigned)]
    payload: Payload,
    /// Threads of this program.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Process whose memory is shown.
    #[arg(long)]
    pid: Option<u32>,
    /// Print tab-separated values without a heading.
    #[arg(long)]
    tsv: bool,
    /// First column of the values, to tell several servers apart.
    #[arg(long, default_value = "")]
    label: String,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Put,
    Get,
    List,
    PutLarge,
    GetLarge,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// The SHA-256 of the body.
    Signed,
}

fn main() -> Result<(), Error> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads)
        .enable_all()
        .build()?;
    runtime.block_on(run(options))
}

async fn run(options: Options) -> Result<(), Error> {
    let credentials = Credentials {
        access_key: options.access_key.clone(),
        secret_key: options.secret_key.clone(),
        region: options.region.clone(),
    };
    let target = Arc::new(Target::new(
        &options.endpoint,
        &options.bucket,
        credentials,
    )?);
    Session::open(&target).await?.create_bucket().await?;

    let piece = data::bytes(1, 1 << 20);
    let small = Body::Full(data::bytes(2, options.small));
    let large = Body::Repeat {
        piece: piece.clone(),
        size: options.large_mib << 20,
    };
    let hash_small = target::hash(&small, options.payload);
    let hash_large = if options.phases.contains(&Phase::PutLarge) {
        target::hash(&large, options.payload)
    } else {
        target::UNSIGNED.to_owned()
    };

    let mut report = Report::new(&options.label, options.tsv, options.pid);
    report.heading();
    for &phase in &options.phases {
        let large_phase = matches!(phase, Phase::PutLarge | Phase::GetLarge);
        let levels = if large_phase {
            &options.large_concurrency
        } else {
            &options.concurrency
        };
        for &concurrency in levels {
            let job = Job {
                phase,
                body: if large_phase {
                    large.clone()
                } else {
                    small.clone()
                },
                hash: if large_phase {
                    &hash_large
                } else {
                    &hash_small
                }
                .clone(),
                keys: options.keys,
                deadline: (!large_phase).then(|| Duration::from_secs_f64(options.seconds)),
            };
            if phase == Phase::Get || phase == Phase::List {
                fill(&target, &job).await?;
            }
            report.reset_peak();
            let row = match phase {
                Phase::Put | Phase::Get => {
                    let target = Arc::clone(&target);
                    let seconds = options.seconds;
                    let work = move || lean::measure(&target, &job, concurrency, seconds);
                    tokio::task::spawn_blocking(work).await??
                }
                _ => measure(&target, &job, concurrency).await?,
            };
            report.add(&row);
        }
    }
    Ok(())
}

/// One line of the table, as work for each of several connections.
#[derive(Clone)]
struct Job {
    phase: Phase,
    body: Body,
    hash: String,
    keys: u64,
    /// How long; without it, one request for each connection.
    deadline: Option<Duration>,
}

impl Job {
    fn small_key(number: u64) -> String {
        format!("small/{:02}/{number:06}", number % 100)
    }
}

/// Makes sure that all the small objects are there.
async fn fill(target: &Arc<Target>, job: &Job) -> Result<(), Error> {
    let mut session = Session::open(target).await?;
    let last = Job::small_key(job.keys.saturating_sub(1));
    if session.exists(&last).await? {
        return Ok(());
    }
    for number in 0..job.keys {
        session
            .put(&Job::small_key(number), job.body.clone(), &job.hash)
            .await?;
    }
    Ok(())
}

async fn measure(target: &Arc<Target>, job: &Job, concurrency: usize) -> Result<Row, Error> {
    let mut sessions = Vec::new();
    for _ in 0..concurrency {
        sessions.push(Session::open(target).await?);
    }
    let start = Instant::now();
    let mut workers = Vec::new();
    for (number, session) in (0u64..).zip(sessions) {
        workers.push(tokio::spawn(work(session, job.clone(), number, start)));
    }
    let mut row = Row::new(job.phase, concurrency);
    for worker in workers {
        let (bytes, latencies) = worker.await??;
        row.bytes += bytes;
        row.latencies.extend(latencies);
    }
    row.elapsed = start.elapsed();
    Ok(row)
}

/// Sends requests on one connection; answers how many bytes went over it and how long each took.
async fn work(
    mut session: Session,
    job: Job,
    worker: u64,
    start: Instant,
) -> Result<(u64, Vec<Duration>), Error> {
    let mut bytes = 0;
    let mut latencies = Vec::new();
    let mut after: Option<Bytes> = None;
    loop {
        let begun = Instant::now();
        bytes += match job.phase {
            Phase::Put | Phase::Get => return Err("is measured elsewhere".into()),
            Phase::List => {
                let (length, next) = session.list("small/", after.as_deref()).await?;
                after = next;
                length
            }
            Phase::PutLarge => {
                session
                    .put(&format!("large/{worker}"), job.body.clone(), &job.hash)
                    .await?
            }
            Phase::GetLarge => session.get(&format!("large/{worker}")).await?,
        };
        latencies.push(begun.elapsed());
        if job
            .deadline
            .is_none_or(|deadline| start.elapsed() >= deadline)
        {
            return Ok((bytes, latencies));
        }
    }
}
