//! What lies in the spool, and what has to go before more fits.

use std::collections::HashMap;
use std::sync::Arc;

use dockless_oci::Digest;

/// The blobs that are there, in which order they were used, and their bytes.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) held: HashMap<Digest, Held>,
    /// Bytes of `held`, of what is being filled, and of what is being removed.
    pub(super) bytes: u64,
    /// Counts uses.
    pub(super) now: u64,
}

/// A blob on the shelf.
pub(super) struct Held {
    pub(super) size: u64,
    /// [`Shelf::now`] at the last use.
    pub(super) used: u64,
    pub(super) pin: Arc<()>,
}

/// Keeps a blob in the spool.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    /// Bytes of the blob.
    pub(crate) size: u64,
    held: Arc<()>,
}

impl Shelf {
    /// Keeps a blob from going, and counts that as its use.
    pub(super) fn pin(&mut self, digest: &Digest) -> Option<Pin> {
        self.now += 1;
        let held = self.held.get_mut(digest)?;
        held.used = self.now;
        Some(Pin { size: held.size, held: held.pin.clone() })
    }

    /// Takes off the shelf what is held by this pin.
    pub(super) fn forget(&mut self, digest: &Digest, pin: &Pin) {
        if self.held.get(digest).is_some_and(|held| Arc::ptr_eq(&held.pin, &pin.held)) {
            self.bytes -= self.held.remove(digest).map_or(0, |held| held.size);
        }
    }

    /// Puts back what was taken off and could not be removed. Its bytes still count.
    pub(super) fn put_back(&mut self, digest: Digest, size: u64) {
        let used = self.now;
        self.held.insert(digest, Held { size, used, pin: Arc::default() });
    }

    /// Takes off the shelf what has to go before `size` more bytes fit; its bytes count until its file is gone. `None`,
    /// and nothing is taken, when too much is in use.
    pub(super) fn take_unused(&mut self, size: u64, bytes_max: u64) -> Option<Vec<(Digest, u64)>> {
        let unused = self.held.iter().filter(|(_, held)| Arc::strong_count(&held.pin) == 1);
        let mut unused: Vec<_> =
            unused.map(|(digest, held)| (held.used, digest.clone(), held.size)).collect();
        unused.sort_unstable();
        let (mut after, mut victims) = (self.bytes.saturating_add(size), Vec::new());
        for (_, digest, size) in unused {
            if after <= bytes_max {
                break;
            }
            after -= size;
            victims.push((digest, size));
        }
        if after > bytes_max {
            return None;
        }
        for (digest, _) in &victims {
            self.held.remove(digest);
        }
        Some(victims)
    }
}
