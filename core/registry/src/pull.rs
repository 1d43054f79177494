//! Pulls: manifests by tag or digest, blobs by digest, through a repository that holds them.

use bytes::{Bytes, BytesMut};
use dockless_meta::view::View;
use dockless_oci::{Digest, Reference, RepositoryName};
use dockless_store::{Blob, StoreError};

use crate::cache::ITEM_BYTES_MAX;
use crate::content::{BlobBody, BlobContent, Manifest, ManifestHead};
use crate::error::Error;
use crate::pulls::{Origin, PulledContent};
use crate::registry::Registry;
use crate::source::Asked;
use crate::statistics::Content;

impl Registry {
    /// The manifest that a tag points to, or that has this digest: the repository's, else a source's.
    ///
    /// [`Error::Unavailable`] when it is not here and no source that may have it answers.
    pub async fn manifest(&self, asked: &Asked, reference: &Reference) -> Result<Manifest, Error> {
        let began = self.inner.runtime.clock.monotonic();
        let (manifest, origin) = self.find_manifest(asked, reference).await?;
        self.inner.statistics.pull(Content::Manifest);
        let tag = if let Reference::Tag(tag) = reference { Some(tag.clone()) } else { None };
        let size = manifest.bytes.len() as u64;
        let pulled = (PulledContent::Manifest(tag), &manifest.digest, size);
        self.pulls.record(&self.inner.runtime, began, origin, asked, pulled);
        Ok(manifest)
    }

    /// The same for the owner of the node, with where it is from: nothing is pulled by it.
    pub async fn look_up(&self, asked: &Asked, reference: &Reference) -> Result<(Manifest, &str), Error> {
        let (manifest, origin) = self.find_manifest(asked, reference).await?;
        Ok((manifest, self.pulls.label(origin)))
    }

    async fn find_manifest(&self, asked: &Asked, reference: &Reference) -> Result<(Manifest, Origin), Error> {
        match self.manifest_here(&asked.repository, reference).await {
            Err(Error::ManifestUnknown) if !self.mirror.is_empty() => {
                let won = self.mirror.manifest(asked, reference).await?;
                Ok((won.content, Origin::Source(won.source)))
            }
            here => here,
        }
    }

    /// What is known of a manifest without its bytes. Of a source's the bytes are asked for all the same, since only
    /// they tell the digest. Errors as those of [`Registry::manifest`].
    pub async fn manifest_head(&self, asked: &Asked, reference: &Reference) -> Result<ManifestHead, Error> {
        match find(&self.inner.view()?, &asked.repository, reference) {
            Err(Error::ManifestUnknown) if !self.mirror.is_empty() => {}
            here => return here,
        }
        let Manifest { digest, media_type, bytes } = self.mirror.manifest(asked, reference).await?.content;
        Ok(ManifestHead { digest, media_type, size: bytes.len() as u64 })
    }

    /// The blob of this digest: the repository's, else a source's. The file is open when this returns: deleting the
    /// blob meanwhile does not cut it. A blob that a source cannot read in place is taken in before this returns.
    ///
    /// [`Error::Unavailable`] when it is not here and no source that may have it answers.
    pub async fn blob(&self, asked: &Asked, digest: &Digest) -> Result<BlobContent, Error> {
        let began = self.inner.runtime.clock.monotonic();
        let (content, origin) = match self.blob_here(&asked.repository, digest).await {
            Err(Error::BlobUnknown) if !self.mirror.is_empty() => {
                let won = self.mirror.blob(asked, digest).await?;
                (won.content, Origin::Source(won.source))
            }
            here => here?,
        };
        self.inner.statistics.pull(Content::Blob);
        let pulled = (PulledContent::Blob, digest, content.size);
        self.pulls.record(&self.inner.runtime, began, origin, asked, pulled);
        Ok(content)
    }

    /// The size of a blob. Of what is here it asks only the ledger, and knows which files were found missing or
    /// damaged since the start: those are unknown, so that a client that asks before it pushes pushes them again. For
    /// the same reason a blob is unknown while the sources that may have it do not answer.
    pub async fn blob_size(&self, asked: &Asked, digest: &Digest) -> Result<u64, Error> {
        match self.size_here(&asked.repository, digest) {
            Err(Error::BlobUnknown) if !self.mirror.is_empty() => {}
            here => return here,
        }
        match self.mirror.size(asked, digest).await {
            Err(error @ (Error::Unavailable(_) | Error::Denied(_))) => {
                tracing::debug!(repository = %asked.repository, %digest, %error, "a blob is told to be unknown");
                Err(Error::BlobUnknown)
            }
            size => size,
        }
    }

