//! What the two halves of one HTTP/1.1 connection know of each other: the socket below hyper, the bodies above it.
//!
//! hyper asks a body for more while earlier frames still wait for the socket. A body that looks here first holds one
//! frame per slow reader and not a queue of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use crate::transfer::Transfers;

/// Shared by the stream of a connection and by what is read and written over it.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Frames handed to hyper have not all reached the socket.
    pending: AtomicBool,
    /// Whoever waits for them.
    waiting: AtomicWaker,
    /// The socket was full for longer than [`SLOW_AFTER`](crate::server::stream) since the last look.
    slow: AtomicBool,
    /// Request heads read so far.
    heads: AtomicU64,
    /// Requests whose head is read and whose answer is not over.
    active: AtomicUsize,
    /// Those of them whose answer has begun.
    answering: AtomicUsize,
    /// One of them waits for bytes of its body, and none have come since.
    body_wanted: AtomicBool,
    /// Whoever waits until bytes are wanted.
    wanted: AtomicWaker,
    /// Grows with each head, begun answer, frame of one, and end.
    pulse: AtomicU64,
    /// The peer may still be sending a body that nobody reads: close slowly, so that the answer reaches it.
    linger: AtomicBool,
    /// Nothing of an exchange is left, not even in hyper, which waits for the next head.
    rests: AtomicBool,
    /// Where the stream can send files: what it is to send.
    transfers: Option<Arc<Transfers>>,
}

impl Flow {
    /// Of a connection whose stream sends what is owed in `transfers`.
    pub(crate) fn with_transfers(transfers: Arc<Transfers>) -> Self {
        Self { transfers: Some(transfers), ..Self::default() }
    }

    /// What bodies may leave to the stream.
    pub(crate) fn transfers(&self) -> Option<&Transfers> {
        self.transfers.as_deref()
    }

    /// A frame was handed over.
    pub(crate) fn frame_began(&self) {
        self.pending.store(true, Ordering::Release);
    }

    /// Whether bytes of a body may be among what hyper writes.
    pub(crate) fn holds_frames(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// Ready once every frame handed over is in the socket.
    pub(crate) fn poll_drained(&self, context: &mut Context<'_>) -> Poll<()> {
        if !self.pending.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        self.waiting.register(context.waker());
        // The flush may have come between the look and the registration.
        if self.pending.load(Ordering::Acquire) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// The socket took everything that hyper had.
    pub(crate) fn flushed(&self) {
        if self.pending.swap(false, Ordering::AcqRel) {
            self.waiting.wake();
        }
    }

    /// The socket was full for long.
    pub(crate) fn mark_slow(&self) {
        self.slow.store(true, Ordering::Relaxed);
    }

    /// Whether the socket was full for long since the last call.
    pub(crate) fn take_slow(&self) -> bool {
        self.slow.swap(false, Ordering::Relaxed)
    }

    /// A request head was read; the answer is over when the guard is dropped.
    pub(crate) fn head_read(self: &Arc<Self>) -> Active {
        self.heads.fetch_add(1, Ordering::Relaxed);
        self.active.fetch_add(1, Ordering::Relaxed);
        self.bytes_came();
        self.pulse.fetch_add(1, Ordering::Relaxed);
        Active { flow: self.clone(), answering: false }
    }

    /// Whether a request is being answered.
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed) > 0
    }

    /// A request has had all bytes of its body that are here, and waits for more.
    pub(crate) fn want_body(&self) {
        self.body_wanted.store(true, Ordering::Release);
        self.wanted.wake();
    }

    /// Bytes came: whether more are wanted is known once they were looked at.
    pub(crate) fn bytes_came(&self) {
        self.body_wanted.store(false, Ordering::Release);
    }

    /// Whether bytes have been waited for since the last call: those of a body, or of a head. If not, `context` is
    /// woken when they are.
    pub(crate) fn take_wants_bytes(&self, context: &Context<'_>) -> bool {
        self.wanted.register(context.waker());
        self.body_wanted.swap(false, Ordering::AcqRel) || !self.is_active()
    }

    /// What the connection waits for.
    pub(crate) fn waits_for(&self) -> WaitsFor {
        let (active, answering) =
            (self.active.load(Ordering::Relaxed), self.answering.load(Ordering::Relaxed));
        if active > answering {
            WaitsFor::Door
        } else if active > 0 {
            WaitsFor::Reader
        } else {
            WaitsFor::Request
        }
    }

    /// A number that stays the same while nothing happens to any request.
    pub(crate) fn pulse(&self) -> u64 {
        self.pulse.load(Ordering::Relaxed)
    }

    /// Request heads read so far.
    pub(crate) fn heads(&self) -> u64 {
        self.heads.load(Ordering::Relaxed)
    }

    /// Whether hyper holds nothing but the wait for another head; known between two polls of it.
    pub(crate) fn rests(&self) -> bool {
        self.rests.load(Ordering::Relaxed)
    }

    /// What the stream saw last.
    pub(crate) fn set_rests(&self, rests: bool) {
        self.rests.store(rests, Ordering::Relaxed);
    }

    /// The request body was left unread.
    pub(crate) fn ask_linger(&self) {
        self.linger.store(true, Ordering::Relaxed);
    }

    /// Whether some request body was left unread.
    pub(crate) fn wants_linger(&self) -> bool {
        self.linger.load(Ordering::Relaxed)
    }
}

/// Who is to do something next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitsFor {
    /// The door, for at least one request; it has limits of its own on what it waits for.
    Door,
    /// The client, which is to read.
    Reader,
    /// The client, which is to ask.
    Request,
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Active {
    flow: Arc<Flow>,
    answering: bool,
}

impl Active {
    /// The answer begins.
    pub(crate) fn answer_began(&mut self) {
        if !std::mem::replace(&mut self.answering, true) {
            self.flow.answering.fetch_add(1, Ordering::Relaxed);
            self.beat();
        }
    }

    /// Something of the answer was handed over.
    pub(crate) fn beat(&self) {
        self.flow.pulse.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if self.answering {
            self.flow.answering.fetch_sub(1, Ordering::Relaxed);
        }
        self.flow.active.fetch_sub(1, Ordering::AcqRel);
        self.flow.wanted.wake();
        self.beat();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::poll_fn;

    use super::*;

    #[test]
    fn who_is_to_do_something_next_is_known() {
        let flow = Arc::new(Flow::default());
        assert_eq!(flow.waits_for(), WaitsFor::Request);
        let (mut first, second) = (flow.head_read(), flow.head_read());
        first.answer_began();
        assert_eq!(flow.waits_for(), WaitsFor::Door, "one of two is not answered yet");
        drop(second);
        assert_eq!(flow.waits_for(), WaitsFor::Reader);
        let before = flow.pulse();
        first.beat();
        assert_ne!(flow.pulse(), before);
        drop(first);
        assert_eq!(flow.waits_for(), WaitsFor::Request);
    }

    #[test]
    fn a_body_waits_until_its_frame_is_in_the_socket() {
        let flow = Flow::default();
        let drained = |flow: &Flow| poll_fn(|context| flow.poll_drained(context)).now_or_never().is_some();
        assert!(drained(&flow), "nothing was handed over yet");
        flow.frame_began();
        assert!(!drained(&flow));
        flow.flushed();
        assert!(drained(&flow));
    }
}
