//! One open blob file, and what is known about its bytes. Everything here blocks, but for [`OpenFile::read_cached`] and
//! what is in `sending`.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use dockless_oci::digest::{Algorithm, Digest};
use dockless_runtime::{DiskFile, Stat};

use super::buffers::Buffers;
use super::reading::each_chunk;
use super::shelf::OpenFiles;
use crate::chain::{ChainList, piece_bytes};
use crate::progress::Progress;

/// A file shared by all who read the blob now.
pub(crate) struct OpenFile {
    pub(crate) digest: Digest,
    /// Bytes when it was opened.
    pub(crate) size: u64,
    pub(super) file: Arc<dyn DiskFile>,
    known: Mutex<Known>,
    /// Held while the file is verified: who waits finds it done.
    pub(crate) verifying: Arc<tokio::sync::Mutex<()>>,
    /// Where this is listed as long as someone holds it.
    listed: Arc<OpenFiles>,
    buffers: Arc<Buffers>,
}

struct Known {
    /// The file when this was learned; all of it is void once the file is another.
    identity: Stat,
    verdict: Verdict,
}

enum Verdict {
    /// Every byte was hashed and is right.
    Genuine,
    /// Hashed as a whole and wrong.
    Damaged,
    /// There is a list to learn by; and which pieces were found right.
    Pieces(Arc<ChainList>, Vec<bool>),
    /// A piece and the list do not fit.
    Doubtful,
    /// The file is another than it was when it was opened.
    Changed,
    /// Nothing.
    Unknown,
}

/// What a look at the bytes brought.
pub(crate) enum Look {
    /// Genuine bytes.
    Genuine(Bytes),
    /// Genuine bytes, and they were the last that were not known to be: all of this file is genuine, by this list.
    Completed(Bytes, Stat, Arc<ChainList>),
    /// Nothing is known, and there is no list to learn by.
    Unknown,
    /// The file became another since it was opened; [`OpenFile::relearn`] may help.
    Changed,
    /// Only the whole can tell, and no byte may leave before.
    Doubtful,
    /// The file is not what its digest says.
    Damaged,
}

/// What hashing the whole file brought.
pub(crate) enum Verification {
    /// It is genuine, in this identity.
    Genuine(Stat, Option<ChainList>),
    /// It is not.
    Damaged,
}

impl OpenFile {
    /// `genuine` when the file was hashed as `identity` before; `list` to learn by where not.
    pub(crate) fn new(
        digest: Digest,
        file: Arc<dyn DiskFile>,
        identity: Stat,
        genuine: bool,
        list: Option<ChainList>,
        listed: Arc<OpenFiles>,
        buffers: Arc<Buffers>,
    ) -> Self {
        let verdict = match list.filter(|list| list.size() == identity.size) {
            _ if genuine => Verdict::Genuine,
            Some(list) => unread(list),
            None => Verdict::Unknown,
        };
        let known = Mutex::new(Known { identity, verdict });
        Self { digest, size: identity.size, file, known, verifying: Arc::default(), listed, buffers }
    }

    /// What the file was when the last thing was learned about it.
    pub(crate) fn identity(&self) -> Stat {
        self.known().identity
    }

    /// True while the file is the one that was found genuine.
    pub(crate) fn is_genuine(&self) -> bool {
        let known = self.known();
        matches!(known.verdict, Verdict::Genuine) && self.file.stat().is_ok_and(|now| now == known.identity)
    }

    /// True when the byte at `offset` was found genuine and not the file since.
    pub(crate) fn knows(&self, offset: u64) -> bool {
        self.genuine(offset, 1).is_some()
    }

    /// Up to `max` genuine bytes that are in memory; never waits.
    pub(crate) fn read_cached(&self, offset: u64, max: usize) -> Option<Bytes> {
        let (identity, max) = self.genuine(offset, max)?;
        let fill = |buffer: &mut [u8]| self.file.read_cached_at(buffer, offset);
        let bytes = self.buffers.fill(max, fill).ok()??;
        // After the read: a change before it shows by now.
        (!bytes.is_empty() && self.file.stat().ok()? == identity).then_some(bytes)
    }

    /// Bytes from `offset`, up to `max` and to the end of the piece where that must be verified first.
    pub(crate) fn read(&self, offset: u64, max: usize) -> io::Result<Look> {
        self.notice_change()?;
        if let Some((identity, max)) = self.genuine(offset, max) {
            let (bytes, now) = self.read_plain(offset, max)?;
            if now == identity {
                return Ok(Look::Genuine(bytes));
            }
            self.notice_change()?;
        }
        let (identity, list) = {
            let known = self.known();
            match &known.verdict {
                Verdict::Pieces(list, _) => (known.identity, list.clone()),
                Verdict::Damaged => return Ok(Look::Damaged),
                Verdict::Unknown => return Ok(Look::Unknown),
                Verdict::Genuine | Verdict::Changed => return Ok(Look::Changed),
                Verdict::Doubtful => return Ok(Look::Doubtful),
            }
        };
        self.read_piece(identity, &list, offset, max)
    }

