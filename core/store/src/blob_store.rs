//! The seam [`BlobStore`]: bytes under their digest, and the uploads that bring them.

use async_trait::async_trait;
use dockless_oci::digest::Digest;

use crate::blob::Blob;
use crate::error::StoreError;
use crate::upload::{NewUpload, UploadId, UploadStatus, UploadWriter};

/// Bytes at rest under their digest.
///
/// Only what was hashed comes in ([`BlobStore::seal`], then [`BlobStore::publish`]), and only what matches its
/// digest goes out ([`Blob::read`]). Who may read or write is decided above. Every call may be dropped at any await:
/// work that has begun goes on to its end.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// The blob of this digest, or `None`. Reads no byte of it.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    async fn open(&self, digest: &Digest) -> Result<Option<Blob>, StoreError>;

    /// Begins an upload of no bytes yet. Makes nothing durable: an upload may be gone after a power cut.
    ///
    /// # Errors
    /// [`StoreError::TooManyUploads`], [`StoreError::DiskFull`], [`StoreError::Io`].
    async fn begin(&self, upload: NewUpload) -> Result<UploadId, StoreError>;

    /// Where an upload stands.
    ///
    /// # Errors
    /// [`StoreError::UploadUnknown`], [`StoreError::Io`].
    async fn upload(&self, id: &UploadId) -> Result<UploadStatus, StoreError>;

    /// All uploads, in the order of their ids; never more than the limit on open uploads.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    async fn uploads(&self) -> Result<Vec<UploadStatus>, StoreError>;

    /// A writer that goes on where the upload stands. Any older writer of it is fenced: what that one had not
    /// written yet is dropped and its next call fails. `at` is where the caller believes the upload stands.
    ///
    /// # Errors
    /// [`StoreError::OffsetMismatch`] when it stands elsewhere (older writers are fenced all the same, so that the
    /// offset told is final), [`StoreError::UploadUnknown`], [`StoreError::DiskFull`], [`StoreError::Io`].
    async fn append(&self, id: &UploadId, at: Option<u64>) -> Result<Box<dyn UploadWriter>, StoreError>;

    /// Fences all writers, compares what the upload holds with `digest` and makes it durable; its size. Another
    /// append undoes it.
    ///
    /// # Errors
    /// [`StoreError::DigestMismatch`]: the upload stays as it is, for the caller to cancel.
    /// [`StoreError::UploadUnknown`], [`StoreError::DiskFull`], [`StoreError::Io`].
    async fn seal(&self, id: &UploadId, digest: &Digest) -> Result<u64, StoreError>;

    /// Makes a sealed upload the blob of `digest`, durably, in place of a blob that is there already (which heals a
    /// damaged one). The upload is gone afterwards.
    ///
    /// # Errors
    /// [`StoreError::NotSealed`] unless the last call was a [`BlobStore::seal`] with the same digest that went
    /// well; [`StoreError::UploadUnknown`], [`StoreError::DiskFull`], [`StoreError::Io`] (the blob may then be
    /// visible, whole, yet not durable).
    async fn publish(&self, id: &UploadId, digest: &Digest) -> Result<(), StoreError>;

    /// Drops an upload and its bytes; its writers are fenced.
    ///
    /// # Errors
    /// [`StoreError::UploadUnknown`], [`StoreError::Io`].
    async fn cancel(&self, id: &UploadId) -> Result<(), StoreError>;
}
