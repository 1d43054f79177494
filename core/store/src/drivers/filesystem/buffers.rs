//! Buffers for reads, used again: a new one would have to be cleared before every read, a second pass over memory
//! beside the copy out of the page cache.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::blob::{READ_BYTES_FIRST, READ_BYTES_MAX};

/// Below this a buffer of its own is cheaper than holding 32 KiB by a few bytes.
const OWN_BELOW_BYTES: usize = 16 * 1024;

/// What is kept of each size: together at most 8 MiB, enough for 64 readers at the moment between two reads.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Buffers of two sizes that nobody uses now.
#[derive(Default)]
pub(crate) struct Buffers {
    small: Mutex<Vec<Vec<u8>>>,
    large: Mutex<Vec<Vec<u8>>>,
}

/// The filled part of a buffer that goes back when the last user of the bytes is gone.
struct Filled {
    buffer: Vec<u8>,
    length: usize,
    buffers: Arc<Buffers>,
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        let size = self.buffer.len();
        let mut kept = self.buffers.of(size).lock().unwrap_or_else(PoisonError::into_inner);
        if (kept.len() + 1) * size <= KEPT_BYTES_MAX {
            kept.push(std::mem::take(&mut self.buffer));
        }
    }
}

impl Buffers {
    fn of(&self, size: usize) -> &Mutex<Vec<Vec<u8>>> {
        if size == READ_BYTES_FIRST { &self.small } else { &self.large }
    }

    /// Lets `fill` put up to `max` bytes, at most [`READ_BYTES_MAX`], into a buffer; what it put there, or its
    /// `None`. The buffer may hold old bytes.
    pub(crate) fn fill(
        self: &Arc<Self>,
        max: usize,
        fill: impl FnOnce(&mut [u8]) -> io::Result<Option<usize>>,
    ) -> io::Result<Option<Bytes>> {
        assert!(max <= READ_BYTES_MAX, "no read is larger");
        if max < OWN_BELOW_BYTES {
            let mut buffer = vec![0; max];
            let filled = fill(&mut buffer)?;
            return Ok(filled.map(|length| {
                buffer.truncate(length);
                buffer.into()
            }));
        }
        let size = if max <= READ_BYTES_FIRST { READ_BYTES_FIRST } else { READ_BYTES_MAX };
        let kept = self.of(size).lock().unwrap_or_else(PoisonError::into_inner).pop();
        let buffer = kept.unwrap_or_else(|| vec![0; size]);
        // From here on it goes back by itself, whatever happens.
        let mut filled = Filled { buffer, length: 0, buffers: self.clone() };
        let Some(length) = fill(&mut filled.buffer[..max])? else { return Ok(None) };
        assert!(length <= max, "no more was filled than there was room");
        filled.length = length;
        Ok(Some(Bytes::from_owner(filled)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(byte: u8, length: usize) -> impl FnOnce(&mut [u8]) -> io::Result<Option<usize>> {
        move |buffer| {
            buffer[..length].fill(byte);
            Ok(Some(length))
        }
    }

    fn kept(buffers: &Buffers) -> (usize, usize) {
        (buffers.small.lock().unwrap().len(), buffers.large.lock().unwrap().len())
    }

    #[test]
    fn bytes_hold_what_was_filled_and_no_more_and_their_buffer_is_used_again() {
        let buffers = Arc::new(Buffers::default());
        for max in
            [1, OWN_BELOW_BYTES - 1, OWN_BELOW_BYTES, READ_BYTES_FIRST, READ_BYTES_FIRST + 1, READ_BYTES_MAX]
        {
            let first = buffers.fill(max, put(1, max)).unwrap().unwrap();
            let second = buffers.fill(max, put(2, max / 2)).unwrap().unwrap();
            assert!(first.len() == max && first.iter().all(|byte| *byte == 1));
            assert!(second.len() == max / 2 && second.iter().all(|byte| *byte == 2));
        }
        assert_eq!(kept(&buffers), (2, 2));
        let held = buffers.fill(READ_BYTES_FIRST, put(3, 10)).unwrap();
        assert_eq!(kept(&buffers), (1, 2));
        drop(held);
        assert_eq!(kept(&buffers), (2, 2));
    }

    #[test]
    fn nothing_filled_gives_the_buffer_back() {
        let buffers = Arc::new(Buffers::default());
        assert!(buffers.fill(READ_BYTES_FIRST, |_| Ok(None)).unwrap().is_none());
        assert!(buffers.fill(READ_BYTES_FIRST, |_| Err(io::Error::other("no"))).is_err());
        assert_eq!(kept(&buffers), (1, 0));
    }

    #[test]
    fn no_more_than_the_limit_is_kept() {
        let buffers = Arc::new(Buffers::default());
        let many: Vec<_> = (0..200).map(|_| buffers.fill(READ_BYTES_FIRST, put(1, 1)).unwrap()).collect();
        drop(many);
        assert_eq!(kept(&buffers), (KEPT_BYTES_MAX / READ_BYTES_FIRST, 0));
    }
}
