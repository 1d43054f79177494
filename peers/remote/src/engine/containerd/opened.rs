//! One file of a blob that is being read: nothing leaves that was not hashed.
//!
//! All who read it share one hash. A small file is hashed before its first byte leaves, and so is one that somebody
//! reads elsewhere than in order from its start; else a reader gets what was hashed so far, and the last bytes only
//! when the digest holds.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dockless_oci::Digest;
use dockless_oci::digest::Hasher;
use dockless_registry::StoreError;
use dockless_runtime::Stat;
use dockless_runtime::disk::ForeignFile;
use dockless_store::{BlobRead, READ_BYTES_MAX};

use super::super::recent::Recent;
use super::given::{Given, Mine};
use crate::layer::bounded::{Bounded, NotDone};

/// The files of blobs that were hashed and found right.
pub(super) type Genuine = Recent<Digest, Stat>;

/// A file of no more bytes is hashed before its first byte leaves: some milliseconds.
pub(super) const HASH_FIRST_BYTES_MAX: u64 = 8 << 20;
/// Bytes that are hashed before it is noticed that the reader went away.
const STEP_BYTES: u64 = 32 << 20;
/// How often a file that changes is begun anew. Removing its name changes it once.
const TRIES_MAX: usize = 4;

/// How long it may take to read a piece, or to hash a step: a disk that hangs is given up.
const READ_TIME_MAX: Duration = Duration::from_secs(60);

/// What that is called.
const HASH: &str = "hash a blob of an engine";

/// An open file.
pub(crate) struct Opened {
    digest: Digest,
    size: u64,
    file: ForeignFile,
    known: Mutex<Known>,
    /// Held while the file is hashed: who waits finds it done.
    hashing: Arc<tokio::sync::Mutex<()>>,
}

/// What is known of the file as long as it is what it was then.
struct Known {
    identity: Stat,
    verdict: Verdict,
}

enum Verdict {
    /// All bytes before `until` were hashed once in order.
    Hashing { hasher: Hasher, until: u64 },
    /// The file is what its digest says.
    Genuine,
    /// It is not.
    Damaged,
}

/// One who reads; clones of its blob are the same one.
pub(super) struct Reader {
    bounded: Bounded,
    genuine: Arc<Genuine>,
    file: Arc<Opened>,
    mine: Mutex<Mine>,
}

impl Opened {
    pub(super) fn new(digest: Digest, file: ForeignFile, identity: Stat, genuine: bool) -> Self {
        let verdict = if genuine { Verdict::Genuine } else { unread(&digest) };
        let known = Mutex::new(Known { identity, verdict });
        Self { digest, size: identity.size, file, known, hashing: Arc::default() }
    }

