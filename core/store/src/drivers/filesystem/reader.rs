//! Reading a blob: nothing leaves that was not verified.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use dockless_runtime::Stat;

use super::open_file::{Look, OpenFile, Verification};
use super::shelf::Shelf;
use crate::blob::{BlobRead, Sent};
use crate::error::StoreError;
use crate::progress::Progress;

/// A blob about which nothing is known is hashed before its first byte leaves when it has no more bytes than this:
/// 0.1 s. A larger one is hashed on its way, so that its reader is not left without an answer for minutes.
const HASH_FIRST_BYTES_MAX: u64 = 128 << 20;

/// One reader of one blob; its clones share it.
pub(crate) struct Reader(Arc<Inside>);

struct Inside {
    shelf: Arc<Shelf>,
    file: Arc<OpenFile>,
    on_the_way: Mutex<Option<OnTheWay>>,
}

/// The hash of a file whose reader gets the bytes in order as they are hashed, all but the last.
struct OnTheWay {
    identity: Stat,
    progress: Progress,
}

impl Reader {
    pub(crate) fn new(shelf: Arc<Shelf>, file: Arc<OpenFile>) -> Self {
        Self(Arc::new(Inside { shelf, file, on_the_way: Mutex::default() }))
    }
}

#[async_trait]
impl BlobRead for Reader {
    fn try_read(&self, offset: u64, max: usize) -> Option<Result<Bytes, StoreError>> {
        self.0.file.read_cached(offset, max).map(Ok)
    }

    fn sendable(&self, offset: u64, max: usize) -> usize {
        self.0.file.sendable(offset, max)
    }

    fn try_send(&self, socket: BorrowedFd<'_>, offset: u64, max: usize) -> io::Result<Option<Sent>> {
        self.0.file.try_send(socket, offset, max)
    }

    async fn read(&self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
        let inside = self.0.clone();
        let runtime = &self.0.shelf.ground().runtime;
        // What has to be verified is verified once: the others wait without a thread.
        let turn = if inside.file.knows(offset) {
            None
        } else {
            Some(inside.file.verifying.clone().lock_owned().await)
        };
        let read = runtime
            .blocking("read a blob", move || {
                let _turn = turn;
                inside.read(offset, max)
            })
            .await?;
        if !matches!(read, Err(StoreError::Damaged(_))) {
            return read;
        }
        let inside = self.0.clone();
        let alone = inside.shelf.lock(&inside.file.digest).await;
        let put_aside = runtime.blocking("put a damaged blob aside", move || {
            let _alone = alone;
            inside.shelf.quarantine(&inside.file.digest, inside.file.identity())
        });
        if let Err(error) = put_aside.await? {
            tracing::error!(digest = %self.0.file.digest, %error, "a damaged blob could not be put aside");
        }
        read
    }
}

impl Inside {
    fn read(&self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
        let mut look = self.file.read(offset, max)?;
        if let Look::Changed = look
            && let Some(list) = self.shelf.list(&self.file)
        {
            self.file.relearn(list);
            look = self.file.read(offset, max)?;
        }
        match look {
            Look::Genuine(bytes) => return Ok(bytes),
            Look::Completed(bytes, identity, list) => {
                self.shelf.remember(&self.file.digest, identity, Some(Arc::unwrap_or_clone(list)));
                return Ok(bytes);
            }
            Look::Unknown => {
                if let Some(bytes) = self.read_on_the_way(offset, max)? {
                    return Ok(bytes);
                }
            }
            Look::Changed | Look::Doubtful | Look::Damaged => {}
        }
        self.conclude(self.file.verify()?)?;
        match self.file.read(offset, max)? {
            Look::Genuine(bytes) => Ok(bytes),
            _ => Err(StoreError::Io("a blob's file changed while it was read".into())),
        }
    }

    /// Hashes in order what is read in order. `None` when this reader does not, or the blob is small.
    fn read_on_the_way(&self, offset: u64, max: usize) -> Result<Option<Bytes>, StoreError> {
        let mut held = self.on_the_way.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hash = match held.take() {
            Some(hash) if hash.progress.length() == offset => hash,
            _ if offset == 0 && self.file.size > HASH_FIRST_BYTES_MAX => {
                OnTheWay { identity: self.file.identity(), progress: self.file.progress() }
            }
            _ => return Ok(None),
        };
        let (bytes, now) = self.file.read_plain(offset, max)?;
        if now != hash.identity {
            return Ok(None);
        }
        hash.progress.update(&bytes, |_| ());
        if hash.progress.length() < self.file.size {
            *held = Some(hash);
        } else {
            self.conclude(self.file.learn(hash.identity, &hash.progress))?;
        }
        Ok(Some(bytes))
    }

    fn conclude(&self, verification: Verification) -> Result<(), StoreError> {
        match verification {
            Verification::Genuine(identity, list) => {
                self.shelf.remember(&self.file.digest, identity, list);
                Ok(())
            }
            Verification::Damaged => Err(StoreError::Damaged(self.file.digest.clone())),
        }
    }
}
