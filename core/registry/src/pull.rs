//! Pulls: manifests by tag or digest, blobs by digest, through a repository that holds them.

use bytes::{Bytes, BytesMut};
use dockless_meta::view::View;
use dockless_oci::{Digest, Reference, RepositoryName};
use dockless_store::{Blob, StoreError};

use crate::cache::ITEM_BYTES_MAX;
use crate::error::Error;
use crate::registry::Registry;
use crate::source::Asked;
use crate::statistics::Content;

/// A manifest as it was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The digest it was pushed with.
    pub digest: Digest,
    /// The media type it was pushed with.
    pub media_type: String,
    /// Its bytes, verified.
    pub bytes: Bytes,
}

/// What a HEAD of a manifest needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestHead {
    /// The digest it was pushed with.
    pub digest: Digest,
    /// The media type it was pushed with.
    pub media_type: String,
    /// Bytes.
    pub size: u64,
}

/// A blob that is ready to be sent.
#[derive(Clone, Debug)]
pub struct BlobContent {
    /// Bytes.
    pub size: u64,
    /// Where they are.
    pub body: BlobBody,
}

/// Where the bytes of a blob are.
#[derive(Clone, Debug)]
pub enum BlobBody {
    /// In memory, whole and verified.
    Cached(Bytes),
    /// In the store; verified while it is read.
    File(Blob),
}

impl Registry {
    /// The manifest that a tag points to, or that has this digest.
    pub async fn manifest(&self, asked: &Asked, reference: &Reference) -> Result<Manifest, Error> {
        let repository = &asked.repository;
        let view = self.inner.view()?;
        let head = find(&view, repository, reference)?;
        let cached = self.inner.cache.get(&head.digest);
        self.inner.statistics.lookup(cached.is_some());
        let bytes = match cached {
            Some(bytes) => bytes,
            None => self.load_manifest(&view, repository, &head.digest).await?,
        };
        self.inner.statistics.pull(Content::Manifest);
        Ok(Manifest { digest: head.digest, media_type: head.media_type, bytes })
    }

    /// What is known of a manifest without its bytes.
    pub async fn manifest_head(&self, asked: &Asked, reference: &Reference) -> Result<ManifestHead, Error> {
        find(&self.inner.view()?, &asked.repository, reference)
    }

    /// The blob of this digest. The file is open when this returns: deleting the blob meanwhile does not cut it.
    pub async fn blob(&self, asked: &Asked, digest: &Digest) -> Result<BlobContent, Error> {
        let size = self.blob_size(asked, digest).await?;
        let small = usize::try_from(size).ok().filter(|size| *size <= ITEM_BYTES_MAX);
        if small.is_some() {
            let cached = self.inner.cache.get(digest);
            self.inner.statistics.lookup(cached.is_some());
            if let Some(bytes) = cached {
                self.inner.statistics.pull(Content::Blob);
                return Ok(BlobContent { size, body: BlobBody::Cached(bytes) });
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
        self.inner.statistics.pull(Content::Blob);
        Ok(BlobContent { size, body })
    }

    /// The size of a blob. Asks only the ledger, and knows which files were found missing or damaged since the
    /// start: those are unknown, so that a client that asks before it pushes pushes them again.
    pub async fn blob_size(&self, asked: &Asked, digest: &Digest) -> Result<u64, Error> {
        match self.inner.view()?.blob(&asked.repository, digest)? {
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
            tracing::error!(%digest, %repository, "a manifest in the ledger is damaged; delete it and push it again");
            return Err(Error::Unavailable(format!(
                "the manifest {digest} is damaged: delete it and push it again"
            )));
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
