//! A blob that is open for reading.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::StoreError;

/// The most one read gives. 256 KiB is where measurement finds nothing more to gain per byte.
pub const READ_BYTES_MAX: usize = 256 * 1024;

/// What a reader should ask for as long as it does not know how fast the other side takes it: a reader that blocks
/// then holds 32 KiB, which with the connection's own buffers stays below the 64 KiB that a slow reader may cost.
pub const READ_BYTES_FIRST: usize = 32 * 1024;

/// An open blob. Clones read the same file; what is removed or replaced meanwhile stays readable here.
#[derive(Clone)]
pub struct Blob {
    /// Bytes.
    pub size: u64,
    reader: Arc<dyn BlobRead>,
}

/// What [`Blob::try_send`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Bytes that the socket took, at least one.
    pub bytes: usize,
    /// Whether the file was the verified one before and after. If not, these bytes are to be read again with
    /// [`Blob::read`] before anything more is sent, and the answer is to be cut when that fails.
    pub genuine: bool,
}

/// What a driver does for an open [`Blob`].
#[async_trait]
pub trait BlobRead: Send + Sync {
    /// As [`Blob::try_read`]; `max` is at least 1 and at most [`READ_BYTES_MAX`], and `offset + max` within the blob.
    fn try_read(&self, offset: u64, max: usize) -> Option<Result<Bytes, StoreError>>;

    /// As [`Blob::sendable`]; `max` is at least 1, and `offset + max` within the blob.
    fn sendable(&self, _offset: u64, _max: usize) -> usize {
        0
    }

    /// As [`Blob::try_send`], with the same bounds as [`BlobRead::sendable`].
    ///
    /// # Errors
    /// As [`Blob::try_send`].
    fn try_send(&self, _socket: BorrowedFd<'_>, _offset: u64, _max: usize) -> io::Result<Option<Sent>> {
        Ok(None)
    }

    /// As [`Blob::read`], with the same bounds as [`BlobRead::try_read`].
    async fn read(&self, offset: u64, max: usize) -> Result<Bytes, StoreError>;
}

impl Blob {
    /// A blob of `size` bytes behind a driver's reader.
    #[must_use]
    pub fn new(size: u64, reader: Arc<dyn BlobRead>) -> Self {
        Self { size, reader }
    }

    /// Up to `max` bytes from `offset` if they are known to be genuine and in memory already; never waits. `None`
    /// says nothing but that [`Blob::read`] is needed. Empty at the end of the blob.
    ///
    /// Never gives more than [`READ_BYTES_MAX`].
    #[must_use]
    pub fn try_read(&self, offset: u64, max: usize) -> Option<Result<Bytes, StoreError>> {
        match self.clamp(offset, max) {
            0 => Some(Ok(Bytes::new())),
            max => self.reader.try_read(offset, max),
        }
    }

    /// Up to `max` bytes from `offset`, at least one before the end of the blob, empty at it.
    ///
    /// The bytes are verified before they are given. The one exception: a blob without any record of an earlier
    /// verification that is too large to hash first is hashed on the way when read from its start in order, and its
    /// last bytes are kept back until the digest holds; so a damaged blob is never given to its end.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]: the caller must cut what it sends, not end it. [`StoreError::Io`].
    pub async fn read(&self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
        match self.clamp(offset, max) {
            0 => Ok(Bytes::new()),
            max => self.reader.read(offset, max).await,
        }
    }

    /// How many of the `max` bytes from `offset` [`Blob::try_send`] can be expected to send: they are known to be
    /// genuine, and in memory as far as a few looks tell. Never waits. 0 where only reading does.
    #[must_use]
    pub fn sendable(&self, offset: u64, max: usize) -> usize {
        match self.left(offset, max) {
            0 => 0,
            max => self.reader.sendable(offset, max),
        }
    }

    /// Lets the system send up to `max` bytes from `offset`, at least one, to a socket that does not block, without a
    /// copy in this process. `None` says nothing but that [`Blob::read`] is needed, and at the end of the blob.
    ///
    /// Only bytes that are known to be genuine are sent, as [`Blob::read`] gives them; [`Sent::genuine`] says whether
    /// they stayed so. It waits for the device where they are not in memory: see [`Blob::sendable`] first.
    ///
    /// # Errors
    /// `WouldBlock` when the socket takes nothing now; `UnexpectedEof` when the file is shorter than the blob;
    /// whatever else the disk or the socket says.
    pub fn try_send(&self, socket: BorrowedFd<'_>, offset: u64, max: usize) -> io::Result<Option<Sent>> {
        match self.left(offset, max) {
            0 => Ok(None),
            max => self.reader.try_send(socket, offset, max),
        }
    }

    fn clamp(&self, offset: u64, max: usize) -> usize {
        self.left(offset, max).min(READ_BYTES_MAX)
    }

    fn left(&self, offset: u64, max: usize) -> usize {
        usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX).min(max)
    }
}

/// A blob that is in memory; the bytes are taken to be genuine.
impl From<Bytes> for Blob {
    fn from(bytes: Bytes) -> Self {
        Self::new(bytes.len() as u64, Arc::new(InMemory(bytes)))
    }
}

struct InMemory(Bytes);

#[async_trait]
impl BlobRead for InMemory {
    fn try_read(&self, offset: u64, max: usize) -> Option<Result<Bytes, StoreError>> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        Some(Ok(self.0.slice(from..from.saturating_add(max).min(self.0.len()))))
    }

    async fn read(&self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
        self.try_read(offset, max).unwrap_or_else(|| Ok(Bytes::new()))
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob").field("size", &self.size).finish_non_exhaustive()
    }
}
