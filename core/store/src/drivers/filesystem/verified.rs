//! Which files were hashed and found right: a bounded memory of identities.

use std::collections::HashMap;

use dockless_oci::digest::Digest;
use dockless_runtime::Stat;

/// Identities remembered in each half: together 16,384 blobs, some 4 MiB. What is forgotten is read again from the
/// blob's derived file.
const HALF: usize = 8192;

/// Forgets what was not asked for longest, roughly: when the young half is full it becomes the old one, and the old
/// one goes.
#[derive(Default)]
pub(crate) struct VerifiedFiles {
    young: HashMap<Digest, Stat>,
    old: HashMap<Digest, Stat>,
}

impl VerifiedFiles {
    /// True when the file behind `digest` was `identity` when it was last hashed.
    pub(crate) fn has(&mut self, digest: &Digest, identity: &Stat) -> bool {
        if let Some(known) = self.young.get(digest) {
            return known == identity;
        }
        match self.old.remove(digest) {
            Some(known) => {
                self.insert(digest.clone(), known);
                known == *identity
            }
            None => false,
        }
    }

    pub(crate) fn insert(&mut self, digest: Digest, identity: Stat) {
        if self.young.len() >= HALF && !self.young.contains_key(&digest) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&digest);
        self.young.insert(digest, identity);
        assert!(self.young.len() <= HALF && self.old.len() <= HALF, "both halves are bounded");
    }

    pub(crate) fn remove(&mut self, digest: &Digest) {
        self.young.remove(digest);
        self.old.remove(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(inode: u64) -> Stat {
        Stat { is_dir: false, size: 1, inode, changed_ns: 7 }
    }

    fn digest(n: u64) -> Digest {
        Digest::sha256(&n.to_le_bytes())
    }

    #[test]
    fn only_the_same_file_unchanged_is_known() {
        let mut files = VerifiedFiles::default();
        files.insert(digest(1), identity(1));
        assert!(files.has(&digest(1), &identity(1)));
        assert!(!files.has(&digest(2), &identity(1)));
        for changed in [Stat { size: 2, ..identity(1) }, Stat { changed_ns: 8, ..identity(1) }, identity(2)] {
            assert!(!files.has(&digest(1), &changed), "{changed:?}");
        }
        files.remove(&digest(1));
        assert!(!files.has(&digest(1), &identity(1)));
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_asked_for() {
        let mut files = VerifiedFiles::default();
        files.insert(digest(0), identity(0));
        for n in 1..5 * HALF as u64 {
            files.insert(digest(n), identity(n));
            assert!(files.has(&digest(0), &identity(0)), "after {n}");
        }
        assert!(files.young.len() + files.old.len() <= 2 * HALF);
        assert!(!files.has(&digest(1), &identity(1)), "not asked for in a long time");
    }
}
