//! The blobs: opening them, remembering which files were found genuine, putting damaged ones aside.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use dockless_oci::digest::Digest;
use dockless_runtime::{OpenMode, Stat};
use tokio::sync::OwnedMutexGuard;

use super::buffers::Buffers;
use super::derived::{self, Derived};
use super::ground::Ground;
use super::open_file::OpenFile;
use super::verified::VerifiedFiles;
use crate::chain::ChainList;
use crate::error::StoreError;

/// Locks that all digests share: enough that 64 pushes at once seldom meet by chance.
const DIGEST_LOCKS: usize = 1024;

/// The files that someone reads now, so that a thousand readers of one blob hold one file.
#[derive(Default)]
pub(crate) struct OpenFiles(Mutex<HashMap<Digest, Weak<OpenFile>>>);

impl OpenFiles {
    fn get(&self, digest: &Digest) -> Option<Arc<OpenFile>> {
        lock(&self.0).get(digest)?.upgrade()
    }

    fn insert(&self, file: &Arc<OpenFile>) {
        lock(&self.0).insert(file.digest.clone(), Arc::downgrade(file));
    }

    /// Whoever opens the blob next opens its file anew.
    fn forget(&self, digest: &Digest) {
        lock(&self.0).remove(digest);
    }

    /// Takes a file off the list that nobody reads any more.
    pub(crate) fn close(&self, file: &OpenFile) {
        let mut open = lock(&self.0);
        if open.get(&file.digest).is_some_and(|listed| std::ptr::eq(listed.as_ptr(), file)) {
            open.remove(&file.digest);
        }
    }
}

/// All blobs of one store.
pub(crate) struct Shelf {
    ground: Arc<Ground>,
    open: Arc<OpenFiles>,
    buffers: Arc<Buffers>,
    verified: Mutex<VerifiedFiles>,
    locks: Vec<Arc<tokio::sync::Mutex<()>>>,
}

impl Shelf {
    pub(crate) fn new(ground: Arc<Ground>) -> Self {
        let locks = (0..DIGEST_LOCKS).map(|_| Arc::default()).collect();
        Self { ground, open: Arc::default(), buffers: Arc::default(), verified: Mutex::default(), locks }
    }

    pub(crate) fn ground(&self) -> &Arc<Ground> {
        &self.ground
    }

    /// Waits until nobody else changes what stands under `digest`.
    pub(crate) async fn lock(&self, digest: &Digest) -> OwnedMutexGuard<()> {
        let mut hasher = DefaultHasher::new();
        digest.hash(&mut hasher);
        let index =
            usize::try_from(hasher.finish() % DIGEST_LOCKS as u64).expect("less than the number of locks");
        self.locks[index].clone().lock_owned().await
    }

    /// The file of a blob that someone reads already and that is known to be genuine. Never waits.
    pub(crate) fn opened(&self, digest: &Digest) -> Option<Arc<OpenFile>> {
        self.open.get(digest).filter(|file| file.is_genuine())
    }

    /// Opens the file of a blob; `None` when there is none. Blocks.
    pub(crate) fn open(&self, digest: &Digest) -> Result<Option<Arc<OpenFile>>, StoreError> {
        let disk = self.ground.disk();
        let file = match disk.open(&self.ground.layout.blob(digest), OpenMode::Read) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let identity = file.stat()?;
        if let Some(shared) = self.open.get(digest).filter(|shared| shared.identity() == identity) {
            return Ok(Some(shared));
        }
        let mut genuine = lock(&self.verified).has(digest, &identity);
        let mut list = None;
        if !genuine && let Some(known) = derived::read(disk, &self.ground.layout, digest, identity.size) {
            genuine = known.identity == identity;
            list = known.list;
        }
        if genuine {
            lock(&self.verified).insert(digest.clone(), identity);
        }
        let file = OpenFile::new(
            digest.clone(),
            file,
            identity,
            genuine,
            list,
            self.open.clone(),
            self.buffers.clone(),
        );
        let file = Arc::new(file);
        self.open.insert(&file);
        Ok(Some(file))
    }

    /// The chain list that is remembered of a blob. Blocks.
    pub(crate) fn list(&self, file: &OpenFile) -> Option<ChainList> {
        derived::read(self.ground.disk(), &self.ground.layout, &file.digest, file.size)?.list
    }

    /// Remembers that the file of `digest` was found genuine. Blocks.
    pub(crate) fn remember(&self, digest: &Digest, identity: Stat, list: Option<ChainList>) {
        lock(&self.verified).insert(digest.clone(), identity);
        // It only saves hashing the blob again.
        if let Err(error) =
            derived::write(self.ground.disk(), &self.ground.layout, digest, &Derived { identity, list })
        {
            tracing::debug!(%digest, %error, "what is known of a blob was not written down");
        }
    }

    /// True when a file stands under `digest` that was found genuine and did not change since. Blocks.
    pub(crate) fn has_genuine(&self, digest: &Digest) -> io::Result<bool> {
        match self.ground.disk().stat(&self.ground.layout.blob(digest)) {
            Ok(identity) => Ok(lock(&self.verified).has(digest, &identity)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A new file stands under `digest`, whole and hashed. Blocks.
    pub(crate) fn published(&self, digest: &Digest, list: Option<ChainList>) -> io::Result<()> {
        // Readers of an earlier file go on with it; the next one opens this.
        self.open.forget(digest);
        let identity = self.ground.disk().stat(&self.ground.layout.blob(digest))?;
        self.remember(digest, identity, list);
        Ok(())
    }

    /// Takes the file of `digest` away. The caller holds the lock of the digest. Blocks.
    pub(crate) fn remove(&self, digest: &Digest) -> io::Result<()> {
        let (disk, layout) = (self.ground.disk(), &self.ground.layout);
        self.open.forget(digest);
        lock(&self.verified).remove(digest);
        for path in [layout.blob(digest), layout.chain(digest)] {
            match disk.remove(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts the file of `digest` aside if it still is the one that was found damaged. The caller holds the lock of
    /// the digest. Blocks.
    pub(crate) fn quarantine(&self, digest: &Digest, damaged: Stat) -> io::Result<()> {
        let (disk, layout) = (self.ground.disk(), &self.ground.layout);
        let path = layout.blob(digest);
        match disk.stat(&path) {
            // A push replaced it meanwhile, or someone else put it aside.
            Ok(now) if now != damaged => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            stat => stat?,
        };
        tracing::error!(%digest, "a blob is damaged and was put into quarantine; a push of it heals it");
        self.open.forget(digest);
        lock(&self.verified).remove(digest);
        disk.rename(&path, &layout.quarantined(digest))?;
        match disk.remove(&layout.chain(digest)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Each of these changes by one whole step, so a panic elsewhere leaves it right.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
