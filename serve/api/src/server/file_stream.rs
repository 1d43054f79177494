//! A plain TCP connection that sends stretches of files where hyper writes their stand-ins (see `transfer.rs`).

use std::io::{self, IoSlice};
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use dockless_runtime::BoxFuture;
use dockless_store::{READ_BYTES_MAX, Sent};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::source::OutboundError;
use crate::transfer::{STRETCH_BYTES_MIN, Stretch, Transfers};

/// What the kernel may hold unsent for a reader that is fast. The listener allows less, so that readers that stand still
/// cost little; with that a fast one would be waited for twice for every 128 KiB, which costs a third more CPU. This is
/// where more gains nothing.
pub(crate) const UNSENT_BYTES_FAST: u32 = 1 << 20;

/// The connection.
pub(crate) struct FileStream {
    socket: TcpStream,
    transfers: Arc<Transfers>,
    /// What is being sent.
    stretch: Option<Stretch>,
    /// The socket was full since it was known that the stretch is in memory.
    waited: bool,
    /// The reader was fast when it was last asked, and what the kernel held unsent for it before.
    fast: bool,
    usual: u32,
    instead: Option<Instead>,
}

/// What happens where the system cannot send.
enum Instead {
    /// Bytes are being read.
    Read(BoxFuture<'static, Result<Bytes, OutboundError>>),
    /// And written.
    Write(Bytes),
    /// The file became another while so many bytes were sent: they are verified again.
    Verify(BoxFuture<'static, Result<(), OutboundError>>, usize),
}

impl FileStream {
    /// Sends over `socket` what is owed in `transfers`.
    pub(crate) fn new(socket: TcpStream, transfers: Arc<Transfers>) -> Self {
        Self { socket, transfers, stretch: None, waited: false, fast: false, usual: 0, instead: None }
    }

    /// The socket itself.
    #[cfg(test)]
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Refuses to write what cannot be right: bytes of another buffer in the middle of a stretch, or so many in front
    /// of one that they may be a copy of its stand-in.
    fn check_plain<'a>(&self, mut pieces: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        let mut copied = || pieces.any(|bytes| bytes.len() >= STRETCH_BYTES_MIN);
        if self.stretch.is_some() || self.transfers.is_owed() && copied() {
            return Err(mismatch());
        }
        Ok(())
    }

    /// Sends what a stand-in of `length` bytes stands for, or a part of it.
    fn poll_stand_in(&mut self, context: &mut Context<'_>, length: usize) -> Poll<io::Result<usize>> {
        if self.stretch.is_none() {
            self.stretch = self.transfers.take();
            self.waited = false;
            self.suit_reader();
        }
        let Some(mut stretch) = self.stretch.take() else { return Poll::Ready(Err(mismatch())) };
        let sent = if stretch.left == length {
            self.poll_send(context, &stretch)
        } else {
            Poll::Ready(Err(mismatch()))
        };
        if let Poll::Ready(Ok(sent)) = sent {
            stretch.offset += sent as u64;
            stretch.left -= sent;
        }
        self.stretch = (stretch.left > 0).then_some(stretch);
        sent
    }

    /// Lets the kernel hold more for a reader that became fast, and less for one that no longer is.
    fn suit_reader(&mut self) {
        let fast = self.stretch.as_ref().is_some_and(|stretch| stretch.read_max == READ_BYTES_MAX);
        if fast == self.fast {
            return;
        }
        self.fast = fast;
        let socket = SockRef::from(&self.socket);
        if fast {
            self.usual = socket.tcp_notsent_lowat().unwrap_or(0);
        }
        // 0 is a socket without a bound. One that refuses stays as it is.
        if (1..UNSENT_BYTES_FAST).contains(&self.usual) {
            let _ = socket.set_tcp_notsent_lowat(if fast { UNSENT_BYTES_FAST } else { self.usual });
        }
    }

    /// Sends the next bytes of the stretch.
    fn poll_send(&mut self, context: &mut Context<'_>, stretch: &Stretch) -> Poll<io::Result<usize>> {
        loop {
            match &mut self.instead {
                Some(Instead::Read(read)) => {
                    let read = ready!(read.as_mut().poll(context));
                    self.instead = None;
                    let mut bytes = read.map_err(cut_short)?;
                    bytes.truncate(stretch.left);
                    self.instead = Some(Instead::Write(bytes));
                }
                Some(Instead::Write(bytes)) => {
                    let written = ready!(Pin::new(&mut self.socket).poll_write(context, bytes))?;
                    bytes.advance(written);
                    if bytes.is_empty() {
                        self.instead = None;
                    }
                    return Poll::Ready(Ok(written));
                }
                Some(Instead::Verify(verified, sent)) => {
                    let verified = ready!(verified.as_mut().poll(context)).map(|()| *sent);
                    self.instead = None;
                    return Poll::Ready(verified.map_err(cut_short));
                }
                None => match ready!(self.poll_file(context, stretch))? {
                    Some(sent) if sent.genuine => return Poll::Ready(Ok(sent.bytes)),
                    Some(sent) => self.instead = Some(verify(stretch, sent.bytes)),
                    None => self.instead = Some(read(stretch)),
                },
            }
        }
    }

    /// Lets the system send once the socket takes something; `None` where it cannot.
    fn poll_file(&mut self, context: &mut Context<'_>, stretch: &Stretch) -> Poll<io::Result<Option<Sent>>> {
        let (blob, offset) = (&stretch.source.blob, stretch.offset);
        loop {
            if self.socket.poll_write_ready(context)?.is_pending() {
                self.waited = true;
                return Poll::Pending;
            }
            let left = if self.waited { blob.sendable(offset, stretch.left) } else { stretch.left };
            self.waited = false;
            let send = || blob.try_send(self.socket.as_fd(), offset, left);
            match self.socket.try_io(Interest::WRITABLE, send) {
                // `poll_write_ready` knows now that the socket is full.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

fn read(stretch: &Stretch) -> Instead {
    let (source, offset) = (stretch.source.clone(), stretch.offset);
    let max = stretch.left.min(stretch.read_max);
    Instead::Read(Box::pin(async move { source.read(offset, max).await }))
}

fn verify(stretch: &Stretch, sent: usize) -> Instead {
    let (source, mut at) = (stretch.source.clone(), stretch.offset);
    let end = at + sent as u64;
    let verified = async move {
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            at += source.read(at, left).await?.len() as u64;
        }
        Ok(())
    };
    Instead::Verify(Box::pin(verified), sent)
}

fn cut_short(error: OutboundError) -> io::Error {
    tracing::error!(%error, "an answer was cut short");
    io::Error::other(error)
}

fn mismatch() -> io::Error {
    io::Error::other("what is to be written is not what is owed")
}

impl AsyncRead for FileStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for FileStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.transfers.is_stand_in(bytes) {
            return self.poll_stand_in(context, bytes.len());
        }
        self.check_plain([bytes].into_iter())?;
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let plain = pieces.iter().take_while(|piece| !self.transfers.is_stand_in(piece)).count();
        let (plain, rest) = pieces.split_at(plain);
        match rest.first() {
            Some(stand_in) if plain.iter().all(|piece| piece.is_empty()) => {
                self.poll_stand_in(context, stand_in.len())
            }
            _ => {
                self.check_plain(plain.iter().map(|piece| &**piece))?;
                Pin::new(&mut self.socket).poll_write_vectored(context, plain)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stretch.is_some() || self.transfers.is_owed() {
            return Poll::Ready(Err(mismatch()));
        }
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
