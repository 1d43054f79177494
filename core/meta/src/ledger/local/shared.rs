//! What the handle of a ledger and its tasks share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use dockless_runtime::Runtime;
use tokio::sync::{Notify, Semaphore, watch};

use crate::error::LedgerError;
use crate::journal::Journal;
use crate::journal::frame::BATCH_BYTES;
use crate::record::ENTRY_BYTES_MAX;
use crate::settings::Settings;
use crate::tables::Tables;
use crate::tables::redb::RedbTables;
use crate::view::View;

/// Bytes of commands that may wait for the writer: two batches at their limit and four of the longest commands.
const QUEUE_BYTES_MAX: usize = 2 * BATCH_BYTES + 4 * ENTRY_BYTES_MAX;

/// The directory of the snapshots, in that of the ledger.
pub(super) const SNAPSHOTS: &str = "snapshots";

/// A ledger on its disk, ready to be run.
pub(super) struct Opened {
    pub(super) journal: Journal,
    pub(super) tables: RedbTables,
    pub(super) view: View,
    pub(super) replayed: u64,
    /// True when the tables could not be made again from what is on the disk.
    pub(super) snapshot_due: bool,
}

/// What the handle and the tasks share.
pub(super) struct Shared {
    pub(super) runtime: Runtime,
    pub(super) settings: Settings,
    pub(super) directory: PathBuf,
    pub(super) tables: RedbTables,
    pub(super) journal: Mutex<Journal>,
    pub(super) view: RwLock<View>,
    pub(super) applied: watch::Sender<u64>,
    pub(super) state: Mutex<State>,
    pub(super) waiting_bytes: Arc<Semaphore>,
    /// Held while a snapshot is made: a stop asks for one whatever the keeper does.
    pub(super) snapshotting: Mutex<()>,
    /// Rung when anything was applied.
    pub(super) changed: Notify,
    /// Rung when a checkpoint is due before its time.
    pub(super) heavy: Notify,
    /// Bytes journalled since the last checkpoint.
    pub(super) uncheckpointed: AtomicU64,
    pub(super) counters: Counters,
}

#[derive(Debug)]
pub(super) enum State {
    Running,
    Failed(String),
    Stopped,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) commands: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) batches: AtomicU64,
    pub(super) checkpoints: AtomicU64,
    pub(super) snapshots: AtomicU64,
    pub(super) replayed: AtomicU64,
    pub(super) open_ms: AtomicU64,
}

impl Shared {
    pub(super) fn new(runtime: Runtime, settings: Settings, directory: PathBuf, opened: Opened) -> Self {
        Self {
            runtime,
            settings,
            directory,
            applied: watch::Sender::new(opened.view.index()),
            tables: opened.tables,
            journal: Mutex::new(opened.journal),
            view: RwLock::new(opened.view),
            state: Mutex::new(State::Running),
            waiting_bytes: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
            snapshotting: Mutex::new(()),
            changed: Notify::new(),
            heavy: Notify::new(),
            uncheckpointed: AtomicU64::new(0),
            counters: Counters { replayed: opened.replayed.into(), ..Counters::default() },
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn view(&self) -> View {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether commands are taken.
    pub(super) fn check(&self) -> Result<(), LedgerError> {
        match &*self.state() {
            State::Running => Ok(()),
            State::Failed(why) => Err(LedgerError::Failed(why.clone())),
            State::Stopped => Err(LedgerError::Stopped),
        }
    }

    /// Why the writer is gone.
    pub(super) fn end(&self) -> LedgerError {
        self.check().err().unwrap_or_else(|| LedgerError::Failed("its writer ended unexpectedly".to_owned()))
    }

    /// Takes no more commands, for good; the first reason stays.
    pub(super) fn fail(&self, why: &str) -> LedgerError {
        let mut state = self.state();
        if matches!(*state, State::Running) {
            tracing::error!(why, "the ledger takes no more writes until the node starts again");
            *state = State::Failed(why.to_owned());
        }
        LedgerError::Failed(why.to_owned())
    }

    /// Makes everything applied so far survive a crash without replay. Blocks.
    pub(super) fn checkpoint(&self) -> Result<(), LedgerError> {
        self.uncheckpointed.store(0, Ordering::Relaxed);
        self.tables.checkpoint().map_err(|error| self.fail(&format!("a checkpoint: {error}")))?;
        self.counters.checkpoints.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
