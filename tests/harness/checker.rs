//! Whether a gateway under mixed load did what it said, also when it is killed: a load that
//! writes down what it asked and what was answered, and a judge of each key's history.

pub mod history;
mod load;

use crate::gateway::{Gateway, Usage};
use crate::s3::S3;
use history::{Deed, Op, Seen, check};
use load::{Work, Worker};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

pub use load::{BUCKET, Ledger};

/// How much load.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Connections that work at once.
    pub workers: usize,
    /// Keys that they share. The fewer, the more they meet.
    pub keys: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            workers: 10,
            keys: 16,
        }
    }
}

/// How a round ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// `kill -9`, and a new start.
    Crash,
    /// The load stops.
    Pause,
}

/// What rounds have seen.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Rounds.
    pub rounds: usize,
    /// Operations that were answered.
    pub answered: usize,
    /// Operations whose answer a crash took away.
    pub unanswered: usize,
    /// Of these, how many had happened.
    pub happened: usize,
    /// Downloads that were broken off although the gateway lived.
    pub broken: usize,
    /// How long each answer of the last round took.
    pub latencies: Vec<Duration>,
}

/// A gateway under test, and what its keys hold.
pub struct Checker {
    gateway: Gateway,
    size: Size,
    seed: u64,
    ledger: Arc<Ledger>,
    /// What each key holds between rounds.
    state: BTreeMap<String, Option<u64>>,
    /// What was seen so far.
    pub totals: Totals,
}

impl Checker {
    /// Makes the bucket and the sources of copies.
    pub async fn new(gateway: Gateway, size: Size, seed: u64) -> Self {
        let s3 = gateway.s3();
        s3.create_bucket(BUCKET).await;
        let ledger = Arc::new(Ledger::default());
        ledger.store_sources(&s3).await;
        let key = |n| format!("dir{}/key{n}", n % 3);
        Self {
            gateway,
            size,
            seed,
            ledger,
            state: (0..size.keys).map(|n| (key(n), None)).collect(),
            totals: Totals::default(),
        }
    }

    /// What the gateway's process holds.
    pub fn usage(&self) -> Usage {
        self.gateway.usage()
    }

    /// The gateway.
    pub fn gateway(&mut self) -> &mut Gateway {
        &mut self.gateway
    }

    /// Lets the load run for a while, ends the round, and judges it. The error says which key's
    /// history cannot be explained.
    pub async fn round(&mut self, lasting: Duration, end: End) -> Result<(), String> {
        self.totals.rounds += 1;
        let keys: Arc<[String]> = self.state.keys().cloned().collect();
        let stop = Arc::new(AtomicBool::new(false));
        let workers: Vec<_> = (0..self.size.workers as u64)
            .map(|number| {
                let seed = self.seed ^ (self.totals.rounds as u64) << 16 ^ number << 48;
                let worker = Worker::new(
                    self.gateway.s3(),
                    Arc::clone(&keys),
                    Arc::clone(&self.ledger),
                    Arc::clone(&stop),
                    seed,
                );
                tokio::spawn(worker.run())
            })
            .collect();
        // The moment of a crash is nothing that one could wait for.
        tokio::time::sleep(lasting).await;
        let killed = end == End::Crash;
        if killed {
            self.gateway.kill9();
        }
        stop.store(true, Relaxed);
        let mut all = Work::default();
        for worker in workers {
            all.extend(worker.await.map_err(|error| error.to_string())??);
        }
        if killed {
            self.gateway.restart();
        }
        self.totals.latencies = all.latencies;
        self.totals.broken += if killed { 0 } else { all.broken };
        let mut histories: BTreeMap<String, Vec<Op>> = BTreeMap::new();
        for (key, op) in all.ops {
            match op.end {
                Some(_) => self.totals.answered += 1,
                None if killed => self.totals.unanswered += 1,
                None => return Err(format!("{key}: no answer to {op:?}")),
            }
            histories.entry(key).or_default().push(op);
        }
        self.judge(&histories).await?;
        let alive = |id: u64| self.state.values().any(|state| *state == Some(id));
        self.ledger.forget_all_but(alive);
        Ok(())
    }

    /// Explains what happened to each key, up to what it holds now.
    async fn judge(&mut self, histories: &BTreeMap<String, Vec<Op>>) -> Result<(), String> {
        let s3 = self.gateway.s3();
        let tag = |id: u64| self.ledger.tag(id);
        let mut expected = BTreeMap::new();
        for (key, state) in &mut self.state {
            let none = Vec::new();
            let ops = histories.get(key).unwrap_or(&none);
            let possible = check(*state, ops, tag).map_err(|op| {
                let begin = ops.first().map(|first| first.begin);
                let lines = ops.iter().map(|op| format!("  {}", op.told(begin)));
                let lines = lines.collect::<Vec<_>>().join("\n");
                format!(
                    "{key}, which held {state:?}: no order explains {:?} in\n{lines}",
                    ops[op]
                )
            })?;
            let found = read(&s3, &self.ledger, key).await?;
            if !possible.contains(&found) {
                let lines = ops.iter().map(|op| format!("  {}", op.told(None)));
                let lines = lines.collect::<Vec<_>>().join("\n");
                return Err(format!(
                    "{key} holds {found:?} and none of {possible:?}:\n{lines}"
                ));
            }
            self.totals.happened += ops
                .iter()
                .filter(|op| op.end.is_none() && op.writes() == found && found.is_some())
                .count();
            *state = found;
            if let Some(id) = found {
                expected.insert(key.clone(), (tag(id), self.ledger.size(id)));
            }
        }
        let mut listed = BTreeMap::new();
        for page in s3
            .pages(
                s3.list(BUCKET)
                    .query("prefix", "dir")
                    .query("max-keys", "7"),
            )
            .await
        {
            for entry in page.all("Contents") {
                let tag = entry.text("ETag").trim_matches('"').to_owned();
                let size = entry.text("Size").parse().unwrap_or(usize::MAX);
                listed.insert(entry.text("Key").to_owned(), (tag, size));
            }
        }
        if listed != expected {
            return Err(format!(
                "the listing is\n{listed:#?}\nand the objects are\n{expected:#?}"
            ));
        }
        Ok(())
    }
}

/// What a key holds while nobody changes it.
async fn read(s3: &S3, ledger: &Ledger, key: &str) -> Result<Option<u64>, String> {
    let reply = s3.get(BUCKET, key).try_send().await;
    let reply = reply.map_err(|error| format!("{key} cannot be read: {error}"))?;
    match ledger.seen(&reply)? {
        Seen::Object(id) => Ok(Some(id)),
        Seen::Absent => Ok(None),
        other => Err(format!("{key}: {other:?}")),
    }
}

impl Op {
    /// The object that it would leave.
    fn writes(&self) -> Option<u64> {
        match self.deed {
            Deed::Put(id, _) => Some(id),
            Deed::Delete | Deed::See(_) => None,
        }
    }

    fn told(&self, start: Option<Instant>) -> String {
        let since = |at: Instant| match start {
            Some(start) => format!("{:.4}", at.saturating_duration_since(start).as_secs_f64()),
            None => "…".into(),
        };
        let end = self.end.map_or_else(|| "never".into(), since);
        format!("{} to {end}: {:?}", since(self.begin), self.deed)
    }
}
