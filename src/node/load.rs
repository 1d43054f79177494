//! Loads into engines what is pushed to the node: it follows the ledger, so a push does not wait for it.

mod image;

use std::sync::Arc;

use dockless_meta::event::{EVENTS_PAGE_MAX, Event};
use dockless_meta::{Ledger, LedgerError};
use dockless_oci::{Digest, RepositoryName, Tag};
use dockless_registry::Source as _;
use dockless_remote::{Engine, LoadError};
use dockless_store::BlobStore;

use image::{Failed, image};

/// What loads.
pub(super) struct Loader {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) engines: Vec<Arc<Engine>>,
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
                    tracing::warn!("pushes came faster than engines load them: some images were not loaded");
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

    async fn load(&self, repository: &RepositoryName, tag: &Tag, digest: &Digest) {
        let load = match image(&*self.ledger, &self.blobs, repository, tag, digest) {
            Ok(load) => load,
            Err(reason @ (Failed::Superseded | Failed::Other)) => {
                tracing::debug!(%repository, %tag, %reason, "not loaded into engines");
                return;
            }
            Err(reason) => {
                tracing::warn!(%repository, %tag, %reason, "cannot be loaded into engines");
                return;
            }
        };
        for engine in &self.engines {
            let label = &engine.traits().label;
            match engine.load(&load).await {
                Ok(()) => tracing::info!(%repository, %tag, engine = %label, "loaded"),
                Err(LoadError::NotShared(reason)) => {
                    tracing::debug!(%repository, %tag, engine = %label, %reason, "not loaded");
                }
                Err(error) => tracing::warn!(%repository, %tag, engine = %label, %error, "not loaded"),
            }
        }
    }
}
