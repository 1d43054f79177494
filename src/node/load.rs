//! Loads into engines what is pushed to the node: it follows the ledger, so a push does not wait for it.

mod image;

use std::sync::Arc;
use std::time::Duration;

use dockless_meta::event::{EVENTS_PAGE_MAX, Event};
use dockless_meta::{Ledger, LedgerError};
use dockless_oci::{Digest, RepositoryName, Tag};
use dockless_registry::Source as _;
use dockless_remote::{Engine, LoadError};
use dockless_runtime::Clock;
use dockless_store::BlobStore;

use image::{Failed, image};

/// How long an engine that did not take an image is left alone; twice as long each time, up to the second.
const REST_MIN: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(30);

/// How often an image is given to an engine that answers, and breaks off each time.
const TRIES_MAX: usize = 3;

/// What loads into one engine. What an engine that is down is to have waits for it in the journal.
pub(super) struct Loader {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) engine: Arc<Engine>,
}

impl Loader {
    /// Loads each image whose tag is set or moved from now on, one after the other, until the ledger is stopped.
    pub(super) async fn run(self) {
        let mut applied = self.ledger.applied();
        let mut after = *applied.borrow_and_update();
        loop {
            match self.ledger.events(after, EVENTS_PAGE_MAX).await {
                Ok(events) if events.is_empty() => {
                    if applied.changed().await.is_err() {
                        return;
                    }
                }
                Ok(events) => {
                    for (number, event) in events {
                        after = number;
                        if let Event::TagSet { repository, tag, digest, .. } = event {
                            self.load(&repository, &tag, &digest).await;
                        }
                    }
                }
                Err(LedgerError::Trimmed { first }) => {
                    let engine = &self.engine.traits().label;
                    tracing::warn!(%engine, "pushes came faster than it loads them: some were not loaded");
                    after = first.saturating_sub(1);
                }
                Err(LedgerError::Stopped) => return,
                Err(error) => {
                    tracing::error!(%error, "what is pushed is not loaded into engines any more");
                    return;
                }
            }
        }
    }

    /// Loads an image, however long the engine is down, unless its tag is moved or removed meanwhile.
    async fn load(&self, repository: &RepositoryName, tag: &Tag, digest: &Digest) {
        let engine = &self.engine.traits().label;
        let (mut rest, mut tries) = (REST_MIN, 1);
        loop {
            let load = match image(&*self.ledger, &self.blobs, repository, tag, digest) {
                Ok(load) => load,
                Err(reason @ (Failed::Superseded | Failed::Other)) => {
                    return tracing::debug!(%repository, %tag, %engine, %reason, "not loaded");
                }
                Err(reason) => return tracing::warn!(%repository, %tag, %engine, %reason, "cannot be loaded"),
            };
            match self.engine.load(&load).await {
                Ok(()) => return tracing::info!(%repository, %tag, %engine, "loaded"),
                Err(LoadError::NotShared(reason)) => {
                    return tracing::debug!(%repository, %tag, %engine, %reason, "not loaded");
                }
                Err(error @ LoadError::Unavailable(_)) if tries < TRIES_MAX => {
                    tracing::warn!(%repository, %tag, %engine, %error, "not loaded yet");
                }
                Err(error) => return tracing::warn!(%repository, %tag, %engine, %error, "not loaded"),
            }
            self.clock.sleep(rest).await;
            rest = (rest * 2).min(REST_MAX);
            if self.engine.status().await.problem.is_none() {
                tries += 1;
            }
        }
    }
}