    /// What the file was when the last thing was learned of it.
    pub(super) fn identity(&self) -> Stat {
        self.known().identity
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // What stands in there is replaced as a whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to where bytes may be read.
    fn hashed(&self) -> Result<u64, StoreError> {
        match &self.known().verdict {
            Verdict::Hashing { until, .. } => Ok(*until),
            Verdict::Genuine => Ok(u64::MAX),
            Verdict::Damaged => Err(StoreError::Damaged(self.digest.clone())),
        }
    }

    /// Hashes on until `through`, or until it is time to look whether anybody still waits. Blocks.
    fn hash(&self, through: u64, genuine: &Genuine) -> Result<(), StoreError> {
        let (identity, mut hasher, begun) = match &*self.known() {
            Known { identity, verdict: Verdict::Hashing { hasher, until } } => {
                (*identity, hasher.clone(), *until)
            }
            // Whoever had the turn before has come to the end.
            _ => return Ok(()),
        };
        let (mut until, mut buffer) = (begun, vec![0; READ_BYTES_MAX]);
        while until < through.min(begun + STEP_BYTES) {
            let wanted = usize::try_from(self.size - until).unwrap_or(usize::MAX).min(READ_BYTES_MAX);
            let read = self.file.read_at(&mut buffer[..wanted], until)?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            until += read as u64;
        }
        if !self.is_still(identity)? {
            return Ok(());
        }
        if until == begun && begun < self.size {
            return Err(self.damaged(identity, "its file is shorter than it says"));
        }
        if until < self.size {
            self.known().verdict = Verdict::Hashing { hasher, until };
            return Ok(());
        }
        let computed = hasher.finish();
        if computed != self.digest {
            return Err(self.damaged(identity, &format!("its file has the digest {computed}")));
        }
        self.known().verdict = Verdict::Genuine;
        genuine.insert(self.digest.clone(), identity);
        Ok(())
    }

    /// Bytes that were hashed; `None` when the file has changed since, and all of it counts for nothing. Blocks.
    fn read(&self, offset: u64, max: usize) -> Result<Option<Given>, StoreError> {
        let (identity, genuine) = {
            let known = self.known();
            (known.identity, matches!(known.verdict, Verdict::Genuine))
        };
        let mut bytes = vec![0; max];
        let read = self.file.read_at(&mut bytes, offset)?;
        bytes.truncate(read);
        let given = Given { bytes: bytes.into(), identity, genuine };
        Ok(self.is_still(identity)?.then_some(given))
    }

    /// Whether the file is what it was; forgets what was learned of it when it is not.
    fn is_still(&self, identity: Stat) -> Result<bool, StoreError> {
        let now = self.file.stat()?;
        if now == identity {
            return Ok(true);
        }
        if now.size != self.size {
            return Err(self.damaged(now, "its file has another size than before"));
        }
        *self.known() = Known { identity: now, verdict: unread(&self.digest) };
        Ok(false)
    }

    fn damaged(&self, identity: Stat, why: &str) -> StoreError {
        tracing::error!(digest = %self.digest, why, "a blob of an engine is damaged");
        *self.known() = Known { identity, verdict: Verdict::Damaged };
        StoreError::Damaged(self.digest.clone())
    }

    /// Up to `max` genuine bytes that are in memory.
    fn read_cached(&self, offset: u64, max: usize) -> io::Result<Option<Given>> {
        let identity = match &*self.known() {
            Known { identity, verdict: Verdict::Genuine } => *identity,
            _ => return Ok(None),
        };
        let mut bytes = vec![0; max];
        let Some(read) = self.file.read_cached_at(&mut bytes, offset)? else { return Ok(None) };
        bytes.truncate(read);
        let given = Given { bytes: bytes.into(), identity, genuine: true };
        // After the read: a change before it shows by now.
        Ok((read > 0 && self.file.stat_known()? == identity).then_some(given))
    }
}

/// Nothing is known.
fn unread(digest: &Digest) -> Verdict {
    Verdict::Hashing { hasher: Hasher::new(digest.algorithm()), until: 0 }
}

impl Reader {
    pub(super) fn new(bounded: Bounded, genuine: Arc<Genuine>, file: Arc<Opened>) -> Self {
        Self { bounded, genuine, file, mine: Mutex::default() }
    }

    fn mine(&self) -> MutexGuard<'_, Mine> {
        self.mine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changes(&self) -> StoreError {
        StoreError::Io(format!("the file of {} changes while it is read", self.file.digest))
    }

    /// Lets bytes go to this reader.
    fn give(&self, offset: u64, given: Given) -> Result<Bytes, StoreError> {
        self.mine().give(offset, given).ok_or_else(|| self.changes())
    }

    /// Sees to it that all bytes before `through` were hashed.
    async fn hash_through(&self, through: u64) -> Result<(), StoreError> {
        let (mut identity, mut begun_anew) = (self.file.identity(), 0);
        loop {
            let hashed = self.file.hashed()?;
            if hashed >= through {
                return Ok(());
            }
            let now = self.file.identity();
            if now != identity {
                (identity, begun_anew) = (now, begun_anew + 1);
            }
            if begun_anew > TRIES_MAX {
                return Err(self.changes());
            }
            let turn = self.file.hashing.clone().lock_owned();
            let turn = match self.bounded.within(HASH, READ_TIME_MAX, turn).await {
                Ok(turn) => turn,
                // Others lead it on.
                Err(_) if self.file.hashed()? != hashed => continue,
                Err(error) => return Err(given_up(error)),
            };
            if self.file.hashed()? >= through {
                return Ok(());
            }
            let (file, genuine) = (self.file.clone(), self.genuine.clone());
            let hash = move || {
                let _turn = turn;
                file.hash(through, &genuine)
            };
            self.bounded.run(HASH, READ_TIME_MAX, hash).await.map_err(given_up)??;
        }
    }
}

fn given_up(NotDone(why): NotDone) -> StoreError {
    StoreError::Io(why)
}

#[async_trait]
impl BlobRead for Reader {
    fn try_read(&self, offset: u64, max: usize) -> Option<Result<Bytes, StoreError>> {
        let given = self.file.read_cached(offset, max).ok().flatten()?;
        Some(self.give(offset, given))
    }

    async fn read(&self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
        let size = self.file.size;
        let in_order = size > HASH_FIRST_BYTES_MAX && offset <= self.mine().in_order;
        let through = if in_order { offset + max as u64 } else { size };
        for _ in 0..TRIES_MAX {
            self.hash_through(through).await?;
            let file = self.file.clone();
            let read = move || file.read(offset, max);
            let read = self.bounded.run("read a blob of an engine", READ_TIME_MAX, read).await;
            match read.map_err(given_up)?? {
                Some(given) if given.bytes.is_empty() => break,
                Some(given) => return self.give(offset, given),
                None => {}
            }
        }
        Err(self.changes())
    }
}
