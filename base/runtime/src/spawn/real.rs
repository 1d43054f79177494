//! Tasks on tokio.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use crate::spawn::Spawn;

/// Tasks on one tokio runtime; after that runtime's shutdown new tasks are dropped unrun.
#[derive(Clone, Debug)]
pub struct RealSpawn {
    handle: Handle,
}

impl RealSpawn {
    /// Tasks go to the runtime behind `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

impl Spawn for RealSpawn {
    #[expect(clippy::disallowed_methods, reason = "the one place that starts tasks")]
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        self.handle.spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!(task = name, "a task panicked");
            }
        });
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that starts blocking work")]
    fn spawn_blocking(&self, name: &'static str, work: Box<dyn FnOnce() + Send>) {
        self.handle.spawn_blocking(move || {
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                tracing::error!(task = name, "a blocking task panicked");
            }
        });
    }
}
