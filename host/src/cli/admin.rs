//! What an operator's tools ask: health and metrics, on an address of its own.

use crate::backend::Backend;
use crate::cache::SqliteCache;
use crate::config::{Access, Serve};
use crate::http::{self, Limits, Metrics, Stop};
use crate::service::index::IndexCounts;
use crate::service::{DEFAULT_BUCKET, Service};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use tokio::net::TcpListener;

/// Tools keep one connection each.
const CONNECTIONS: usize = 32;
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is asked about.
pub(super) struct Admin {
    pub(super) metrics: Metrics,
    pub(super) service: Arc<Service>,
    pub(super) backend: Arc<Backend>,
    pub(super) cache: Arc<SqliteCache>,
    pub(super) stop: Stop,
}

impl Admin {
    /// Answers until the server has stopped.
    pub(super) fn serve(self, listener: TcpListener, settings: &Serve) {
        let limits = Limits {
            connections: CONNECTIONS,
            ..Limits::default()
        };
        let router = router(Arc::new(self.registry(settings)), Arc::new(self));
        // It answers while the other server finishes what is running, and ends with the process.
        let forever = Stop::default();
        tokio::spawn(http::serve(
            listener,
            router,
            limits,
            forever,
            Metrics::default(),
            None,
            http::no_place,
        ));
    }

    fn registry(&self, settings: &Serve) -> Registry {
        let mut registry = Registry::with_prefix("pys3local");
        let authentication = match &settings.access {
            Access::Open => "off",
            Access::Keys { .. } => "on",
        };
        let info = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("backend", settings.backend.kind.clone()),
            ("authentication", authentication.to_owned()),
        ];
        registry.register("build", "What is running", Info::new(info.to_vec()));
        self.metrics.register(&mut registry);
        self.backend.register_metrics(&mut registry);
        registry.register_collector(Box::new(Knowledge(self.service.clone())));
        registry
    }

    /// Says why requests should go elsewhere, if they should.
    fn trouble(&self) -> Option<&'static str> {
        if self.stop.is_asked() {
            return Some("stopping\n");
        }
        if !self.cache.is_in_place() {
            return Some("the metadata database was deleted or replaced\n");
        }
        (!self.backend.is_running()).then_some("the plugin does not run\n")
    }
}

fn router(registry: Arc<Registry>, admin: Arc<Admin>) -> Router {
    let ready = move || {
        let admin = admin.clone();
        async move {
            match admin.trouble() {
                None => (StatusCode::OK, "ready\n"),
                Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
            }
        }
    };
    let metrics = move || {
        let registry = registry.clone();
        async move {
            let mut text = String::new();
            match prometheus_client::encoding::text::encode(&mut text, &registry) {
                Ok(()) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
    };
    Router::new()
        .route("/health/live", get(|| async { "alive\n" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
}

/// Name, help, and which of the counts it is.
type Gauge = (&'static str, &'static str, fn(&IndexCounts) -> u64);

/// What the gateway knew about the objects that it was asked for.
struct Knowledge(Arc<Service>);

impl std::fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Knowledge")
    }
}

impl Collector for Knowledge {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let (hits, misses) = self.0.row_lookups();
        let counts = [
            (
                "cache_hits",
                "Objects that a row of the metadata database described",
                hits,
            ),
            ("cache_misses", "Objects that no row described", misses),
            (
                "etags_without_md5",
                "ETags that are no MD5, because none is known; `cache migrate` finds them out",
                self.0.fallback_tags(),
            ),
        ];
        for (name, help, count) in counts {
            let counter = ConstCounter::new(count);
            let unit: Option<&Unit> = None;
            let metric = encoder.encode_descriptor(name, help, unit, counter.metric_type())?;
            counter.encode(metric)?;
        }
        let indexes = self.0.index_progress();
        let gauges: [Gauge; 3] = [
            (
                "index_folders",
                "Folders that the listing index of a bucket knows",
                |counts| counts.folders,
            ),
            (
                "index_folders_left",
                "Those of them that were not scanned yet; 0 when the index is complete",
                |counts| counts.unscanned,
            ),
            (
                "index_objects",
                "Objects in the listing index of a bucket, as counted when it was last scanned",
                |counts| counts.rows,
            ),
        ];
        for (name, help, count) in gauges.iter().filter(|_| !indexes.is_empty()) {
            let unit: Option<&Unit> = None;
            let kind = MetricType::Gauge;
            let mut family = encoder.encode_descriptor(name, help, unit, kind)?;
            for index in &indexes {
                let bucket = match index.bucket.as_str() {
                    "" => DEFAULT_BUCKET,
                    bucket => bucket,
                };
                let labels = [("bucket", bucket)];
                let gauge =
                    ConstGauge::new(i64::try_from(count(&index.counts)).unwrap_or(i64::MAX));
                gauge.encode(family.encode_family(&labels)?)?;
            }
        }
        let waiting = i64::try_from(self.0.portable_texts_waiting()).unwrap_or(i64::MAX);
        let gauge = ConstGauge::new(waiting);
        let metric = encoder.encode_descriptor(
            "portable_texts_waiting",
            "Objects whose metadata waits to be kept in the storage, too",
            None,
            gauge.metric_type(),
        )?;
        gauge.encode(metric)?;
        Ok(())
    }
}
