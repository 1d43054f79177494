//! One accepted connection as hyper sees it: time limits for heads and for sockets that stand still, the slow close,
//! and words instead of hyper's bare errors.

use std::io;
use std::io::IoSlice;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use dockless_runtime::{BoxFuture, Clock};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::bare_error;
use super::limit::Limit;
use crate::flow::{Flow, WaitsFor};

/// A socket that was full for this long has a slow reader, who gets small frames. A round trip around the world is
/// 0.3 s, but then the socket's own buffers hide it.
pub(crate) const SLOW_AFTER: Duration = Duration::from_millis(100);

/// What is still read, and thrown away, after an answer that came before the end of the request's body. Closing with
/// unread bytes makes TCP reset the connection, and the client may then never see the answer. Clients look for it
/// within a few round trips; 64 MiB is more than one second of a gigabit line.
pub(crate) const LINGER_BYTES: u64 = 64 << 20;

/// As [`LINGER_BYTES`], in time: what nginx waits (`lingering_time` is 30 s, its `lingering_timeout` 5 s).
pub(crate) const LINGER_TIME: Duration = Duration::from_secs(5);

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4). Its pings begin only after all of it.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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

/// What the first bytes showed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// So many bytes of [`HTTP2_PREFACE`].
    Preface(usize),
    Http1,
    /// Heads and bodies side by side: what counts is whether anything moves.
    Http2,
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
    /// The limit on a socket that takes nothing, and since when.
    full: Option<(Limit, Duration)>,
    linger: Option<(BoxFuture<'static, ()>, u64)>,
    /// Our words in place of hyper's bare error: the rest of them, and the length of what they replace.
    words: Option<(Vec<u8>, usize)>,
}

