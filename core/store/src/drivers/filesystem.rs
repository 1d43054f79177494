//! Blobs in files: the default driver. Its submodules say how.

mod buffers;
pub(crate) mod derived;
mod evict;
mod ground;
pub(super) mod layout;
pub(super) mod marks;
mod open_file;
mod prepare;
mod publish;
mod reader;
mod reading;
mod restore;
mod sending;
mod session;
mod shelf;
mod standing;
pub(crate) mod state_file;
mod verified;
pub(super) mod work;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use dockless_oci::digest::Digest;
use dockless_runtime::Runtime;

use self::ground::Ground;
use self::layout::Layout;
use self::marks::{Marks, Pace};
use self::prepare::Shards;
use self::reader::Reader;
use self::session::{Session, Stage};
use self::shelf::Shelf;
use self::standing::Standing;
use self::work::{Work, remove_files};
use self::writer::FilesystemWriter;
use crate::blob::Blob;
use crate::blob_store::BlobStore;
use crate::error::StoreError;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::upload::{NewUpload, UploadId, UploadStatus, UploadWriter};

/// Blobs in a directory of its own, which no other process may change meanwhile
/// (see [`DataDirectory`](crate::DataDirectory)).
pub struct FilesystemStore {
    ground: Arc<Ground>,
    shelf: Arc<Shelf>,
    shards: Arc<Shards>,
    sessions: Arc<Sessions>,
}

/// The open uploads.
#[derive(Default)]
struct Sessions(Mutex<BTreeMap<UploadId, Arc<Session>>>);

impl FilesystemStore {
    /// Opens the store in `directory`, and makes what is missing of it. Uploads of an earlier run are found; how
    /// much of each is good shows when it is next asked for.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::DiskFull`].
    pub async fn open(
        runtime: Runtime,
        directory: PathBuf,
        settings: Settings,
    ) -> Result<Arc<Self>, StoreError> {
        Self::open_at(runtime, directory, settings, Pace::default()).await
    }

    /// As [`FilesystemStore::open`], at another pace than the usual one.
    pub(super) async fn open_at(
        runtime: Runtime,
        directory: PathBuf,
        settings: Settings,
        pace: Pace,
    ) -> Result<Arc<Self>, StoreError> {
        let ground = Arc::new(Ground::new(runtime.clone(), Layout::new(directory), settings, pace));
        let prepared = {
            let ground = ground.clone();
            runtime
                .blocking("open the store", move || Ok((prepare::prepare(&ground)?, restore::find(&ground)?)))
        };
        let (shards, found): (_, _) = prepared.await?.map_err(|error: StoreError| error)?;
        let sessions = Sessions::default();
        sessions.lock().extend(
            found
                .into_iter()
                .map(|(status, slots)| (status.id.clone(), Arc::new(Session::dormant(status, slots)))),
        );
        let shelf = Arc::new(Shelf::new(ground.clone()));
        Ok(Arc::new(Self { ground, shelf, shards: Arc::new(shards), sessions: Arc::new(sessions) }))
    }

    /// Does `job` with the upload's files once no other job does.
    async fn with_work<T: Send + 'static>(
        &self,
        name: &'static str,
        session: &Arc<Session>,
        job: impl FnOnce(&Ground, &Standing, &mut Work) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut stage = session.lock().await;
        let (ground, session, sessions) = (self.ground.clone(), session.clone(), self.sessions.clone());
        let job = move || {
            let result =
                session.work(&ground, &mut stage).and_then(|work| job(&ground, &session.standing, work));
            if matches!(*stage, Stage::Gone) {
                sessions.remove(session.standing.id());
            }
            result
        };
        self.ground.runtime.blocking(name, job).await?
    }
}

impl fmt::Debug for FilesystemStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesystemStore")
            .field("directory", &self.ground.layout.root())
            .finish_non_exhaustive()
    }
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<UploadId, Arc<Session>>> {
        // Each change is one step of the map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: &UploadId) -> Result<Arc<Session>, StoreError> {
        self.lock().get(id).cloned().ok_or(StoreError::UploadUnknown)
    }

    fn insert(&self, session: &Arc<Session>, uploads_max: usize) -> Result<(), StoreError> {
        let mut sessions = self.lock();
        if sessions.len() >= uploads_max {
            return Err(StoreError::TooManyUploads);
        }
        sessions.insert(session.standing.id().clone(), session.clone());
        Ok(())
    }

    fn remove(&self, id: &UploadId) {
        self.lock().remove(id);
    }
}

