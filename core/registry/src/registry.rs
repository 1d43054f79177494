//! The registry: its parts, and what every operation on them shares.

use std::future::Future;
use std::sync::Arc;

use dockless_meta::Ledger;
use dockless_meta::view::View;
use dockless_runtime::{MetricRegistry, Runtime};
use dockless_store::BlobStore;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::inner::Inner;
use crate::settings::Settings;
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
        Self { inner }
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

    /// Does work that must not be cut in the middle when the client goes away.
    pub(crate) async fn to_its_end<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let (done, result) = oneshot::channel();
        let task = async move {
            // Nobody may be waiting any more; the work is done all the same.
            let _ = done.send(work.await);
        };
        self.inner.runtime.spawn(name, task);
        result.await.unwrap_or_else(|_| Err(Error::Unavailable("the registry is stopping".to_owned())))
    }
}
