//! Sending stretches of a file to a socket without reading them.

use std::io;
use std::os::fd::BorrowedFd;

use super::open_file::OpenFile;
use crate::blob::Sent;

/// How far apart the looks are that tell whether a stretch is in memory: twice what Linux reads ahead by default
/// (`read_ahead_kb`), which is how pages come and mostly go. Each look costs a hundredth of sending that much.
const LOOK_EVERY_BYTES: usize = 256 * 1024;

impl OpenFile {
    /// As [`Blob::sendable`](crate::Blob::sendable).
    pub(crate) fn sendable(&self, offset: u64, max: usize) -> usize {
        match self.genuine(offset, max) {
            Some((_, max)) if self.is_in_memory(offset, max) => max,
            _ => 0,
        }
    }

    /// As [`Blob::try_send`](crate::Blob::try_send).
    pub(crate) fn try_send(
        &self,
        socket: BorrowedFd<'_>,
        offset: u64,
        max: usize,
    ) -> io::Result<Option<Sent>> {
        let Some((identity, max)) = self.genuine(offset, max) else { return Ok(None) };
        let is_same = || self.file.stat().is_ok_and(|now| now == identity);
        // What is sent cannot be called back, so the file is looked at before as well as after.
        if !is_same() {
            return Ok(None);
        }
        match self.file.send_to(socket, offset, max)? {
            Some(0) => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a blob's file is shorter than it was"))
            }
            Some(bytes) => Ok(Some(Sent { bytes, genuine: is_same() })),
            None => Ok(None),
        }
    }

    /// Whether the bytes seem to be in memory. A gap between two looks is not seen: the send then waits for it.
    fn is_in_memory(&self, offset: u64, length: usize) -> bool {
        let is_here = |at: usize| {
            let read = self.file.read_cached_at(&mut [0], offset + at as u64);
            matches!(read, Ok(Some(1)))
        };
        (0..length).step_by(LOOK_EVERY_BYTES).all(is_here) && is_here(length.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests;
