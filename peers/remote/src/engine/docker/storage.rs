//! Where the engine keeps its layers, for those who may read there.

use std::path::Path;

use bytes::Bytes;
use dockless_oci::Digest;

use crate::layer::bounded::Bounded;
use crate::layer::storage::{DockerStorage, PodmanStorage};
use crate::layer::{LayerError, LayerPlace};

/// The storage directory of docker or podman.
pub(crate) enum Storage {
    /// `/var/lib/docker` or its like.
    Docker(DockerStorage),
    /// `/var/lib/containers/storage` or its like.
    Podman(PodmanStorage),
}

impl Storage {
    /// Opens the directory `root` of an engine.
    ///
    /// # Errors
    /// Why layers cannot be read in place, in words.
    pub(crate) async fn open(
        bounded: Bounded,
        podman: bool,
        root: &Path,
        driver: &str,
    ) -> Result<Self, String> {
        if podman {
            return PodmanStorage::open(bounded, root).await.map(Self::Podman);
        }
        DockerStorage::open(bounded, root, driver).await.map(Self::Docker)
    }

    /// As [`DockerStorage::layers`].
    pub(crate) async fn layers(&self, diff_ids: &[Digest]) -> Result<Vec<LayerPlace>, LayerError> {
        match self {
            Self::Docker(storage) => storage.layers(diff_ids).await,
            Self::Podman(storage) => storage.layers(diff_ids).await,
        }
    }

    /// As [`DockerStorage::config`].
    pub(crate) async fn config(&self, image: &Digest) -> Result<Option<Bytes>, LayerError> {
        match self {
            Self::Docker(storage) => storage.config(image).await,
            Self::Podman(storage) => storage.config(image).await,
        }
    }
}
