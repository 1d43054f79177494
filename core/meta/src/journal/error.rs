//! Why the journal could not be used.

use std::io;

/// Why the journal could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The disk is full. The journal is as before.
    #[error("the disk of the journal is full")]
    Full,
    /// The disk refused; what it holds is open, and this journal takes nothing more.
    #[error("{0}")]
    Failed(String),
    /// The files are not what was written. The text says what to do.
    #[error("{0}")]
    Damaged(String),
}

/// Says what was being done.
pub(super) fn io_error(doing: &'static str) -> impl Fn(io::Error) -> JournalError {
    move |error| JournalError::Failed(format!("cannot {doing} the journal: {error}"))
}

/// As [`io_error`], where nothing was changed yet and a full disk is only that.
pub(super) fn full_or(doing: &'static str) -> impl Fn(io::Error) -> JournalError {
    move |error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => JournalError::Full,
        _ => io_error(doing)(error),
    }
}
