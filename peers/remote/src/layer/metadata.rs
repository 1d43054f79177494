//! Reading the metadata of layers: some at a time, and never more than there is memory for.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use dockless_runtime::disk::ForeignFile;
use dockless_runtime::timeout;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::bounded::{Bounded, NotDone};
use super::layout::{LAYOUT_BYTES_MAX, Layout};
use super::opened::Opened;
use super::split::SplitError;
use super::{LayerError, LayerPlace, storage};

/// Layouts that are read at the same time: each takes a processor.
const READING_MAX: usize = 2;
/// Bytes of all layouts that there are at a time: those that are being read, those by which somebody reads a layer, and
/// those that are held. A hundred ordinary ones, and the largest that can be beside them.
const MEMORY_BYTES: usize = 3 * LAYOUT_BYTES_MAX;
/// How long it may take to read a layout: half of it to wait for memory and its turn.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Bytes of a layout for each byte of packed metadata, at most as a rule: names and headers are packed here too, but in
/// small pieces, and each file takes 32 bytes more, or twice that while their number grows.
const LAYOUT_TO_SPLIT: usize = 2;
/// Bytes of any layout, with what reads it.
const LAYOUT_BYTES_MIN: usize = 512 * KIB;
/// Bytes that are taken when there are too few.
const STEP_BYTES: usize = 256 * KIB;

const NAME: &str = "read the metadata of a layer";
const KIB: usize = 1024;

/// Reads the metadata of one engine's layers.
pub(crate) struct Metadata {
    reading: Arc<Semaphore>,
    /// In KiB.
    memory: Arc<Semaphore>,
    time_max: Duration,
}

impl Default for Metadata {
    fn default() -> Self {
        Self::limited(MEMORY_BYTES, TIME_MAX)
    }
}

impl Metadata {
    pub(crate) fn limited(memory_bytes: usize, time_max: Duration) -> Self {
        Self {
            reading: Arc::new(Semaphore::new(READING_MAX)),
            memory: Arc::new(Semaphore::new(memory_bytes / KIB)),
            time_max,
        }
    }

    /// Runs what reads a layout.
    ///
    /// # Errors
    /// [`NotDone`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        bounded: &Bounded,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        bounded.run(NAME, self.time_max, read).await
    }

    /// Waits for somebody's reading for as long as one may take.
    ///
    /// # Errors
    /// [`NotDone`] when that passed.
    pub(crate) async fn within<F: Future>(&self, bounded: &Bounded, read: F) -> Result<F::Output, NotDone> {
        bounded.within(NAME, self.time_max, read).await
    }

    /// The turn to read a layout out of so many bytes of metadata, and memory for what is likely made of those.
    ///
    /// # Errors
    /// [`LayerError::Busy`] when there is none for a while, [`LayerError::Late`] when no turn comes.
    pub(crate) async fn room(&self, bounded: &Bounded, split_bytes: u64) -> Result<Room, LayerError> {
        let likely = usize::try_from(split_bytes).unwrap_or(usize::MAX).saturating_mul(LAYOUT_TO_SPLIT);
        let likely = likely.saturating_add(LAYOUT_BYTES_MIN).min(LAYOUT_BYTES_MAX);
        let memory = self.memory.clone().acquire_many_owned((likely / KIB) as u32);
        let memory = timeout(&*bounded.runtime.clock, self.time_max / 2, memory).await;
        let memory = memory.map_err(|_| LayerError::Busy(SplitError::NoMemory.to_string()))?;
        let memory = memory.map_err(|error| LayerError::Busy(error.to_string()))?;
        Ok(Room { _turn: bounded.turn(NAME, &self.reading).await?, memory })
    }
}

/// The turn to read a layout, and memory for it.
pub(crate) struct Room {
    _turn: OwnedSemaphorePermit,
    memory: OwnedSemaphorePermit,
}

impl Room {
    /// The layout of a layer, and what it takes of the memory for all, which comes back when that is dropped. Blocks.
    ///
    /// # Errors
    /// [`LayerError`]; [`LayerError::Busy`] when it needs more memory than is left.
    pub(crate) fn read(mut self, place: &LayerPlace) -> Result<(Layout, OwnedSemaphorePermit), LayerError> {
        let file = &place.split;
        let open = file.open().map_err(|error| storage::read_error(file, &error))?;
        let layout = Layout::read(Cursor { file: &open, offset: 0 }, |bytes| self.grow(bytes));
        let layout = layout.map_err(|error| match error {
            SplitError::Damaged(why) => LayerError::Damaged(format!("{file}: {why}")),
            SplitError::Unsupported(why) => LayerError::Unsupported(format!("{file}: {why}")),
            SplitError::Io(why) => LayerError::Io(format!("{file}: {why}")),
            SplitError::NoMemory => LayerError::Busy(error.to_string()),
        })?;
        // What was not needed goes back.
        let needed = Opened::held_bytes_of(&layout).div_ceil(KIB).min(self.memory.num_permits());
        let kept = self.memory.split(needed).unwrap_or(self.memory);
        Ok((layout, kept))
    }

    /// Whether there is memory for a layout of so many bytes; takes more when that is not here yet. It never waits:
    /// two who waited for each other's would wait for ever.
    fn grow(&mut self, bytes: usize) -> bool {
        let lacking = bytes.min(LAYOUT_BYTES_MAX).div_ceil(KIB).saturating_sub(self.memory.num_permits());
        if lacking == 0 {
            return true;
        }
        let more =
            self.memory.semaphore().clone().try_acquire_many_owned(lacking.max(STEP_BYTES / KIB) as u32);
        more.map(|more| self.memory.merge(more)).is_ok()
    }
}

/// A file, read from its start to its end.
struct Cursor<'a> {
    file: &'a ForeignFile,
    offset: u64,
}

impl io::Read for Cursor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
