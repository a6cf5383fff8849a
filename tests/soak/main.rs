//! Mixed load for a long time: memory, open files and latencies must stay where they are, and
//! every answer must be right.
//!
//! ```text
//! cargo build --release --workspace --bins
//! cargo run --release -p pys3local-tests --bin soak -- --minutes 20
//! ```

#![allow(
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a program for people who test, with small numbers"
)]

use clap::Parser;
use pys3local_tests::checker::{Checker, End, Size};
use pys3local_tests::data::Random;
use pys3local_tests::gateway::{Options, Usage};
use std::time::{Duration, Instant};

/// Let mixed load run, and say whether anything grows.
#[derive(Parser, Debug)]
struct Arguments {
    /// How long.
    #[arg(long, default_value_t = 20.0)]
    minutes: f64,
    /// Seconds between two lines, after each of which all histories are checked.
    #[arg(long, default_value_t = 15)]
    every: u64,
    /// Connections at once.
    #[arg(long, default_value_t = Size::default().workers)]
    workers: usize,
    /// Start it with `--sync always`.
    #[arg(long)]
    durable: bool,
}

struct Line {
    usage: Usage,
    median: Duration,
    slow: Duration,
}

#[tokio::main]
async fn main() -> Result<(), String> {
    let arguments = Arguments::parse();
    let mut options = Options::default();
    if arguments.durable {
        options = options.durable();
    }
    let size = Size {
        workers: arguments.workers,
        keys: 200,
    };
    let mut checker = Checker::new(options.start(), size, Random::seed()).await;
    let (start, mut lines) = (Instant::now(), Vec::new());
    println!("minute  operations  median ms  99% ms  MiB  files  threads");
    while start.elapsed().as_secs_f64() < arguments.minutes * 60.0 {
        checker
            .round(Duration::from_secs(arguments.every), End::Pause)
            .await?;
        let mut latencies = std::mem::take(&mut checker.totals.latencies);
        latencies.sort();
        let at = |part: usize| latencies.get(latencies.len() * part / 100).copied();
        let line = Line {
            usage: checker.usage(),
            median: at(50).unwrap_or_default(),
            slow: at(99).unwrap_or_default(),
        };
        println!(
            "{:6.1}  {:10}  {:9.2}  {:6.1}  {:3}  {:5}  {:7}",
            start.elapsed().as_secs_f64() / 60.0,
            latencies.len(),
            line.median.as_secs_f64() * 1e3,
            line.slow.as_secs_f64() * 1e3,
            line.usage.resident >> 20,
            line.usage.files,
            line.usage.threads,
        );
        lines.push(line);
    }
    let totals = &checker.totals;
    println!(
        "{} operations, {} broken downloads",
        totals.answered, totals.broken
    );
    verdict(&lines)
}

/// Compares the second quarter of the time with the last one: the first is for warming up.
fn verdict(lines: &[Line]) -> Result<(), String> {
    let quarter = lines.len() / 4;
    if quarter == 0 {
        println!("too short to say whether anything grows");
        return Ok(());
    }
    let (early, late) = (
        &lines[quarter..2 * quarter],
        &lines[lines.len() - quarter..],
    );
    let mut grown = Vec::new();
    let mut compare = |what: &str, of: &dyn Fn(&Line) -> f64, slack: f64, factor: f64| {
        let mean = |lines: &[Line]| lines.iter().map(of).sum::<f64>() / lines.len() as f64;
        let (before, after) = (mean(early), mean(late));
        println!("{what}: {before:.1}, then {after:.1}");
        if after > before * factor + slack {
            grown.push(what.to_owned());
        }
    };
    compare("MiB", &|line| (line.usage.resident >> 20) as f64, 8.0, 1.15);
    compare("open files", &|line| line.usage.files as f64, 8.0, 1.1);
    compare("threads", &|line| line.usage.threads as f64, 4.0, 1.1);
    compare(
        "median ms",
        &|line| line.median.as_secs_f64() * 1e3,
        1.0,
        1.5,
    );
    compare("99% ms", &|line| line.slow.as_secs_f64() * 1e3, 10.0, 1.5);
    if grown.is_empty() {
        println!("nothing grows");
        return Ok(());
    }
    Err(format!("growing: {}", grown.join(", ")))
}
