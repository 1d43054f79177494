//! The two tasks beside the writer: checkpoints of the tables, and snapshots.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use dockless_runtime::Shutdown;

use super::shared::{SNAPSHOTS, Shared};
use crate::apply::trim_events;
use crate::error::LedgerError;
use crate::snapshot::{self, SnapshotError};
use crate::tables::{RANGE_ROWS_MAX, Tables};

/// Makes a checkpoint some time after each change, until the ledger ends.
pub(super) async fn checkpoints(shared: Arc<Shared>, ending: Shutdown) {
    loop {
        tokio::select! {
            biased;
            () = ending.requested() => return,
            () = shared.changed.notified() => {}
        }
        tokio::select! {
            biased;
            () = ending.requested() => return,
            () = shared.heavy.notified() => {}
            () = shared.runtime.clock.sleep(shared.settings.checkpoint_every) => {}
        }
        let worker = shared.clone();
        let done = shared.runtime.blocking("ledger-checkpoint", move || worker.checkpoint()).await;
        // A failed one stopped the ledger and said so.
        if !matches!(done, Ok(Ok(()))) {
            return;
        }
    }
}

/// Makes a snapshot at set times while anything changes, until the ledger ends; the first one at once if `due`.
pub(super) async fn snapshots(shared: Arc<Shared>, ending: Shutdown, mut due: bool) {
    loop {
        if !due {
            tokio::select! {
                biased;
                () = ending.requested() => return,
                () = shared.runtime.clock.sleep(shared.settings.snapshot_every) => {}
            }
        }
        due = false;
        let worker = shared.clone();
        match shared.runtime.blocking("ledger-snapshot", move || snapshot(&worker)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "no snapshot was made; the journal is kept for longer"),
            Err(error) => tracing::warn!(%error, "no snapshot was made"),
        }
    }
}

/// Makes a snapshot unless the newest one is of the same command or the ledger has ended, and lets go what it makes
/// superfluous. Blocks, also while another one is made.
pub(super) fn snapshot(shared: &Shared) -> Result<(), SnapshotError> {
    let _alone = shared.snapshotting.lock().unwrap_or_else(PoisonError::into_inner);
    if shared.check().is_err() {
        return Ok(());
    }
    let directory = directory(shared);
    let disk = &shared.runtime.disk;
    let view = shared.view();
    let newest = snapshot::list(&**disk, &directory)?.last().copied();
    if newest == Some(view.index()) || view.index() == 0 {
        return Ok(());
    }
    // What the journal is about to lose must not be only in memory.
    shared.checkpoint().map_err(|error| tables_error(&error))?;
    snapshot::write(disk, &directory, shared.runtime.clock.unix_ms(), &view)?;
    shared.counters.snapshots.fetch_add(1, Ordering::Relaxed);
    drop(view);
    let oldest = snapshot::prune(&**disk, &directory, shared.settings.snapshots_kept)?;
    let first = {
        let mut journal = shared.journal();
        journal
            .trim(oldest.unwrap_or(0) + 1)
            .map_err(|error| tables_error(&LedgerError::Failed(error.to_string())))?;
        journal.first()
    };
    let mut more = true;
    while more {
        shared.tables.write(&mut |tables| {
            more = trim_events(tables, first, RANGE_ROWS_MAX)?;
            Ok(())
        })?;
    }
    Ok(())
}

fn directory(shared: &Shared) -> PathBuf {
    shared.directory.join(SNAPSHOTS)
}

fn tables_error(error: &LedgerError) -> SnapshotError {
    SnapshotError::Tables(crate::tables::TableError::Io(error.to_string()))
}
