//! Reading a layer: nothing leaves that was not checked.
//!
//! The bytes of each file are checked by their CRC-64 before they leave. The layer as a whole is checked by its
//! digest: before its first byte leaves when it is small or when somebody reads elsewhere than in order from its
//! start, else on the way, the last window held back until the digest holds. All readers of a layer share one hash
//! and the windows read last, so that many who read at the same time cost about one reading.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dockless_store::{BlobRead, StoreError};
use tokio::sync::OnceCell;

use super::bounded::{Bounded, NotDone};
use super::content::{Fault, Pieces};
use super::kept::Kept;
use super::opened::Opened;

/// A layer of no more bytes is hashed before its first byte leaves: its windows then still lie in memory.
pub(crate) const HASH_FIRST_BYTES_MAX: u64 = 8 << 20;

/// Bytes of windows that are held for those who come next; twice a layer that is hashed first.
const WINDOWS_BYTES_MAX: u64 = 16 << 20;
/// Windows that are held. They have 256 KiB on average.
const WINDOWS_MAX: usize = 128;

/// How long it may take to read a window, or to take a step of a first pass: a disk that hangs is given up.
const READ_TIME_MAX: Duration = Duration::from_secs(60);

/// Who wants to know what came out of reading.
pub(crate) trait Learn: Send + Sync {
    /// The whole layer was found right.
    fn genuine(&self, layer: &Opened);
    /// It was not given, and why.
    fn fault(&self, layer: &Opened, fault: &Fault);
}

/// A window by its layer and its start; it is read once for all who ask for it.
type Held = Kept<(u64, u64), Arc<OnceCell<Bytes>>>;

/// The windows that all readers of all layers share.
pub(crate) struct Windows {
    bounded: Bounded,
    held: Mutex<Held>,
    learn: Arc<dyn Learn>,
}

/// One who reads one layer; clones of its blob are the same one.
pub(crate) struct Reader {
    windows: Arc<Windows>,
    layer: Arc<Opened>,
    mine: Mutex<Mine>,
}

struct Mine {
    /// This reader was given all bytes before it.
    in_order: u64,
    /// The window read last, and where it begins.
    window: (u64, Bytes),
}

