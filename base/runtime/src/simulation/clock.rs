//! Virtual time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::clock::Clock;
use crate::simulation::executor::Executor;

/// 2025-06-15T15:06:40Z: where every simulated machine's wall clock begins.
const UNIX_ORIGIN_MS: u64 = 1_750_000_000_000;

/// A clock that stands still while anything can run and jumps to the next timer when nothing can.
pub struct SimClock {
    executor: Arc<Executor>,
    wall_offset_ms: AtomicI64,
}

impl SimClock {
    pub(super) fn new(executor: Arc<Executor>) -> Self {
        Self { executor, wall_offset_ms: AtomicI64::new(0) }
    }

    /// Sets the wall clock forward or back, as an operator may; timers do not notice.
    pub fn jump_wall(&self, milliseconds: i64) {
        self.wall_offset_ms.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.executor.now_ns())
    }

    fn unix_ms(&self) -> u64 {
        (UNIX_ORIGIN_MS + self.executor.now_ns() / 1_000_000)
            .saturating_add_signed(self.wall_offset_ms.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let deadline = self.executor.now_ns().saturating_add(nanoseconds);
        Box::pin(Sleep { executor: self.executor.clone(), deadline, timer: None })
    }
}

struct Sleep {
    executor: Arc<Executor>,
    deadline: u64,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.executor.now_ns() >= self.deadline {
            return Poll::Ready(());
        }
        self.timer = Some(self.executor.set_timer(self.deadline, self.timer, context.waker()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.executor.clear_timer(self.deadline, timer);
        }
    }
}
