//! What one source can be asked, each with the check of its answer.

use std::sync::{Arc, Mutex, PoisonError};

use dockless_oci::{Digest, Reference};
use dockless_runtime::BoxFuture;
use dockless_store::Blob;
use futures_util::FutureExt as _;

use super::in_place::InPlace;
use super::member::Member;
use super::question::Question;
use super::reply::Reply;
use super::transfer::{IN_PLACE_WITHIN, Incoming, PROGRESS_WITHIN, Transfer, bytes_of};
use super::verify;
use crate::cache::ITEM_BYTES_MAX;
use crate::content::{BlobBody, BlobContent, Manifest};
use crate::inner::Inner;
use crate::source::{Asked, SourceBlob};

/// A manifest up to this size is hashed and read at once: that takes less than a tenth of a millisecond.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// A blob as those get it who asked for it together.
#[derive(Clone)]
pub(super) enum Found {
    /// The same for all of them.
    Shared(BlobContent),
    /// For the first of them who takes it: a reader in place knows up to where it was read in order, and gives bytes by
    /// that before the whole was found right.
    Once(Arc<Mutex<Option<BlobContent>>>),
}

impl Found {
    /// The blob, unless it was for one and another one has it.
    pub(super) fn take(self) -> Option<BlobContent> {
        match self {
            Self::Shared(content) => Some(content),
            Self::Once(content) => content.lock().unwrap_or_else(PoisonError::into_inner).take(),
        }
    }
}

/// One source, and on whose behalf it is asked.
pub(super) struct One {
    pub(super) inner: Arc<Inner>,
    pub(super) member: Arc<Member>,
    pub(super) asked: Asked,
}

impl One {
    /// The manifest.
    pub(super) async fn manifest(self, reference: Reference) -> Reply<Manifest> {
        let given = match self.member.source.manifest(&self.asked, &reference).await {
            Ok(Some(given)) => given,
            Ok(None) => return Reply::No,
            Err(error) => return Reply::Failed(error),
        };
        let checked = if given.bytes.len() <= INLINE_BYTES_MAX {
            verify::manifest(given, &reference)
        } else {
            let check = move || verify::manifest(given, &reference);
            match self.inner.runtime.blocking("source manifest check", check).await {
                Ok(checked) => checked,
                Err(lost) => return Reply::Broken(lost.into()),
            }
        };
        checked.map_or_else(Reply::Failed, Reply::Good)
    }

    /// The blob: where it lies, or out of the store once it is there.
    pub(super) async fn blob(self, digest: Digest) -> Reply<Found> {
        match self.member.source.blob(&self.asked, &digest).await {
            Ok(None) => Reply::No,
            Err(error) => Reply::Failed(error),
            Ok(Some(SourceBlob::InPlace(blob))) => self.in_place(blob, digest).await,
            Ok(Some(SourceBlob::Foreign { size, bytes })) => {
                let link = !self.member.traits.private;
                let transfer = self.transfer(digest.clone(), link, size, bytes);
                let taken = async move {
                    match transfer.run().await {
                        Ok(blob) => content(blob, &digest).await,
                        Err(error) => error.into(),
                    }
                };
                Reply::Promise(taken.boxed())
            }
        }
    }

    /// The size of the blob, as it is stated; where it is not, the blob is taken in.
    pub(super) async fn size(self, digest: Digest) -> Reply<u64> {
        match self.member.source.blob(&self.asked, &digest).await {
            Ok(None) => Reply::No,
            Err(error) => Reply::Failed(error),
            Ok(Some(SourceBlob::InPlace(blob))) => Reply::Good(blob.size),
            Ok(Some(SourceBlob::Foreign { size: Some(size), .. })) => Reply::Good(size),
            Ok(Some(SourceBlob::Foreign { size: None, bytes })) => {
                let link = !self.member.traits.private;
                Reply::Promise(size_of(self.transfer(digest, link, None, bytes)))
            }
        }
    }

    /// The size of the blob once the repository holds it.
    pub(super) async fn copy(self, digest: Digest) -> Reply<u64> {
        let transfer = match self.member.source.blob(&self.asked, &digest).await {
            Ok(None) => return Reply::No,
            Err(error) => return Reply::Failed(error),
            Ok(Some(SourceBlob::InPlace(blob))) => {
                let (size, bytes) = (Some(blob.size), bytes_of(blob, digest.clone()));
                Transfer { progress_within: IN_PLACE_WITHIN, ..self.transfer(digest, true, size, bytes) }
            }
            Ok(Some(SourceBlob::Foreign { size, bytes })) => self.transfer(digest, true, size, bytes),
        };
        Reply::Promise(size_of(transfer))
    }

    /// A blob that is served from where it lies. A small one is read and checked before anybody hears of it, so that
    /// another source can help.
    async fn in_place(self, blob: Blob, digest: Digest) -> Reply<Found> {
        if blob.size <= ITEM_BYTES_MAX as u64 {
            return content(blob, &digest).await;
        }
        let size = blob.size;
        let clock = self.inner.runtime.clock.clone();
        let question = Question::blob(&self.asked, &digest);
        let watched = InPlace { blob, digest, question, member: self.member, clock }.watched();
        let content = BlobContent { size, body: BlobBody::File(watched) };
        Reply::Good(Found::Once(Arc::new(Mutex::new(Some(content)))))
    }

    fn transfer(self, digest: Digest, link: bool, size: Option<u64>, bytes: Incoming) -> Transfer {
        let repository = self.asked.repository;
        let (inner, member, progress_within) = (self.inner, self.member, PROGRESS_WITHIN);
        Transfer { inner, member, repository, digest, link, size, bytes, progress_within }
    }
}

fn size_of(transfer: Transfer) -> BoxFuture<'static, Reply<u64>> {
    async move {
        match transfer.run().await {
            Ok(blob) => Reply::Good(blob.size),
            Err(error) => error.into(),
        }
    }
    .boxed()
}

/// What is served of a blob that can be read: a small one from memory.
async fn content(blob: Blob, digest: &Digest) -> Reply<Found> {
    let size = blob.size;
    if size > ITEM_BYTES_MAX as u64 {
        return Reply::Good(Found::Shared(BlobContent { size, body: BlobBody::File(blob) }));
    }
    match verify::small_blob(&blob, digest).await {
        Ok(bytes) => Reply::Good(Found::Shared(BlobContent { size, body: BlobBody::Cached(bytes) })),
        Err(error) => Reply::Failed(error),
    }
}
