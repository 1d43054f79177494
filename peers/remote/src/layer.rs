//! Layers of an engine, rebuilt byte for byte where they lie: the unpacked files, and what tar-split kept of the tar
//! around them.

mod arena;
mod content;
pub(crate) mod fuzz;
mod kept;
mod layout;
mod opened;
mod reader;
mod split;
pub(crate) mod storage;
mod tar;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dockless_oci::Digest;
use dockless_runtime::{DiskFile, OpenMode, Runtime, Stat, TaskLost};
use dockless_store::Blob;
use tokio::sync::{OnceCell, Semaphore};

use content::Fault;
use kept::Kept;
use layout::Layout;
use opened::Opened;
use reader::{Learn, Reader, Windows};
use split::SplitError;

/// Where one layer lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LayerPlace {
    /// What the rebuilt tar must hash to.
    pub(crate) diff_id: Digest,
    /// The tar-split metadata (gzip over JSON).
    pub(crate) split: PathBuf,
    /// The directory of the unpacked files.
    pub(crate) root: PathBuf,
}

/// Why a layer cannot be read in place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LayerError {
    /// The engine does not have it, or no longer: it was removed meanwhile.
    #[error("{0}")]
    Gone(String),
    /// What lies there is not what it should be.
    #[error("{0}")]
    Damaged(String),
    /// It lies there in a form from which the tar cannot be rebuilt here; the engine itself may be able to.
    #[error("{0}")]
    Unsupported(String),
    /// It cannot be read now, or the node stops.
    #[error("{0}")]
    Io(String),
}

impl From<TaskLost> for LayerError {
    fn from(error: TaskLost) -> Self {
        Self::Io(error.to_string())
    }
}

/// Bytes of layouts that are held while nobody reads: those of some dozens of large images.
const LAYOUTS_BYTES_MAX: u64 = 32 << 20;
/// Layouts that are held.
const LAYOUTS_MAX: usize = 512;
/// Layers of which is known whether they are genuine, and their sizes.
const KNOWN_MAX: usize = 1024;
/// Layouts that are read at the same time: each takes a processor.
const READING_MAX: usize = 2;

/// The layers of one or more engines, opened where they lie. Cloning is cheap; clones share what they learn.
#[derive(Clone)]
pub(crate) struct Layers {
    inside: Arc<Inside>,
    windows: Arc<Windows>,
}

struct Inside {
    runtime: Runtime,
    /// One cell for each, so that many who ask at once read it once.
    opened: Mutex<Kept<Identity, Arc<OnceCell<Arc<Opened>>>>>,
    known: Mutex<Kept<Identity, Known>>,
    reading: Semaphore,
    numbers: AtomicU64,
}

/// A layer, and the state of its metadata: what is learned of it holds as long as nobody writes that anew.
#[derive(Clone, PartialEq, Eq)]
struct Identity {
    place: LayerPlace,
    split: Stat,
}

/// What was learned of a layer.
#[derive(Clone)]
struct Known {
    size: u64,
    genuine: bool,
    /// Why its files cannot be read by this process.
    forbidden: Option<String>,
}

impl Layers {
    /// Knows no layer yet.
    pub(crate) fn new(runtime: Runtime) -> Self {
        let inside = Arc::new(Inside {
            runtime: runtime.clone(),
            opened: Mutex::new(Kept::new(LAYOUTS_MAX, LAYOUTS_BYTES_MAX)),
            known: Mutex::new(Kept::new(KNOWN_MAX, u64::MAX)),
            reading: Semaphore::new(READING_MAX),
            numbers: AtomicU64::new(0),
        });
        let windows = Arc::new(Windows::new(runtime, inside.clone()));
        Self { inside, windows }
    }

    /// Bytes of the layer's tar; reads the metadata alone, and that once.
    ///
    /// # Errors
    /// [`LayerError`].
    pub(crate) async fn size(&self, place: &LayerPlace) -> Result<u64, LayerError> {
        let identity = self.inside.identity(place).await?;
        let known = self.inside.known().get(&identity);
        match known {
            Some(known) => known.usable(),
            None => Ok(self.inside.opened(identity).await?.layout.size()),
        }
    }

    /// The layer's tar. Its bytes are checked as they are read: each file by its checksum before it is given, the
    /// whole by the diffID.
    ///
    /// # Errors
    /// [`LayerError`].
    pub(crate) async fn open(&self, place: &LayerPlace) -> Result<Blob, LayerError> {
        let identity = self.inside.identity(place).await?;
        let known = self.inside.known().get(&identity);
        known.map_or(Ok(0), Known::usable)?;
        let layer = self.inside.opened(identity).await?;
        Ok(Blob::new(layer.layout.size(), Arc::new(Reader::new(self.windows.clone(), layer))))
    }
}

