//! A source that cannot be trusted.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dockless_oci::{Digest, Reference, RepositoryName, Tag};
use dockless_runtime::{Clock, Runtime};
use dockless_store::{Blob, BlobRead, StoreError};
use futures_util::{StreamExt as _, stream};

use super::memory::{in_place, parts};
use super::read_blob;
use crate::content::Manifest;
use crate::source::{Asked, Principal, Source, SourceBlob, SourceError, SourceStatus, SourceTraits};

/// After this time one that says nothing gives up by itself, as every source does.
const SILENCE: Duration = Duration::from_secs(30);

/// What a peer may do to whoever asks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// It tells the truth.
    None,
    /// One byte is another.
    WrongBytes,
    /// It ends in the middle.
    Short,
    /// There is more at the end.
    Long,
    /// It never ends.
    Endless,
    /// The bytes are right, their stated number is not.
    WrongSize,
    /// It sends one half and then nothing, for ever.
    Stall,
    /// It sends a byte every second.
    Trickle,
    /// It sends one half and then fails.
    Break,
    /// What it has in place turns out to be damaged in the middle.
    DamagedInPlace,
    /// It says nothing for half a minute, and then that it cannot.
    Silence,
    /// It cannot be reached.
    Unreachable,
    /// It says that it cannot give this one thing.
    Refused,
    /// It says that what it has is damaged.
    Damaged,
    /// It says that it does not have it.
    Absent,
    /// It refuses whoever asks.
    Denied,
}

impl Lie {
    /// Every one of them.
    pub const ALL: [Self; 16] = [
        Self::None,
        Self::WrongBytes,
        Self::Short,
        Self::Long,
        Self::Endless,
        Self::WrongSize,
        Self::Stall,
        Self::Trickle,
        Self::Break,
        Self::DamagedInPlace,
        Self::Silence,
        Self::Unreachable,
        Self::Refused,
        Self::Damaged,
        Self::Absent,
        Self::Denied,
    ];

    /// Those that say that the content is not there, or say nothing.
    fn refusal<T>(self) -> Option<Result<Option<T>, SourceError>> {
        match self {
            Self::Silence => Some(Err(SourceError::Unavailable("no answer in time".to_owned()))),
            Self::Unreachable => Some(Err(SourceError::Unavailable("connection refused".to_owned()))),
            Self::Refused => Some(Err(SourceError::Refused("it does not fit".to_owned()))),
            Self::Damaged => Some(Err(SourceError::Damaged("a file is missing".to_owned()))),
            Self::Denied => Some(Err(SourceError::Denied("401 Unauthorized".to_owned()))),
            Self::Absent => Some(Ok(None)),
            _ => None,
        }
    }

    fn bytes(self, bytes: Bytes) -> Bytes {
        let half = bytes.len() / 2;
        match self {
            Self::WrongBytes => {
                let mut other = bytes.to_vec();
                if let Some(byte) = other.get_mut(half) {
                    *byte ^= 1;
                }
                other.into()
            }
            Self::Short | Self::Stall | Self::Break => bytes.slice(..half),
            Self::Long | Self::Endless => [bytes.as_ref(), b"more"].concat().into(),
            _ => bytes,
        }
    }
}

/// A source that has what another one has, and lies about it, as it chooses anew each time.
pub struct LyingSource {
    source: Arc<dyn Source>,
    runtime: Runtime,
    choose: Box<dyn Fn() -> Lie + Send + Sync>,
}

impl LyingSource {
    /// Tells what `source` has with the lies that `choose` gives. Its lists are true, as far as it answers.
    pub fn new(
        source: Arc<dyn Source>,
        runtime: Runtime,
        choose: impl Fn() -> Lie + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { source, runtime, choose: Box::new(choose) })
    }

    async fn refusal<T>(&self, lie: Lie) -> Option<Result<Option<T>, SourceError>> {
        if lie == Lie::Silence {
            self.runtime.clock.sleep(SILENCE).await;
        }
        lie.refusal()
    }
}

