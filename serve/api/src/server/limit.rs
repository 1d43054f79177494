//! A moment after which something has taken too long.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use dockless_runtime::{BoxFuture, Clock};

/// A limit that runs. Its timer is made when it is waited for: most limits end, or move, before that.
pub(super) struct Limit {
    at: Duration,
    timer: Option<BoxFuture<'static, ()>>,
}

impl Limit {
    /// Ends `after` from now.
    pub(super) fn new(clock: &Arc<dyn Clock>, after: Duration) -> Self {
        Self { at: clock.monotonic() + after, timer: None }
    }

    /// Ends `after` from now instead. A timer that runs is kept, and looked at when it ends: a limit may move often.
    pub(super) fn restart(&mut self, clock: &Arc<dyn Clock>, after: Duration) {
        let at = clock.monotonic() + after;
        if at < self.at {
            self.timer = None;
        }
        self.at = at;
    }

    /// Ready when the limit passed.
    pub(super) fn poll(&mut self, clock: &Arc<dyn Clock>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let at = self.at;
            let timer = self.timer.get_or_insert_with(|| clock.sleep(at.saturating_sub(clock.monotonic())));
            ready!(timer.as_mut().poll(context));
            if clock.monotonic() >= at {
                return Poll::Ready(());
            }
            self.timer = None;
        }
    }
}
