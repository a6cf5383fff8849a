//! Kills the gateway at random moments under mixed load, and checks after each that every key's
//! history can be explained: nothing acknowledged is lost, nothing is half there, and of racing
//! conditional writers one has won.
//!
//! ```text
//! cargo build --release --workspace --bins
//! cargo run --release -p pys3local-tests --bin checker -- --rounds 300
//! ```

use clap::Parser;
use pys3local_tests::checker::{Checker, End, Size};
use pys3local_tests::data::Random;
use pys3local_tests::gateway::Options;
use std::time::Duration;

/// Check what is left after crashes.
#[derive(Parser, Debug)]
struct Arguments {
    /// How often it is killed.
    #[arg(long, default_value_t = 300)]
    rounds: usize,
    /// The longest that a round lasts before its crash, in milliseconds.
    #[arg(long, default_value_t = 800)]
    longest: u64,
    /// Connections at once.
    #[arg(long, default_value_t = Size::default().workers)]
    workers: usize,
    /// Keys that they share.
    #[arg(long, default_value_t = Size::default().keys)]
    keys: usize,
    /// Start it with `--sync always`.
    #[arg(long)]
    durable: bool,
    /// Start it with `--layout plain`.
    #[arg(long)]
    plain: bool,
    /// Repeat the choices of another run (not its timing).
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> Result<(), String> {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(Random::seed);
    println!("seed {seed}");
    let mut options = Options::default();
    if arguments.durable {
        options = options.durable();
    }
    if arguments.plain {
        options = options.arg("--layout").arg("plain");
    }
    let size = Size {
        workers: arguments.workers,
        keys: arguments.keys,
    };
    let mut random = Random::new(seed);
    let mut checker = Checker::new(options.start(), size, seed).await;
    for round in 1..=arguments.rounds {
        let lasting = Duration::from_millis(20 + random.next() % arguments.longest.max(1));
        checker.round(lasting, End::Crash).await?;
        if round % 20 == 0 || round == arguments.rounds {
            let t = &checker.totals;
            println!(
                "round {round}: {} operations answered, {} cut off by a crash, of which at least {} had happened",
                t.answered, t.unanswered, t.happened
            );
        }
    }
    println!("every history can be explained");
    Ok(())
}
