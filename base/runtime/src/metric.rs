//! Metrics: what the parts count, encoded as OpenMetrics text.

use std::sync::Mutex;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::{Metric, Registry};

pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::family::Family;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
pub use prometheus_client::{collector, encoding};

/// All metrics of one node. Every name gets the prefix `dockless_`; no label may grow with the content.
#[derive(Debug)]
pub struct MetricRegistry {
    registry: Mutex<Registry>,
}

impl Default for MetricRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl MetricRegistry {
    /// Without any metric.
    #[must_use]
    pub fn new() -> Self {
        Self { registry: Mutex::new(Registry::with_prefix("dockless")) }
    }

    /// Adds a metric (a clone of what the part counts with). `help` is one sentence without its full stop; counters
    /// get `_total` appended to `name` when encoded.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.lock().register(name, help, metric);
    }

    /// Adds a collector, asked at each encoding: for what another part counts already.
    pub fn register_collector(&self, collector: Box<dyn Collector>) {
        self.lock().register_collector(collector);
    }

    /// All metrics as OpenMetrics text (`application/openmetrics-text; version=1.0.0; charset=utf-8`).
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.lock()).expect("writing to a String cannot fail");
        text
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        // A panic while encoding leaves the list of metrics itself whole.
        self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_encoded_with_prefix_and_value() {
        let metrics = MetricRegistry::new();
        let pulls = Counter::<u64>::default();
        metrics.register("pulls", "Manifests pulled", pulls.clone());
        pulls.inc_by(3);
        let text = metrics.encode();
        assert!(text.contains("# HELP dockless_pulls Manifests pulled.\n"), "{text}");
        assert!(text.contains("dockless_pulls_total 3\n") && text.ends_with("# EOF\n"), "{text}");
    }
}
