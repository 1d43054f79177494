//! The one writer: batches of commands into the journal, then into the tables, then the answers.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use dockless_runtime::disk::Disk;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::keeper;
use super::shared::{Shared, State};
use crate::apply::apply_batch;
use crate::command::{Command, Entry};
use crate::error::LedgerError;
use crate::event::Applied;
use crate::journal::JournalError;
use crate::journal::frame::{BATCH_BYTES, FRAME_RECORDS_MAX};
use crate::tables::{TableError, Tables};
use crate::view::View;

/// Commands that may wait for the writer. Beyond, a caller waits before its command is taken: more would not make
/// batches larger, for a batch takes no more either.
pub(super) const QUEUE_COMMANDS_MAX: usize = 1_024;

/// A batch takes all that may wait.
const BATCH_COMMANDS_MAX: usize = QUEUE_COMMANDS_MAX;
const _: () = assert!(BATCH_COMMANDS_MAX <= FRAME_RECORDS_MAX, "a batch is one frame");

/// What the writer is asked.
pub(super) enum Request {
    Submit(Box<Submission>),
    Stop(oneshot::Sender<Result<(), LedgerError>>),
}

/// A command that waits.
pub(super) struct Submission {
    pub(super) time_ms: u64,
    pub(super) command: Command,
    pub(super) record: Vec<u8>,
    pub(super) reply: oneshot::Sender<Result<Applied, LedgerError>>,
    /// Its part of the queue's bytes.
    pub(super) room: OwnedSemaphorePermit,
}

/// Runs until it is told to stop or every handle is gone.
pub(super) async fn run(shared: Arc<Shared>, mut requests: mpsc::Receiver<Request>) {
    let mut stopping = None;
    while stopping.is_none() {
        let Some(first) = requests.recv().await else { return };
        let batch = gather(first, &mut requests, &mut stopping);
        if batch.is_empty() {
            continue;
        }
        let worker = shared.clone();
        // When the work is lost, its callers learn it by their dropped answers.
        if shared.runtime.blocking("ledger-batch", move || commit(&worker, batch)).await.is_err() {
            shared.fail("a batch was lost half way");
        }
    }
    let worker = shared.clone();
    let stopped = shared.runtime.blocking("ledger-stop", move || stop(&worker)).await;
    // Whoever comes now finds the queue closed, and the state says why.
    drop(requests);
    if let Some(reply) = stopping {
        let stopped = stopped.unwrap_or_else(|_| Err(shared.fail("the stop was lost half way")));
        let _ = reply.send(stopped);
    }
}

/// Everything that waits, up to the limits of a batch.
fn gather(
    first: Request,
    requests: &mut mpsc::Receiver<Request>,
    stopping: &mut Option<oneshot::Sender<Result<(), LedgerError>>>,
) -> Vec<Submission> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    let mut next = Some(first);
    while let Some(request) = next {
        match request {
            Request::Submit(submission) => {
                bytes += submission.record.len();
                batch.push(*submission);
            }
            Request::Stop(reply) => {
                *stopping = Some(reply);
                break;
            }
        }
        let full = batch.len() == BATCH_COMMANDS_MAX || bytes >= BATCH_BYTES;
        next = if full { None } else { requests.try_recv().ok() };
    }
    batch
}

/// Carries out a batch and answers. Blocks.
fn commit(shared: &Shared, mut batch: Vec<Submission>) {
    if let Err(error) = shared.check() {
        return answer_all(batch, &error);
    }
    if is_nearly_full(shared) {
        let (kept, refused) = batch.into_iter().partition(|submission| is_removal(&submission.command));
        answer_all(refused, &LedgerError::Full);
        batch = kept;
    }
    let (mut entries, mut records, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for Submission { time_ms, command, record, reply, room } in batch {
        entries.push(Entry { index: 0, time_ms, command });
        records.push(record);
        waiting.push((reply, room));
    }
    let answers = journal_and_apply(shared, &mut entries, &records);
    // Their room is given back only now: what was applied does not wait any more.
    match answers {
        Ok(applied) => {
            for ((reply, _room), applied) in waiting.into_iter().zip(applied) {
                let _ = reply.send(Ok(applied));
            }
        }
        Err(error) => {
            for (reply, _room) in waiting {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}

fn answer_all(batch: Vec<Submission>, error: &LedgerError) {
    for submission in batch {
        // A caller that stopped waiting needs no answer.
        let _ = submission.reply.send(Err(error.clone()));
    }
}

fn journal_and_apply(
    shared: &Shared,
    entries: &mut [Entry],
    records: &[Vec<u8>],
) -> Result<Vec<Applied>, LedgerError> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    {
        let mut journal = shared.journal();
        for (index, entry) in (journal.newest() + 1..).zip(entries.iter_mut()) {
            entry.index = index;
        }
        journal.append(records).map_err(|error| match error {
            JournalError::Full => LedgerError::Full,
            error => shared.fail(&error.to_string()),
        })?;
    }
    let applied = apply_and_show(shared, entries)
        .map_err(|error| shared.fail(&format!("the tables do not follow the journal: {error}")))?;
    count(shared, &applied, records);
    Ok(applied)
}

fn apply_and_show(shared: &Shared, entries: &[Entry]) -> Result<Vec<Applied>, TableError> {
    let mut applied = Vec::new();
    shared.tables.write(&mut |tables| {
        applied = apply_batch(tables, entries)?;
        Ok(())
    })?;
    let view = View::new(shared.tables.read()?)?;
    let index = view.index();
    *shared.view.write().unwrap_or_else(PoisonError::into_inner) = view;
    shared.applied.send_replace(index);
    Ok(applied)
}

fn count(shared: &Shared, applied: &[Applied], records: &[Vec<u8>]) {
    let rejected = applied.iter().filter(|applied| applied.outcome.is_err()).count();
    let counters = &shared.counters;
    counters.commands.fetch_add(applied.len() as u64, Ordering::Relaxed);
    counters.rejected.fetch_add(rejected as u64, Ordering::Relaxed);
    counters.batches.fetch_add(1, Ordering::Relaxed);
    let bytes: u64 = records.iter().map(|record| record.len() as u64).sum();
    let before = shared.uncheckpointed.fetch_add(bytes, Ordering::Relaxed);
    if before + bytes >= shared.settings.checkpoint_bytes {
        shared.heavy.notify_one();
    }
    shared.changed.notify_one();
}

/// A disk that does not say how full it is has room.
fn is_nearly_full(shared: &Shared) -> bool {
    let disk: &dyn Disk = &*shared.runtime.disk;
    disk.free_bytes(&shared.directory).is_ok_and(|free| free < shared.settings.reserve_bytes)
}

/// Whether a command only takes away, and so may help a full disk.
const fn is_removal(command: &Command) -> bool {
    matches!(
        command,
        Command::DeleteTag { .. }
            | Command::DeleteManifest { .. }
            | Command::UnlinkBlob { .. }
            | Command::ForgetBlob { .. }
    )
}

/// The end of a running ledger: a checkpoint, a snapshot, and the file of the tables given back. Blocks.
fn stop(shared: &Shared) -> Result<(), LedgerError> {
    shared.check()?;
    let kept = keeper::snapshot(shared);
    *shared.state() = State::Stopped;
    let closed = shared.tables.close();
    // A snapshot is a second way back: without it the journal is longer, and nothing is lost.
    if let Err(error) = kept {
        tracing::warn!(%error, "no snapshot was made at the stop");
    }
    closed.map_err(|error| LedgerError::Failed(format!("the last checkpoint: {error}")))
}
