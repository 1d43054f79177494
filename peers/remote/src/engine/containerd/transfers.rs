//! Blobs that containerd sends through its socket: each once for all who want it, into the spool, where it is verified
//! and can be read from anywhere.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use dockless_oci::Digest;
use dockless_oci::manifest::MANIFEST_BYTES_MAX;
use dockless_registry::{Blob, SourceError};
use dockless_runtime::{BoxFuture, Runtime, timeout};
use futures_util::future::{FutureExt as _, Shared, WeakShared};
use tokio::sync::Semaphore;

use super::super::spool::{Pin, Spool};
use super::NAMESPACES;
use super::content::Content;
use super::services::{Pieces, Services};

/// Transfers at once: each takes a disk.
const TRANSFERS_MAX: usize = 4;
/// How long a transfer may wait for its turn.
const TURN_TIME_MAX: Duration = Duration::from_secs(10 * 60);

/// Held in the spool; `None` when the engine does not have it.
type Outcome = Result<Option<Pin>, SourceError>;
type Running = HashMap<Digest, WeakShared<BoxFuture<'static, Outcome>>>;

/// The blobs of one containerd, through its socket. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Transfers {
    runtime: Runtime,
    services: Services,
    spool: Spool,
    running: Arc<Mutex<Running>>,
    turns: Arc<Semaphore>,
}

impl Transfers {
    pub(crate) fn new(runtime: Runtime, services: Services, spool: Spool) -> Self {
        let turns = Arc::new(Semaphore::new(TRANSFERS_MAX));
        Self { runtime, services, spool, running: Arc::default(), turns }
    }

    /// The transfer of this blob that is under way, or a new one. Given up when the last one who waits for it is gone.
    fn join(&self, digest: &Digest) -> Shared<BoxFuture<'static, Outcome>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, transfer| transfer.upgrade().is_some_and(|transfer| transfer.peek().is_none()));
        if let Some(transfer) = running.get(digest).and_then(WeakShared::upgrade) {
            return transfer;
        }
        let (transfers, wanted) = (self.clone(), digest.clone());
        let transfer = async move { transfers.run(&wanted).await }.boxed().shared();
        running.extend(transfer.downgrade().map(|weak| (digest.clone(), weak)));
        transfer
    }

    async fn run(&self, digest: &Digest) -> Outcome {
        let turn = timeout(&*self.runtime.clock, TURN_TIME_MAX, self.turns.acquire()).await;
        let _turn =
            turn.map_err(|_| SourceError::Refused("the engine sends other blobs; try later".into()))?;
        let Some((size, mut pieces)) = self.begin(digest).await? else { return Ok(None) };
        let mut filling = self.spool.begin(size).await?;
        let mut left = size;
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            left = left.checked_sub(piece.len() as u64).ok_or_else(|| damaged(digest))?;
            filling.write(piece).await?;
        }
        let kept = filling.finish(Some(&BTreeSet::from([digest.clone()]))).await?;
        kept.map(|(_, pin)| Some(pin)).ok_or_else(|| damaged(digest))
    }

    /// The size and the bytes of a blob.
    async fn begin(&self, digest: &Digest) -> Result<Option<(u64, Pieces)>, SourceError> {
        for namespace in NAMESPACES {
            if let Some(size) = self.services.size(namespace, digest).await? {
                return Ok(Some((size, self.services.pieces(namespace, digest).await?)));
            }
        }
        Ok(None)
    }
}

fn damaged(digest: &Digest) -> SourceError {
    SourceError::Damaged(format!("what the engine sent as {digest} is something else"))
}

#[async_trait]
impl Content for Transfers {
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, SourceError> {
        for namespace in NAMESPACES {
            if let Some(size) = self.services.size(namespace, digest).await? {
                return Ok(Some(size));
            }
        }
        Ok(None)
    }

    async fn manifest(&self, digest: &Digest) -> Result<Option<Bytes>, SourceError> {
        let Some((size, mut pieces)) = self.begin(digest).await? else { return Ok(None) };
        if size > MANIFEST_BYTES_MAX as u64 {
            return Ok(None);
        }
        let mut bytes = BytesMut::new();
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece?);
            if bytes.len() as u64 > size {
                break;
            }
        }
        if Digest::of(digest.algorithm(), &bytes) != *digest {
            return Err(damaged(digest));
        }
        Ok(Some(bytes.freeze()))
    }

    async fn open(&self, digest: &Digest) -> Result<Option<Blob>, SourceError> {
        // What the engine removed is not answered, though it is still here.
        if self.size(digest).await?.is_none() {
            return Ok(None);
        }
        if let Some(blob) = self.spool.open(digest).await? {
            return Ok(Some(blob));
        }
        // Held until the blob is open, so that it does not go before.
        let Some(_pin) = self.join(digest).await? else { return Ok(None) };
        self.spool.open(digest).await
    }
}
