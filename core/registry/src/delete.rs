//! Deletes: tags, manifests with their tags, and blobs that no manifest of the repository needs.

use dockless_meta::command::Command;
use dockless_meta::view::View;
use dockless_oci::{Digest, Reference, RepositoryName, Tag};

use crate::error::Error;
use crate::registry::Registry;
use crate::source::Asked;
use crate::statistics::Content;

/// Tags of one manifest looked at for an immutable one; no manifest has more in practice, and one that does is not
/// deleted at once where tags are immutable.
const TAGS_CHECKED_MAX: usize = 10_000;

impl Registry {
    /// Removes what a reference names: a tag alone, or a manifest with every tag of the repository that points to it.
    ///
    /// [`Error::HeldElsewhere`] when it is not here but some source has it: no delete reaches there.
    pub async fn delete(&self, asked: &Asked, reference: &Reference) -> Result<(), Error> {
        let deleted = match reference {
            Reference::Tag(tag) => self.delete_tag(&asked.repository, tag).await,
            Reference::Digest(digest) => self.delete_manifest(&asked.repository, digest).await,
        };
        if deleted == Err(Error::ManifestUnknown)
            && let Some(by) = self.mirror.holder(asked, reference).await
        {
            return Err(Error::HeldElsewhere { by: by.to_owned() });
        }
        deleted
    }

    /// Removes a tag; its manifest stays.
    pub async fn delete_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<(), Error> {
        self.inner.writable()?;
        if self.settings().is_immutable(repository, tag) {
            let exists = self.inner.view()?.tag(repository, tag)?.is_some();
            return Err(if exists { Error::TagImmutable } else { Error::ManifestUnknown });
        }
        let command = Command::DeleteTag { repository: repository.clone(), tag: tag.clone() };
        self.inner.submit(command).await??;
        self.inner.statistics.delete(Content::Tag);
        Ok(())
    }

    /// Removes a manifest, and every tag of the repository that points to it; an immutable one keeps it.
    pub async fn delete_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), Error> {
        self.inner.writable()?;
        let command = Command::DeleteManifest { repository: repository.clone(), digest: digest.clone() };
        if self.settings().has_immutable(repository) {
            let (place, digest) = (repository.clone(), digest.clone());
            let look = move |this: &Self, view: &View| match this.has_immutable_tag(view, &place, &digest)? {
                true => Err(Error::TagImmutable),
                false => Ok(()),
            };
            self.submit_after_look("manifest delete", repository.clone(), command, look).await?;
        } else {
            self.inner.submit(command).await??;
        }
        self.inner.statistics.delete(Content::Manifest);
        Ok(())
    }

    /// Removes a blob from a repository; other repositories keep it.
    pub async fn delete_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), Error> {
        self.inner.writable()?;
        let command = Command::UnlinkBlob { repository: repository.clone(), digest: digest.clone() };
        self.inner.submit(command).await??;
        self.inner.statistics.delete(Content::Blob);
        Ok(())
    }

    /// Whether an immutable tag points to the manifest.
    pub(crate) fn has_immutable_tag(
        &self,
        view: &View,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, Error> {
        let tags = view.tags_of(repository, digest, TAGS_CHECKED_MAX)?;
        let full = tags.len() == TAGS_CHECKED_MAX;
        Ok(full || tags.iter().any(|tag| self.settings().is_immutable(repository, tag)))
    }
}
