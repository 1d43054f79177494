//! One layer whose metadata was read: all its readers share what was hashed of it.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use dockless_oci::digest::Hasher;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard, OwnedSemaphorePermit};

use super::Identity;
use super::content::{Contents, Fault, FirstPass, Pieces};
use super::kept::Kept;
use super::layout::{Layout, PIECE_BYTES, Part, Unpacked};

/// Checksums of pieces that one layer holds: those of 64 GiB of large files.
const PIECES_BYTES_MAX: u64 = 2 << 20;
/// Large files of which one layer holds the checksums.
const PASSES_MAX: usize = 256;
/// Pieces of one step of a first pass: 32 MiB, after which a reader who went away is noticed.
const STEP_PIECES: u64 = 128;

/// A layer that can be read.
pub(crate) struct Opened {
    /// Another one for each, so that what is shared by number is never mixed up.
    pub(crate) number: u64,
    pub(crate) identity: Identity,
    pub(crate) layout: Layout,
    progress: Mutex<Progress>,
    /// What the last window unpacked, for the next one, unless another is being read.
    unpacked: Mutex<Option<Unpacked>>,
    passes: Mutex<Kept<usize, Arc<Passing>>>,
    /// What the layout takes of the memory for all.
    _memory: OwnedSemaphorePermit,
}

/// What is known of the whole.
enum Progress {
    /// All bytes before `until` were read once in order.
    Hashing { hasher: Hasher, until: u64 },
    /// They hash to the diffID.
    Genuine,
    /// They do not.
    Damaged,
}

/// A first pass over a large file, which one at a time leads on.
pub(crate) struct Passing {
    pass: Arc<Turn<Pass>>,
    steps: AtomicU64,
}

/// A first pass over a large file.
pub(crate) enum Pass {
    Under(Box<FirstPass>),
    Done(Pieces),
}

impl Opened {
    pub(crate) fn new(
        number: u64,
        identity: Identity,
        layout: Layout,
        memory: OwnedSemaphorePermit,
        genuine: bool,
    ) -> Self {
        let hasher = Hasher::new(identity.place.diff_id.algorithm());
        let progress = if genuine { Progress::Genuine } else { Progress::Hashing { hasher, until: 0 } };
        Self {
            number,
            identity,
            layout,
            progress: Mutex::new(progress),
            unpacked: Mutex::default(),
            passes: Mutex::new(Kept::new(PASSES_MAX, PIECES_BYTES_MAX)),
            _memory: memory,
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes from the start are known to be right as far as they go; `None` when the layer is damaged.
    pub(crate) fn hashed(&self) -> Option<u64> {
        match &*self.progress() {
            Progress::Hashing { until, .. } => Some(*until),
            Progress::Genuine => Some(u64::MAX),
            Progress::Damaged => None,
        }
    }

    /// Whether the whole was found right.
    pub(crate) fn genuine(&self) -> bool {
        matches!(*self.progress(), Progress::Genuine)
    }

    /// Reads a window, and hashes it when it is the next one. `pieces` has those of its large files. Blocks.
    pub(crate) fn read(&self, window: Range<u64>, pieces: &[(usize, Pieces)]) -> Result<Bytes, Fault> {
        let bytes = self.with_contents(|contents| contents.window(window.clone(), pieces))?;
        self.hash(&window, &bytes)?;
        Ok(bytes.into())
    }

    fn with_contents<T>(&self, read: impl FnOnce(&mut Contents<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let held = || self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unpacked = held().take().unwrap_or_else(Unpacked::new);
        let read = Contents::open(&self.layout, &mut unpacked, &self.identity.place.root)
            .and_then(|mut contents| read(&mut contents));
        *held() = Some(unpacked);
        read
    }

    /// Bytes of memory.
    pub(crate) fn held_bytes(&self) -> u64 {
        Self::held_bytes_of(&self.layout) as u64
    }

    /// Bytes of memory of one with this layout.
    pub(crate) fn held_bytes_of(layout: &Layout) -> usize {
        layout.held_bytes() + Unpacked::HELD_BYTES
    }

    /// Takes the bytes of a window into the hash, if it is the next one.
    pub(crate) fn hash(&self, window: &Range<u64>, bytes: &[u8]) -> Result<(), Fault> {
        let mut hasher = match &*self.progress() {
            Progress::Hashing { hasher, until } if *until == window.start => hasher.clone(),
            _ => return Ok(()),
        };
        // Not under the lock: another window may be read meanwhile.
        hasher.update(bytes);
        let mut progress = self.progress();
        match &*progress {
            Progress::Hashing { until, .. } if *until == window.start => {}
            _ => return Ok(()),
        }
        if window.end < self.layout.size() {
            *progress = Progress::Hashing { hasher, until: window.end };
            return Ok(());
        }
        let computed = hasher.finish();
        if computed == self.identity.place.diff_id {
            *progress = Progress::Genuine;
            return Ok(());
        }
        *progress = Progress::Damaged;
        Err(Fault::Changed(format!("the rebuilt tar has the digest {computed}")))
    }

    /// The large files of which something is in this window.
    pub(crate) fn large_files(&self, window: &Range<u64>) -> Vec<usize> {
        let mut found = Vec::new();
        let mut at = window.start;
        while at < window.end {
            at = match self.layout.part(at) {
                Part::Segment { end, .. } => end,
                Part::File { number, range } => {
                    if self.layout.is_large(number) {
                        found.push(number);
                    }
                    range.end
                }
            };
        }
        found
    }

    /// The first pass over a large file, which one at a time may lead on.
    pub(crate) fn pass(&self, number: usize) -> Arc<Passing> {
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        passes.get(&number).unwrap_or_else(|| {
            let pass = Arc::new(Passing { pass: Arc::new(Turn::new(Pass::new())), steps: AtomicU64::new(0) });
            let cost = size_of::<u64>() as u64 * self.layout.file_size(number).div_ceil(PIECE_BYTES);
            passes.put(number, pass.clone(), cost);
            pass
        })
    }

    /// Leads a first pass on. Blocks.
    pub(crate) fn step(&self, number: usize, passing: &Passing, pass: &mut Pass) -> Result<(), Fault> {
        let Pass::Under(first) = pass else { return Ok(()) };
        let stepped = self
            .with_contents(|contents| contents.open_file(number))
            .and_then(|file| first.step(&file, STEP_PIECES));
        passing.steps.fetch_add(1, Ordering::Relaxed);
        match stepped {
            Ok(None) => {}
            Ok(Some(pieces)) => *pass = Pass::Done(pieces),
            Err(fault) => {
                *pass = Pass::new();
                return Err(fault);
            }
        }
        Ok(())
    }
}

impl Passing {
    /// Waits for the turn to lead it on.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<Pass> {
        self.pass.clone().lock_owned().await
    }

    /// How often somebody led it on.
    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }
}

impl Pass {
    fn new() -> Self {
        Self::Under(Box::new(FirstPass::new()))
    }

    /// The checksums, when it is done.
    pub(crate) fn pieces(&self) -> Option<Pieces> {
        match self {
            Self::Under(_) => None,
            Self::Done(pieces) => Some(pieces.clone()),
        }
    }
}
