//! The table.

use crate::Phase;
use clap::ValueEnum as _;
use pys3local_tests::gateway::peak_memory;
use std::time::Duration;

/// What was measured in one line.
pub(crate) struct Row {
    phase: Phase,
    concurrency: usize,
    pub(crate) elapsed: Duration,
    pub(crate) bytes: u64,
    pub(crate) latencies: Vec<Duration>,
}

impl Row {
    pub(crate) fn new(phase: Phase, concurrency: usize) -> Self {
        Self {
            phase,
            concurrency,
            elapsed: Duration::ZERO,
            bytes: 0,
            latencies: Vec::new(),
        }
    }

    fn latency(sorted: &[Duration], share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a length is a position"
        )]
        let position = (sorted.len() as f64 * share) as usize;
        let found = sorted.get(position.min(sorted.len().saturating_sub(1)));
        found.map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    }
}

/// Prints rows as they come.
pub(crate) struct Report {
    label: String,
    tsv: bool,
    pid: Option<u32>,
}

impl Report {
    pub(crate) fn new(label: &str, tsv: bool, pid: Option<u32>) -> Self {
        Self {
            label: label.to_owned(),
            tsv,
            pid,
        }
    }

    pub(crate) fn heading(&self) {
        if !self.tsv {
            println!(
                "{:<10} {:>5} {:>10} {:>9} {:>9} {:>9} {:>9}",
                "phase", "conc", "ops/s", "MB/s", "p50 ms", "p99 ms", "peak MiB"
            );
        }
    }

    /// Lets the peak of the next row be its own. Where that is not allowed, the peak is the
    /// highest so far.
    pub(crate) fn reset_peak(&self) {
        if let Some(pid) = self.pid {
            let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "it is rounded for people")]
    pub(crate) fn add(&mut self, row: &Row) {
        let mut sorted = row.latencies.clone();
        sorted.sort_unstable();
        let seconds = row.elapsed.as_secs_f64().max(1e-9);
        let operations = sorted.len() as f64 / seconds;
        let megabytes = row.bytes as f64 / 1e6 / seconds;
        let (p50, p99) = (Row::latency(&sorted, 0.5), Row::latency(&sorted, 0.99));
        let peak = self.pid.and_then(|pid| peak_memory(pid).ok());
        let peak = peak.map_or_else(
            || "-".to_owned(),
            |b| format!("{:.1}", b as f64 / 1_048_576.0),
        );
        let phase = row.phase.to_possible_value();
        let phase = phase.as_ref().map_or("", |value| value.get_name());
        let concurrency = row.concurrency;
        if self.tsv {
            let label = &self.label;
            println!(
                "{label}\t{phase}\t{concurrency}\t{operations:.1}\t{megabytes:.1}\t{p50:.3}\t{p99:.3}\t{peak}"
            );
        } else {
            println!(
                "{phase:<10} {concurrency:>5} {operations:>10.1} {megabytes:>9.1} {p50:>9.3} {p99:>9.3} {peak:>9}"
            );
        }
    }
}
