//! The driver for engines that speak docker's API and keep unpacked layers: docker with a graph driver, and podman.
//!
//! Such an engine has no manifests that it could give, and of each layer only the plain tar can be had. So the manifest
//! is made here (see [`manifest`](super::manifest)), and a layer is served under its diffID: rebuilt where it lies if
//! the storage directory can be read, else out of one export of the image.

pub(crate) mod api;
pub(crate) mod names;
pub(crate) mod storage;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use dockless_oci::Digest;
use dockless_registry::{Blob, Manifest, SourceError};

use self::api::{About, Version};
use self::names::Names;
use self::storage::Storage;
use super::containerd::content::Content;
use super::driver::{Driver, EngineTraits, Image};
use super::ground::Ground;
use super::load::{self, Load, LoadError, archive};
use super::manifest::{Part, check_config, manifest};
use super::saves::{Order, Saved};
use crate::layer::LayerError;

/// docker or podman.
pub(crate) struct Docker {
    ground: Arc<Ground>,
    traits: EngineTraits,
    names: Names,
    /// Or why layers cannot be read in place.
    storage: Result<Storage, String>,
}

impl Docker {
    /// The driver for the engine that answered with this version and this about itself.
    pub(crate) async fn new(ground: Arc<Ground>, version: &Version, about: &About) -> Self {
        let podman = version.is_podman();
        let (bounded, root) = (ground.layers.bounded().clone(), Path::new(&about.root));
        let storage = ground.storage.open(bounded, podman, root, &about.driver).await;
        let name = if podman { "podman" } else { "docker" };
        let description = format!("{name} {}, {}", version.version, about.driver);
        let note = storage.as_ref().err();
        let note = note.map(|reason| format!("layers are exported by the engine and kept a while: {reason}"));
        let traits = EngineTraits { description, note, names_local: podman };
        let names = Names::new(ground.socket.clone(), false);
        Self { ground, traits, names, storage }
    }

    /// The diffIDs of an image, bottom first; `None` when it is gone.
    async fn diff_ids(&self, image: &Image) -> Result<Option<Arc<[Digest]>>, SourceError> {
        if let Some(layers) = self.ground.layers_of.get(&image.id) {
            return Ok(Some(layers));
        }
        let layers = self.names.layers(&image.id).await?;
        Ok(layers.map(|layers| self.learned(&image.id, layers)))
    }

    /// Remembers the diffIDs of an image.
    fn learned(&self, id: &Digest, layers: Vec<Digest>) -> Arc<[Digest]> {
        let layers: Arc<[Digest]> = layers.into();
        self.ground.layers_of.insert(id.clone(), layers.clone());
        layers
    }

    /// The manifest, by what lies in the storage directory.
    async fn manifest_in_place(&self, image: &Image, diff_ids: &[Digest]) -> Result<Manifest, Problem> {
        let storage = self.storage.as_ref().map_err(Clone::clone)?;
        let config = storage.config(&image.id).await?.ok_or("its config is not there")?;
        check_config(&config, diff_ids)?;
        let config = Part { digest: image.id.clone(), size: config.len() as u64 };
        let mut layers = Vec::with_capacity(diff_ids.len());
        for place in storage.layers(diff_ids).await? {
            let size = self.ground.layers.size(&place).await?;
            layers.push(Part { digest: place.diff_id, size });
        }
        Ok(manifest(&config, &layers))
    }

    /// The config or a layer, out of the storage directory.
    async fn blob_in_place(
        &self,
        image: &Image,
        diff_ids: &[Digest],
        digest: &Digest,
    ) -> Result<Blob, Problem> {
        let storage = self.storage.as_ref().map_err(Clone::clone)?;
        if *digest == image.id {
            let config = storage.config(digest).await?.ok_or("its config is not there")?;
            return Ok(Blob::from(config));
        }
        let places = storage.layers(diff_ids).await?;
        let place =
            places.into_iter().find(|place| place.diff_id == *digest).ok_or("the layer is not there")?;
        Ok(self.ground.layers.open(&place).await?)
    }

    /// The image's blobs in the spool; exported first where they are not.
    async fn save(
        &self,
        image: &Image,
        diff_ids: &[Digest],
        reason: String,
    ) -> Result<Option<Saved>, SourceError> {
        let path = format!("/images/{}/get", image.id);
        let wanted = Some(wanted(image, diff_ids));
        let order = Order { image: image.id.clone(), path, wanted, reason };
        self.ground.saves.save(&self.ground.socket, order).await
    }

    /// The manifest, by what was saved.
    async fn manifest_of(
        &self,
        image: &Image,
        diff_ids: &[Digest],
        saved: &Saved,
    ) -> Result<Manifest, SourceError> {
        let config = Content::manifest(self.ground.saves.spool(), &image.id).await?;
        check_config(&config.unwrap_or_default(), diff_ids)
            .map_err(|why| SourceError::Damaged(format!("the engine's image {}: {why}", image.id)))?;
        let part = |digest: &Digest| Part { digest: digest.clone(), size: saved[digest].size };
        Ok(manifest(&part(&image.id), &diff_ids.iter().map(part).collect::<Vec<_>>()))
    }

