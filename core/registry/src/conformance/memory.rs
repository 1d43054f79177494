//! A source in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dockless_oci::{Digest, Reference, RepositoryName, Tag};
use dockless_runtime::Runtime;
use dockless_store::{Blob, BlobRead, StoreError};
use futures_util::{StreamExt as _, stream};

use super::Offer;
use crate::content::Manifest;
use crate::source::{
    Asked, Principal, Source, SourceBlob, SourceError, SourceKind, SourceStatus, SourceTraits,
};

/// Bytes of one part of a blob on its way.
const PART_BYTES: usize = 10_000;

/// How a source in memory brings its blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bring {
    /// They are read where they lie.
    InPlace,
    /// They are sent, with their size.
    Foreign,
    /// They are sent, and how long they are shows at their end.
    ForeignWithoutSize,
}

/// A source that has what it is given, and counts what it is asked. It answers everybody, after a time that can be
/// set.
pub struct MemorySource {
    runtime: Runtime,
    traits: SourceTraits,
    bring: Bring,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    offers: Vec<Offer>,
    latency: Duration,
    calls: HashMap<(Asked, String), Calls>,
}

#[derive(Clone, Copy, Default)]
struct Calls {
    all: usize,
    at_once: usize,
    at_once_max: usize,
}

/// Lasts as long as a call.
struct Counted<'a>(&'a MemorySource, (Asked, String));

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if let Some(calls) = self.0.state().calls.get_mut(&self.1) {
            calls.at_once -= 1;
        }
    }
}

impl MemorySource {
    /// A source of this name that has `offers`, answers at once, and of which a "no" does not hold.
    #[must_use]
    pub fn new(runtime: Runtime, label: &str, bring: Bring, offers: Vec<Offer>) -> Arc<Self> {
        Self::with_absence(runtime, label, bring, offers, Duration::ZERO)
    }

    /// As [`MemorySource::new`], but a "no" holds for `absence_holds`.
    #[must_use]
    pub fn with_absence(
        runtime: Runtime,
        label: &str,
        bring: Bring,
        offers: Vec<Offer>,
        absence_holds: Duration,
    ) -> Arc<Self> {
        let kind = if bring == Bring::InPlace { SourceKind::Engine } else { SourceKind::Remote };
        let traits = SourceTraits { label: label.to_owned(), kind, absence_holds, private: false };
        let state = Mutex::new(State { offers, ..State::default() });
        Arc::new(Self { runtime, traits, bring, state })
    }

    /// Has something else from now on.
    pub fn offer(&self, offers: Vec<Offer>) {
        self.state().offers = offers;
    }

    /// Takes this long for each answer from now on.
    pub fn slow_down(&self, latency: Duration) {
        self.state().latency = latency;
    }

    /// How often it was asked for a manifest or a blob.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.state().calls.values().map(|calls| calls.all).sum()
    }

    /// The largest number of times that the same was asked at once, for the same principal, of what one answer serves
    /// all who ask: manifests by digest, and blobs that are sent.
    #[must_use]
    pub fn at_once_max(&self) -> usize {
        let is_shared = |what: &str| match what.split_once(' ') {
            Some(("blob", _)) => self.bring != Bring::InPlace,
            _ => what.contains("sha256:"),
        };
        let state = self.state();
        let shared = state.calls.iter().filter(|((_, what), _)| is_shared(what));
        shared.map(|(_, calls)| calls.at_once_max).max().unwrap_or_default()
    }

    /// How many calls for a manifest or a blob are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.state().calls.values().map(|calls| calls.at_once).sum()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, asked: &Asked, what: String) -> Counted<'_> {
        let key = (asked.clone(), what);
        let mut state = self.state();
        let calls = state.calls.entry(key.clone()).or_default();
        calls.all += 1;
        calls.at_once += 1;
        calls.at_once_max = calls.at_once_max.max(calls.at_once);
        drop(state);
        Counted(self, key)
    }

    async fn pause(&self) {
        let latency = self.state().latency;
        if !latency.is_zero() {
            self.runtime.clock.sleep(latency).await;
        }
    }

    fn find<T>(&self, asked: &Asked, take: impl FnOnce(&Offer) -> Option<T>) -> Option<T> {
        let state = self.state();
        state.offers.iter().find(|offer| offer.repository == asked.repository).and_then(take)
    }
}

/// A blob of these bytes that is read in place.
pub(super) fn in_place(bytes: Bytes) -> Blob {
    Blob::new(bytes.len() as u64, Arc::new(InMemory(bytes)))
}

/// These bytes in parts.
pub(super) fn parts(bytes: &Bytes) -> Vec<Bytes> {
    let cuts = (0..bytes.len()).step_by(PART_BYTES);
    cuts.map(|at| bytes.slice(at..(at + PART_BYTES).min(bytes.len()))).collect()
}

struct InMemory(Bytes);

#[async_trait]
impl BlobRead for InMemory {
    fn try_read(&self, _: u64, _: usize) -> Option<Result<Bytes, StoreError>> {
        None
    }

    async fn read(&self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        Ok(self.0.slice(from..from.saturating_add(max).min(self.0.len())))
    }
}

#[async_trait]
impl Source for MemorySource {
    fn traits(&self) -> &SourceTraits {
        &self.traits
    }

    async fn manifest(&self, asked: &Asked, reference: &Reference) -> Result<Option<Manifest>, SourceError> {
        let _counted = self.count(asked, format!("manifest {reference}"));
        self.pause().await;
        Ok(self.find(asked, |offer| {
            let digest = match reference {
                Reference::Digest(digest) => digest,
                Reference::Tag(tag) => offer.tags.get(tag)?,
            };
            offer.manifests.get(digest).cloned()
        }))
    }

    async fn blob(&self, asked: &Asked, digest: &Digest) -> Result<Option<SourceBlob>, SourceError> {
        let _counted = self.count(asked, format!("blob {digest}"));
        self.pause().await;
        let Some(bytes) = self.find(asked, |offer| offer.blobs.get(digest).cloned()) else { return Ok(None) };
        let size = Some(bytes.len() as u64).filter(|_| self.bring != Bring::ForeignWithoutSize);
        Ok(Some(match self.bring {
            Bring::InPlace => SourceBlob::InPlace(in_place(bytes)),
            Bring::Foreign | Bring::ForeignWithoutSize => {
                SourceBlob::Foreign { size, bytes: stream::iter(parts(&bytes).into_iter().map(Ok)).boxed() }
            }
        }))
    }

    async fn tags(&self, asked: &Asked) -> Result<Option<Vec<Tag>>, SourceError> {
        self.pause().await;
        Ok(self.find(asked, |offer| Some(offer.tags.keys().cloned().collect())))
    }

    async fn repositories(&self, _: &Principal) -> Result<Vec<RepositoryName>, SourceError> {
        self.pause().await;
        Ok(self.state().offers.iter().map(|offer| offer.repository.clone()).collect())
    }

    async fn status(&self) -> SourceStatus {
        self.pause().await;
        let images = Some(self.state().offers.iter().map(|offer| offer.tags.len() as u64).sum());
        SourceStatus { description: self.traits.label.clone(), images, problem: None, note: None }
    }
}
