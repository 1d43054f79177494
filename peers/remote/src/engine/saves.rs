//! Exports: one at a time for each image, whoever asks for it; given up when nobody waits any more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dockless_oci::Digest;
use dockless_oci::digest::Hasher;
use dockless_registry::SourceError;
use dockless_runtime::metric::Counter;
use dockless_runtime::{BoxFuture, Runtime, timeout};
use futures_util::future::{FutureExt as _, Shared, WeakShared};
use http::{Method, StatusCode};
use tokio::sync::Semaphore;

use super::archive::{Archive, Event};
use super::socket::{Answer, Socket, SocketError, empty};
use super::spool::{Filling, Pin, Spool};

/// Exports at once: each makes the engine write a whole image into its own temporary directory first.
const SAVES_MAX: usize = 2;
/// How long an export may wait for its turn.
const TURN_TIME_MAX: Duration = Duration::from_secs(10 * 60);
/// How long an engine may take before the first byte: it exports the whole image first, which was measured at some
/// 50 MB/s, so this is enough for 45 GB.
const FIRST_BYTE_TIME_MAX: Duration = Duration::from_secs(15 * 60);
/// Files up to this size are looked at in memory before they cost a file of the spool: an archive holds more small files
/// that nobody wants than configs.
const SMALL_BYTES: u64 = 256 << 10;

/// What an export brought: every wanted blob, held in the spool as long as this is.
pub(crate) type Saved = Arc<BTreeMap<Digest, Pin>>;

type Outcome = Result<Saved, SourceError>;
type Save = Shared<BoxFuture<'static, Outcome>>;

/// The exports of one engine. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Saves {
    runtime: Runtime,
    spool: Spool,
    running: Arc<Mutex<HashMap<Digest, WeakShared<BoxFuture<'static, Outcome>>>>>,
    turns: Arc<Semaphore>,
    begun: Counter,
    failed: Counter,
}

/// One export.
pub(crate) struct Order {
    /// The image's id.
    pub(crate) image: Digest,
    /// What is asked of the engine: a path that answers the archive.
    pub(crate) path: String,
    /// The digests of its config and layers; `None` for all that is in the archive, where nobody knows them before.
    pub(crate) wanted: Option<BTreeSet<Digest>>,
    /// Why it has to be exported, for the log.
    pub(crate) reason: String,
}

/// Counts an export as failed unless it came to its end.
struct Unfinished(Option<Counter>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(failed) = &self.0 {
            failed.inc();
        }
    }
}

impl Saves {
    pub(crate) fn new(runtime: Runtime, spool: Spool, begun: Counter, failed: Counter) -> Self {
        let turns = Arc::new(Semaphore::new(SAVES_MAX));
        Self { runtime, spool, running: Arc::default(), turns, begun, failed }
    }

    /// Where the blobs are kept.
    pub(crate) fn spool(&self) -> &Spool {
        &self.spool
    }

    /// All of `wanted`, if the spool has them.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] when the disk fails.
    pub(crate) async fn held(&self, wanted: &BTreeSet<Digest>) -> Result<Option<Saved>, SourceError> {
        let held = self.pin(wanted).await?;
        Ok((held.len() == wanted.len()).then(|| Arc::new(held)))
    }

    /// All that the order wants: out of the spool, out of an export that is under way, or out of a new one. `None` when
    /// the engine has no such image. Given up when the last one who waits for it is gone.
    ///
    /// # Errors
    /// [`SourceError`]: the engine or the disk failed, or the archive does not hold what is wanted.
    pub(crate) async fn save(&self, socket: &Socket, order: Order) -> Result<Option<Saved>, SourceError> {
        if let Some(wanted) = &order.wanted
            && let Some(held) = self.held(wanted).await?
        {
            return Ok(Some(held));
        }
        let saved = self.join(socket, order).await?;
        // No image has nothing, not even a config.
        Ok(Some(saved).filter(|saved| !saved.is_empty()))
    }

