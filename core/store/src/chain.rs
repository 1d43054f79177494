//! Chain lists: SHA-256 mid-states that verify every piece of a blob against the blob's own digest.
//!
//! A blob of `size` bytes is cut into pieces of `p` = [`piece_bytes`]`(size)` bytes, the last one shorter. `s_0` is
//! the initial value of SHA-256 (FIPS 180-4, section 5.3.3) and `s_{i+1}` the chaining value after the compression
//! function ran over piece `i` from `s_i`; the last piece, padded, gives the digest. The list is `s_1 .. s_{n-1}`,
//! 32 bytes each, big-endian words as in the digest. A blob of fewer than two pieces has none.

pub(crate) mod recorder;
#[cfg(test)]
mod tests;

use dockless_oci::digest::{Digest, Sha256State};

/// The smallest piece: below it, reading costs more calls than bytes.
pub const PIECE_BYTES_MIN: u64 = 256 * 1024;

/// The largest piece, which bounds what must be hashed before a byte of it may leave.
pub const PIECE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Pieces a blob is cut into where the bounds allow it.
const PIECES: u64 = 128;

/// Bytes of one mid-state.
pub(crate) const STATE_BYTES: usize = 32;

/// The bytes of each piece but the last in a blob of `size` bytes: a power of two that never falls as `size` grows.
#[must_use]
pub fn piece_bytes(size: u64) -> u64 {
    // Above the largest piece the power of two would overflow for sizes near 2^64; the bound is the same.
    (size / PIECES).min(PIECE_BYTES_MAX).next_power_of_two().clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX)
}

/// The chain list of one blob. Whether it belongs to a digest shows only when its steps are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainList {
    size: u64,
    states: Vec<[u8; STATE_BYTES]>,
}

impl ChainList {
    /// The list of a blob of `size` bytes; `None` when the number of states is not the one of that size, or the
    /// blob has fewer than two pieces.
    #[must_use]
    pub fn new(size: u64, states: Vec<[u8; STATE_BYTES]>) -> Option<Self> {
        let pieces = size.div_ceil(piece_bytes(size));
        (pieces >= 2 && states.len() as u64 == pieces - 1).then_some(Self { size, states })
    }

    /// Bytes of the blob.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// `s_1 .. s_{n-1}`.
    #[must_use]
    pub fn states(&self) -> &[[u8; STATE_BYTES]] {
        &self.states
    }

    /// The number of pieces, `n`.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.states.len() + 1
    }

    /// The name of the list: SHA-256 over its states.
    #[must_use]
    pub fn id(&self) -> Digest {
        let mut hash = Sha256State::new();
        self.states.iter().for_each(|state| hash.update(state));
        hash.finish()
    }

    /// The hash as it stands before piece `index`.
    pub(crate) fn before(&self, index: usize) -> Sha256State {
        match index.checked_sub(1) {
            None => Sha256State::new(),
            Some(previous) => {
                Sha256State::resume(self.states[previous], index as u64 * piece_bytes(self.size))
            }
        }
    }

    /// True when `after`, the hash from [`ChainList::before`] over the bytes of piece `index`, is what this list and
    /// (for the last piece) the blob's digest say.
    pub(crate) fn holds(&self, index: usize, after: &Sha256State, digest: &Digest) -> bool {
        match self.states.get(index) {
            Some(state) => after.chaining_value().as_ref() == Some(state),
            None => after.length() == self.size && after.finish() == *digest,
        }
    }
}
