//! What may be set about the ledger.

use std::time::Duration;

/// Settings of a [`LocalLedger`](crate::ledger::local::LocalLedger).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long changes may stay without a checkpoint of the tables: what must be applied again after a crash.
    /// A second's worth is applied again in less than one.
    pub checkpoint_every: Duration,
    /// Bytes of journal after which a checkpoint is made at once.
    pub checkpoint_bytes: u64,
    /// How often a snapshot is made, while anything changes.
    pub snapshot_every: Duration,
    /// How many snapshots are kept, at least one. The journal is kept since the oldest of them.
    pub snapshots_kept: usize,
    /// Bytes after which the journal goes on in a new segment file.
    pub segment_bytes: u64,
    /// Memory for pages of the tables, read and not yet written together. The default holds the inner pages of the
    /// tables of some million tags.
    pub cache_bytes: usize,
    /// Free bytes on the disk below which only removals are taken: room for the checkpoint of what the journal took
    /// already, and for the removals themselves.
    pub reserve_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            checkpoint_every: Duration::from_secs(1),
            checkpoint_bytes: 64 << 20,
            snapshot_every: Duration::from_secs(6 * 60 * 60),
            snapshots_kept: 3,
            segment_bytes: 64 << 20,
            cache_bytes: 128 << 20,
            reserve_bytes: 64 << 20,
        }
    }
}
