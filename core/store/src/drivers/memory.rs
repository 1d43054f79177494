//! Blobs in memory: for tests, and for nodes that keep nothing.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use dockless_oci::digest::Digest;
use dockless_runtime::Runtime;

use crate::blob::Blob;
use crate::blob_store::BlobStore;
use crate::error::StoreError;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::upload::{NewUpload, UploadId, UploadStatus, UploadWriter};

/// A store that forgets everything when it is dropped. Its blobs are as many as memory holds; it knows no
/// [`StoreError::DiskFull`].
pub struct MemoryStore {
    runtime: Runtime,
    settings: Settings,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    blobs: HashMap<Digest, Bytes>,
    uploads: BTreeMap<UploadId, Session>,
}

struct Session {
    status: UploadStatus,
    /// Counts appends and seals: a writer of an earlier number is fenced.
    generation: u64,
    progress: Progress,
    bytes: BytesMut,
    sealed: Option<Digest>,
}

impl MemoryStore {
    /// Without any blob. Of `runtime` only the clock and the random bytes are used.
    #[must_use]
    pub fn new(runtime: Runtime, settings: Settings) -> Arc<Self> {
        Arc::new(Self { runtime, settings, held: Arc::default() })
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl BlobStore for MemoryStore {
    async fn open(&self, digest: &Digest) -> Result<Option<Blob>, StoreError> {
        let bytes = lock(&self.held).blobs.get(digest).cloned();
        Ok(bytes.map(Blob::from))
    }

    async fn begin(&self, upload: NewUpload) -> Result<UploadId, StoreError> {
        let id = UploadId::random(&*self.runtime.entropy);
        let now_ms = self.runtime.clock.unix_ms();
        let status = upload.status(id.clone(), now_ms)?;
        let mut held = lock(&self.held);
        if held.uploads.len() >= self.settings.uploads_max {
            return Err(StoreError::TooManyUploads);
        }
        let progress = Progress::new(status.hint);
        let session = Session { status, generation: 0, progress, bytes: BytesMut::new(), sealed: None };
        held.uploads.insert(id.clone(), session);
        Ok(id)
    }

    async fn upload(&self, id: &UploadId) -> Result<UploadStatus, StoreError> {
        lock(&self.held)
            .uploads
            .get(id)
            .map(|session| session.status.clone())
            .ok_or(StoreError::UploadUnknown)
    }

    async fn uploads(&self) -> Result<Vec<UploadStatus>, StoreError> {
        Ok(lock(&self.held).uploads.values().map(|session| session.status.clone()).collect())
    }

    async fn append(&self, id: &UploadId, at: Option<u64>) -> Result<Box<dyn UploadWriter>, StoreError> {
        let mut held = lock(&self.held);
        let session = held.fence(id)?;
        if at.is_some_and(|at| at != session.status.offset) {
            return Err(StoreError::OffsetMismatch { held: session.status.offset });
        }
        session.sealed = None;
        Ok(Box::new(MemoryWriter {
            runtime: self.runtime.clone(),
            limit: self.settings.upload_bytes_max,
            held: self.held.clone(),
            id: id.clone(),
            generation: session.generation,
        }))
    }

    async fn seal(&self, id: &UploadId, digest: &Digest) -> Result<u64, StoreError> {
        let mut held = lock(&self.held);
        let session = held.fence(id)?;
        session.sealed = None;
        let known = session.progress.digest(digest.algorithm());
        let computed = known.unwrap_or_else(|| Digest::of(digest.algorithm(), &session.bytes));
        if computed != *digest {
            return Err(StoreError::DigestMismatch { computed });
        }
        session.sealed = Some(computed);
        Ok(session.status.offset)
    }

    async fn publish(&self, id: &UploadId, digest: &Digest) -> Result<(), StoreError> {
        let mut held = lock(&self.held);
        let session = held.uploads.get(id).ok_or(StoreError::UploadUnknown)?;
        if session.sealed.as_ref() != Some(digest) {
            return Err(StoreError::NotSealed);
        }
        if let Some(session) = held.uploads.remove(id) {
            held.blobs.insert(digest.clone(), session.bytes.freeze());
        }
        Ok(())
    }

    async fn cancel(&self, id: &UploadId) -> Result<(), StoreError> {
        lock(&self.held).uploads.remove(id).map(drop).ok_or(StoreError::UploadUnknown)
    }
}

impl Held {
    /// The session, its writers so far shut out.
    fn fence(&mut self, id: &UploadId) -> Result<&mut Session, StoreError> {
        let session = self.uploads.get_mut(id).ok_or(StoreError::UploadUnknown)?;
        session.generation += 1;
        Ok(session)
    }
}

/// A panic while the lock was held is a bug elsewhere; each change under it is whole, so the store goes on.
fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

struct MemoryWriter {
    runtime: Runtime,
    limit: u64,
    held: Arc<Mutex<Held>>,
    id: UploadId,
    generation: u64,
}

impl MemoryWriter {
    fn with_session<T>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut held = lock(&self.held);
        match held.uploads.get_mut(&self.id) {
            Some(session) if session.generation == self.generation => work(session),
            _ => Err(StoreError::Fenced),
        }
    }
}

#[async_trait]
impl UploadWriter for MemoryWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let now_ms = self.runtime.clock.unix_ms();
        self.with_session(|session| {
            let offset = session.status.offset.saturating_add(bytes.len() as u64);
            if offset > self.limit {
                return Err(StoreError::TooLarge { limit: self.limit });
            }
            session.progress.update(&bytes, |_| ());
            session.bytes.extend_from_slice(&bytes);
            session.status.offset = offset;
            session.status.touched_ms = now_ms;
            Ok(())
        })
    }

    async fn close(self: Box<Self>) -> Result<u64, StoreError> {
        self.with_session(|session| Ok(session.status.offset))
    }
}
