//! What all handles of a registry share, and what every operation does with it.

use std::collections::HashSet;
use std::future::Future;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use dockless_meta::command::{Command, Rejection};
use dockless_meta::event::Event;
use dockless_meta::view::View;
use dockless_meta::{Ledger, LedgerError};
use dockless_oci::{Digest, RepositoryName};
use dockless_runtime::{Runtime, Shutdown, ShutdownTrigger, shutdown};
use dockless_store::BlobStore;
use tokio::sync::{MutexGuard, oneshot};

use crate::cache::Cache;
use crate::error::Error;
use crate::settings::Settings;
use crate::statistics::Statistics;

/// Locks for repositories with immutable tags: more than clients that push at once, so that they seldom share one.
const REPOSITORY_LOCKS: usize = 64;

/// Most digests remembered as linked but missing on the disk. A disk that lost more has other troubles, and
/// forgetting one costs only that it is found missing again.
const MISSING_MAX: usize = 10_000;

/// The parts, and what is remembered between requests.
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

impl Inner {
    pub(crate) fn new(
        ledger: Arc<dyn Ledger>,
        blobs: Arc<dyn BlobStore>,
        runtime: Runtime,
        settings: Settings,
        statistics: Statistics,
    ) -> Self {
        let (stop, stopping) = shutdown();
        Self {
            cache: Cache::new(settings.cache_bytes_max),
            ledger,
            blobs,
            runtime,
            settings,
            statistics,
            repository_locks: (0..REPOSITORY_LOCKS).map(|_| tokio::sync::Mutex::default()).collect(),
            missing: Mutex::default(),
            ledger_failure: Mutex::default(),
            stop,
            stopping,
        }
    }

    /// Ends what runs beside the requests.
    pub(crate) fn begin_stop(&self) {
        self.stop.trigger();
    }

    /// Requested by [`Inner::begin_stop`], and when this is dropped.
    pub(crate) fn stopping(&self) -> Shutdown {
        self.stopping.clone()
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
        self.runtime.spawn(name, task);
        result.await.unwrap_or_else(|_| Err(Error::Unavailable("the registry is stopping".to_owned())))
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
