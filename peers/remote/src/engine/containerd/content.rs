//! The seam [`Content`]: blobs by their digest, wherever an engine lets them be read.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use dockless_oci::Digest;
use dockless_oci::manifest::MANIFEST_BYTES_MAX;
use dockless_registry::{Blob, SourceError, StoreError};

/// The blobs of an engine. Each call looks anew, may be dropped at any await, and ends within a limit of its own.
#[async_trait]
pub(crate) trait Content: Send + Sync {
    /// Bytes of a blob; `None` when it is not there.
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, SourceError>;

    /// The bytes of a manifest, verified; `None` when it is not there, or larger than manifests are.
    async fn manifest(&self, digest: &Digest) -> Result<Option<Bytes>, SourceError> {
        match self.open(digest).await? {
            Some(blob) => read_manifest(&blob).await,
            None => Ok(None),
        }
    }

    /// A blob; `None` when it is not there.
    async fn open(&self, digest: &Digest) -> Result<Option<Blob>, SourceError>;
}

/// The bytes of a blob that is no larger than manifests are; `None` for a larger one.
///
/// # Errors
/// [`SourceError::Damaged`], [`SourceError::Unavailable`] when the disk fails.
async fn read_manifest(blob: &Blob) -> Result<Option<Bytes>, SourceError> {
    let read = whole(blob).await;
    read.map_err(|error| match error {
        StoreError::Damaged(_) => SourceError::Damaged(error.to_string()),
        error => SourceError::Unavailable(error.to_string()),
    })
}

async fn whole(blob: &Blob) -> Result<Option<Bytes>, StoreError> {
    if blob.size > MANIFEST_BYTES_MAX as u64 {
        return Ok(None);
    }
    let mut bytes = BytesMut::new();
    while (bytes.len() as u64) < blob.size {
        let read = blob.read(bytes.len() as u64, usize::MAX).await?;
        if read.is_empty() {
            return Err(StoreError::Io("a blob is shorter than it was".into()));
        }
        bytes.extend_from_slice(&read);
    }
    Ok(Some(bytes.freeze()))
}
