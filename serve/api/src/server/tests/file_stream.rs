//! Stand-ins and other bytes, mixed, over a socket and a blob that do as they are told.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::{Buf as _, Bytes};
use dockless_oci::Digest;
use dockless_store::{Blob, BlobRead, READ_BYTES_FIRST, READ_BYTES_MAX, Sent, StoreError};
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use super::fixture::Live;
use crate::Settings;
use crate::server::file_stream::{FileStream, UNSENT_BYTES_FAST};
use crate::source::Source;
use crate::transfer::{STRETCH_BYTES_MAX, STRETCH_BYTES_MIN, StandIn, Stretch, Transfers};

/// What one call to send does.
enum Step {
    /// Sends so many bytes.
    Send(usize),
    /// Sends so many, and then says that the file became another.
    Doubt(usize),
    /// Cannot.
    Miss,
    /// Fails.
    Fail(ErrorKind),
}

/// Bytes that differ from their neighbours, and from zeros.
fn content(offset: u64, length: usize) -> Vec<u8> {
    (offset..offset + length as u64).map(|at| u8::try_from(at % 251 + 1).unwrap()).collect()
}

/// A blob that is sent in steps, and whole once they are used up.
struct Scripted {
    steps: Mutex<VecDeque<Step>>,
    damaged: bool,
}

#[async_trait]
impl BlobRead for Scripted {
    fn try_read(&self, _offset: u64, _max: usize) -> Option<Result<Bytes, StoreError>> {
        None
    }

    fn try_send(&self, socket: BorrowedFd<'_>, offset: u64, max: usize) -> io::Result<Option<Sent>> {
        let step = self.steps.lock().unwrap().pop_front().unwrap_or(Step::Send(max));
        let (most, genuine) = match step {
            Step::Send(bytes) => (bytes, true),
            Step::Doubt(bytes) => (bytes, false),
            Step::Miss => return Ok(None),
            Step::Fail(kind) => return Err(kind.into()),
        };
        let bytes = rustix::io::write(socket, &content(offset, most.min(max)))?;
        Ok(Some(Sent { bytes, genuine }))
    }

    async fn read(&self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
        if self.damaged {
            return Err(StoreError::Damaged(Digest::sha256(b"")));
        }
        Ok(content(offset, max).into())
    }
}

/// A stream, what is owed on it, and its other end.
struct Wire {
    live: Live,
    stream: FileStream,
    transfers: Arc<Transfers>,
    other: TcpStream,
}

impl Wire {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let transfers = Transfers::new(StandIn::new());
        let live = Live::plain(Settings::default()).await;
        Self { live, stream: FileStream::new(socket, transfers.clone()), transfers, other }
    }

    /// Owes bytes from 1000 on; their stand-in.
    fn owe(&self, length: usize, steps: impl IntoIterator<Item = Step>, damaged: bool) -> Bytes {
        self.owe_to(30_000, length, steps, damaged)
    }

    /// As [`Wire::owe`], to a reader for whom so much is read at once.
    fn owe_to(
        &self,
        read_max: usize,
        length: usize,
        steps: impl IntoIterator<Item = Step>,
        damaged: bool,
    ) -> Bytes {
        let reader = Scripted { steps: Mutex::new(steps.into_iter().collect()), damaged };
        let source = Source::new(self.live.door.registry.clone(), Blob::new(1 << 40, Arc::new(reader)));
        self.transfers.owe(Stretch { source, offset: 1000, left: length, read_max }).unwrap()
    }

    async fn write(&mut self, pieces: &[&[u8]]) -> io::Result<usize> {
        let pieces: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        poll_fn(|context| Pin::new(&mut self.stream).poll_write_vectored(context, &pieces)).await
    }

    /// Writes everything as hyper does, then flushes; the other end reads meanwhile.
    async fn write_all(&mut self, pieces: Vec<Bytes>) -> (io::Result<()>, Vec<u8>) {
        let mut pieces: VecDeque<_> = pieces.into();
        let (stream, other) = (&mut self.stream, &mut self.other);
        let write = async {
            while !pieces.is_empty() {
                let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                let mut written =
                    poll_fn(|context| Pin::new(&mut *stream).poll_write_vectored(context, &slices)).await?;
                assert!(written > 0);
                while written > 0 {
                    let some = written.min(pieces[0].len());
                    pieces[0].advance(some);
                    written -= some;
                    if pieces[0].is_empty() {
                        pieces.pop_front();
                    }
                }
            }
            poll_fn(|context| Pin::new(&mut *stream).poll_flush(context)).await
        };
        let mut read = Vec::new();
        let mut buffer = vec![0; 100_000];
        let written = {
            tokio::pin!(write);
            loop {
                tokio::select! {
                    biased;
                    written = &mut write => break written,
                    some = other.read(&mut buffer) => read.extend_from_slice(&buffer[..some.unwrap()]),
                }
            }
        };
        poll_fn(|context| Pin::new(&mut self.stream).poll_shutdown(context)).await.unwrap();
        self.other.read_to_end(&mut read).await.unwrap();
        (written, read)
    }
}

#[tokio::test]
async fn a_stretch_is_sent_between_other_bytes_in_whatever_steps_it_goes() {
    let length = STRETCH_BYTES_MAX;
    let scripts: Vec<Vec<Step>> = vec![
        vec![],
        vec![Step::Send(1), Step::Send(2), Step::Send(70_000), Step::Send(1)],
        vec![Step::Miss],
        vec![Step::Send(5), Step::Miss, Step::Miss, Step::Send(5), Step::Miss],
        vec![Step::Doubt(40_000), Step::Send(1), Step::Doubt(length)],
    ];
    for (number, script) in scripts.into_iter().enumerate() {
        let mut wire = Wire::new().await;
        let stand_in = wire.owe(length, script, false);
        let pieces = vec![Bytes::from("head"), Bytes::from("more"), stand_in, Bytes::from("tail")];
        let (written, read) = wire.write_all(pieces).await;
        written.unwrap();
        assert!(read == [b"headmore", &content(1000, length)[..], b"tail"].concat(), "script {number}");
    }
}

