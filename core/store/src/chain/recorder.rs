//! Recording mid-states while bytes of unknown number arrive.

use super::{ChainList, PIECE_BYTES_MIN, STATE_BYTES, piece_bytes};

/// Collects the mid-state at every border of 256 KiB and keeps only those that the list can still need: the pieces
/// of a growing blob only grow, so at most 256 states are held up to 1 GiB, and one per 4 MiB beyond.
#[derive(Clone, Debug)]
pub(crate) struct ChainRecorder {
    /// Bytes between two states held.
    interval: u64,
    /// Bytes up to the last border recorded.
    length: u64,
    /// The states at `interval`, `2 * interval`, ...
    states: Vec<[u8; STATE_BYTES]>,
}

impl ChainRecorder {
    pub(crate) fn new() -> Self {
        Self { interval: PIECE_BYTES_MIN, length: 0, states: Vec::new() }
    }

    /// Borders recorded so far.
    pub(crate) fn borders(&self) -> u64 {
        self.length / PIECE_BYTES_MIN
    }

    /// Takes the state at the next border.
    pub(crate) fn push(&mut self, state: [u8; STATE_BYTES]) {
        self.length += PIECE_BYTES_MIN;
        if self.length.is_multiple_of(self.interval) {
            self.states.push(state);
        }
        self.thin(piece_bytes(self.length));
        debug_assert_eq!(self.states.len() as u64, self.length / self.interval, "one state a border held");
    }

    /// The list of a blob that ends after `size` bytes; `None` when it has fewer than two pieces or borders are
    /// missing.
    pub(crate) fn list(mut self, size: u64) -> Option<ChainList> {
        if size / PIECE_BYTES_MIN != self.borders() {
            return None;
        }
        self.thin(piece_bytes(size));
        // The border that is also the end gives the digest, not a state of the list.
        let pieces = usize::try_from(size.div_ceil(piece_bytes(size))).ok()?;
        self.states.truncate(pieces.saturating_sub(1));
        ChainList::new(size, self.states)
    }

    fn thin(&mut self, interval: u64) {
        if interval <= self.interval {
            return;
        }
        let step = usize::try_from(interval / self.interval)
            .expect("at most 16: both are between 256 KiB and 4 MiB");
        self.states = self.states.iter().skip(step - 1).step_by(step).copied().collect();
        self.interval = interval;
    }
}
