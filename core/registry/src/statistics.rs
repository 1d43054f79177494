//! What happens, counted: no label grows with the content, and no pull writes anything.

use std::sync::Arc;

use dockless_meta::ledger::Ledger;
use dockless_runtime::MetricRegistry;
use dockless_runtime::metric::collector::Collector;
use dockless_runtime::metric::encoding::{DescriptorEncoder, EncodeMetric as _};
use dockless_runtime::metric::{Counter, Family, Gauge};

/// Counters by the value of one label, out of a few fixed ones.
type Counted = Family<[(&'static str, &'static str); 1], Counter>;

/// The counters of a registry. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statistics {
    pulled: Counted,
    pushed: Counted,
    deleted: Counted,
    uploads: Counted,
    mounts: Counted,
    cache: Counted,
    pub(crate) references_missing: Counter,
    pub(crate) blobs_missing: Counter,
}

/// What was pulled, pushed or deleted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    Manifest,
    Tag,
    Blob,
}

/// A step in the life of an upload.
#[derive(Clone, Copy, Debug)]
pub(crate) enum UploadStep {
    Begun,
    Finished,
    Mismatched,
    Cancelled,
    Expired,
}

impl Statistics {
    pub(crate) fn register(&self, metrics: &MetricRegistry) {
        metrics.register("pulled", "Manifests and blobs asked for and found", self.pulled.clone());
        metrics.register("pushed", "Manifests, tags and blobs accepted", self.pushed.clone());
        metrics.register("deleted", "Manifests, tags and blobs deleted on request", self.deleted.clone());
        metrics.register("uploads", "Uploads, by what became of them", self.uploads.clone());
        metrics.register("mounts", "Mounts asked for, by whether a blob was found", self.mounts.clone());
        metrics.register("cache_lookups", "Lookups of small content in memory", self.cache.clone());
        metrics.register(
            "references_missing",
            "References of accepted manifests to content that the repository did not hold",
            self.references_missing.clone(),
        );
        metrics.register(
            "blobs_missing",
            "Linked blobs that were asked for and are missing or damaged on the disk",
            self.blobs_missing.clone(),
        );
    }

    pub(crate) fn pull(&self, content: Content) {
        self.pulled.get_or_create(&content_label(content)).inc();
    }

    pub(crate) fn push(&self, content: Content) {
        self.pushed.get_or_create(&content_label(content)).inc();
    }

    pub(crate) fn delete(&self, content: Content) {
        self.deleted.get_or_create(&content_label(content)).inc();
    }

    pub(crate) fn upload(&self, step: UploadStep) {
        let step = match step {
            UploadStep::Begun => "begun",
            UploadStep::Finished => "finished",
            UploadStep::Mismatched => "mismatched",
            UploadStep::Cancelled => "cancelled",
            UploadStep::Expired => "expired",
        };
        self.uploads.get_or_create(&[("step", step)]).inc();
    }

    pub(crate) fn mount(&self, mounted: bool) {
        self.mounts.get_or_create(&[("mounted", yes_or_no(mounted))]).inc();
    }

    pub(crate) fn lookup(&self, hit: bool) {
        self.cache.get_or_create(&[("hit", yes_or_no(hit))]).inc();
    }
}

fn content_label(content: Content) -> [(&'static str, &'static str); 1] {
    let content = match content {
        Content::Manifest => "manifest",
        Content::Tag => "tag",
        Content::Blob => "blob",
    };
    [("content", content)]
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// Asks the ledger for its totals whenever the metrics are read.
pub(crate) struct TotalsCollector(pub(crate) Arc<dyn Ledger>);

impl std::fmt::Debug for TotalsCollector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TotalsCollector")
    }
}

impl Collector for TotalsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        // A ledger that cannot be read shows in the readiness, not as zeros here.
        let Ok(totals) = self.0.view().and_then(|view| view.totals()) else { return Ok(()) };
        let rows = [
            ("repositories", "Repositories that hold anything", totals.repositories),
            ("manifests", "Manifests, once for each repository", totals.manifests),
            ("tags", "Tags", totals.tags),
            ("blobs", "Blobs that some repository links", totals.blobs),
            ("content_bytes", "Bytes of blobs and manifests, each once", totals.bytes),
            ("doomed_blobs", "Blobs without a link whose file may exist", totals.doomed),
        ];
        for (name, help, value) in rows {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
