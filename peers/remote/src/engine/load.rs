//! An image that is put into an engine, and how those take it that speak docker's API.

pub(crate) mod archive;

use std::sync::Arc;
use std::time::Duration;

use dockless_oci::digest::Algorithm;
use dockless_oci::manifest::{ReferenceFact, ReferenceKind};
use dockless_oci::{Digest, Tag};
use dockless_registry::{Asked, Manifest};
use dockless_store::{Blob, BlobStore, StoreError};
use http::Method;
use serde::Deserialize;

use super::socket::{RequestBody, Socket, SocketError};

/// How long an engine may take for an image: unpacking was measured at some 50 MB/s, so this is enough for 90 GB.
pub(crate) const LOAD_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// What an engine may say while it loads, in bytes: a line for each layer and each step of a progress bar.
const SAID_BYTES_MAX: usize = 16 << 20;

/// An image that an engine is to have.
#[derive(Clone)]
pub struct Load {
    /// Its repository.
    pub asked: Asked,
    /// Its tag there.
    pub tag: Tag,
    /// What the tag points to: an image, or an index.
    pub target: LoadManifest,
    /// What the index lists, as far as it is here, each once.
    pub listed: Vec<LoadManifest>,
    /// The config of the image that runs on this machine: the only one for an engine that keeps no manifests.
    pub config: Digest,
    /// The layers of that image, bottom first, compressed or not.
    pub layers: Vec<Digest>,
    /// Where config and layers of all images lie. One that is removed before an engine has it ends the load.
    pub blobs: Arc<dyn BlobStore>,
}

/// A manifest of a [`Load`].
#[derive(Clone, Debug)]
pub struct LoadManifest {
    /// Its bytes, as they were pushed.
    pub manifest: Manifest,
    /// What they refer to, in their order.
    pub references: Vec<ReferenceFact>,
}

/// Why an engine was not given an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The repository is not shared, or has no name in an engine.
    #[error("{0}")]
    NotShared(String),
    /// Rules know by another name what would be replaced; with that name.
    #[error("{0}")]
    OtherName(String),
    /// The engine cannot be reached, does not answer, or broke off; later it may take the image.
    #[error("{0}")]
    Unavailable(String),
    /// The engine does not take the image, with its words.
    #[error("{0}")]
    Refused(String),
    /// What the node has of the image cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

impl From<SocketError> for LoadError {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::Refused { message, .. } => Self::Refused(message),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<StoreError> for LoadError {
    fn from(error: StoreError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl Load {
    /// All manifests, that of the tag first.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = &LoadManifest> {
        [&self.target].into_iter().chain(&self.listed)
    }

    /// Config and layers of all images, in any order; some more than once.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &ReferenceFact> {
        let references = self.manifests().flat_map(|manifest| &manifest.references);
        references.filter(|reference| reference.kind == ReferenceKind::Blob)
    }

    /// Whether all of it is named by SHA-256.
    pub(crate) fn is_sha256(&self) -> bool {
        let manifests = self.manifests().map(|manifest| &manifest.manifest.digest);
        let mut digests = manifests.chain(self.parts().map(|part| &part.digest));
        digests.all(|digest| digest.algorithm() == Algorithm::Sha256)
    }
}

/// A blob of an image; `None` for one that others hold, and is not here.
///
/// # Errors
/// [`StoreError::Io`], also when it is not here though it should be.
pub(crate) async fn open(blobs: &dyn BlobStore, part: &ReferenceFact) -> Result<Option<Blob>, StoreError> {
    match blobs.open(&part.digest).await? {
        None if !part.foreign => Err(StoreError::Io(format!("{} is not here any more", part.digest))),
        blob => Ok(blob),
    }
}

/// One line of an engine's answer: it says that it failed after it said that all is well.
#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    error: Option<String>,
}

/// Sends an archive with an image that has this name.
///
/// # Errors
/// [`LoadError::Unavailable`], [`LoadError::Refused`].
pub(crate) async fn send(socket: &Socket, name: &str, archive: RequestBody) -> Result<(), LoadError> {
    let answer = socket.send(Method::POST, "/images/load?quiet=1", archive, LOAD_TIME_MAX).await?;
    let said = answer.accept().await?.collect(SAID_BYTES_MAX).await?;
    let lines = serde_json::Deserializer::from_slice(&said).into_iter::<Said>();
    match lines.map_while(Result::ok).find_map(|said| said.error) {
        None => Ok(()),
        Some(error) => Err(LoadError::Refused(format!("the engine did not load {name}: {error}"))),
    }
}
