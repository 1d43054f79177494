//! Where the bytes of the latest pulls came from.
//!
//! A pull costs two looks at the clock, clones of four names that are shared, two counters, and a push into a ring
//! under a lock that is held for nothing else: well under a microsecond, so every one is recorded, hits in memory too.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dockless_oci::{Digest, RepositoryName, Tag};
use dockless_runtime::metric::{Counter, Family};
use dockless_runtime::{MetricRegistry, Runtime};

use crate::source::{Asked, Principal};

/// Pulls that are remembered: those of the latest some dozens of images, in some 200 KiB.
pub const PULLS_MAX: usize = 1_000;

/// A manifest or blob that somebody got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// When it was ready to be sent, in milliseconds since 1970.
    pub at_ms: u64,
    /// From which repository.
    pub repository: RepositoryName,
    /// What it was.
    pub content: PulledContent,
    /// What it is.
    pub digest: Digest,
    /// Its bytes; a client may have asked for a part of them only, or go away before it has them all.
    pub bytes: u64,
    /// Where they came from: `memory`, `store` (the ledger, for a manifest), or the label of a source.
    pub from: Arc<str>,
    /// For whom.
    pub principal: Principal,
    /// From the question until the first byte could be sent.
    pub took: Duration,
}

/// What was pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PulledContent {
    /// A manifest, by this tag or else by its digest.
    Manifest(Option<Tag>),
    /// A blob.
    Blob,
}

/// Where bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The memory of this node.
    Memory,
    /// Its disk.
    Store,
    /// A source, by its number.
    Source(usize),
}

/// The latest pulls, and counters by origin.
pub(crate) struct Pulls {
    latest: Mutex<VecDeque<Pull>>,
    memory: Place,
    store: Place,
    sources: Vec<Place>,
}

struct Place {
    label: Arc<str>,
    pulls: Counter,
    bytes: Counter,
}

/// Counters by the place that the bytes came from; there are as many as sources, and two.
type ByPlace = Family<[(&'static str, String); 1], Counter>;

impl Pulls {
    pub(crate) fn new<'a>(sources: impl Iterator<Item = &'a str>, metrics: &MetricRegistry) -> Self {
        let (pulls, bytes) = (ByPlace::default(), ByPlace::default());
        metrics.register("pulls", "Manifests and blobs pulled, by where they came from", pulls.clone());
        metrics.register(
            "pulls_bytes",
            "Bytes of manifests and blobs pulled, by where they came from",
            bytes.clone(),
        );
        let place = |label: &str| {
            let labels = [("source", label.to_owned())];
            Place {
                label: label.into(),
                pulls: pulls.get_or_create(&labels).clone(),
                bytes: bytes.get_or_create(&labels).clone(),
            }
        };
        Self {
            latest: Mutex::new(VecDeque::with_capacity(PULLS_MAX)),
            memory: place("memory"),
            store: place("store"),
            sources: sources.map(place).collect(),
        }
    }

    /// The latest, newest first.
    pub(crate) fn list(&self) -> Vec<Pull> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }

    /// Records that somebody gets something since `began` on the clock of `runtime`.
    pub(crate) fn record(
        &self,
        runtime: &Runtime,
        began: Duration,
        origin: Origin,
        asked: &Asked,
        (content, digest, bytes): (PulledContent, &Digest, u64),
    ) {
        let place = self.place(origin);
        place.pulls.inc();
        place.bytes.inc_by(bytes);
        let took = runtime.clock.monotonic().saturating_sub(began);
        let (repository, from) = (&asked.repository, &place.label);
        if let Origin::Source(_) = origin {
            tracing::info!(%repository, ?content, %digest, bytes, %from, ?took, "pulled");
        } else {
            tracing::debug!(%repository, ?content, %digest, bytes, %from, ?took, "pulled");
        }
        self.push(Pull {
            at_ms: runtime.clock.unix_ms(),
            repository: repository.clone(),
            content,
            digest: digest.clone(),
            bytes,
            from: from.clone(),
            principal: asked.principal.clone(),
            took,
        });
    }

    /// What a place is called.
    pub(crate) fn label(&self, origin: Origin) -> &str {
        &self.place(origin).label
    }

    fn place(&self, origin: Origin) -> &Place {
        match origin {
            Origin::Memory => &self.memory,
            Origin::Store => &self.store,
            Origin::Source(source) => &self.sources[source],
        }
    }

    fn push(&self, pull: Pull) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = if latest.len() == PULLS_MAX { latest.pop_front() } else { None };
        latest.push_back(pull);
        drop(latest);
        drop(oldest);
    }
}
