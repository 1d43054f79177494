//! What leaves: a socket that takes nothing, words instead of hyper's bare errors, and the slow close.

use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Stream;
use crate::server::bare_error;
use crate::server::limit::Limit;

/// A socket that was full for this long has a slow reader, who gets small frames. A round trip around the world is
/// 0.3 s, but then the socket's own buffers hide it.
const SLOW_AFTER: Duration = Duration::from_millis(100);

/// What is still read, and thrown away, after an answer that came before the end of the request's body. Closing with
/// unread bytes makes TCP reset the connection, and the client may then never see the answer. Clients look for it
/// within a few round trips; 64 MiB is more than one second of a gigabit line.
const LINGER_BYTES: u64 = 64 << 20;

/// As [`LINGER_BYTES`], in time: what nginx waits (`lingering_time` is 30 s, its `lingering_timeout` 5 s).
const LINGER_TIME: Duration = Duration::from_secs(5);

impl<S> Stream<S> {
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