    /// Learns the changed file anew by `list`, which is of its size.
    pub(crate) fn relearn(&self, list: ChainList) {
        let mut known = self.known();
        if matches!(known.verdict, Verdict::Changed)
            && known.identity.size == self.size
            && list.size() == self.size
        {
            known.verdict = unread(list);
        }
    }

    /// Plain bytes, and what the file was after they were read. Nothing is known about them.
    pub(crate) fn read_plain(&self, offset: u64, max: usize) -> io::Result<(Bytes, Stat)> {
        let fill = |buffer: &mut [u8]| self.file.read_at(buffer, offset).map(Some);
        match self.buffers.fill(max, fill)? {
            Some(bytes) if !bytes.is_empty() => Ok((bytes, self.file.stat()?)),
            _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a blob's file is shorter than it was")),
        }
    }

    /// Hashes the whole file and learns what it is.
    pub(crate) fn verify(&self) -> io::Result<Verification> {
        let before = self.file.stat()?;
        let progress = self.hash(before.size)?;
        if self.file.stat()? != before {
            return Err(io::Error::other("a blob's file changed while it was hashed"));
        }
        Ok(self.learn(before, &progress))
    }

    /// Takes the hash of all of the file, read as `identity`, for what the file is.
    pub(crate) fn learn(&self, identity: Stat, progress: &Progress) -> Verification {
        let algorithm = self.digest.algorithm();
        let genuine = progress.digest(algorithm).as_ref() == Some(&self.digest);
        let verdict = if genuine { Verdict::Genuine } else { Verdict::Damaged };
        *self.known() = Known { identity, verdict };
        if !genuine {
            return Verification::Damaged;
        }
        // The list of another algorithm's blob would lead to no digest that names it.
        let list = if algorithm == Algorithm::Sha256 { progress.chain() } else { None };
        Verification::Genuine(identity, list)
    }

    fn hash(&self, size: u64) -> io::Result<Progress> {
        let mut progress = self.progress();
        each_chunk(&*self.file, 0, size, |bytes| {
            progress.update(bytes, |_| ());
            Ok(())
        })?;
        Ok(progress)
    }

    /// The hash of this file before its first byte.
    pub(crate) fn progress(&self) -> Progress {
        Progress::new(Some(self.digest.algorithm()))
    }

    fn read_piece(&self, identity: Stat, list: &Arc<ChainList>, offset: u64, max: usize) -> io::Result<Look> {
        let piece = piece_bytes(self.size);
        let index = usize::try_from(offset / piece).expect("a piece of a list that is in memory");
        let (from, to) = (index as u64 * piece, ((index as u64 + 1) * piece).min(self.size));
        let (mut hash, mut at, mut wanted) = (list.before(index), from, Vec::new());
        each_chunk(&*self.file, from, to, |bytes| {
            hash.update(bytes);
            // The bytes that leave are the very ones that were hashed, not others read later.
            let skip = usize::try_from(offset.saturating_sub(at)).unwrap_or(usize::MAX).min(bytes.len());
            let room = max - wanted.len();
            wanted.extend_from_slice(&bytes[skip..bytes.len().min(skip.saturating_add(room))]);
            at += bytes.len() as u64;
            Ok(())
        })?;
        if self.file.stat()? != identity || !list.holds(index, &hash, &self.digest) {
            self.known().verdict = Verdict::Doubtful;
            return Ok(Look::Doubtful);
        }
        let mut known = self.known();
        let same = known.identity == identity;
        if let Verdict::Pieces(_, right) = &mut known.verdict
            && same
        {
            right[index] = true;
            if right.iter().all(|right| *right) {
                known.verdict = Verdict::Genuine;
                return Ok(Look::Completed(wanted.into(), identity, list.clone()));
            }
        }
        Ok(Look::Genuine(wanted.into()))
    }

    /// The part of a range that is known to be genuine from its beginning, and in which identity of the file.
    pub(super) fn genuine(&self, offset: u64, max: usize) -> Option<(Stat, usize)> {
        let known = self.known();
        match &known.verdict {
            Verdict::Genuine => Some((known.identity, max)),
            Verdict::Pieces(_, right) => {
                let piece = piece_bytes(self.size);
                let index = offset / piece;
                let left = usize::try_from((index + 1) * piece - offset).unwrap_or(usize::MAX);
                right.get(usize::try_from(index).ok()?)?.then_some((known.identity, max.min(left)))
            }
            Verdict::Damaged | Verdict::Doubtful | Verdict::Changed | Verdict::Unknown => None,
        }
    }

    /// Forgets what was learned about a file that is no longer the same.
    fn notice_change(&self) -> io::Result<()> {
        let now = self.file.stat()?;
        let mut known = self.known();
        if now != known.identity {
            *known = Known { identity: now, verdict: Verdict::Changed };
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // What stands in there is replaced as a whole, so a panic elsewhere leaves it right.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing is known but the list.
fn unread(list: ChainList) -> Verdict {
    let right = vec![false; list.pieces()];
    Verdict::Pieces(Arc::new(list), right)
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.listed.close(self);
    }
}