/// What is known once `bytes` came after `seen` bytes of the preface of HTTP/2.
fn after_preface(seen: usize, bytes: &[u8]) -> Seen {
    let rest = &HTTP2_PREFACE[seen..];
    if bytes.starts_with(rest) {
        Seen::Http2
    } else if rest.starts_with(bytes) {
        Seen::Preface(seen + bytes.len())
    } else {
        Seen::Http1
    }
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
            full: None,
            linger: None,
            words: None,
        }
    }

    /// Bytes that were read come again.
    pub(crate) fn put_back(&mut self, bytes: Bytes) {
        self.ahead = bytes;
    }

    /// Whether hyper, which waits for bytes now, has no exchange that goes on and no part of a head.
    fn is_at_rest(&self) -> bool {
        self.seen == Seen::Http1 && self.head.is_none() && self.full.is_none() && !self.flow.is_active()
    }

    /// Bytes of a request arrived: starts the limit on its head, if none runs.
    fn bytes_arrived(&mut self, bytes: &[u8]) {
        let heads = self.flow.heads();
        match self.seen {
            Seen::Http2 => return,
            Seen::Preface(seen) => {
                if seen == 0 {
                    self.head = Some((Limit::new(&self.clock, self.limits.header_timeout), heads));
                }
                self.seen = after_preface(seen, bytes);
                return if self.seen == Seen::Http2 {
                    self.head = None
                };
            }
            Seen::Http1 => {}
        }
        // What arrives while a request is answered is its body, or waits its turn in hyper.
        if !self.flow.is_active() && self.head.as_ref().is_none_or(|(_, began)| *began != heads) {
            self.head = Some((Limit::new(&self.clock, self.limits.header_timeout), heads));
        }
    }

    /// Nothing arrives: an error once the head has taken too long.
    fn nothing_arrives(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.seen == Seen::Http2 {
            return self.stands_still(context);
        }
        let Some((limit, began)) = &mut self.head else { return Poll::Pending };
        if *began != self.flow.heads() || self.flow.is_active() {
            self.head = None;
            return Poll::Pending;
        }
        ready!(limit.poll(&self.clock, context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the request head took too long")))
    }

    /// Nothing arrives in HTTP/2, but perhaps what clients answer to pings: an error once no request has come and no
    /// answer has moved for too long. A client holds what we keep for it for no longer than in HTTP/1.1.
    fn stands_still(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let pulse = self.flow.pulse();
        let after = match self.flow.waits_for() {
            WaitsFor::Door => {
                self.head = None;
                return Poll::Pending;
            }
            WaitsFor::Reader => self.limits.idle_timeout,
            WaitsFor::Request => self.limits.keep_alive_timeout,
        };
        let (limit, began) = self.head.get_or_insert_with(|| (Limit::new(&self.clock, after), pulse));
        if *began != pulse {
            limit.restart(&self.clock, after);
            *began = pulse;
        }
        ready!(limit.poll(&self.clock, context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the connection stands still")))
    }

    /// The socket is full: an error once it has been for too long.
    fn socket_full<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.flow.set_rests(false);
        let (clock, idle) = (&self.clock, self.limits.idle_timeout);
        let (limit, _) = self.full.get_or_insert_with(|| (Limit::new(clock, idle), clock.monotonic()));
        ready!(limit.poll(&self.clock, context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
    }

    /// The socket took something.
    fn socket_took(&mut self) {
        if let Some((_, since)) = self.full.take()
            && self.clock.monotonic().saturating_sub(since) >= SLOW_AFTER
        {
            self.flow.mark_slow();
        }
    }
}

impl<S: AsyncRead + Unpin> Stream<S> {
    /// Waits for bytes and leaves them to be read; `false` at the end of all.
    pub(crate) async fn readable(&mut self) -> io::Result<bool> {
        if self.ahead.is_empty() {
            let mut first = [0];
            let count = self.read(&mut first).await?;
            self.ahead = Bytes::copy_from_slice(&first[..count]);
        }
        Ok(!self.ahead.is_empty())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    /// Writes our words in place of what hyper wrote; claims the length of the latter once all are out.
    fn poll_words(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while let Some((words, replaced)) = &mut self.words {
            if words.is_empty() {
                let replaced = *replaced;
                self.words = None;
                return Poll::Ready(Ok(replaced));
            }
            match Pin::new(&mut self.inner).poll_write(context, words) {
                Poll::Pending => return self.socket_full(context),
                Poll::Ready(written) => {
                    let written = written?;
                    if written == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    words.drain(..written);
                }
            }
        }
        Poll::Ready(Ok(0))
    }

    /// Reads and throws away what the client still sends, within [`LINGER_BYTES`] and [`LINGER_TIME`].
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let clock = &self.clock;
        let (timer, left) = self.linger.get_or_insert_with(|| (clock.sleep(LINGER_TIME), LINGER_BYTES));
        let mut scratch = [0; 8192];
        // The bound keeps one sender from holding the thread: after it the task goes to the end of the queue.
        for _ in 0..64 {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.inner).poll_read(context, &mut buffer) {
                Poll::Pending => return timer.as_mut().poll(context),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {
                    let read = buffer.filled().len() as u64;
                    *left = left.saturating_sub(read);
                    if read == 0 || *left == 0 {
                        return Poll::Ready(());
                    }
                }
            }
        }
        if timer.as_mut().poll(context).is_pending() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let rest = this.ahead.split_off(this.ahead.len().min(buffer.remaining()));
        buffer.put_slice(&mem::replace(&mut this.ahead, rest));
        let read = Pin::new(&mut this.inner).poll_read(context, buffer);
        let came = &buffer.filled()[before..];
        if came.is_empty() && read.is_pending() {
            let ended = this.nothing_arrives(context);
            this.flow.set_rests(ended.is_pending() && this.is_at_rest());
            return ended;
        }
        this.flow.set_rests(false);
        if !came.is_empty() {
            this.bytes_arrived(came);
        }
        // What was put back is there at once.
        if read.is_pending() { Poll::Ready(Ok(())) } else { read }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.flow.set_rests(false);
        if this.words.is_none() && !this.flow.holds_frames() {
            this.words = bare_error::words(bytes).map(|words| (words, bytes.len()));
        }
        if this.words.is_some() {
            return this.poll_words(context);
        }
        match Pin::new(&mut this.inner).poll_write(context, bytes) {
            Poll::Pending => this.socket_full(context),
            ready => {
                this.socket_took();
                ready
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.flow.set_rests(false);
        if this.words.is_none() && pieces.len() == 1 && !this.flow.holds_frames() {
            this.words = bare_error::words(&pieces[0]).map(|words| (words, pieces[0].len()));
        }
        if this.words.is_some() {
            return this.poll_words(context);
        }
        match Pin::new(&mut this.inner).poll_write_vectored(context, pieces) {
            Poll::Pending => this.socket_full(context),
            ready => {
                this.socket_took();
                ready
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_flush(context) {
            Poll::Pending => this.socket_full(context),
            Poll::Ready(Ok(())) => {
                this.socket_took();
                this.flow.flushed();
                Poll::Ready(Ok(()))
            }
            failed => failed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.flow.set_rests(false);
        if this.linger.is_none() {
            match Pin::new(&mut this.inner).poll_shutdown(context) {
                Poll::Pending => return this.socket_full(context),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) if !this.flow.wants_linger() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => {}
            }
        }
        this.poll_linger(context).map(Ok)
    }
}
