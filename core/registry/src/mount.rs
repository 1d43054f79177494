//! Mounts: a blob that another repository holds, without sending it again.

use dockless_meta::command::{Command, Rejection};
use dockless_meta::view::View;
use dockless_oci::{Digest, RepositoryName};
use dockless_store::StoreError;

use crate::access::{Action, Caller};
use crate::error::Error;
use crate::registry::Registry;
use crate::statistics::Content;

/// Most repositories that a mount without `from` looks at. A base layer may be held by thousands, of which a
/// caller with few rights may pull few; each look costs about a microsecond, and not to find one costs an upload.
const SOURCES_MAX: usize = 2_000;

/// Repositories read from the ledger at once.
const SOURCES_PAGE: usize = 200;

impl Registry {
    /// Lets `repository` hold a blob that another one holds; whether it does now. `from` names the other one, which
    /// the caller must be allowed to pull from; without it the repositories that the caller may pull from are
    /// searched, a bounded number of them. `false` says nothing about what exists: the caller uploads instead.
    pub async fn mount(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<bool, Error> {
        self.inner.writable()?;
        self.require_push(caller, repository)?;
        let mounted = self.try_mount(caller, repository, digest, from).await?;
        self.inner.statistics.mount(mounted);
        if mounted {
            self.inner.statistics.push(Content::Blob);
        }
        Ok(mounted)
    }

    async fn try_mount(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<bool, Error> {
        let view = self.inner.view()?;
        let held = view.blob(repository, digest)?.is_some();
        let source = match from {
            _ if held => None,
            Some(from) => Some(from.clone()).filter(|from| caller.may(from, Action::Pull)),
            None => find_source(&view, caller, digest)?,
        };
        drop(view);
        // A link to a file that is gone would keep the client from sending the bytes that repair it.
        if (!held && source.is_none()) || !self.has_file(digest).await? {
            return Ok(false);
        }
        let Some(from) = source else { return Ok(true) };
        let command = Command::MountBlob { from, repository: repository.clone(), digest: digest.clone() };
        match self.inner.submit(command).await? {
            Ok(_) => Ok(true),
            Err(Rejection::SourceUnknown | Rejection::BlobUnknown) => Ok(false),
            Err(rejection) => Err(rejection.into()),
        }
    }

    async fn has_file(&self, digest: &Digest) -> Result<bool, Error> {
        if self.inner.is_missing(digest) {
            return Ok(false);
        }
        match self.inner.blobs.open(digest).await {
            Ok(blob) => Ok(blob.is_some()),
            Err(StoreError::Damaged(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// The first holder of the blob that the caller may pull from.
fn find_source(view: &View, caller: &Caller, digest: &Digest) -> Result<Option<RepositoryName>, Error> {
    let mut after = None;
    for _ in 0..SOURCES_MAX / SOURCES_PAGE {
        let holders = view.blob_holders(digest, after.as_ref(), SOURCES_PAGE)?;
        if let Some(found) = holders.iter().find(|holder| caller.may(holder, Action::Pull)) {
            return Ok(Some(found.clone()));
        }
        if holders.len() < SOURCES_PAGE {
            return Ok(None);
        }
        after = holders.last().cloned();
    }
    Ok(None)
}