#[tokio::test]
async fn a_stretch_follows_another_and_a_single_slice_is_known_too() {
    let mut wire = Wire::new().await;
    for _ in 0..3 {
        let stand_in = wire.owe(STRETCH_BYTES_MIN, [], false);
        assert!(wire.transfers.is_owed());
        let first = poll_fn(|context| Pin::new(&mut wire.stream).poll_write(context, &stand_in)).await;
        let mut read = vec![0; first.unwrap()];
        wire.other.read_exact(&mut read).await.unwrap();
        assert!(read == content(1000, read.len()) && read.len() == STRETCH_BYTES_MIN);
    }
}

#[tokio::test]
async fn what_cannot_be_verified_again_ends_the_answer() {
    for script in [vec![Step::Doubt(10)], vec![Step::Send(10), Step::Miss]] {
        let mut wire = Wire::new().await;
        let stand_in = wire.owe(STRETCH_BYTES_MIN, script, true);
        let (written, read) = wire.write_all(vec![stand_in]).await;
        assert!(written.unwrap_err().to_string().contains("cannot be completed"));
        assert_eq!(read, content(1000, 10));
    }
    let mut wire = Wire::new().await;
    let stand_in = wire.owe(STRETCH_BYTES_MIN, [Step::Fail(ErrorKind::UnexpectedEof)], false);
    let (written, read) = wire.write_all(vec![Bytes::from("head"), stand_in]).await;
    assert_eq!((written.unwrap_err().kind(), read), (ErrorKind::UnexpectedEof, b"head".to_vec()));
}

#[tokio::test]
async fn a_copy_of_a_stand_in_is_never_written() {
    let mut wire = Wire::new().await;
    let stand_in = wire.owe(STRETCH_BYTES_MIN, [], false);
    let copy = Bytes::from([b"head", &stand_in[..]].concat());
    let (written, read) = wire.write_all(vec![copy]).await;
    assert!(written.is_err() && read.is_empty());
}

#[tokio::test]
async fn whatever_does_not_fit_together_is_an_error_and_not_bytes() {
    let mut wire = Wire::new().await;
    let stand_in = wire.owe(STRETCH_BYTES_MIN, [Step::Send(10)], false);
    assert!(wire.write(&[&stand_in[1..]]).await.is_err(), "another length than is owed");
    let flushed = poll_fn(|context| Pin::new(&mut wire.stream).poll_flush(context)).await;
    assert!(flushed.is_err(), "something is owed");
    let (written, read) = wire.write_all(vec![Bytes::from("plain")]).await;
    assert!(written.is_err() && read.is_empty(), "a stretch is begun");

    let mut wire = Wire::new().await;
    let stand_in = wire.owe(STRETCH_BYTES_MIN, [Step::Send(10)], false);
    assert_eq!(wire.write(&[&stand_in]).await.unwrap(), 10);
    let (written, read) = wire.write_all(vec![Bytes::from("plain")]).await;
    assert!(written.is_err() && read == content(1000, 10), "the stretch is not over");

    let mut wire = Wire::new().await;
    let stand_in = wire.owe(STRETCH_BYTES_MIN, [], false);
    wire.transfers.take();
    let (written, read) = wire.write_all(vec![stand_in]).await;
    assert!(written.is_err() && read.is_empty(), "nothing is owed");
}

#[tokio::test]
async fn one_stretch_is_owed_at_a_time_and_none_is_short() {
    let wire = Wire::new().await;
    let stretch = |left| {
        let reader = Scripted { steps: Mutex::default(), damaged: false };
        let source = Source::new(wire.live.door.registry.clone(), Blob::new(1 << 40, Arc::new(reader)));
        Stretch { source, offset: 0, left, read_max: 1 }
    };
    assert!(wire.transfers.owe(stretch(0)).is_none());
    assert!(wire.transfers.owe(stretch(STRETCH_BYTES_MIN - 1)).is_none());
    assert!(wire.transfers.owe(stretch(STRETCH_BYTES_MAX + 1)).is_none());
    assert!(wire.transfers.owe(stretch(STRETCH_BYTES_MIN)).is_some());
    assert!(wire.transfers.owe(stretch(STRETCH_BYTES_MIN)).is_none());
}

#[tokio::test]
async fn the_kernel_may_hold_more_for_a_fast_reader_only() {
    let mut wire = Wire::new().await;
    let usual = 100 << 10;
    SockRef::from(wire.stream.socket()).set_tcp_notsent_lowat(usual).unwrap();
    for (read_max, unsent) in
        [(READ_BYTES_FIRST, usual), (READ_BYTES_MAX, UNSENT_BYTES_FAST), (READ_BYTES_FIRST, usual)]
    {
        let stand_in = wire.owe_to(read_max, STRETCH_BYTES_MIN, [], false);
        assert_eq!(wire.write(&[&stand_in]).await.unwrap(), STRETCH_BYTES_MIN);
        assert_eq!(SockRef::from(wire.stream.socket()).tcp_notsent_lowat().unwrap(), unsent);
        wire.other.read_exact(&mut vec![0; STRETCH_BYTES_MIN]).await.unwrap();
    }
}
