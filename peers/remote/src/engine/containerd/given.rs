//! What one reader of a blob in place was given: bytes of one file, or of one that was found right.

use bytes::Bytes;
use dockless_runtime::Stat;

/// What one reader was given.
#[derive(Default)]
pub(super) struct Mine {
    /// All bytes before it.
    pub(super) in_order: u64,
    /// What the file was meanwhile, as long as the whole of it was not found right.
    unproven: Option<Stat>,
}

/// Bytes of a file.
pub(super) struct Given {
    pub(super) bytes: Bytes,
    /// What the file was.
    pub(super) identity: Stat,
    /// The whole of it was found right.
    pub(super) genuine: bool,
}

impl Mine {
    /// Lets bytes go; `None` when bytes went before that no hash will vouch for, because the file was another.
    pub(super) fn give(&mut self, offset: u64, given: Given) -> Option<Bytes> {
        if self.unproven.is_some_and(|before| before != given.identity) {
            return None;
        }
        self.unproven = (!given.genuine).then_some(given.identity);
        if offset <= self.in_order {
            self.in_order = self.in_order.max(offset + given.bytes.len() as u64);
        }
        Some(given.bytes)
    }
}
