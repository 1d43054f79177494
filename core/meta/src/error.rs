//! Why the ledger could not answer.

use crate::record::RecordError;
use crate::tables::TableError;

/// Why the ledger could not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// It was stopped.
    #[error("the ledger is stopped")]
    Stopped,
    /// The disk failed in a way that leaves open what is on it. Nothing is written until it is opened again.
    #[error("the ledger takes no more writes until the node starts again: {0}")]
    Failed(String),
    /// The disk is full, or so nearly that only removals are taken. Nothing was changed.
    #[error("the disk of the ledger is full")]
    Full,
    /// What is on the disk is not what was written. The text says what to do.
    #[error("{0}")]
    Damaged(String),
    /// The events asked for are older than the oldest kept; `first` is the first command whose events are.
    #[error("events before command {first} are no longer kept")]
    Trimmed {
        /// The first command whose events are kept.
        first: u64,
    },
}

impl From<TableError> for LedgerError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Closed => Self::Stopped,
            TableError::Io(what) => Self::Failed(format!("the tables of the ledger cannot be read: {what}")),
            TableError::Damaged(what) => Self::Damaged(format!(
                "the tables of the ledger are damaged ({what}): stop the node, move tables.redb away and start it: \
                 the tables are made again from the newest snapshot and the journal"
            )),
        }
    }
}

impl From<RecordError> for LedgerError {
    fn from(error: RecordError) -> Self {
        TableError::from(error).into()
    }
}