    /// The manifest, where that takes no export.
    async fn manifest_at_hand(&self, image: &Image, diff_ids: &[Digest]) -> Result<Manifest, Problem> {
        // What was damaged where it lies may have had another size too.
        if let Some(known) = self.ground.manifests.get(&image.id)
            && !self.ground.layers.found_damaged(diff_ids)
        {
            return Ok(known);
        }
        let made = match self.manifest_in_place(image, diff_ids).await {
            Ok(made) => made,
            Err(Problem::Failed(error)) => return Err(Problem::Failed(error)),
            Err(Problem::NeedsExport(reason)) => {
                let held = self.ground.saves.held(&wanted(image, diff_ids)).await.map_err(Problem::Failed)?;
                let held = held.ok_or(Problem::NeedsExport(reason))?;
                self.manifest_of(image, diff_ids, &held).await.map_err(Problem::Failed)?
            }
        };
        self.ground.manifests.insert(image.id.clone(), made.clone());
        Ok(made)
    }
}

/// Why something is not at hand.
enum Problem {
    /// The image has to be exported, because of this.
    NeedsExport(String),
    Failed(SourceError),
}

impl From<LayerError> for Problem {
    fn from(error: LayerError) -> Self {
        match error {
            // An export would read the same disk; the engine itself is well.
            LayerError::Late(why) | LayerError::Busy(why) => Self::Failed(SourceError::Refused(why)),
            error => Self::NeedsExport(error.to_string()),
        }
    }
}

impl From<String> for Problem {
    fn from(why: String) -> Self {
        Self::NeedsExport(why)
    }
}

impl From<&str> for Problem {
    fn from(why: &str) -> Self {
        Self::NeedsExport(why.to_owned())
    }
}

/// All blobs of an image.
fn wanted(image: &Image, diff_ids: &[Digest]) -> BTreeSet<Digest> {
    diff_ids.iter().chain([&image.id]).cloned().collect()
}

#[async_trait]
impl Driver for Docker {
    fn traits(&self) -> &EngineTraits {
        &self.traits
    }

    async fn images(&self) -> Result<Vec<Image>, SourceError> {
        self.names.images().await
    }

    async fn image(&self, name: &str) -> Result<Option<Image>, SourceError> {
        let Some((image, layers)) = self.names.image(name).await? else { return Ok(None) };
        self.learned(&image.id, layers);
        Ok(Some(image))
    }

    async fn manifest(&self, image: &Image) -> Result<Option<Manifest>, SourceError> {
        let Some(diff_ids) = self.diff_ids(image).await? else { return Ok(None) };
        let reason = match self.manifest_at_hand(image, &diff_ids).await {
            Ok(manifest) => return Ok(Some(manifest)),
            Err(Problem::Failed(error)) => return Err(error),
            Err(Problem::NeedsExport(reason)) => reason,
        };
        let Some(saved) = self.save(image, &diff_ids, reason).await? else { return Ok(None) };
        let made = self.manifest_of(image, &diff_ids, &saved).await?;
        self.ground.manifests.insert(image.id.clone(), made.clone());
        Ok(Some(made))
    }

    async fn child(&self, image: &Image, digest: &Digest) -> Result<Option<Manifest>, SourceError> {
        let Some(diff_ids) = self.diff_ids(image).await? else { return Ok(None) };
        match self.manifest_at_hand(image, &diff_ids).await {
            Ok(manifest) => Ok(Some(manifest).filter(|manifest| manifest.digest == *digest)),
            Err(Problem::NeedsExport(_)) => Ok(None),
            Err(Problem::Failed(error)) => Err(error),
        }
    }

    async fn blob(&self, image: &Image, digest: &Digest) -> Result<Option<Blob>, SourceError> {
        let Some(diff_ids) = self.diff_ids(image).await? else { return Ok(None) };
        if *digest != image.id && !diff_ids.contains(digest) {
            return Ok(None);
        }
        let spool = self.ground.saves.spool();
        // What could not be read to its end where it lies is given from there only when it must be.
        if self.ground.layers.was_refused(digest)
            && let Some(blob) = spool.open(digest).await?
        {
            return Ok(Some(blob));
        }
        let reason = match self.blob_in_place(image, &diff_ids, digest).await {
            Ok(blob) => return Ok(Some(blob)),
            Err(Problem::Failed(error)) => return Err(error),
            Err(Problem::NeedsExport(reason)) => reason,
        };
        if let Some(blob) = spool.open(digest).await? {
            return Ok(Some(blob));
        }
        // Held until the blob is open, so that it does not go before.
        let Some(_saved) = self.save(image, &diff_ids, reason).await? else { return Ok(None) };
        spool.open(digest).await
    }

    async fn load(&self, name: &str, load: &Load) -> Result<(), LoadError> {
        load::send(&self.ground.socket, name, archive::saved(name, load)).await
    }
}
