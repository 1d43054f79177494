//! The ledger of one node: journal first, then the tables.
//!
//! One task takes all commands that wait and makes a batch of them: one append, one sync, one transaction of the
//! tables, then the answers. While a batch is written the next one gathers, so the cost of a sync is shared by all
//! who wait for it. Two more tasks make the tables durable ([`Settings::checkpoint_every`]) and keep snapshots.

mod batch;
mod keeper;
mod open;
mod shared;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use batch::{QUEUE_COMMANDS_MAX, Request, Submission};
use dockless_runtime::{Runtime, ShutdownTrigger, shutdown};
use shared::{Shared, State};
use tokio::sync::{mpsc, oneshot, watch};

use crate::command::Command;
use crate::error::LedgerError;
use crate::event::{Applied, Event};
use crate::ledger::Ledger;
use crate::record::{self, check_limits};
use crate::settings::Settings;
use crate::view::View;

pub use open::OpenError;

/// The ledger of one node.
pub struct LocalLedger {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Request>,
    /// Ends the tasks when the ledger goes.
    ended: ShutdownTrigger,
}

/// What happened since the ledger was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Commands in the journal.
    pub commands: u64,
    /// Of these, how many changed nothing because they were refused.
    pub rejected: u64,
    /// Batches they came in.
    pub batches: u64,
    /// Syncs of the journal's files and directory.
    pub syncs: u64,
    /// Checkpoints of the tables, two syncs each.
    pub checkpoints: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Commands that were applied again when it was opened.
    pub replayed: u64,
    /// Milliseconds that opening took.
    pub open_ms: u64,
}

impl LocalLedger {
    /// Opens or makes the ledger in `directory`, and brings the tables up to the journal. The caller sees to it that
    /// no other process has it open.
    ///
    /// # Errors
    /// [`OpenError::Damaged`] when acknowledged commands are missing or unreadable.
    pub async fn open(
        runtime: Runtime,
        directory: PathBuf,
        settings: Settings,
    ) -> Result<Arc<Self>, OpenError> {
        let begun = runtime.clock.monotonic();
        let (disk, place, chosen) = (runtime.disk.clone(), directory.clone(), settings.clone());
        let opened = runtime
            .blocking("ledger-open", move || open::open(&disk, &place, &chosen))
            .await
            .map_err(|error| OpenError::Io(error.to_string()))??;
        let (replayed, snapshot_due) = (opened.replayed, opened.snapshot_due);
        let mut shared = Shared::new(runtime.clone(), settings, directory, opened);
        let took = runtime.clock.monotonic().saturating_sub(begun);
        shared.counters.open_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).into();
        let shared = Arc::new(shared);
        if replayed > 0 {
            shared.changed.notify_one();
        }
        let (queue, requests) = mpsc::channel(QUEUE_COMMANDS_MAX);
        let (ended, ending) = shutdown();
        runtime.spawn("ledger-writer", batch::run(shared.clone(), requests));
        runtime.spawn("ledger-checkpoints", keeper::checkpoints(shared.clone(), ending.clone()));
        runtime.spawn("ledger-snapshots", keeper::snapshots(shared.clone(), ending, snapshot_due));
        Ok(Arc::new(Self { shared, queue, ended }))
    }

    /// What happened since it was opened.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            commands: read(&counters.commands),
            rejected: read(&counters.rejected),
            batches: read(&counters.batches),
            syncs: self.shared.journal().syncs(),
            checkpoints: read(&counters.checkpoints),
            snapshots: read(&counters.snapshots),
            replayed: read(&counters.replayed),
            open_ms: read(&counters.open_ms),
        }
    }
}

impl std::fmt::Debug for LocalLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalLedger").field("directory", &self.shared.directory).finish_non_exhaustive()
    }
}

#[async_trait]
impl Ledger for LocalLedger {
    async fn submit(&self, command: Command) -> Result<Applied, LedgerError> {
        self.shared.check()?;
        if let Err(rejection) = check_limits(&command) {
            return Ok(Applied { index: 0, outcome: Err(rejection) });
        }
        let time_ms = self.shared.runtime.clock.unix_ms();
        let record = record::encode(time_ms, &command);
        // Records are far below 4 GiB; a closed semaphore would mean that the ledger is gone.
        let bytes = u32::try_from(record.len()).unwrap_or(u32::MAX);
        let room = self.shared.waiting_bytes.clone().acquire_many_owned(bytes).await;
        let room = room.map_err(|_| LedgerError::Stopped)?;
        let (reply, answer) = oneshot::channel();
        let submission = Submission { time_ms, command, record, reply, room };
        self.queue.send(Request::Submit(Box::new(submission))).await.map_err(|_| self.shared.end())?;
        answer.await.map_err(|_| self.shared.end())?
    }

    fn view(&self) -> Result<View, LedgerError> {
        if matches!(*self.shared.state(), State::Stopped) {
            return Err(LedgerError::Stopped);
        }
        Ok(self.shared.view())
    }

    fn applied(&self) -> watch::Receiver<u64> {
        self.shared.applied.subscribe()
    }

    async fn events(&self, after: u64, limit: usize) -> Result<Vec<(u64, Event)>, LedgerError> {
        let view = self.view()?;
        let read = self.shared.runtime.blocking("ledger-events", move || view.events(after, limit)).await;
        read.map_err(|_| self.shared.end())?
    }

    async fn stop(&self) -> Result<(), LedgerError> {
        self.ended.trigger();
        let (reply, answer) = oneshot::channel();
        if self.queue.send(Request::Stop(reply)).await.is_ok()
            && let Ok(stopped) = answer.await
        {
            return stopped;
        }
        match self.shared.end() {
            LedgerError::Stopped => Ok(()),
            error => Err(error),
        }
    }
}
