//! hyper's clock and executor, over the seams of the node.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use dockless_runtime::{BoxFuture, Clock, Runtime};
use hyper::rt::{Executor, Sleep, Timer};

/// hyper's timer over [`Clock`].
#[derive(Clone)]
pub(crate) struct ClockTimer {
    clock: Arc<dyn Clock>,
    /// hyper speaks of instants: this one stands for the clock's zero.
    zero: Instant,
}

impl ClockTimer {
    /// A timer that goes by `clock`.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, zero: any_instant() }
    }
}

/// Some fixed instant. Only differences from it are ever used, so it does not matter when it is.
#[expect(
    clippy::disallowed_methods,
    reason = "the only way to make an Instant; time itself comes from the Clock"
)]
fn any_instant() -> Instant {
    Instant::now()
}

impl Timer for ClockTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Sleeping(Mutex::new(self.clock.sleep(duration))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> Instant {
        self.zero + self.clock.monotonic()
    }
}

/// A sleep that hyper can hold: it asks for `Sync`, which a boxed future is not by itself.
struct Sleeping(Mutex<BoxFuture<'static, ()>>);

impl Future for Sleeping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        sleep.as_mut().poll(context)
    }
}

impl Sleep for Sleeping {}

/// Runs hyper's HTTP/2 streams as tasks of the node.
#[derive(Clone)]
pub(crate) struct SpawnExecutor(pub(crate) Runtime);

impl<F> Executor<F> for SpawnExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn("http2 stream", task);
    }
}