impl Known {
    /// The size, if the layer can be read at all.
    fn usable(self) -> Result<u64, LayerError> {
        self.forbidden.map_or(Ok(self.size), |why| Err(LayerError::Unsupported(why)))
    }
}

impl Inside {
    fn known(&self) -> MutexGuard<'_, Kept<Identity, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn identity(&self, place: &LayerPlace) -> Result<Identity, LayerError> {
        let (disk, path) = (self.runtime.disk.clone(), place.split.clone());
        let stat = self.runtime.blocking("look at a layer", move || disk.stat(&path)).await?;
        let split = stat.map_err(|error| split_file_error(place, &error))?;
        Ok(Identity { place: place.clone(), split })
    }

    async fn opened(&self, identity: Identity) -> Result<Arc<Opened>, LayerError> {
        let lock = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = {
            let mut held = lock();
            held.get(&identity).unwrap_or_else(|| {
                let cell = Arc::new(OnceCell::new());
                held.put(identity.clone(), cell.clone(), 0);
                cell
            })
        };
        if let Some(layer) = cell.get() {
            return Ok(layer.clone());
        }
        match cell.get_or_try_init(|| self.read(&identity)).await.cloned() {
            Ok(layer) => {
                lock().put(identity, cell, layer.held_bytes());
                Ok(layer)
            }
            Err(error) => Err(error),
        }
    }

    async fn read(&self, identity: &Identity) -> Result<Arc<Opened>, LayerError> {
        let place = identity.place.clone();
        let _turn = self.reading.acquire().await.map_err(|error| LayerError::Io(error.to_string()))?;
        let disk = self.runtime.disk.clone();
        let layout = self.runtime.blocking("read the metadata of a layer", move || {
            let file = disk.open(&place.split, OpenMode::Read);
            let file = file.map_err(|error| split_file_error(&place, &error))?;
            Layout::read(Cursor { file: &*file, offset: 0 }).map_err(|error| split_error(&place, error))
        });
        let layout = layout.await??;
        let genuine = self.known().get(identity).is_some_and(|known| known.genuine);
        let known = Known { size: layout.size(), genuine, forbidden: None };
        if known.size == 0 && identity.place.diff_id != Digest::of(identity.place.diff_id.algorithm(), b"") {
            return Err(LayerError::Damaged(format!("{}: empty", identity.place.split.display())));
        }
        self.known().put(identity.clone(), known, 0);
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(Opened::new(number, identity.clone(), layout, genuine)))
    }
}

impl Learn for Inside {
    fn genuine(&self, layer: &Opened) {
        let known = Known { size: layer.layout.size(), genuine: true, forbidden: None };
        self.known().put(layer.identity.clone(), known, 0);
    }

    fn fault(&self, layer: &Opened, fault: &Fault) {
        let place = &layer.identity.place;
        let (Fault::Changed(why) | Fault::Gone(why) | Fault::Forbidden(why) | Fault::Io(why)) = fault;
        tracing::error!(layer = %place.diff_id, root = %place.root.display(), why, "a layer of an engine cannot be read");
        // Whoever opens it next begins anew: it may have been mended.
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.forget(|identity| *identity == layer.identity);
        if let Fault::Forbidden(why) = fault {
            let known = Known { size: layer.layout.size(), genuine: false, forbidden: Some(why.clone()) };
            self.known().put(layer.identity.clone(), known, 0);
        }
    }
}

fn split_file_error(place: &LayerPlace, error: &io::Error) -> LayerError {
    let said = format!("{}: {error}", place.split.display());
    match error.kind() {
        io::ErrorKind::NotFound => LayerError::Gone(said),
        io::ErrorKind::PermissionDenied => LayerError::Unsupported(said),
        _ => LayerError::Io(said),
    }
}

fn split_error(place: &LayerPlace, error: SplitError) -> LayerError {
    let said = |why: String| format!("{}: {why}", place.split.display());
    match error {
        SplitError::Damaged(why) => LayerError::Damaged(said(why)),
        SplitError::Unsupported(why) => LayerError::Unsupported(said(why)),
        SplitError::Io(why) => LayerError::Io(said(why)),
    }
}

/// A file, read from its start to its end.
struct Cursor<'a> {
    file: &'a dyn DiskFile,
    offset: u64,
}

impl io::Read for Cursor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
