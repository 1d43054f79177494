//! The four seams in one handle.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::clock::{Clock, real::RealClock};
use crate::disk::{Disk, RealDisk};
use crate::entropy::{Entropy, real::RealEntropy};
use crate::spawn::{Spawn, real::RealSpawn};

/// Everything a part of the node needs of the machine. Cloning is cheap.
#[derive(Clone)]
pub struct Runtime {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Tasks.
    pub spawn: Arc<dyn Spawn>,
    /// Files.
    pub disk: Arc<dyn Disk>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

/// The work panicked, or the node is stopping and dropped it: it may have been done in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task {name} ended without a result")]
pub struct TaskLost {
    /// What the task was started as.
    pub name: &'static str,
}

impl Runtime {
    /// The machine itself; tasks go to the tokio runtime this is called in.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn real() -> Self {
        Self::on(Handle::current())
    }

    /// The machine itself; tasks go to the tokio runtime behind `handle`.
    #[must_use]
    pub fn on(handle: Handle) -> Self {
        Self {
            clock: Arc::new(RealClock::new()),
            entropy: Arc::new(RealEntropy),
            spawn: Arc::new(RealSpawn::new(handle)),
            disk: Arc::new(RealDisk),
        }
    }

    /// Runs `work` where it may block, and waits for its result. The work goes on to its end when the caller stops
    /// waiting.
    ///
    /// # Errors
    /// [`TaskLost`] when it ended without a result.
    pub async fn blocking<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TaskLost> {
        let (done, result) = oneshot::channel();
        self.spawn.spawn_blocking(
            name,
            Box::new(move || {
                // Nobody waits any more: the result has no reader, the work is done all the same.
                let _ = done.send(work());
            }),
        );
        result.await.map_err(|_| TaskLost { name })
    }

    /// Runs `task` beside the caller.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn.spawn(name, Box::pin(task));
    }
}
