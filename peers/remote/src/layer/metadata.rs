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
/// Bytes of all layouts that there are at a time: those that are being read, of which each may become as large as one
/// can be, those by which somebody reads a layer, and those that are held.
const MEMORY_BYTES: usize = 3 * LAYOUT_BYTES_MAX;
/// How long it may take to read a layout: half of it to wait for memory and its turn.
const TIME_MAX: Duration = Duration::from_secs(60);

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

    /// The layout of a layer, and what it takes of the memory for all, which comes back when that is dropped.
    ///
    /// # Errors
    /// [`LayerError`]; [`LayerError::Busy`] when there is no memory for a while.
    pub(crate) async fn read(
        &self,
        bounded: &Bounded,
        place: &LayerPlace,
    ) -> Result<(Layout, OwnedSemaphorePermit), LayerError> {
        let (turn, memory) = self.room(bounded).await?;
        let file = place.split.clone();
        let read = move || {
            let _turn = turn;
            let open = file.open().map_err(|error| storage::read_error(&file, &error))?;
            let layout = Layout::read(Cursor { file: &open, offset: 0 });
            let layout = layout.map_err(|error| match error {
                SplitError::Damaged(why) => LayerError::Damaged(format!("{file}: {why}")),
                SplitError::Unsupported(why) => LayerError::Unsupported(format!("{file}: {why}")),
                SplitError::Io(why) => LayerError::Io(format!("{file}: {why}")),
            })?;
            let memory = kept(memory, Opened::held_bytes_of(&layout));
            Ok::<_, LayerError>((layout, memory))
        };
        bounded.run(NAME, self.time_max, read).await?
    }

    /// Waits for somebody's reading for as long as one may take.
    ///
    /// # Errors
    /// [`NotDone`] when that passed.
    pub(crate) async fn within<F: Future>(&self, bounded: &Bounded, read: F) -> Result<F::Output, NotDone> {
        bounded.within(NAME, self.time_max, read).await
    }

    /// The turn to read a layout, and memory for the largest one.
    async fn room(
        &self,
        bounded: &Bounded,
    ) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), LayerError> {
        let closed = |error: tokio::sync::AcquireError| LayerError::Busy(error.to_string());
        let largest = (LAYOUT_BYTES_MAX / KIB) as u32;
        let room = async {
            let memory = self.memory.clone().acquire_many_owned(largest).await.map_err(closed)?;
            Ok((self.reading.clone().acquire_owned().await.map_err(closed)?, memory))
        };
        timeout(&*bounded.runtime.clock, self.time_max / 2, room).await.unwrap_or_else(|_| {
            Err(LayerError::Busy("the metadata of other layers takes all memory for that: try again".into()))
        })
    }
}

/// Keeps of the memory for the largest layout what one of so many bytes takes.
fn kept(mut memory: OwnedSemaphorePermit, bytes: usize) -> OwnedSemaphorePermit {
    let needed = bytes.div_ceil(KIB).min(memory.num_permits());
    memory.split(needed).unwrap_or(memory)
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
