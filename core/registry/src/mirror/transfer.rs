//! Foreign bytes on their way into the store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dockless_meta::command::Command;
use dockless_oci::{Algorithm, Digest, RepositoryName};
use dockless_runtime::{BoxFuture, timeout};
use dockless_store::{Blob, NewUpload, StoreError, UploadId};
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};

use super::member::Member;
use super::reply::Reply;
use super::{health, verify};
use crate::error::Error;
use crate::inner::Inner;
use crate::source::SourceError;

/// How long a source may take for [`PROGRESS_BYTES`] more: slower than that is a stall, so a transfer takes at most
/// this much for each of them.
pub(super) const PROGRESS_WITHIN: Duration = Duration::from_secs(20);

/// The same for a blob that is read where it lies. Its source reads each file of a layer to its end before the first
/// byte of it leaves: this is enough for one of 180 GB at 100 MB/s.
pub(super) const IN_PLACE_WITHIN: Duration = Duration::from_secs(30 * 60);

/// See [`PROGRESS_WITHIN`]: together about 3 KiB a second, less than the slowest link over which images are pulled.
const PROGRESS_BYTES: u64 = 64 << 10;

/// Takes a blob into the store: nothing of it is visible before its size and its digest are found to be right.
///
/// With `link` the repository then holds it, as if it had been pushed. Without (content of a source that answers
/// only some) the file belongs to no repository: the one who asked reads it from its open handle, everybody else
/// must ask the source, and it may be collected like every file without a link. What the store already holds under the
/// same digest is no reason to spare the transfer: only who has the bytes may let others have them.
pub(super) struct Transfer {
    pub(super) inner: Arc<Inner>,
    pub(super) member: Arc<Member>,
    pub(super) repository: RepositoryName,
    pub(super) digest: Digest,
    pub(super) link: bool,
    /// What the source states.
    pub(super) size: Option<u64>,
    pub(super) bytes: Incoming,
    /// How long they may stand still.
    pub(super) progress_within: Duration,
}

/// Bytes of a blob on their way, in order.
pub(super) type Incoming = BoxStream<'static, Result<Bytes, SourceError>>;

/// Whose fault it is that nothing came of a transfer.
pub(super) enum TransferError {
    Source(SourceError),
    Ours(Error),
}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        Self::Ours(error.into())
    }
}

impl From<Error> for TransferError {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl<T> From<TransferError> for Reply<T> {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Source(error) => Self::Failed(error),
            TransferError::Ours(error) => Self::Broken(error),
        }
    }
}

/// An upload that goes when nobody finishes it.
struct Upload {
    inner: Arc<Inner>,
    id: Option<UploadId>,
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let blobs = self.inner.blobs.clone();
        self.inner.runtime.spawn("source upload cancel", async move {
            match blobs.cancel(&id).await {
                Ok(()) | Err(StoreError::UploadUnknown) => {}
                Err(error) => tracing::debug!(%id, %error, "an upload was not dropped; it will expire"),
            }
        });
    }
}

impl Transfer {
    /// Takes it in; the blob, open for reading.
    pub(super) async fn run(mut self) -> Result<Blob, TransferError> {
        if self.inner.settings.read_only {
            let why = "this registry is read-only, and takes nothing in from others".to_owned();
            // No fault of the source, and another one may have it in place.
            return Err(TransferError::Source(SourceError::Denied(why)));
        }
        let mut upload = self.begin().await?;
        let Some(id) = upload.id.clone() else { return Err(StoreError::UploadUnknown.into()) };
        self.receive(&id).await?;
        let size = match self.inner.publish_upload(&id, &self.digest).await {
            Ok(size) => size,
            Err(Error::DigestInvalid(_)) => {
                return Err(damaged(format!("the blob {} came with other bytes", self.digest)));
            }
            Err(error) => return Err(error.into()),
        };
        upload.id = None;
        let blob = self.inner.blobs.open(&self.digest).await?;
        let blob = blob.filter(|blob| blob.size == size).ok_or_else(|| {
            Error::Unavailable("what a source sent was removed at once: try again".to_owned())
        })?;
        if self.link {
            let (repository, digest) = (self.repository.clone(), self.digest.clone());
            let link = Command::LinkBlob { repository, digest, size };
            self.inner.submit(link).await?.map_err(Error::from)?;
        }
        Ok(blob)
    }

    /// Begins an upload. That goes on to its end if nobody waits any more, and the upload is then dropped.
    fn begin(&self) -> BoxFuture<'static, Result<Upload, Error>> {
        let algorithm = self.digest.algorithm();
        let new = NewUpload {
            repository: self.repository.clone(),
            subject: health::shortened(&self.member.traits.label),
            hint: Some(algorithm).filter(|algorithm| *algorithm != Algorithm::Sha256),
        };
        let inner = self.inner.clone();
        let begin = async move {
            let id = inner.blobs.begin(new).await?;
            Ok(Upload { inner, id: Some(id) })
        };
        let inner = self.inner.clone();
        async move { inner.to_its_end("source upload", begin).await }.boxed()
    }

    async fn receive(&mut self, id: &UploadId) -> Result<(), TransferError> {
        let mut writer = self.inner.blobs.append(id, Some(0)).await?;
        let clock = self.inner.runtime.clock.clone();
        let (mut received, mut progress_from) = (0, 0);
        let mut until = clock.monotonic() + self.progress_within;
        loop {
            let left = until.saturating_sub(clock.monotonic());
            if left.is_zero() {
                return Err(self.stalled(received));
            }
            let part = match timeout(&*clock, left, self.bytes.next()).await {
                Err(_) => return Err(self.stalled(received)),
                Ok(None) => break,
                Ok(Some(part)) => part.map_err(TransferError::Source)?,
            };
            received += part.len() as u64;
            if self.size.is_some_and(|size| received > size) {
                return Err(damaged(format!("the blob {} has more bytes than were stated", self.digest)));
            }
            writer.write(part).await.map_err(|error| match error {
                StoreError::TooLarge { .. } => {
                    damaged(format!("the blob {} is larger than this registry takes in", self.digest))
                }
                error => error.into(),
            })?;
            if received - progress_from >= PROGRESS_BYTES {
                progress_from = received;
                until = clock.monotonic() + self.progress_within;
            }
        }
        writer.close().await?;
        match self.size {
            Some(size) if size != received => {
                Err(damaged(format!("the blob {} ended after {received} of {size} bytes", self.digest)))
            }
            _ => Ok(()),
        }
    }

    fn stalled(&self, received: u64) -> TransferError {
        let what = format!("the blob {} stood still after {received} bytes", self.digest);
        TransferError::Source(SourceError::Unavailable(what))
    }
}

fn damaged(what: String) -> TransferError {
    TransferError::Source(SourceError::Damaged(what))
}

/// The bytes of a blob that lies elsewhere, in order.
pub(super) fn bytes_of(blob: Blob, digest: Digest) -> Incoming {
    stream::try_unfold((blob, digest, 0), |(blob, digest, at)| async move {
        if at >= blob.size {
            return Ok(None);
        }
        let part = blob.read(at, usize::MAX).await.map_err(|error| verify::of_read(error, &digest))?;
        let next = at + part.len() as u64;
        Ok(if part.is_empty() { None } else { Some((part, (blob, digest, next))) })
    })
    .boxed()
}