#[async_trait]
impl Source for LyingSource {
    fn traits(&self) -> &SourceTraits {
        self.source.traits()
    }

    async fn manifest(&self, asked: &Asked, reference: &Reference) -> Result<Option<Manifest>, SourceError> {
        let lie = (self.choose)();
        let manifest = self.source.manifest(asked, reference).await?;
        if let Some(refusal) = self.refusal(lie).await {
            return refusal;
        }
        Ok(manifest.map(|manifest| Manifest { bytes: lie.bytes(manifest.bytes.clone()), ..manifest }))
    }

    async fn blob(&self, asked: &Asked, digest: &Digest) -> Result<Option<SourceBlob>, SourceError> {
        let lie = (self.choose)();
        if let Some(refusal) = self.refusal(lie).await {
            return refusal;
        }
        if lie == Lie::None {
            return self.source.blob(asked, digest).await;
        }
        let Some(bytes) = read_blob(&*self.source, asked, digest).await? else { return Ok(None) };
        if lie == Lie::DamagedInPlace {
            let blob = in_place(bytes);
            let half = HalfDamaged { good: blob.size / 2, digest: digest.clone(), blob };
            return Ok(Some(SourceBlob::InPlace(Blob::new(half.blob.size, Arc::new(half)))));
        }
        let size = bytes.len() as u64 + u64::from(lie == Lie::WrongSize);
        let sent = stream::iter(parts(&lie.bytes(bytes.clone())).into_iter().map(Ok));
        let bytes = match lie {
            Lie::Endless => sent.chain(stream::repeat(Ok(Bytes::from_static(b"and more")))).boxed(),
            Lie::Stall => sent.chain(stream::pending()).boxed(),
            Lie::Break => {
                sent.chain(stream::iter([Err(SourceError::Unavailable("reset".to_owned()))])).boxed()
            }
            Lie::Trickle => trickle(self.runtime.clock.clone(), bytes).boxed(),
            _ => sent.boxed(),
        };
        Ok(Some(SourceBlob::Foreign { size: Some(size), bytes }))
    }

    async fn tags(&self, asked: &Asked) -> Result<Option<Vec<Tag>>, SourceError> {
        match self.refusal((self.choose)()).await {
            Some(refusal) => refusal,
            None => self.source.tags(asked).await,
        }
    }

    async fn repositories(&self, principal: &Principal) -> Result<Vec<RepositoryName>, SourceError> {
        match self.refusal((self.choose)()).await {
            Some(refusal) => refusal.map(Option::unwrap_or_default),
            None => self.source.repositories(principal).await,
        }
    }

    async fn status(&self) -> SourceStatus {
        let status = self.source.status().await;
        let refusal = self.refusal::<()>((self.choose)()).await;
        let problem = refusal.and_then(Result::err).map(|error| error.to_string());
        SourceStatus { problem, ..status }
    }
}

fn trickle(
    clock: Arc<dyn Clock>,
    bytes: Bytes,
) -> impl futures_util::Stream<Item = Result<Bytes, SourceError>> {
    stream::unfold((clock, bytes), |(clock, mut bytes)| async move {
        if bytes.is_empty() {
            return None;
        }
        clock.sleep(Duration::from_secs(1)).await;
        let byte = bytes.split_to(1);
        Some((Ok(byte), (clock, bytes)))
    })
}

/// A blob in place whose second half was damaged since it was offered.
struct HalfDamaged {
    blob: Blob,
    good: u64,
    digest: Digest,
}

#[async_trait]
impl BlobRead for HalfDamaged {
    fn try_read(&self, _: u64, _: usize) -> Option<Result<Bytes, StoreError>> {
        None
    }

    async fn read(&self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
        let left = usize::try_from(self.good.saturating_sub(offset)).unwrap_or(usize::MAX);
        if left == 0 {
            return Err(StoreError::Damaged(self.digest.clone()));
        }
        self.blob.read(offset, max.min(left)).await
    }
}
