//! Layers of an engine, rebuilt byte for byte where they lie: the unpacked files, and what tar-split kept of the tar
//! around them.

mod arena;
pub(crate) mod bounded;
mod content;
pub(crate) mod file;
pub(crate) mod fuzz;
mod kept;
mod known;
mod layout;
mod metadata;
mod opened;
mod reader;
mod split;
pub(crate) mod storage;
pub(crate) mod tar;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use dockless_oci::Digest;
use dockless_runtime::disk::ForeignRoot;
use dockless_runtime::{Runtime, Stat};
use dockless_store::Blob;
use tokio::sync::Mutex as Turn;

use bounded::{Bounded, Calls, LOOK_TIME_MAX, NotDone};
use content::Fault;
use file::EngineFile;
use kept::Kept;
use known::Known;
use metadata::{Metadata, Room};
use opened::Opened;
use reader::{Learn, Reader, Windows};

/// Where one layer lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LayerPlace {
    /// What the rebuilt tar must hash to.
    pub(crate) diff_id: Digest,
    /// The tar-split metadata (gzip over JSON).
    pub(crate) split: EngineFile,
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
    /// It cannot be read now.
    #[error("{0}")]
    Io(String),
    /// It was not read in time, or the node stops.
    #[error("{0}")]
    Late(String),
    /// There is no memory for it now: later there may be.
    #[error("{0}")]
    Busy(String),
}

impl From<NotDone> for LayerError {
    fn from(error: NotDone) -> Self {
        Self::Late(error.to_string())
    }
}

/// Bytes of layouts that are held while nobody reads: those of some dozens of large images.
const LAYOUTS_BYTES_MAX: u64 = 32 << 20;
/// Layouts that are held.
const LAYOUTS_MAX: usize = 512;
/// Layers of which is known whether they are genuine, and their sizes.
const KNOWN_MAX: usize = 1024;

/// The layers of one engine, opened where they lie. Cloning is cheap; clones share what they learn.
#[derive(Clone)]
pub(crate) struct Layers {
    inside: Arc<Inside>,
    windows: Arc<Windows>,
}

struct Inside {
    bounded: Bounded,
    opened: Mutex<Kept<Identity, Arc<Opening>>>,
    known: Mutex<Kept<Identity, Known>>,
    metadata: Metadata,
    numbers: AtomicU64,
}

/// A layer that is being opened, or is: many who ask at once read it once.
#[derive(Default)]
struct Opening {
    /// Held while the metadata is read, though nobody may wait for it any more.
    turn: Arc<Turn<()>>,
    ready: OnceLock<Arc<Opened>>,
}

/// A layer, and the state of its metadata: what is learned of it holds as long as nobody writes that anew.
#[derive(Clone, PartialEq, Eq)]
struct Identity {
    place: LayerPlace,
    split: Stat,
}

impl Layers {
    /// Knows no layer yet.
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self::with(runtime, Metadata::default())
    }

    fn with(runtime: Runtime, metadata: Metadata) -> Self {
        let bounded = Bounded::new(runtime, Calls::default());
        let inside = Arc::new(Inside {
            bounded: bounded.clone(),
            opened: Mutex::new(Kept::new(LAYOUTS_MAX, LAYOUTS_BYTES_MAX)),
            known: Mutex::new(Kept::new(KNOWN_MAX, u64::MAX)),
            metadata,
            numbers: AtomicU64::new(0),
        });
        let windows = Arc::new(Windows::new(bounded, inside.clone()));
        Self { inside, windows }
    }

    /// The way to the files of the engine, for all who look at them.
    pub(crate) fn bounded(&self) -> &Bounded {
        &self.inside.bounded
    }

    /// Whether one of these layers was found damaged where it lies: what was made by its metadata does not hold.
    pub(crate) fn found_damaged(&self, diff_ids: &[Digest]) -> bool {
        let now = self.inside.now();
        let is_damaged = |identity: &Identity, known: &Known| {
            known.is_damaged(now) && diff_ids.contains(&identity.place.diff_id)
        };
        self.inside.known().any(is_damaged)
    }

    /// Whether a layer could not be read to its end where it lies, and was not since.
    pub(crate) fn was_refused(&self, diff_id: &Digest) -> bool {
        let meant =
            |identity: &Identity, known: &Known| known.was_refused() && identity.place.diff_id == *diff_id;
        self.inside.known().any(meant)
    }

    /// Bytes of the layer's tar; reads the metadata alone, and that once.
    ///
    /// # Errors
    /// [`LayerError`].
    pub(crate) async fn size(&self, place: &LayerPlace) -> Result<u64, LayerError> {
        let identity = self.inside.identity(place).await?;
        let known = self.inside.known().get(&identity);
        match known {
            Some(known) => known.usable(self.inside.now()),
            None => Ok(self.inside.opened(identity).await?.layout.size()),
        }
    }

    /// The layer's tar. Its bytes are checked as they are read: each file by its checksum before it is given, the
    /// whole by the diffID. Each call gives a reader of its own: who reads in order gets bytes before the whole is
    /// known to be right, so two who read must not pass for one.
    ///
    /// # Errors
    /// [`LayerError`].
    pub(crate) async fn open(&self, place: &LayerPlace) -> Result<Blob, LayerError> {
        let identity = self.inside.identity(place).await?;
        let known = self.inside.known().get(&identity);
        if let Some(known) = known {
            self.inside.try_again(&identity, &known).await?;
            known.usable(self.inside.now())?;
        }
        let layer = self.inside.opened(identity).await?;
        Ok(Blob::new(layer.layout.size(), Arc::new(Reader::new(self.windows.clone(), layer))))
    }
}

