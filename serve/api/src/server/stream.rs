//! One accepted connection as hyper sees it: time limits for heads and for sockets that stand still, clients that are
//! gone, the slow close, and words instead of hyper's bare errors.

mod read;
mod write;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dockless_runtime::{BoxFuture, Clock};

#[cfg(test)]
pub(super) use self::read::GONE_AFTER;
use self::read::Seen;
use super::limit::Limit;
use crate::flow::Flow;

/// The time limits of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamLimits {
    /// Until the first byte.
    pub(crate) keep_alive_timeout: Duration,
    /// From the first byte of a head to its last.
    pub(crate) header_timeout: Duration,
    /// Of a socket that takes nothing.
    pub(crate) idle_timeout: Duration,
}

/// A connection under hyper.
pub(crate) struct Stream<S> {
    inner: S,
    /// Bytes that were read and not used.
    ahead: Bytes,
    flow: Arc<Flow>,
    clock: Arc<dyn Clock>,
    limits: StreamLimits,
    seen: Seen,
    /// The limit on the head that is arriving, and the number of heads read when it began; in HTTP/2 the limit on a
    /// connection that stands still, and its pulse then.
    head: Option<(Limit, u64)>,
    /// Nothing more comes, and when that was last seen somebody waited for more.
    wanted_more: bool,
    /// How long an answer may still take to begin, of a client that closed its side.
    closed: Option<Limit>,
    /// The limit on a socket that takes nothing, and since when.
    full: Option<(Limit, Duration)>,
    linger: Option<(BoxFuture<'static, ()>, u64)>,
    /// Our words in place of hyper's bare error: the rest of them, and the length of what they replace.
    words: Option<(Vec<u8>, usize)>,
}

impl<S> Stream<S> {
    /// Wraps an accepted connection (for TLS, what is inside it).
    pub(crate) fn new(inner: S, flow: Arc<Flow>, clock: Arc<dyn Clock>, limits: StreamLimits) -> Self {
        let head = Some((Limit::new(&clock, limits.keep_alive_timeout), 0));
        Self {
            inner,
            ahead: Bytes::new(),
            flow,
            clock,
            limits,
            seen: Seen::Preface(0),
            head,
            wanted_more: false,
            closed: None,
            full: None,
            linger: None,
            words: None,
        }
    }

    /// Bytes that were read come again.
    pub(crate) fn put_back(&mut self, bytes: Bytes) {
        self.ahead = bytes;
    }
}
