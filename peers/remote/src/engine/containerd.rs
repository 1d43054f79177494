//! The driver for containerd: original manifests, indexes and blobs, as they were pulled or imported.
//!
//! Blobs are read where they lie if containerd's directory can be read, else through its socket.

pub(crate) mod content;
pub(crate) mod directory;
pub(crate) mod docker;
pub(crate) mod frames;
mod grpc;
pub(crate) mod message;
mod opened;
pub(crate) mod services;
mod transfers;
pub(crate) mod walk;

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dockless_oci::Digest;
use dockless_registry::{Blob, Manifest, SourceError};
use dockless_runtime::timeout;

use super::driver::{Driver, Image};
use super::ground::Ground;
use super::load::Load;
use super::name::{EngineName, Version};
use content::Content;
use directory::Directory;
use grpc::Channel;
use services::{Named, Services};
use transfers::Transfers;
use walk::Walk;

/// Where images are looked for, the first one that has a name first: docker's namespace, that of Kubernetes, and that of
/// everybody else. Containers and builds that are under way have others, which are nobody's business.
const NAMESPACES: [&str; 3] = ["moby", "k8s.io", "default"];
/// Names that containerd's users give to what has none.
const NAMELESS: [&str; 2] = ["sha256:", "moby-dangling@"];
/// How long it may take to find out what an image consists of: each of its blobs is one question.
const WALK_TIME_MAX: Duration = Duration::from_secs(30);

/// containerd.
pub(crate) struct Containerd {
    ground: Arc<Ground>,
    services: Services,
    description: String,
    /// Or why blobs cannot be read in place.
    directory: Result<Directory, String>,
    transfers: Transfers,
}

impl Containerd {
    /// The driver for the containerd that answers at the socket.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`]: nobody answers, or nobody who speaks like containerd.
    pub(crate) async fn new(ground: Arc<Ground>) -> Result<Self, SourceError> {
        let services = Services::new(Channel::new(ground.runtime.clone(), ground.socket.clone()));
        let description = format!("containerd {}", services.version().await?);
        let directory = match services.content_directory().await {
            Ok(Some(root)) => Directory::open(ground.runtime.clone(), ground.files.clone(), vec![root]).await,
            Ok(None) => Err("it does not say where it keeps them".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = &directory {
            tracing::info!(engine = %ground.address, reason, "blobs are read through the socket");
        }
        let spool = ground.saves.spool().clone();
        let transfers = Transfers::new(ground.runtime.clone(), services.clone(), spool);
        Ok(Self { ground, services, description, directory, transfers })
    }

    /// Where the blobs of an image are read. A directory that can be read here may be another machine's, or another
    /// container's, of the same name.
    async fn blobs(&self, image: &Image) -> Result<&dyn Content, SourceError> {
        match &self.directory {
            Ok(directory) if directory.size(&image.id).await?.is_some() => Ok(directory),
            _ => Ok(&self.transfers),
        }
    }

    fn walk<'a>(&'a self, content: &'a dyn Content) -> Walk<'a> {
        Walk { content, remembered: &self.ground.facts }
    }
}

/// Gives `looking` up when it takes too long.
async fn in_time<T>(
    ground: &Ground,
    looking: impl Future<Output = Result<T, SourceError>>,
) -> Result<T, SourceError> {
    let looked = timeout(&*ground.runtime.clock, WALK_TIME_MAX, looking).await;
    looked.unwrap_or_else(|_| {
        let (address, seconds) = (&ground.address, WALK_TIME_MAX.as_secs());
        Err(SourceError::Unavailable(format!(
            "the engine at {address} did not say within {seconds} s what an image consists of"
        )))
    })
}

/// Whether a name is one that clients can ask for: complete, with a tag or a digest.
fn is_offered(name: &str) -> bool {
    if NAMELESS.iter().any(|nameless| name.starts_with(nameless)) {
        return false;
    }
    EngineName::parse(name).is_some_and(|parsed| match parsed.version {
        Version::Digest(_) => true,
        Version::Tag(_) => parsed.to_string() == name,
    })
}

#[async_trait]
impl Driver for Containerd {
    fn description(&self) -> &str {
        &self.description
    }

    fn note(&self) -> Option<String> {
        let reason = self.directory.as_ref().err()?;
        Some(format!("blobs are read through the socket and kept a while: {reason}"))
    }

    async fn images(&self) -> Result<Vec<Image>, SourceError> {
        let (mut images, mut seen) = (BTreeMap::<Digest, Vec<String>>::new(), HashSet::new());
        for namespace in NAMESPACES {
            for Named { name, target } in self.services.images(namespace).await? {
                if is_offered(&name) && seen.insert(name.clone()) {
                    images.entry(target).or_default().push(name);
                }
            }
        }
        Ok(images.into_iter().map(|(id, names)| Image { id, names }).collect())
    }

    async fn image(&self, name: &str) -> Result<Option<Image>, SourceError> {
        for namespace in NAMESPACES {
            if let Some(Named { name, target }) = self.services.image(namespace, name).await? {
                return Ok(Some(Image { id: target, names: vec![name] }));
            }
        }
        Ok(None)
    }

    async fn manifest(&self, image: &Image) -> Result<Option<Manifest>, SourceError> {
        let blobs = self.blobs(image).await?;
        in_time(&self.ground, self.walk(blobs).complete(&image.id)).await
    }

    async fn child(&self, image: &Image, digest: &Digest) -> Result<Option<Manifest>, SourceError> {
        let blobs = self.blobs(image).await?;
        in_time(&self.ground, self.walk(blobs).child(&image.id, digest)).await
    }

    async fn blob(&self, image: &Image, digest: &Digest) -> Result<Option<Blob>, SourceError> {
        let blobs = self.blobs(image).await?;
        let size = in_time(&self.ground, self.walk(blobs).blob_size(&image.id, digest)).await?;
        let Some(size) = size else { return Ok(None) };
        Ok(blobs.open(digest).await?.filter(|blob| blob.size == size))
    }

    async fn load(&self, name: &str, _load: &Load) -> Result<(), SourceError> {
        let address = &self.ground.address;
        Err(SourceError::Damaged(format!(
            "{name} is not loaded: containerd at {address} takes no pushes yet"
        )))
    }
}
