//! The registry: its parts, and what every operation on them shares.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dockless_meta::command::{Command, Rejection};
use dockless_meta::event::Event;
use dockless_meta::ledger::{Ledger, LedgerError};
use dockless_meta::view::View;
use dockless_oci::{Digest, RepositoryName};
use dockless_runtime::{MetricRegistry, Runtime, Shutdown, ShutdownTrigger, shutdown};
use dockless_store::BlobStore;
use tokio::sync::{MutexGuard, oneshot};

use crate::cache::Cache;
use crate::error::Error;
use crate::mirror::Mirror;
use crate::mirror::report::{STATUS_MAX, SourceReport};
use crate::pulls::{Pull, Pulls};
use crate::settings::Settings;
use crate::source::Source;
use crate::statistics::{Statistics, TotalsCollector};
use crate::sweep;

/// Locks for repositories with immutable tags: more than clients that push at once, so that they seldom share one.
const REPOSITORY_LOCKS: usize = 64;

/// Most digests remembered as linked but missing on the disk. A disk that lost more has other troubles, and
/// forgetting one costs only that it is found missing again.
const MISSING_MAX: usize = 10_000;

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

pub(crate) struct Inner {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) runtime: Runtime,
    pub(crate) settings: Settings,
    pub(crate) cache: Cache,
    pub(crate) statistics: Statistics,
    repository_locks: Vec<tokio::sync::Mutex<()>>,
    missing: Mutex<HashSet<Digest>>,
    ledger_failure: Mutex<Option<String>>,
    stop: ShutdownTrigger,
    stopping: Shutdown,
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
        let (stop, stopping) = shutdown();
        let inner = Arc::new(Inner {
            cache: Cache::new(parts.settings.cache_bytes_max),
            ledger: parts.ledger,
            blobs: parts.blobs,
            runtime: parts.runtime,
            settings: parts.settings,
            statistics,
            repository_locks: (0..REPOSITORY_LOCKS).map(|_| tokio::sync::Mutex::default()).collect(),
            missing: Mutex::default(),
            ledger_failure: Mutex::default(),
            stop,
            stopping,
        });
        let sweeping = sweep::run(Arc::downgrade(&inner), inner.runtime.clone(), inner.stopping.clone());
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
        self.inner.stop.trigger();
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

impl Inner {
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
        self.runtime.spawn(name, task);
        result.await.unwrap_or_else(|_| Err(Error::Unavailable("the registry is stopping".to_owned())))
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_requested()
    }

    /// Refuses changes on a read-only registry.
    pub(crate) fn writable(&self) -> Result<(), Error> {
        if self.settings.read_only { Err(Error::ReadOnly) } else { Ok(()) }
    }

    pub(crate) fn view(&self) -> Result<View, Error> {
        Ok(self.ledger.view()?)
    }

    /// Changes the truth; what was changed, or why nothing was.
    pub(crate) async fn submit(&self, command: Command) -> Result<Result<Vec<Event>, Rejection>, Error> {
        match self.ledger.submit(command).await {
            Ok(applied) => Ok(applied.outcome),
            Err(error) => {
                if let LedgerError::Failed(reason) = &error {
                    *self.ledger_failure.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(reason.clone());
                }
                Err(error.into())
            }
        }
    }

    /// Why the ledger takes no writes, once it has said so.
    pub(crate) fn ledger_failure(&self) -> Option<String> {
        self.ledger_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps others from changing the tags of a repository, where immutable tags make that necessary.
    pub(crate) async fn lock_repository(&self, repository: &RepositoryName) -> MutexGuard<'_, ()> {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        repository.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % REPOSITORY_LOCKS as u64).unwrap_or_default();
        self.repository_locks[index].lock().await
    }

    /// Remembers that the file of a linked blob is missing or damaged: until it is pushed again the blob is
    /// answered as unknown everywhere, so that clients send it again.
    pub(crate) fn note_missing(&self, digest: &Digest) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing.len() >= MISSING_MAX {
            missing.clear();
        }
        if missing.insert(digest.clone()) {
            tracing::error!(%digest, "a linked blob is missing or damaged on the disk; pushing it again repairs it");
            self.statistics.blobs_missing.inc();
        }
    }

    /// The file is there again.
    pub(crate) fn note_present(&self, digest: &Digest) {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).remove(digest);
    }

    pub(crate) fn is_missing(&self, digest: &Digest) -> bool {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }
}