    async fn manifest_here(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<(Manifest, Origin), Error> {
        let view = self.inner.view()?;
        let head = find(&view, repository, reference)?;
        let cached = self.inner.cache.get(&head.digest);
        self.inner.statistics.lookup(cached.is_some());
        let (bytes, origin) = match cached {
            Some(bytes) => (bytes, Origin::Memory),
            None => (self.load_manifest(&view, repository, &head.digest).await?, Origin::Store),
        };
        Ok((Manifest { digest: head.digest, media_type: head.media_type, bytes }, origin))
    }

    async fn blob_here(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(BlobContent, Origin), Error> {
        let size = self.size_here(repository, digest)?;
        let small = usize::try_from(size).ok().filter(|size| *size <= ITEM_BYTES_MAX);
        if small.is_some() {
            let cached = self.inner.cache.get(digest);
            self.inner.statistics.lookup(cached.is_some());
            if let Some(bytes) = cached {
                return Ok((BlobContent { size, body: BlobBody::Cached(bytes) }, Origin::Memory));
            }
        }
        let blob = match self.inner.blobs.open(digest).await {
            Ok(Some(blob)) if blob.size == size => blob,
            Ok(_) | Err(StoreError::Damaged(_)) => {
                self.inner.note_missing(digest);
                return Err(Error::BlobUnknown);
            }
            Err(error) => return Err(error.into()),
        };
        let body = match small {
            Some(size) => BlobBody::Cached(self.load_blob(digest, &blob, size).await?),
            None => BlobBody::File(blob),
        };
        Ok((BlobContent { size, body }, Origin::Store))
    }

    fn size_here(&self, repository: &RepositoryName, digest: &Digest) -> Result<u64, Error> {
        match self.inner.view()?.blob(repository, digest)? {
            Some(size) if !self.inner.is_missing(digest) => Ok(size),
            _ => Err(Error::BlobUnknown),
        }
    }

    /// Tells that a [`BlobBody::File`] turned out damaged while it was read.
    pub fn report_damaged(&self, digest: &Digest) {
        self.inner.note_missing(digest);
    }

    /// Bytes of the ledger, verified once for as long as they are cached; large ones each time.
    async fn load_manifest(
        &self,
        view: &View,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Bytes, Error> {
        let record = view.manifest(repository, digest)?.ok_or(Error::ManifestUnknown)?;
        let bytes = record.bytes;
        let genuine = if bytes.len() <= ITEM_BYTES_MAX {
            Digest::of(digest.algorithm(), &bytes) == *digest
        } else {
            let (digest, bytes) = (digest.clone(), bytes.clone());
            self.inner
                .runtime
                .blocking("manifest check", move || Digest::of(digest.algorithm(), &bytes) == digest)
                .await?
        };
        if !genuine {
            tracing::error!(%digest, %repository, "a manifest in the ledger is damaged; pushing it again repairs it");
            return Err(Error::Unavailable(format!("the manifest {digest} is damaged: push it again")));
        }
        self.inner.cache.insert(digest, &bytes);
        Ok(bytes)
    }

    async fn load_blob(&self, digest: &Digest, blob: &Blob, size: usize) -> Result<Bytes, Error> {
        let mut bytes = BytesMut::with_capacity(size);
        while bytes.len() < size {
            let offset = bytes.len() as u64;
            let read = match blob.try_read(offset, size - bytes.len()) {
                Some(read) => read,
                None => blob.read(offset, size - bytes.len()).await,
            };
            match read {
                Ok(part) if !part.is_empty() => bytes.extend_from_slice(&part),
                Ok(_) | Err(StoreError::Damaged(_)) => {
                    self.inner.note_missing(digest);
                    return Err(Error::BlobUnknown);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let bytes = bytes.freeze();
        self.inner.cache.insert(digest, &bytes);
        Ok(bytes)
    }
}

/// Looks a manifest up in one view, so that tag and manifest belong together.
fn find(view: &View, repository: &RepositoryName, reference: &Reference) -> Result<ManifestHead, Error> {
    let digest = match reference {
        Reference::Digest(digest) => digest.clone(),
        Reference::Tag(tag) => view.tag(repository, tag)?.ok_or(Error::ManifestUnknown)?,
    };
    let head = view.manifest_head(repository, &digest)?.ok_or(Error::ManifestUnknown)?;
    Ok(ManifestHead { digest, media_type: head.media_type, size: head.size })
}
