//! The driver for docker with the containerd image store: names by docker's API, original bytes out of the directory in
//! which its containerd keeps them, or out of one export of the image.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dockless_oci::Digest;
use dockless_registry::{Blob, Manifest, SourceError};

use super::super::docker::api::{About, Version};
use super::super::docker::names::Names;
use super::super::driver::{Driver, EngineTraits, Image};
use super::super::ground::Ground;
use super::super::load::{self, Load, LoadError, archive};
use super::super::saves::{Order, Saved};
use super::super::spool::Spool;
use super::content::Content;
use super::directory::Directory;
use super::in_time;
use super::walk::Walk;

/// Where a containerd of its own has its blobs, below docker's directory.
const OWN_CONTENT: &str = "containerd/daemon/io.containerd.content.v1.content";
/// Where the system's containerd has them, unless it was told otherwise. docker does not say which one it uses.
const SYSTEM_CONTENT: &str = "/var/lib/containerd/io.containerd.content.v1.content";

/// How long it holds that an export did not bring what was looked for.
const LACKING_TIME_MAX: Duration = Duration::from_secs(60);

/// docker, its images in containerd.
pub(crate) struct DockerOverContainerd {
    ground: Arc<Ground>,
    traits: EngineTraits,
    names: Names,
    /// Or why blobs cannot be read in place.
    directory: Result<Directory, String>,
    /// What was exported.
    spool: Spool,
}

impl DockerOverContainerd {
    /// The driver for the engine that answered with this version and this about itself.
    pub(crate) async fn new(ground: Arc<Ground>, version: &Version, about: &About) -> Self {
        let candidates = vec![PathBuf::from(&about.root).join(OWN_CONTENT), SYSTEM_CONTENT.into()];
        let directory = Directory::open(ground.runtime.clone(), ground.files.clone(), candidates).await;
        let description = format!("docker {}, {} over containerd", version.version, about.driver);
        let spool = ground.saves.spool().clone();
        let note = directory.as_ref().err();
        let note = note.map(|reason| format!("images are exported by the engine and kept a while: {reason}"));
        let traits = EngineTraits { description, note, names_local: false };
        let names = Names::new(ground.socket.clone(), true);
        Self { ground, traits, names, directory, spool }
    }

    /// Where the blobs of an image are read, if that is in place.
    async fn in_place(&self, image: &Image) -> Result<Option<&Directory>, SourceError> {
        match &self.directory {
            Ok(directory) if directory.size(&image.id).await?.is_some() => Ok(Some(directory)),
            _ => Ok(None),
        }
    }

    fn walk<'a>(&'a self, content: &'a dyn Content) -> Walk<'a> {
        Walk { content, remembered: &self.ground.facts }
    }

    /// What `look` finds after an export of the image; all that docker has of it is in the spool then. Where a part is
    /// missing, it is not exported again and again.
    async fn exported<T>(
        &self,
        image: &Image,
        digest: &Digest,
        look: impl Future<Output = Result<Option<T>, SourceError>>,
    ) -> Result<Option<T>, SourceError> {
        let (key, clock) = ((image.id.clone(), digest.clone()), &self.ground.runtime.clock);
        let lacked_at = self.ground.lacking.get(&key);
        if lacked_at.is_some_and(|at| clock.monotonic() < at + LACKING_TIME_MAX) {
            return Ok(None);
        }
        // Held until all is looked at, so that nothing goes before.
        let Some(_saved) = self.export(image).await? else { return Ok(None) };
        let found = look.await?;
        if found.is_none() {
            self.ground.lacking.insert(key, clock.monotonic());
        }
        Ok(found)
    }

    async fn export(&self, image: &Image) -> Result<Option<Saved>, SourceError> {
        let reason = match &self.directory {
            Ok(_) => "docker keeps it in a directory that is not known".to_owned(),
            Err(reason) => reason.clone(),
        };
        let path = format!("/images/{}/get", image.id);
        let order = Order { image: image.id.clone(), path, wanted: None, reason };
        self.ground.saves.save(&self.ground.socket, order).await
    }
}

#[async_trait]
impl Driver for DockerOverContainerd {
    fn traits(&self) -> &EngineTraits {
        &self.traits
    }

    async fn images(&self) -> Result<Vec<Image>, SourceError> {
        self.names.images().await
    }

    async fn image(&self, name: &str) -> Result<Option<Image>, SourceError> {
        Ok(self.names.image(name).await?.map(|(image, _)| image))
    }

    async fn manifest(&self, image: &Image) -> Result<Option<Manifest>, SourceError> {
        if let Some(directory) = self.in_place(image).await? {
            return in_time(&self.ground, self.walk(directory).complete(&image.id)).await;
        }
        let exported = self.walk(&self.spool);
        if let Some(manifest) = in_time(&self.ground, exported.complete(&image.id)).await? {
            return Ok(Some(manifest));
        }
        let look = in_time(&self.ground, exported.complete(&image.id));
        self.exported(image, &image.id, look).await
    }

    async fn child(&self, image: &Image, digest: &Digest) -> Result<Option<Manifest>, SourceError> {
        if image.id == *digest {
            return self.manifest(image).await;
        }
        let content: &dyn Content = match self.in_place(image).await? {
            Some(directory) => directory,
            None => &self.spool,
        };
        in_time(&self.ground, self.walk(content).child(&image.id, digest)).await
    }

    async fn blob(&self, image: &Image, digest: &Digest) -> Result<Option<Blob>, SourceError> {
        let directory = self.in_place(image).await?;
        let content: &dyn Content = directory.map_or(&self.spool, |directory| directory as &dyn Content);
        let size = in_time(&self.ground, self.walk(content).blob_size(&image.id, digest)).await?;
        let Some(size) = size else { return Ok(None) };
        let right = |blob: &Blob| blob.size == size;
        if let Some(blob) = content.open(digest).await? {
            return Ok(Some(blob).filter(right));
        }
        if directory.is_some() {
            return Ok(None);
        }
        Ok(self.exported(image, digest, content.open(digest)).await?.filter(right))
    }

    async fn load(&self, name: &str, load: &Load) -> Result<(), LoadError> {
        // docker names all that it takes in by SHA-256; what has other names gets new manifests.
        let archive = if load.is_sha256() { archive::layout(name, load) } else { archive::saved(name, load) };
        load::send(&self.ground.socket, name, archive).await
    }
}

#[async_trait]
impl Content for Spool {
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, SourceError> {
        Ok(self.pin(digest).await?.map(|pin| pin.size))
    }

    async fn open(&self, digest: &Digest) -> Result<Option<Blob>, SourceError> {
        // The one of the spool itself.
        Self::open(self, digest).await
    }
}
