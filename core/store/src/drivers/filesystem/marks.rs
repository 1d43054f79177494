//! How far an upload is written down, and how often that is done.

/// How often an upload writes down where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// What a power cut may take from an upload at most. 64 MiB: some tenths of a second of a fast client's time
    /// to send again, for two flushes more.
    pub(crate) durable_every_bytes: u64,
    /// What the end of the process may take from a request that was not closed. 8 MiB: a record costs one small
    /// write, beside eight large ones.
    pub(crate) record_every_bytes: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { durable_every_bytes: 64 << 20, record_every_bytes: 8 << 20 }
    }
}

/// What the state file says.
pub(crate) struct Marks {
    pub(crate) sequence: u64,
    pub(crate) last_slot: usize,
    /// The slot whose record is synced, and must be the last to go.
    pub(crate) synced_slot: Option<usize>,
    pub(crate) synced_offset: u64,
    pub(crate) recorded_offset: u64,
    /// Mid-states written, and their checksum.
    pub(crate) borders: u64,
    pub(crate) borders_crc: crc32fast::Hasher,
}

impl Marks {
    /// Before the first record.
    pub(crate) fn new() -> Self {
        Self {
            sequence: 0,
            last_slot: 1,
            synced_slot: None,
            synced_offset: 0,
            recorded_offset: 0,
            borders: 0,
            borders_crc: crc32fast::Hasher::new(),
        }
    }

    /// Where the next record goes.
    pub(crate) fn next_slot(&self) -> usize {
        1 - self.synced_slot.unwrap_or(self.last_slot)
    }
}