impl Inside {
    fn known(&self) -> MutexGuard<'_, Kept<Identity, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.bounded.runtime.clock.monotonic()
    }

    async fn identity(&self, place: &LayerPlace) -> Result<Identity, LayerError> {
        let file = place.split.clone();
        let look = move || file.stat().map_err(|error| storage::read_error(&file, &error));
        let split = self.bounded.look("look at a layer", LOOK_TIME_MAX, look).await??;
        Ok(Identity { place: place.clone(), split })
    }

    fn held(&self) -> MutexGuard<'_, Kept<Identity, Arc<Opening>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn opened(self: &Arc<Self>, identity: Identity) -> Result<Arc<Opened>, LayerError> {
        let opening = {
            let mut held = self.held();
            held.get(&identity).unwrap_or_else(|| {
                let opening = Arc::<Opening>::default();
                held.put(identity.clone(), opening.clone(), 0);
                opening
            })
        };
        if let Some(layer) = opening.ready.get() {
            return Ok(layer.clone());
        }
        let turn = self.metadata.within(&self.bounded, opening.turn.clone().lock_owned()).await?;
        if let Some(layer) = opening.ready.get() {
            return Ok(layer.clone());
        }
        let room = self.metadata.room(&self.bounded, identity.split.size).await?;
        let inside = self.clone();
        let read = move || {
            let _turn = turn;
            inside.read(identity, opening, room)
        };
        self.metadata.run(&self.bounded, read).await?
    }

    /// Reads the metadata. Blocks. What comes of it is held though nobody waits any more: the next one finds it.
    fn read(&self, identity: Identity, opening: Arc<Opening>, room: Room) -> Result<Arc<Opened>, LayerError> {
        let (layout, memory) = room.read(&identity.place)?;
        if layout.size() == 0 && identity.place.diff_id != Digest::of(identity.place.diff_id.algorithm(), b"")
        {
            return Err(LayerError::Damaged(format!("{}: empty", identity.place.split)));
        }
        let known = {
            let mut held = self.known();
            let known = Known::of_size(layout.size(), held.get(&identity));
            held.put(identity.clone(), known.clone(), 0);
            known
        };
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let layer = Opened::new(number, identity.clone(), layout, memory, known.genuine);
        let layer = opening.ready.get_or_init(|| Arc::new(layer)).clone();
        self.held().put(identity, opening, layer.held_bytes());
        Ok(layer)
    }

    /// Opens the file first that was refused when the layer was read last; while it cannot be, all is left to the
    /// engine, so that not one reader after the other is cut at it.
    async fn try_again(&self, identity: &Identity, known: &Known) -> Result<(), LayerError> {
        let Some(file) = known.forbidden(self.now()) else { return Ok(()) };
        let root = identity.place.root.clone();
        let look = move || {
            let root = ForeignRoot::open(&root)?;
            if file.as_os_str().is_empty() {
                return Ok(());
            }
            root.open_file(&file)?.read_at(&mut [0], 0).map(drop)
        };
        let looked = self.bounded.look("look at a file that was refused", LOOK_TIME_MAX, look).await?;
        looked.map_err(|error: io::Error| {
            let (known, why) = known.forbidden_still(&error, self.now());
            self.known().put(identity.clone(), known, 0);
            why
        })
    }
}

impl Learn for Inside {
    fn genuine(&self, layer: &Opened) {
        self.known().put(layer.identity.clone(), Known::genuine(layer.layout.size()), 0);
    }

    fn fault(&self, layer: &Opened, fault: &Fault) {
        let place = &layer.identity.place;
        let (Fault::Changed(why) | Fault::Gone(why) | Fault::Forbidden { why, .. } | Fault::Io(why)) = fault;
        tracing::error!(layer = %place.diff_id, root = %place.root.display(), why, "a layer of an engine cannot be read");
        // Whoever opens it next begins anew: it may have been mended.
        self.held().forget(|identity| *identity == layer.identity);
        if let Some(known) = Known::of_fault(layer.layout.size(), fault, self.now()) {
            self.known().put(layer.identity.clone(), known, 0);
        }
    }
}

#[cfg(test)]
mod tests;