    /// The export of this image that is under way, or a new one.
    fn join(&self, socket: &Socket, order: Order) -> Save {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, save| save.upgrade().is_some_and(|save| save.peek().is_none()));
        if let Some(save) = running.get(&order.image).and_then(WeakShared::upgrade) {
            return save;
        }
        let (saves, socket, image) = (self.clone(), socket.clone(), order.image.clone());
        let save = async move { saves.run(&socket, &order).await }.boxed().shared();
        running.extend(save.downgrade().map(|weak| (image, weak)));
        save
    }

    async fn run(&self, socket: &Socket, order: &Order) -> Outcome {
        let turn = timeout(&*self.runtime.clock, TURN_TIME_MAX, self.turns.acquire()).await;
        let _turn =
            turn.map_err(|_| SourceError::Refused("the engine exports other images; try later".into()))?;
        // Another image that was exported meanwhile may have brought it all. A part of it is not held: it comes again,
        // and may have to make room for itself.
        if let Some(wanted) = &order.wanted
            && let Some(held) = self.held(wanted).await?
        {
            return Ok(held);
        }
        let mut kept = BTreeMap::new();
        let Order { image, path, reason, .. } = order;
        tracing::info!(%image, reason, "an image is exported by its engine");
        self.begun.inc();
        let mut unfinished = Unfinished(Some(self.failed.clone()));
        let answer = socket.send(Method::GET, path, empty(), FIRST_BYTE_TIME_MAX).await.map_err(of_one)?;
        let answer = match answer.accept().await {
            Err(SocketError::Refused { status: StatusCode::NOT_FOUND, .. }) => return Ok(Saved::default()),
            answer => answer.map_err(of_one)?,
        };
        self.receive(answer, order, &mut kept).await?;
        unfinished.0 = None;
        Ok(Arc::new(kept))
    }

    /// Keeps of an archive what is wanted and not yet `kept`.
    async fn receive(
        &self,
        mut answer: Answer,
        order: &Order,
        kept: &mut BTreeMap<Digest, Pin>,
    ) -> Result<(), SourceError> {
        let damaged = |error: &dyn std::fmt::Display| {
            SourceError::Damaged(format!("the engine's export of image {}: {error}", order.image))
        };
        let (mut archive, mut file) = (Archive::new(), None);
        while let Some(bytes) = answer.next().await {
            let mut bytes = bytes.map_err(of_one)?;
            while let Some(event) = archive.next(&mut bytes).map_err(|error| damaged(&error))? {
                match event {
                    Event::Begin(size) => file = Some(self.begin(size, order).await?),
                    Event::Data(data) => {
                        file.as_mut().expect("data belongs to a file that has begun").write(data).await?;
                    }
                    Event::End => {
                        let missing = order.wanted.as_ref().map(|wanted| {
                            wanted.iter().filter(|digest| !kept.contains_key(*digest)).cloned().collect()
                        });
                        let file = file.take().expect("what ends has begun");
                        kept.extend(file.finish(&self.spool, missing.as_ref()).await?);
                    }
                }
            }
        }
        archive.finish().map_err(|error| damaged(&error))?;
        match order.wanted.iter().flatten().find(|digest| !kept.contains_key(*digest)) {
            None => Ok(()),
            Some(missing) => Err(damaged(&format_args!("{missing} is not in it"))),
        }
    }

    async fn begin(&self, size: u64, order: &Order) -> Result<File, SourceError> {
        if size <= SMALL_BYTES {
            return Ok(File::Small(BytesMut::new()));
        }
        let refused = match self.spool.begin(size).await {
            Ok(filling) => return Ok(File::Large(Box::new(filling))),
            Err(error @ SourceError::Refused(_)) => error,
            Err(error) => return Err(error),
        };
        let Some(wanted) = &order.wanted else { return Err(refused) };
        let mut held = self.pin(wanted).await?;
        held.retain(|_, pin| pin.size == size);
        let Some(algorithm) = held.keys().next().map(Digest::algorithm) else { return Err(refused) };
        Ok(File::Known { held, hasher: Hasher::new(algorithm), refused })
    }

    /// Those of `wanted` that the spool has.
    async fn pin(&self, wanted: &BTreeSet<Digest>) -> Result<BTreeMap<Digest, Pin>, SourceError> {
        let mut held = BTreeMap::new();
        for digest in wanted {
            if let Some(pin) = self.spool.pin(digest).await? {
                held.insert(digest.clone(), pin);
            }
        }
        Ok(held)
    }
}

/// What an engine that takes the connection does wrong in an export is taken for a matter of that image: whether the
/// engine itself works, the next question shows.
fn of_one(error: SocketError) -> SourceError {
    match error {
        SocketError::Unreachable(words) => SourceError::Unavailable(words),
        error => SourceError::Refused(error.to_string()),
    }
}

/// A file of the archive.
enum File {
    Small(BytesMut),
    Large(Box<Filling>),
    /// There is no room for it, maybe because the spool has it and somebody reads it there: it is hashed alone.
    Known {
        /// Those that it may be.
        held: BTreeMap<Digest, Pin>,
        hasher: Hasher,
        /// What is to be said when it is none of them.
        refused: SourceError,
    },
}

impl File {
    async fn write(&mut self, bytes: Bytes) -> Result<(), SourceError> {
        match self {
            Self::Small(held) => {
                held.extend_from_slice(&bytes);
                Ok(())
            }
            Self::Large(filling) => filling.write(bytes).await,
            Self::Known { hasher, .. } => {
                hasher.update(&bytes);
                Ok(())
            }
        }
    }

    async fn finish(
        self,
        spool: &Spool,
        wanted: Option<&BTreeSet<Digest>>,
    ) -> Result<Option<(Digest, Pin)>, SourceError> {
        let bytes = match self {
            Self::Large(filling) => return filling.finish(wanted).await,
            Self::Known { mut held, hasher, refused } => {
                return held.remove_entry(&hasher.finish()).map(Some).ok_or(refused);
            }
            Self::Small(bytes) => bytes.freeze(),
        };
        if wanted.is_some_and(|wanted| !wanted.contains(&Digest::sha256(&bytes))) {
            return Ok(None);
        }
        let mut filling = spool.begin(bytes.len() as u64).await?;
        filling.write(bytes).await?;
        filling.finish(wanted).await
    }
}
