//! Uploads: from the first byte to a blob that a repository holds.

use dockless_meta::command::Command;
use dockless_oci::digest::Algorithm;
use dockless_oci::{Digest, RepositoryName};
use dockless_store::{NewUpload, StoreError, UploadId, UploadStatus, UploadWriter};
use futures_util::future::join;

use crate::access::{Action, Caller};
use crate::error::Error;
use crate::inner::Inner;
use crate::registry::Registry;
use crate::statistics::{Content, UploadStep};

impl Registry {
    /// Begins an upload. `hint` is the algorithm of the digest to come, if the client said so.
    pub async fn begin_upload(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        hint: Option<Algorithm>,
    ) -> Result<UploadStatus, Error> {
        self.inner.writable()?;
        self.require_push(caller, repository)?;
        let upload = NewUpload { repository: repository.clone(), subject: caller.subject().to_owned(), hint };
        let id = self.inner.blobs.begin(upload).await?;
        self.inner.statistics.upload(UploadStep::Begun);
        Ok(self.inner.blobs.upload(&id).await?)
    }

    /// Where an upload stands. An upload of someone else, or of another repository, is unknown. [`Error::Denied`]
    /// when an expired token is shown that is not good for this upload any more: another token may be.
    pub async fn upload(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<UploadStatus, Error> {
        let unknown = || match caller.is_expired() {
            true => Error::Denied("the token has expired: ask for a new one".to_owned()),
            false => Error::BlobUploadUnknown,
        };
        match self.inner.blobs.upload(id).await {
            Ok(status) if status.repository == *repository && caller.may_continue(&status) => Ok(status),
            Ok(_) | Err(StoreError::UploadUnknown) => Err(unknown()),
            Err(error) => Err(error.into()),
        }
    }

    /// A writer that goes on where the upload stands; `at` is where the client believes it stands. Any older
    /// writer of the upload ends.
    ///
    /// [`Error::RangeInvalid`] says where it stands if that is elsewhere.
    pub async fn append(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        id: &UploadId,
        at: Option<u64>,
    ) -> Result<Box<dyn UploadWriter>, Error> {
        self.inner.writable()?;
        self.upload(caller, repository, id).await?;
        match self.inner.blobs.append(id, at).await {
            Ok(writer) => Ok(writer),
            Err(StoreError::OffsetMismatch { held }) => {
                let status = self.inner.blobs.upload(id).await?;
                Err(Error::RangeInvalid { status: UploadStatus { offset: held, ..status } })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes an upload the blob of `digest` in its repository; its size. When this returns, bytes, name and link
    /// are durable. Any number of uploads of one digest may finish at once.
    ///
    /// The ledger expects the digest before its file becomes visible, so that after a crash in between somebody
    /// knows of the file; that and the sync of the bytes go on at the same time.
    ///
    /// [`Error::DigestInvalid`] when the bytes are others; the upload is then dropped.
    pub async fn finish(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        id: &UploadId,
        digest: &Digest,
    ) -> Result<u64, Error> {
        self.inner.writable()?;
        self.upload(caller, repository, id).await?;
        let size = match self.inner.publish_upload(id, digest).await {
            Ok(size) => size,
            Err(error) => return Err(self.refuse_seal(id, error).await),
        };
        let (repository, digest) = (repository.clone(), digest.clone());
        self.inner.submit(Command::LinkBlob { repository, digest, size }).await??;
        self.inner.statistics.upload(UploadStep::Finished);
        self.inner.statistics.push(Content::Blob);
        Ok(size)
    }

    /// Drops an upload and its bytes.
    pub async fn cancel_upload(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<(), Error> {
        self.inner.writable()?;
        self.upload(caller, repository, id).await?;
        self.inner.blobs.cancel(id).await?;
        self.inner.statistics.upload(UploadStep::Cancelled);
        Ok(())
    }

    /// An upload that holds other bytes than it was said to is of no use any more.
    async fn refuse_seal(&self, id: &UploadId, error: Error) -> Error {
        if let Error::DigestInvalid(_) = &error {
            self.inner.statistics.upload(UploadStep::Mismatched);
            if let Err(cause) = self.inner.blobs.cancel(id).await {
                tracing::debug!(%id, %cause, "an upload with the wrong bytes was not dropped; it will expire");
            }
        }
        error
    }

    pub(crate) fn require_push(&self, caller: &Caller, repository: &RepositoryName) -> Result<(), Error> {
        if caller.may(repository, Action::Push) {
            return Ok(());
        }
        Err(Error::Denied(format!("{} may not push to {repository}", caller.subject())))
    }
}

impl Inner {
    /// Makes an upload the blob of `digest`, which no repository holds yet, durably; its size.
    ///
    /// [`Error::DigestInvalid`] when the bytes are others; the upload then stays for the caller to drop.
    pub(crate) async fn publish_upload(&self, id: &UploadId, digest: &Digest) -> Result<u64, Error> {
        let expect = self.submit(Command::ExpectBlob { digest: digest.clone() });
        let (sealed, expected) = join(self.blobs.seal(id, digest), expect).await;
        let size = sealed?;
        expected??;
        self.blobs.publish(id, digest).await?;
        self.note_present(digest);
        Ok(size)
    }
}