#[async_trait]
impl BlobStore for FilesystemStore {
    async fn open(&self, digest: &Digest) -> Result<Option<Blob>, StoreError> {
        let file = match self.shelf.opened(digest) {
            Some(file) => Some(file),
            None => {
                let (shelf, digest) = (self.shelf.clone(), digest.clone());
                self.ground.runtime.blocking("open a blob", move || shelf.open(&digest)).await??
            }
        };
        Ok(file.map(|file| Blob::new(file.size, Arc::new(Reader::new(self.shelf.clone(), file)))))
    }

    async fn begin(&self, upload: NewUpload) -> Result<UploadId, StoreError> {
        let id = UploadId::random(&*self.ground.runtime.entropy);
        let status = upload.status(id.clone(), self.ground.runtime.clock.unix_ms())?;
        let work = Work::new(Progress::new(status.hint), Marks::new(), Vec::new());
        let session = Arc::new(Session::live(status, work));
        // Counted before it exists, so that no number of calls at once passes the limit.
        self.sessions.insert(&session, self.ground.settings.uploads_max)?;
        let sessions = self.sessions.clone();
        let begun = self.with_work("begin an upload", &session, move |ground, standing, work| {
            let begun = ground.check_space(0).and_then(|()| work.begin(ground, standing));
            if begun.is_err() {
                sessions.remove(standing.id());
                // The reason why it could not begin is what the caller needs.
                let _ = remove_files(ground, standing);
            }
            begun
        });
        begun.await.map(|()| id)
    }

    async fn upload(&self, id: &UploadId) -> Result<UploadStatus, StoreError> {
        let session = self.sessions.get(id)?;
        if !session.standing.is_awake() {
            self.with_work("look at an upload", &session, |_, _, _| Ok(())).await?;
        }
        Ok(session.standing.status())
    }

    async fn uploads(&self) -> Result<Vec<UploadStatus>, StoreError> {
        Ok(self.sessions.lock().values().map(|session| session.standing.status()).collect())
    }

    async fn append(&self, id: &UploadId, at: Option<u64>) -> Result<Box<dyn UploadWriter>, StoreError> {
        let session = self.sessions.get(id)?;
        let generation = session.standing.fence();
        if session.standing.is_awake() && !self.ground.was_low() {
            let mut stage = session.lock().await;
            session.work(&self.ground, &mut stage)?.unseal();
        } else {
            let look = |ground: &Ground, _: &Standing, work: &mut Work| {
                work.unseal();
                ground.check_space(0)
            };
            self.with_work("look at an upload", &session, look).await?;
        }
        let held = session.standing.offset();
        if at.is_some_and(|at| at != held) {
            return Err(StoreError::OffsetMismatch { held });
        }
        Ok(Box::new(FilesystemWriter::new(self.ground.clone(), session, generation)))
    }

    async fn seal(&self, id: &UploadId, digest: &Digest) -> Result<u64, StoreError> {
        let session = self.sessions.get(id)?;
        session.standing.fence();
        let digest = digest.clone();
        let seal =
            move |ground: &Ground, standing: &Standing, work: &mut Work| work.seal(ground, standing, &digest);
        self.with_work("seal an upload", &session, seal).await
    }

    async fn publish(&self, id: &UploadId, digest: &Digest) -> Result<(), StoreError> {
        let session = self.sessions.get(id)?;
        let alone = self.shelf.lock(digest).await;
        let mut stage = session.lock().await;
        let (shelf, shards) = (self.shelf.clone(), self.shards.clone());
        let (sessions, digest) = (self.sessions.clone(), digest.clone());
        let job = move || {
            let _alone = alone;
            let published = publish::publish(&shelf, &shards, &session, &mut stage, &digest);
            if matches!(*stage, Stage::Gone) {
                sessions.remove(session.standing.id());
            }
            published
        };
        self.ground.runtime.blocking("publish a blob", job).await?
    }

    async fn cancel(&self, id: &UploadId) -> Result<(), StoreError> {
        let session = self.sessions.get(id)?;
        session.standing.fence();
        let mut stage = session.lock().await;
        let (ground, sessions) = (self.ground.clone(), self.sessions.clone());
        let job = move || {
            if matches!(*stage, Stage::Gone) {
                return Err(StoreError::UploadUnknown);
            }
            remove_files(&ground, &session.standing)?;
            *stage = Stage::Gone;
            sessions.remove(session.standing.id());
            Ok(())
        };
        self.ground.runtime.blocking("cancel an upload", job).await?
    }
}
