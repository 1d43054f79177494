//! What arrives, what does not, and how long that may last.

use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use super::Stream;
use crate::flow::WaitsFor;
use crate::server::limit::Limit;

/// Who closed its side may only say that nothing more comes (`nc -N`, some proxies) and wait for the answer, or be gone.
/// An answer that has not begun after this is for nobody: what takes longer makes no client wait with half a connection.
pub(in crate::server) const GONE_AFTER: Duration = Duration::from_secs(10);

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4). Its pings begin only after all of it.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes showed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// So many bytes of [`HTTP2_PREFACE`].
    Preface(usize),
    Http1,
    /// Heads and bodies side by side: what counts is whether anything moves.
    Http2,
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

    /// Nothing more will arrive. hyper learns it at once when that is what it waits for, and else when the exchange is
    /// over or the client is taken to be gone: it then gives up what it answers.
    fn ended(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.seen != Seen::Http1 {
            return Poll::Ready(Ok(()));
        }
        if self.flow.take_wants_bytes(context) {
            // hyper reads ahead: a head or a body that is whole may be on its way to who waits for it. That one has its
            // turn before the next look.
            if mem::replace(&mut self.wanted_more, true) {
                return Poll::Ready(Ok(()));
            }
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.wanted_more = false;
        if self.flow.waits_for() == WaitsFor::Reader {
            self.closed = None;
            return Poll::Pending;
        }
        let closed = self.closed.get_or_insert_with(|| Limit::new(&self.clock, GONE_AFTER));
        closed.poll(&self.clock, context).map(Ok)
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
            this.flow.bytes_came();
            this.bytes_arrived(came);
            // What was put back is there at once.
            return Poll::Ready(Ok(()));
        }
        ready!(read)?;
        this.ended(context)
    }
}
