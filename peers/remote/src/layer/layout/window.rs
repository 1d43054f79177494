//! Windows: the parts in which a tar is read, checked, shared and hashed.
//!
//! A window begins about every 256 KiB, never within a small file and within a large one only at a piece, so that no
//! byte of a file is read for two windows. (The exception are large sparse files: their pieces do not lie in the tar
//! as they lie in the file.) It begins where a large file begins too: what stands before need not wait until that was
//! read whole.

use std::ops::Range;

use super::{Layout, PIECE_BYTES, Part, WHOLE_BYTES_MAX};

/// The most bytes of one window: a piece, and a small file that begins at its last byte.
pub(crate) const WINDOW_BYTES_MAX: u64 = PIECE_BYTES + WHOLE_BYTES_MAX;

impl Layout {
    /// The window in which `offset` lies. The offset is within the tar.
    pub(crate) fn window(&self, offset: u64) -> Range<u64> {
        let mut number = offset / PIECE_BYTES;
        // A small file that reaches across some boundaries pushes all of them to its end.
        while self.boundary(number) > offset {
            number -= 1;
        }
        let start = self.boundary(number);
        let mut end = start;
        while end <= offset {
            number += 1;
            end = self.boundary(number);
        }
        match self.part(end - 1) {
            Part::File { number, range } if range.start > start && self.is_large(number) => {
                if offset < range.start { start..range.start } else { range.start..end }
            }
            _ => start..end,
        }
    }

    /// Where the window of this number begins: never before `number` pieces, never before the one before it.
    fn boundary(&self, number: u64) -> u64 {
        let plain = number.saturating_mul(PIECE_BYTES);
        if plain >= self.size {
            return self.size;
        }
        let Part::File { number: file, range } = self.part(plain) else { return plain };
        if !self.is_large(file) && plain > range.start {
            range.end
        } else if self.sparse.contains_key(&file) {
            plain
        } else {
            let within = (plain - range.start).next_multiple_of(PIECE_BYTES);
            (range.start + within).min(range.end)
        }
    }
}
