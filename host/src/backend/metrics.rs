//! What is counted of calls to a plugin.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Instant;

/// Upper bounds in seconds: from a look at a local file to a large upload over a slow line.
const SECONDS: [f64; 11] = [
    0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0, 100.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    function: &'static str,
    outcome: &'static str,
}

/// Counts of one plugin.
#[derive(Debug)]
pub(super) struct Metrics {
    calls: Family<Labels, Histogram, fn() -> Histogram>,
    queued: Gauge,
    running: Gauge,
    restarts: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            calls: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            queued: Gauge::default(),
            running: Gauge::default(),
            restarts: Counter::default(),
        }
    }
}

impl Metrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "plugin_call_duration_seconds",
            "Calls by function of the plugin and outcome: ok, refused (the plugin said no) or \
             failed (it died or hung)",
            self.calls.clone(),
        );
        registry.register(
            "plugin_queue_depth",
            "Calls that wait for an instance of the plugin",
            self.queued.clone(),
        );
        registry.register(
            "plugin_calls_running",
            "Calls in instances of the plugin",
            self.running.clone(),
        );
        registry.register(
            "plugin_restarts",
            "Instances that died or hung and were replaced",
            self.restarts.clone(),
        );
    }

    pub(super) fn restarted(&self) {
        self.restarts.inc();
    }

    pub(super) fn finished(&self, function: &'static str, outcome: &'static str, begun: Instant) {
        let calls = self.calls.get_or_create(&Labels { function, outcome });
        calls.observe(begun.elapsed().as_secs_f64());
    }

    /// A call waits until what this answers is dropped.
    pub(super) fn queued(&self) -> Counted {
        Counted::start(&self.queued)
    }

    /// A call runs until what this answers is dropped.
    pub(super) fn running(&self) -> Counted {
        Counted::start(&self.running)
    }
}

/// One of those that a gauge counts.
pub(super) struct Counted(Gauge);

impl Counted {
    fn start(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
