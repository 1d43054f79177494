//! What is counted about container engines.

use dockless_runtime::MetricRegistry;
use dockless_runtime::metric::{Counter, Family, Gauge};

/// The metrics of all engines of a node: made once, shared by each [`Engine`](super::Engine).
#[derive(Clone, Debug, Default)]
pub struct EngineMetrics {
    pub(super) saves: Family<EngineLabel, Counter>,
    pub(super) saves_failed: Family<EngineLabel, Counter>,
    pub(super) spool_bytes: Family<EngineLabel, Gauge>,
}

/// Which engine; as many values as an operator configures.
pub(super) type EngineLabel = [(&'static str, String); 1];

impl EngineMetrics {
    /// Metrics that `registry` shows.
    #[must_use]
    pub fn new(registry: &MetricRegistry) -> Self {
        let metrics = Self::default();
        registry.register("engine_saves", "Images exported by an engine", metrics.saves.clone());
        registry.register(
            "engine_saves_failed",
            "Exports by an engine that failed or were given up",
            metrics.saves_failed.clone(),
        );
        registry.register(
            "engine_spool_bytes",
            "Bytes of exported layers that are kept",
            metrics.spool_bytes.clone(),
        );
        metrics
    }
}
