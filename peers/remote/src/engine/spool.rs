//! Layers that an engine exported, kept by their digest in a bounded number of bytes.
//!
//! It is a cache over a store of its own, so what is read is verified like any blob. What was not used for longest goes
//! first; what is being read, filled or held by a [`Pin`] stays.

mod filling;
mod shelf;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use dockless_oci::Digest;
use dockless_registry::SourceError;
use dockless_runtime::disk::remove_tree;
use dockless_runtime::metric::Gauge;
use dockless_runtime::{Runtime, TaskLost};
use dockless_store::{Blob, BlobRead, BlobStore as _, FilesystemStore, Settings, StoreError};
use tokio::sync::{OnceCell, oneshot};

use shelf::{Held, Shelf};

pub(crate) use filling::Filling;
pub(crate) use shelf::Pin;

/// Files that are being filled at once: one for each save, and some that are being given up.
const FILLING_MAX: usize = 64;

/// The spool of one engine. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Spool {
    inside: Arc<Inside>,
}

struct Inside {
    runtime: Runtime,
    directory: PathBuf,
    bytes_max: u64,
    /// Shows [`Shelf::bytes`].
    gauge: Gauge,
    /// Opened when it is first needed: most engines need none.
    store: OnceCell<Arc<FilesystemStore>>,
    shelf: Mutex<Shelf>,
    /// Held while files come and go, so that nothing is removed that has just come.
    changes: Arc<tokio::sync::Mutex<()>>,
}

/// Room that was made for a file; given back when dropped.
struct Room {
    inside: Arc<Inside>,
    bytes: u64,
}

/// A blob that stays in the spool as long as someone reads it.
struct Pinned {
    inside: Arc<Inside>,
    digest: Digest,
    blob: Blob,
    pin: Pin,
}

impl Spool {
    /// The spool in `directory`, which is opened when it is first needed.
    pub(crate) fn new(runtime: Runtime, directory: PathBuf, bytes_max: u64, gauge: Gauge) -> Self {
        let inside = Inside {
            runtime,
            directory,
            bytes_max,
            gauge,
            store: OnceCell::new(),
            shelf: Mutex::default(),
            changes: Arc::default(),
        };
        Self { inside: Arc::new(inside) }
    }

    /// Keeps the blob of this digest from going; `None` when it is not there.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] when the disk fails.
    pub(crate) async fn pin(&self, digest: &Digest) -> Result<Option<Pin>, SourceError> {
        self.inside.store().await?;
        Ok(self.inside.shelf().pin(digest))
    }

    /// The blob of this digest, which stays while it is read; `None` when it is not there.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] when the disk fails.
    pub(crate) async fn open(&self, digest: &Digest) -> Result<Option<Blob>, SourceError> {
        let store = self.inside.store().await?;
        let Some(pin) = self.inside.shelf().pin(digest) else { return Ok(None) };
        let Some(blob) = store.open(digest).await.map_err(|error| self.inside.failed(&error))? else {
            self.inside.forget(digest, &pin);
            return Ok(None);
        };
        let (inside, digest, size) = (self.inside.clone(), digest.clone(), blob.size);
        Ok(Some(Blob::new(size, Arc::new(Pinned { inside, digest, blob, pin }))))
    }

    /// Makes room for a file of `size` bytes and begins it.
    ///
    /// # Errors
    /// [`SourceError::Refused`] when there is not so much room, [`SourceError::Unavailable`] when the disk fails.
    pub(crate) async fn begin(&self, size: u64) -> Result<Filling, SourceError> {
        let store = self.inside.store().await?;
        let room = self.inside.make_room(size).await?;
        Filling::begin(store, room).await
    }
}

impl Inside {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Each change is complete before anything could panic.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store; what an earlier run left is kept as far as it is whole and fits.
    async fn store(self: &Arc<Self>) -> Result<Arc<FilesystemStore>, SourceError> {
        let opened = self.store.get_or_try_init(|| async {
            let store = self.open_store().await?;
            self.trim(&store).await?;
            Ok(store)
        });
        opened.await.cloned().map_err(|error: StoreError| self.failed(&error))
    }

