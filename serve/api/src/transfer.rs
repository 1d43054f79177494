//! Stretches of blobs that the system sends from the file to the socket, past this process.
//!
//! hyper wants the bytes of every frame. For such a stretch it is given a *stand-in*: that many bytes of a buffer that
//! nobody reads. The stream below hyper (`server/file_stream.rs`) knows a stand-in by its address, never writes it, and
//! sends the stretch in its place. The zeros in that buffer must not reach a client:
//! - only a connection whose stream does so has [`Transfers`], so only its bodies have stand-ins to give;
//! - one stretch is owed at a time, and a stand-in is taken only for the stretch that is owed, at its full length;
//! - whoever copied a stand-in would write at least [`STRETCH_BYTES_MIN`] bytes from elsewhere while a stretch is owed,
//!   and nothing else does: that ends the connection before a byte is written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::source::Source;

/// The longest stretch. hyper gives way to other connections after sixteen frames: with this 8 MiB, 2 ms. Twice as much
/// gains nothing more per byte.
pub(crate) const STRETCH_BYTES_MAX: usize = 512 * 1024;

/// The shortest: longer than every head and every head of a part.
pub(crate) const STRETCH_BYTES_MIN: usize = 64 * 1024;

/// The buffer of which stand-ins are slices. Shared by all connections; its pages are never touched.
#[derive(Clone)]
pub(crate) struct StandIn(Bytes);

/// What a body and the stream below it share: the stretch that the next stand-in stands for.
pub(crate) struct Transfers {
    stand_in: StandIn,
    owed: Mutex<Option<Stretch>>,
}

/// Bytes of a blob that are still to be sent.
pub(crate) struct Stretch {
    pub(crate) source: Source,
    pub(crate) offset: u64,
    /// Bytes.
    pub(crate) left: usize,
    /// The most to read at once where sending does not do.
    pub(crate) read_max: usize,
}

impl StandIn {
    /// A buffer of [`STRETCH_BYTES_MAX`].
    pub(crate) fn new() -> Self {
        Self(Bytes::from(vec![0; STRETCH_BYTES_MAX]))
    }
}

impl Transfers {
    /// Without a stretch.
    pub(crate) fn new(stand_in: StandIn) -> Arc<Self> {
        Arc::new(Self { stand_in, owed: Mutex::default() })
    }

    /// Takes a stretch over and gives its stand-in; `None` while another is owed.
    pub(crate) fn owe(&self, stretch: Stretch) -> Option<Bytes> {
        let mut owed = self.owed();
        if owed.is_some() || !(STRETCH_BYTES_MIN..=STRETCH_BYTES_MAX).contains(&stretch.left) {
            return None;
        }
        let stand_in = self.stand_in.0.slice(..stretch.left);
        *owed = Some(stretch);
        Some(stand_in)
    }

    /// The stretch that is owed; it then is no longer.
    pub(crate) fn take(&self) -> Option<Stretch> {
        self.owed().take()
    }

    /// Whether a stretch is owed.
    pub(crate) fn is_owed(&self) -> bool {
        self.owed().is_some()
    }

    /// Whether these bytes are a stand-in, by their address.
    pub(crate) fn is_stand_in(&self, bytes: &[u8]) -> bool {
        !bytes.is_empty() && self.stand_in.0.as_ptr_range().contains(&bytes.as_ptr())
    }

    fn owed(&self) -> MutexGuard<'_, Option<Stretch>> {
        // It is replaced as a whole, so a panic elsewhere leaves it right.
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Transfers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transfers").field("owed", &self.is_owed()).finish_non_exhaustive()
    }
}
