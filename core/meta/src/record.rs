//! Commands as bytes that every later release reads.
//!
//! A record is one byte of version and then that version's layout ([`v1`]). A version is never changed once
//! released: a new one stands beside it, and the old one stays to read what was written. Golden bytes in the tests
//! and the files under `fixtures/` hold us to it.

pub(crate) mod field;
#[cfg(test)]
mod tests;
pub mod v1;

pub use field::RecordError;

use crate::command::{Command, Entry, Rejection, TAGS_MAX};

/// Most bytes of one record: a manifest of 4 MiB, what is read from it (which is shorter than itself), and tags.
pub const ENTRY_BYTES_MAX: usize = 9 << 20;

/// Writes a command that was accepted at `time_ms` (milliseconds since 1970). Its number is not part of it.
#[must_use]
pub fn encode(time_ms: u64, command: &Command) -> Vec<u8> {
    v1::encode(time_ms, command)
}

/// Reads the entry with this number.
///
/// # Errors
/// When the bytes are no record, or one of a version that this release does not know.
pub fn decode(index: u64, bytes: &[u8]) -> Result<Entry, RecordError> {
    match bytes.split_first() {
        Some((&v1::VERSION, rest)) => {
            let (time_ms, command) = v1::decode(rest)?;
            Ok(Entry { index, time_ms, command })
        }
        Some((version, _)) => Err(RecordError::Version(*version)),
        None => Err(RecordError::Truncated),
    }
}

/// Whether a command may be journalled at all.
///
/// # Errors
/// [`Rejection::TooLarge`] over [`TAGS_MAX`] or, as far as its parts tell, [`ENTRY_BYTES_MAX`].
pub(crate) fn check_limits(command: &Command) -> Result<(), Rejection> {
    let Command::PutManifest(put) = command else { return Ok(()) };
    if put.tags.len() > TAGS_MAX {
        return Err(Rejection::TooLarge { limit: "1,000 tags in one put" });
    }
    if v1::size_bound(put) > ENTRY_BYTES_MAX {
        return Err(Rejection::TooLarge { limit: "9 MiB for a manifest with what was read from it" });
    }
    Ok(())
}
