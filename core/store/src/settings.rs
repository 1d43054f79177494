//! What an operator may set about blobs.

/// Limits of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most bytes one upload may hold. Default 1 TiB: above every known layer, model weights included, and its
    /// list of mid-states still fits in 8 MiB.
    pub upload_bytes_max: u64,
    /// The most uploads open at once, abandoned ones included. Default 4,096: a hundred clients that push a hundred
    /// layers in parallel stay below half of it, and all of them together cost some MiB of memory.
    pub uploads_max: usize,
    /// New bytes are refused once the disk has fewer free bytes than this. Default 256 MiB, which leaves room for
    /// the journal and a checkpoint of the tables, so that deleting still works.
    pub free_bytes_min: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { upload_bytes_max: 1 << 40, uploads_max: 4096, free_bytes_min: 256 << 20 }
    }
}
