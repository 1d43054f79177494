//! What goes wrong with blobs, by what the caller can do about it.

use std::io;

use dockless_oci::digest::Digest;
use dockless_runtime::TaskLost;

/// Why the store did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such upload (any more).
    #[error("no such upload")]
    UploadUnknown,
    /// A later append, seal or cancel took this writer's place.
    #[error("another request took this upload over")]
    Fenced,
    /// The upload does not stand where the caller believed.
    #[error("the upload holds {held} bytes")]
    OffsetMismatch {
        /// Bytes held, which is where the next append begins.
        held: u64,
    },
    /// The bytes are not those of the digest.
    #[error("the bytes have the digest {computed}")]
    DigestMismatch {
        /// What the bytes are, in the algorithm that was asked for.
        computed: Digest,
    },
    /// More bytes than an upload may hold.
    #[error("an upload may hold {limit} bytes")]
    TooLarge {
        /// Bytes.
        limit: u64,
    },
    /// More uploads are open than may be.
    #[error("too many open uploads")]
    TooManyUploads,
    /// The disk is full, or nearly.
    #[error("the disk is full")]
    DiskFull,
    /// The bytes of this blob are no longer what its digest says. It is not served any more.
    #[error("the blob {0} is damaged")]
    Damaged(Digest),
    /// A publish without the seal before it.
    #[error("the upload is not sealed with this digest")]
    NotSealed,
    /// The disk failed, or the node stops. The words are for the log.
    #[error("{0}")]
    Io(String),
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io(error.to_string()),
        }
    }
}

impl From<TaskLost> for StoreError {
    fn from(error: TaskLost) -> Self {
        Self::Io(error.to_string())
    }
}
