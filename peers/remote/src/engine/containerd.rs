//! The driver for containerd: original manifests, indexes and blobs, as they were pulled or imported.
//!
//! Blobs are read where they lie if containerd's directory can be read, else through its socket.

mod answers;
pub(crate) mod changes;
pub(crate) mod content;
pub(crate) mod directory;
pub(crate) mod docker;
mod exchange;
pub(crate) mod frames;
mod given;
mod grpc;
mod loading;
pub(crate) mod message;
mod opened;
pub(crate) mod services;
mod transfers;
pub(crate) mod walk;

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dockless_oci::Digest;
use dockless_registry::{Blob, Manifest, SourceError};
use dockless_runtime::timeout;

use super::driver::{Driver, EngineTraits, Image};
use super::ground::Ground;
use super::load::{Load, LoadError};
use super::name::{EngineName, Version, is_nameless};
use content::Content;
use directory::Directory;
use grpc::{CallError, Channel};
use services::{Named, Services};
use transfers::Transfers;
use walk::Walk;

/// Where images are looked for, the first one that has a name first: docker's namespace, that of Kubernetes, and that of
/// everybody else. Containers and builds that are under way have others, which are nobody's business.
const NAMESPACES: [&str; 3] = ["moby", KUBERNETES, EVERYBODY];
const KUBERNETES: &str = "k8s.io";
const EVERYBODY: &str = "default";
/// How long it may take to find out what an image consists of: each of its blobs is one question.
const WALK_TIME_MAX: Duration = Duration::from_secs(30);

/// containerd.
pub(crate) struct Containerd {
    ground: Arc<Ground>,
    services: Services,
    traits: EngineTraits,
    /// Or why blobs cannot be read in place.
    directory: Result<Directory, String>,
    transfers: Transfers,
}

/// What a containerd says of itself.
#[derive(Clone, Debug)]
pub(crate) struct About {
    version: String,
    /// Where it keeps its blobs, or why that is not known.
    content: Result<PathBuf, String>,
}

impl About {
    /// What the containerd behind the socket says.
    ///
    /// # Errors
    /// [`SourceError`]: nobody answers, or nobody who speaks like containerd.
    pub(crate) async fn of(ground: &Ground) -> Result<Self, SourceError> {
        let services = services(ground);
        let version = services.version().await?;
        let content = match services.content_directory().await {
            Ok(root) => root.ok_or_else(|| "it does not say where it keeps them".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        Ok(Self { version, content })
    }

    /// Whether the same containerd says this, with its blobs where they were as far as it says that.
    pub(crate) fn is_same(&self, before: &Self) -> bool {
        self.version == before.version && (self.content.is_err() || self.content == before.content)
    }
}

fn services(ground: &Ground) -> Services {
    Services::new(Channel::new(ground.runtime.clone(), ground.socket.clone()))
}

impl Containerd {
    /// The driver for the containerd that says this of itself.
    pub(crate) async fn new(ground: Arc<Ground>, about: &About) -> Self {
        let services = services(&ground);
        let description = format!("containerd {}", about.version);
        let directory = match about.content.clone() {
            Ok(root) => Directory::open(ground.runtime.clone(), ground.files.clone(), vec![root]).await,
            Err(reason) => Err(reason),
        };
        let spool = ground.saves.spool().clone();
        let transfers = Transfers::new(ground.runtime.clone(), services.clone(), spool);
        let note = directory.as_ref().err();
        let note = note.map(|reason| format!("blobs are read through the socket and kept a while: {reason}"));
        let traits = EngineTraits { description, note, names_local: false };
        Self { ground, services, traits, directory, transfers }
    }

    /// Where the blobs of an image are read. A directory that can be read here may be another machine's, or another
    /// container's, of the same name.
    async fn blobs(&self, image: &Image) -> Result<&dyn Content, SourceError> {
        match &self.directory {
            Ok(directory) if directory.size(&image.id).await?.is_some() => Ok(directory),
            _ => Ok(&self.transfers),
        }
    }

    /// The namespace that an image is loaded into: the one that has the name, so that a pull finds what was loaded;
    /// else one that has other images of the repository; else that of Kubernetes where it has images; else everybody's.
    async fn home(&self, name: &str) -> Result<&'static str, CallError> {
        let repository_of = |name: &str| EngineName::parse(name).map(|name| name.repository);
        let (mut home, mut likeness, repository) = (EVERYBODY, 0, repository_of(name));
        for namespace in NAMESPACES {
            let images = self.services.images(namespace).await?;
            let likenesses = images.iter().map(|image| match image {
                image if image.name == name => 3,
                image if repository_of(&image.name) == repository => 2,
                _ => u8::from(namespace == KUBERNETES),
            });
            let best = likenesses.max().unwrap_or_default();
            if best > likeness {
                (home, likeness) = (namespace, best);
            }
        }
        Ok(home)
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
        Err(SourceError::Refused(format!(
            "the engine at {address} did not say within {seconds} s what an image consists of"
        )))
    })
}

/// Whether a name is one that clients can ask for: complete, with a tag or a digest.
fn is_offered(name: &str) -> bool {
    EngineName::parse(name).filter(|_| !is_nameless(name)).is_some_and(|parsed| match parsed.version {
        Version::Digest(_) => true,
        Version::Tag(_) => parsed.to_string() == name,
    })
}

#[async_trait]
impl Driver for Containerd {
    fn traits(&self) -> &EngineTraits {
        &self.traits
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

    async fn load(&self, name: &str, load: &Load) -> Result<(), LoadError> {
        let namespace = self.home(name).await?;
        loading::load(&self.ground, &self.services, namespace, name, load).await
    }
}