    async fn open_store(&self) -> Result<Arc<FilesystemStore>, StoreError> {
        // What was found damaged is of no use here.
        let (disk, damaged) = (self.runtime.disk.clone(), self.directory.join("quarantine"));
        self.runtime.blocking("empty the quarantine", move || remove_tree(&*disk, &damaged)).await??;
        let settings =
            Settings { upload_bytes_max: self.bytes_max, uploads_max: FILLING_MAX, ..Settings::default() };
        let store = FilesystemStore::open(self.runtime.clone(), self.directory.clone(), settings).await?;
        for upload in store.uploads().await? {
            store.cancel(&upload.id).await?;
        }
        Ok(store)
    }

    /// Takes what lies in the store onto the shelf, the youngest first, and removes the rest.
    async fn trim(&self, store: &FilesystemStore) -> Result<(), StoreError> {
        let mut found = store.blobs().await?;
        found.sort_by_key(|(_, stat)| std::cmp::Reverse(stat.changed_ns));
        let mut rest = Vec::new();
        {
            let mut shelf = self.shelf();
            *shelf = Shelf { now: found.len() as u64, ..Shelf::default() };
            for (age, (digest, stat)) in found.into_iter().enumerate() {
                if shelf.bytes.saturating_add(stat.size) > self.bytes_max {
                    rest.push(digest);
                    continue;
                }
                shelf.bytes += stat.size;
                let used = shelf.now - age as u64;
                shelf.held.insert(digest, Held { size: stat.size, used, pin: Arc::default() });
            }
        }
        self.show();
        for digest in rest {
            store.remove(&digest).await?;
        }
        Ok(())
    }

    /// Removes what was not used for longest until `size` more bytes fit, and counts them as used.
    async fn make_room(self: &Arc<Self>, size: u64) -> Result<Room, SourceError> {
        let too_small = |what: &str| {
            SourceError::Refused(format!(
                "an image of the engine needs {size} bytes more in {}, which may hold {} bytes{what}",
                self.directory.display(),
                self.bytes_max
            ))
        };
        if size > self.bytes_max {
            return Err(too_small("; allow more"));
        }
        let changing = self.changes.clone().lock_owned().await;
        let (room, victims) = {
            let mut shelf = self.shelf();
            let Some(victims) = shelf.take_unused(size, self.bytes_max) else {
                return Err(too_small(", all of them in use"));
            };
            shelf.bytes += size;
            (Room { inside: self.clone(), bytes: size }, victims)
        };
        if !victims.is_empty() {
            let (inside, store) = (self.clone(), self.store().await?);
            self.to_the_end("make room for an image", async move {
                let _changing = changing;
                let mut result = Ok(());
                for (digest, size) in victims {
                    match store.remove(&digest).await {
                        Ok(_) => inside.shelf().bytes -= size,
                        Err(error) => {
                            inside.shelf().put_back(digest, size);
                            result = Err(inside.failed(&error));
                        }
                    }
                }
                result
            })
            .await?;
        }
        self.show();
        Ok(room)
    }

    /// Runs `work` to its end even when the caller stops waiting.
    async fn to_the_end<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, SourceError>> + Send + 'static,
    ) -> Result<T, SourceError> {
        let (done, result) = oneshot::channel();
        self.runtime.spawn(name, async move {
            // Nobody waits any more: the work is done all the same.
            let _ = done.send(work.await);
        });
        result.await.map_err(|_| SourceError::Unavailable(TaskLost { name }.to_string()))?
    }

    fn failed(&self, error: &StoreError) -> SourceError {
        SourceError::Unavailable(format!(
            "exported layers cannot be kept in {}: {error}",
            self.directory.display()
        ))
    }

    /// Takes a blob off the shelf whose file is gone; another one that came since stays.
    fn forget(&self, digest: &Digest, pin: &Pin) {
        self.shelf().forget(digest, pin);
        self.show();
    }

    fn show(&self) {
        self.gauge.set(i64::try_from(self.shelf().bytes).unwrap_or(i64::MAX));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.inside.shelf().bytes -= self.bytes;
        self.inside.show();
    }
}

#[async_trait]
impl BlobRead for Pinned {
    fn try_read(&self, offset: u64, max: usize) -> Option<Result<Bytes, StoreError>> {
        self.blob.try_read(offset, max)
    }

    async fn read(&self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
        let read = self.blob.read(offset, max).await;
        if let Err(StoreError::Damaged(_)) = read {
            // The next one who asks has it exported again.
            self.inside.forget(&self.digest, &self.pin);
        }
        read
    }
}
