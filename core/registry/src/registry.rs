//! The registry: its parts, and what every operation on them shares.

use std::sync::Arc;
use std::time::Duration;

use dockless_meta::Ledger;
use dockless_meta::view::View;
use dockless_runtime::{MetricRegistry, Runtime};
use dockless_store::BlobStore;

use crate::error::Error;
use crate::inner::Inner;
use crate::mirror::Mirror;
use crate::mirror::report::{STATUS_MAX, SourceReport};
use crate::pulls::{Pull, Pulls};
use crate::settings::Settings;
use crate::source::Source;
use crate::statistics::{Statistics, TotalsCollector};
use crate::sweep;

/// What a registry is made of.
pub struct Parts<'a> {
    /// The truth about names.
    pub ledger: Arc<dyn Ledger>,
    /// The bytes of blobs.
    pub blobs: Arc<dyn BlobStore>,
    /// Time, tasks, disk.
    pub runtime: Runtime,
    /// What the operator set.
    pub settings: Settings,
    /// Who else has content; asked for what the ledger does not have. Asked in the order of their kinds, and within
    /// a kind as they stand here.
    pub sources: Vec<Arc<dyn Source>>,
    /// Where to count.
    pub metrics: &'a MetricRegistry,
}

/// One registry on one machine. Clones are handles of the same one.
///
/// Every operation sees the ledger as of its call or newer. Rights that are not named in a signature are the
/// door's to check, by [`Caller::may`](crate::Caller::may). Dropping a future is safe: a change is then made whole
/// or not at all.
#[derive(Clone)]
pub struct Registry {
    pub(crate) inner: Arc<Inner>,
    pub(crate) mirror: Arc<Mirror>,
    pub(crate) pulls: Arc<Pulls>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Registry").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

impl Registry {
    /// Puts the parts together and begins to drop expired uploads, until [`Registry::stop`] or until the last
    /// handle is gone.
    pub fn new(parts: Parts<'_>) -> Self {
        let statistics = Statistics::default();
        statistics.register(parts.metrics);
        parts.metrics.register_collector(Box::new(TotalsCollector(parts.ledger.clone())));
        let inner =
            Arc::new(Inner::new(parts.ledger, parts.blobs, parts.runtime, parts.settings, statistics));
        let sweeping = sweep::run(Arc::downgrade(&inner), inner.runtime.clone(), inner.stopping());
        inner.runtime.spawn("upload sweep", sweeping);
        let mirror = Mirror::new(inner.clone(), parts.sources, parts.metrics);
        let pulls = Arc::new(Pulls::new(mirror.labels(), parts.metrics));
        Self { inner, mirror: Arc::new(mirror), pulls }
    }

    /// What the ledger holds at this moment: for the questions of the node's owner, who sees everything.
    pub fn snapshot(&self) -> Result<View, Error> {
        self.inner.view()
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Ends the sweep, then the ledger: what was submitted before is carried out, later changes are refused. Call
    /// it once the doors are closed; again is fine.
    pub async fn stop(&self) -> Result<(), Error> {
        self.inner.begin_stop();
        Ok(self.inner.ledger.stop().await?)
    }

    /// How the sources are, as they were given. Asks them all at once, and waits for ten seconds at most; nothing is
    /// remembered, so call it when someone wants to know.
    pub async fn sources(&self) -> Vec<SourceReport> {
        self.mirror.report(STATUS_MAX).await
    }

    /// As [`Registry::sources`], for those who can wait for `limit` only. A source that takes longer has a problem that
    /// says so.
    pub async fn sources_within(&self, limit: Duration) -> Vec<SourceReport> {
        self.mirror.report(limit).await
    }

    /// Where the bytes of the latest [`PULLS_MAX`](crate::PULLS_MAX) pulls came from, newest first. A HEAD is no pull.
    pub fn pulls(&self) -> Vec<Pull> {
        self.pulls.list()
    }
}
