//! Loads into engines what is pushed to the node: it follows the ledger, so a push does not wait for it.

use std::sync::Arc;

use dockless_meta::event::{EVENTS_PAGE_MAX, Event};
use dockless_meta::view::View;
use dockless_meta::{Ledger, LedgerError};
use dockless_oci::descriptor::Descriptor;
use dockless_oci::{Digest, RepositoryName, Tag, media_type};
use dockless_registry::{Asked, Source as _, SourceError};
use dockless_remote::{Engine, Load, LoadPart};
use dockless_store::BlobStore;
use serde::Deserialize;

/// Types of a config that an engine can run: what else is pushed (charts, signatures) is for others.
const CONFIGS: [&str; 2] = [media_type::OCI_CONFIG, media_type::DOCKER_CONFIG];

/// What loads.
pub(super) struct Loader {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) engines: Vec<Arc<Engine>>,
}

/// An image manifest, as far as it is looked at.
#[derive(Deserialize)]
struct Image {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// An index, as far as it is looked at.
#[derive(Deserialize)]
struct Index {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: Digest,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

/// Why an image is not loaded.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// Another push has moved the tag, or removed it: what is there now has its own turn.
    #[error("the tag points elsewhere by now")]
    Superseded,
    /// Not an image for this machine's engine.
    #[error("it is no image for this machine")]
    Other,
    /// The node does not hold all of it.
    #[error("{0} is not here")]
    Missing(Digest),
    #[error("{0}")]
    Broken(String),
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
        let load = match self.image(repository, tag, digest).await {
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
                Err(SourceError::Denied(reason)) => {
                    tracing::debug!(%repository, %tag, engine = %label, %reason, "not loaded");
                }
                Err(error) => tracing::warn!(%repository, %tag, engine = %label, %error, "not loaded"),
            }
        }
    }

    /// The image that a tag points to, its blobs open.
    async fn image(&self, repository: &RepositoryName, tag: &Tag, digest: &Digest) -> Result<Load, Failed> {
        let image = {
            let view = self.ledger.view().map_err(broken)?;
            if view.tag(repository, tag).map_err(broken)?.as_ref() != Some(digest) {
                return Err(Failed::Superseded);
            }
            image_in(&view, repository, digest)?
        };
        if !CONFIGS.contains(&image.config.media_type.as_str()) {
            return Err(Failed::Other);
        }
        let mut layers = Vec::with_capacity(image.layers.len());
        for layer in image.layers {
            layers.push(self.part(layer.digest).await?);
        }
        let config = self.part(image.config.digest).await?;
        Ok(Load { asked: Asked::anonymous(repository), tag: tag.clone(), config, layers })
    }

    async fn part(&self, digest: Digest) -> Result<LoadPart, Failed> {
        match self.blobs.open(&digest).await.map_err(broken)? {
            Some(blob) => Ok(LoadPart { digest, blob }),
            None => Err(Failed::Missing(digest)),
        }
    }
}

/// The image manifest of this digest, or the one for this machine that it lists.
fn image_in(view: &View, repository: &RepositoryName, digest: &Digest) -> Result<Image, Failed> {
    let held = |digest: &Digest| {
        let record = view.manifest(repository, digest).map_err(broken)?;
        record.ok_or_else(|| Failed::Missing(digest.clone()))
    };
    let mut record = held(digest)?;
    if media_type::is_index(&record.media_type) {
        record = held(&ours(&record.bytes).ok_or(Failed::Other)?)?;
    }
    serde_json::from_slice(&record.bytes).map_err(|_| Failed::Other)
}

/// The image of an index that an engine of this machine runs.
fn ours(index: &[u8]) -> Option<Digest> {
    let index: Index = serde_json::from_slice(index).ok()?;
    let mut entries = index.manifests.into_iter();
    entries.find(|entry| entry.platform.as_ref().is_some_and(is_ours)).map(|entry| entry.digest)
}

/// Whether an engine of this machine runs it. The words are those of Go.
fn is_ours(platform: &Platform) -> bool {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "loongarch64" => "loong64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        other => other,
    };
    platform.os == std::env::consts::OS && platform.architecture == architecture
}

fn broken(error: impl std::fmt::Display) -> Failed {
    Failed::Broken(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_an_index_the_image_for_this_machine_is_taken() {
        let entry = |name: &str, os: &str, architecture: &str| {
            let digest = Digest::sha256(name.as_bytes());
            json!({ "digest": digest, "size": 1, "platform": { "os": os, "architecture": architecture } })
        };
        let here = if std::env::consts::ARCH == "x86_64" { "amd64" } else { "arm64" };
        let plain = json!({ "digest": Digest::sha256(b"plain"), "size": 1 });
        let others = [plain, entry("elsewhere", "plan9", here), entry("signature", "unknown", "unknown")];
        let chosen =
            |entries: &[serde_json::Value]| ours(json!({ "manifests": entries }).to_string().as_bytes());
        assert_eq!(chosen(&others), None);
        let all = [&others[..], &[entry("this", "linux", here), entry("later", "linux", here)]].concat();
        assert_eq!(chosen(&all), Some(Digest::sha256(b"this")));
        assert_eq!(ours(b"[]"), None);
    }
}
