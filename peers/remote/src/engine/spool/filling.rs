//! A file on its way into the spool.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use dockless_oci::{Digest, RepositoryName};
use dockless_registry::SourceError;
use dockless_store::{BlobStore as _, FilesystemStore, NewUpload, StoreError, UploadId, UploadWriter};

use super::{Held, Inside, Pin, Room};

/// A file that is being written and hashed. Dropping it leaves nothing of it.
pub(crate) struct Filling {
    store: Arc<FilesystemStore>,
    room: Room,
    id: Option<UploadId>,
    writer: Option<Box<dyn UploadWriter>>,
}

impl Filling {
    pub(super) async fn begin(store: Arc<FilesystemStore>, room: Room) -> Result<Self, SourceError> {
        let repository = RepositoryName::parse("spool").expect("the grammar allows it");
        let upload = NewUpload { repository, subject: String::new(), hint: None };
        let inside = room.inside.clone();
        // To the end, so that an upload that has begun has an owner.
        let begin = async move {
            let id = store.begin(upload).await;
            let id = id.map_err(|error| room.inside.failed(&error))?;
            Ok(Self { store, room, id: Some(id), writer: None })
        };
        let mut filling = inside.to_the_end("begin a file of the spool", begin).await?;
        if let Some(id) = &filling.id {
            let writer = filling.store.append(id, Some(0)).await;
            filling.writer = Some(writer.map_err(|error| inside.failed(&error))?);
        }
        Ok(filling)
    }

    /// Takes the next bytes, no more of them in all than it was begun with.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] when the disk fails.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), SourceError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.write(bytes).await.map_err(|error| self.room.inside.failed(&error))
    }

    /// Ends the file. If its digest is one of `wanted`, or any will do, it is kept in the spool and by the [`Pin`];
    /// otherwise nothing stays of it.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] when the disk fails.
    pub(crate) async fn finish(
        mut self,
        wanted: Option<&BTreeSet<Digest>>,
    ) -> Result<Option<(Digest, Pin)>, SourceError> {
        let inside = self.room.inside.clone();
        if let Some(writer) = self.writer.take() {
            writer.close().await.map_err(|error| inside.failed(&error))?;
        }
        let (store, id) = (self.store.clone(), self.id.clone());
        let Some(id) = id else { return Ok(None) };
        let sealed = seal(&store, &id, wanted).await;
        let Some(digest) = sealed.map_err(|error| inside.failed(&error))? else { return Ok(None) };
        inside.clone().to_the_end("keep an exported layer", self.keep(inside, digest)).await.map(Some)
    }

    async fn keep(mut self, inside: Arc<Inside>, digest: Digest) -> Result<(Digest, Pin), SourceError> {
        let _changing = inside.changes.clone().lock_owned().await;
        if let Some(pin) = inside.shelf().pin(&digest) {
            return Ok((digest, pin));
        }
        if let Some(id) = &self.id {
            self.store.publish(id, &digest).await.map_err(|error| inside.failed(&error))?;
            self.id = None;
        }
        let mut shelf = inside.shelf();
        // What was room is a file now.
        let size = std::mem::take(&mut self.room.bytes);
        let used = shelf.now;
        shelf.held.insert(digest.clone(), Held { size, used, pin: Arc::default() });
        let pin = shelf.pin(&digest).expect("it was put there in this very step");
        Ok((digest, pin))
    }
}

/// Seals an upload as the one of `wanted` that it is.
async fn seal(
    store: &FilesystemStore,
    id: &UploadId,
    wanted: Option<&BTreeSet<Digest>>,
) -> Result<Option<Digest>, StoreError> {
    // A guess; the store says what it is.
    let first = match wanted {
        Some(wanted) => wanted.first().cloned(),
        None => Some(Digest::sha256(b"")),
    };
    let Some(first) = first else { return Ok(None) };
    let digest = match store.seal(id, &first).await {
        Ok(_) => return Ok(Some(first)),
        Err(StoreError::DigestMismatch { computed }) => computed,
        Err(error) => return Err(error),
    };
    if wanted.is_some_and(|wanted| !wanted.contains(&digest)) {
        return Ok(None);
    }
    store.seal(id, &digest).await.map(|_| Some(digest))
}

impl Drop for Filling {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        // First, so that nothing is written after the cancelling.
        self.writer = None;
        let (store, inside) = (self.store.clone(), self.room.inside.clone());
        // The room is free when the file is gone.
        let room = Room { inside: inside.clone(), bytes: std::mem::take(&mut self.room.bytes) };
        inside.runtime.spawn("give a file of the spool up", async move {
            if let Err(error) = store.cancel(&id).await {
                let directory = room.inside.directory.display();
                tracing::warn!(%directory, %error, "a file is left for the next start");
            }
        });
    }
}
