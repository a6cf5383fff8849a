//! What is counted of requests and connections.

use crate::s3::Outcome;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;

/// Upper bounds in seconds: from a small object out of the page cache to a large one over a slow
/// line.
const SECONDS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    operation: &'static str,
    code: &'static str,
}

/// Counts of one server. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    requests: Family<Labels, Histogram, fn() -> Histogram>,
    received: Counter,
    sent: Counter,
    broken_off: Counter,
    connections: Gauge,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            requests: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            received: Counter::default(),
            sent: Counter::default(),
            broken_off: Counter::default(),
            connections: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Names them for whoever reads them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "request_duration_seconds",
            "Requests by operation and code, from the head to the end of the reply",
            self.0.requests.clone(),
        );
        registry.register(
            "received_bytes",
            "Bytes of request bodies",
            self.0.received.clone(),
        );
        registry.register("sent_bytes", "Bytes of reply bodies", self.0.sent.clone());
        registry.register(
            "replies_broken_off",
            "Replies that ended early, by us or by the client",
            self.0.broken_off.clone(),
        );
        registry.register(
            "connections",
            "Open connections",
            self.0.connections.clone(),
        );
    }

    /// A request is over.
    pub(super) fn request(&self, outcome: Outcome, time: Duration, transfer: Transfer) {
        let labels = Labels {
            operation: outcome.operation,
            code: outcome.code,
        };
        let duration = self.0.requests.get_or_create(&labels);
        duration.observe(time.as_secs_f64());
        drop(duration);
        self.0.received.inc_by(transfer.received);
        self.0.sent.inc_by(transfer.sent);
        if !transfer.whole {
            self.0.broken_off.inc();
        }
    }

    /// A connection is open until what this answers is dropped.
    pub(super) fn connection(&self) -> Open {
        self.0.connections.inc();
        Open(self.0.connections.clone())
    }
}

/// What went over the line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transfer {
    pub(super) received: u64,
    pub(super) sent: u64,
    /// False when the reply was broken off.
    pub(super) whole: bool,
}

pub(super) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