impl Windows {
    pub(crate) fn new(bounded: Bounded, learn: Arc<dyn Learn>) -> Self {
        Self { bounded, held: Mutex::new(Kept::new(WINDOWS_MAX, WINDOWS_BYTES_MAX)), learn }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that all bytes before `through` were hashed, and that the hash holds if those are all.
    async fn hash_through(&self, layer: &Arc<Opened>, through: u64) -> Result<(), StoreError> {
        loop {
            let damaged = || StoreError::Damaged(layer.identity.place.diff_id.clone());
            let until = layer.hashed().ok_or_else(damaged)?;
            if until >= through {
                return Ok(());
            }
            let window = layer.layout.window(until);
            let end = window.end;
            let bytes = self.window(layer, window.clone()).await?;
            if layer.hashed() == Some(until) {
                // It was held already; whoever read it did so before its turn.
                let hashing = layer.clone();
                let hash = move || hashing.hash(&window, &bytes);
                let hashed = self.bounded.run("hash a layer", READ_TIME_MAX, hash).await.map_err(given_up)?;
                hashed.map_err(|fault| self.told(layer, &fault))?;
            }
            if end == layer.layout.size() && layer.genuine() {
                self.learn.genuine(layer);
            }
        }
    }

    /// The bytes of a window.
    async fn window(&self, layer: &Arc<Opened>, window: Range<u64>) -> Result<Bytes, StoreError> {
        let key = (layer.number, window.start);
        let cell = {
            let mut held = self.held();
            held.get(&key).unwrap_or_else(|| {
                let cell = Arc::new(OnceCell::new());
                held.put(key, cell.clone(), window.end - window.start);
                cell
            })
        };
        if let Some(bytes) = cell.get() {
            return Ok(bytes.clone());
        }
        let mut pieces = Vec::new();
        for number in layer.large_files(&window) {
            pieces.push((number, self.pieces(layer, number).await?));
        }
        let read = cell.get_or_try_init(|| self.read(layer, window, pieces));
        self.bounded.within("read a layer", READ_TIME_MAX, read).await.map_err(given_up)?.cloned()
    }

    async fn read(
        &self,
        layer: &Arc<Opened>,
        window: Range<u64>,
        pieces: Vec<(usize, Pieces)>,
    ) -> Result<Bytes, StoreError> {
        let reading = layer.clone();
        let read = move || reading.read(window, &pieces);
        let read = self.bounded.run("read a layer", READ_TIME_MAX, read).await.map_err(given_up)?;
        read.map_err(|fault| self.told(layer, &fault))
    }

    /// The checksums of the pieces of a large file; whoever waits for the same ones takes turns in getting them.
    async fn pieces(&self, layer: &Arc<Opened>, number: usize) -> Result<Pieces, StoreError> {
        const NAME: &str = "check a large file of a layer";
        let passing = layer.pass(number);
        loop {
            let begun = passing.steps();
            let mut turn = match self.bounded.within(NAME, READ_TIME_MAX, passing.turn()).await {
                Ok(turn) => turn,
                // Others lead it on.
                Err(_) if passing.steps() != begun => continue,
                Err(error) => return Err(given_up(error)),
            };
            if let Some(pieces) = turn.pieces() {
                return Ok(pieces);
            }
            let (stepping, led) = (layer.clone(), passing.clone());
            let step = move || stepping.step(number, &led, &mut turn);
            let stepped = self.bounded.run(NAME, READ_TIME_MAX, step).await.map_err(given_up)?;
            stepped.map_err(|fault| self.told(layer, &fault))?;
        }
    }

    fn told(&self, layer: &Opened, fault: &Fault) -> StoreError {
        self.learn.fault(layer, fault);
        match fault {
            Fault::Changed(_) => StoreError::Damaged(layer.identity.place.diff_id.clone()),
            Fault::Gone(said) | Fault::Forbidden { why: said, .. } | Fault::Io(said) => {
                StoreError::Io(said.clone())
            }
        }
    }
}

fn given_up(error: NotDone) -> StoreError {
    StoreError::Io(error.to_string())
}

impl Reader {
    pub(crate) fn new(windows: Arc<Windows>, layer: Arc<Opened>) -> Self {
        Self { windows, layer, mine: Mutex::new(Mine { in_order: 0, window: (0, Bytes::new()) }) }
    }

    fn mine(&self) -> MutexGuard<'_, Mine> {
        self.mine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mine {
    /// Up to `max` bytes from `offset` out of the window read last.
    fn give(&mut self, offset: u64, max: usize) -> Option<Bytes> {
        let (start, bytes) = &self.window;
        let from = usize::try_from(offset.checked_sub(*start)?).ok()?;
        let left = bytes.len().checked_sub(from).filter(|left| *left > 0)?;
        let given = bytes.slice(from..from + left.min(max));
        if offset <= self.in_order {
            self.in_order = self.in_order.max(offset + given.len() as u64);
        }
        Some(given)
    }
}

#[async_trait]
impl BlobRead for Reader {
    fn try_read(&self, offset: u64, max: usize) -> Option<Result<Bytes, StoreError>> {
        let mut mine = self.mine();
        if offset > mine.in_order && !self.layer.genuine() {
            return None;
        }
        mine.give(offset, max).map(Ok)
    }

    async fn read(&self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
        let size = self.layer.layout.size();
        let window = self.layer.layout.window(offset);
        let in_order = size > HASH_FIRST_BYTES_MAX && offset <= self.mine().in_order;
        let through = if in_order { window.end } else { size };
        self.windows.hash_through(&self.layer, through).await?;
        let bytes = self.windows.window(&self.layer, window.clone()).await?;
        let mut mine = self.mine();
        mine.window = (window.start, bytes);
        mine.give(offset, max).ok_or_else(|| StoreError::Io("a window of a layer was empty".into()))
    }
}
