//! The seam [`Ledger`]: the durable truth about names.

pub mod local;
pub mod memory;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::command::Command;
use crate::error::LedgerError;
use crate::event::{Applied, Event};
use crate::view::View;

/// The only way to change truth, and to read it.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Puts a command in its place among all others and applies it. Durable, and seen by every later
    /// [`Ledger::view`], when it returns. Dropping the future leaves open whether the command is carried out.
    ///
    /// # Errors
    /// [`LedgerError::Full`] changed nothing; after any other the command may or may not have been carried out.
    async fn submit(&self, command: Command) -> Result<Applied, LedgerError>;

    /// All truth at one moment, not older than any [`Ledger::submit`] that returned. Cheap; do not keep it for
    /// long, for what it sees cannot be given back to the disk.
    ///
    /// # Errors
    /// [`LedgerError::Stopped`], or [`LedgerError::Damaged`] when the tables cannot be read.
    fn view(&self) -> Result<View, LedgerError>;

    /// The number of the newest applied command; changes after the change is visible.
    fn applied(&self) -> watch::Receiver<u64>;

    /// The events of the commands numbered above `after`, in order, each with the number of its command. A command's
    /// events are never split: at least one command is returned whole, then while `limit` (at most
    /// [`EVENTS_PAGE_MAX`](crate::event::EVENTS_PAGE_MAX)) is not reached.
    ///
    /// # Errors
    /// [`LedgerError::Trimmed`] when events after `after` are no longer kept.
    async fn events(&self, after: u64, limit: usize) -> Result<Vec<(u64, Event)>, LedgerError>;

    /// Carries out what was submitted before, makes a checkpoint and a snapshot, and refuses everything later.
    /// Stopping again is fine.
    ///
    /// # Errors
    /// What went wrong on the way; the journal still holds everything that was acknowledged.
    async fn stop(&self) -> Result<(), LedgerError>;
}
