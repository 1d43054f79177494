//! One shutdown for all parts of a node.

use tokio::sync::watch;

/// Asks for the shutdown. Dropping it asks too: a node whose master is gone must not run on.
#[derive(Debug)]
pub struct ShutdownTrigger {
    sender: watch::Sender<bool>,
}

/// Learns of the shutdown. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Shutdown {
    receiver: watch::Receiver<bool>,
}

/// A pair of one who asks and any number who learn.
#[must_use]
pub fn shutdown() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (ShutdownTrigger { sender }, Shutdown { receiver })
}

impl ShutdownTrigger {
    /// Asks for the shutdown; again is fine.
    pub fn trigger(&self) {
        self.sender.send_replace(true);
    }
}

impl Shutdown {
    /// Completes once the shutdown is asked for. Cancellation safe.
    pub async fn requested(&self) {
        let mut receiver = self.receiver.clone();
        // An error means that the trigger is gone, which asks as well.
        let _ = receiver.wait_for(|requested| *requested).await;
    }

    /// True once the shutdown is asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.receiver.borrow() || self.receiver.has_changed().is_err()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_trigger_wakes_every_clone() {
        let (trigger, shutdown) = shutdown();
        let clone = shutdown.clone();
        assert!(!shutdown.is_requested() && shutdown.requested().now_or_never().is_none());
        trigger.trigger();
        trigger.trigger();
        assert!(shutdown.is_requested() && clone.is_requested());
        assert!(clone.requested().now_or_never().is_some() && shutdown.requested().now_or_never().is_some());
    }

    #[test]
    fn a_dropped_trigger_asks_too() {
        let (trigger, shutdown) = shutdown();
        drop(trigger);
        assert!(shutdown.is_requested() && shutdown.requested().now_or_never().is_some());
    }
}
