//! A blob that is open for reading.

use std::fmt;
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

/// What a driver does for an open [`Blob`].
#[async_trait]
pub trait BlobRead: Send + Sync {
    /// As [`Blob::try_read`]; `max` is at least 1 and at most [`READ_BYTES_MAX`], and `offset + max` within the blob.
    fn try_read(&self, offset: u64, max: usize) -> Option<Result<Bytes, StoreError>>;

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

    fn clamp(&self, offset: u64, max: usize) -> usize {
        let left = self.size.saturating_sub(offset);
        usize::try_from(left).unwrap_or(usize::MAX).min(max).min(READ_BYTES_MAX)
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob").field("size", &self.size).finish_non_exhaustive()
    }
}
