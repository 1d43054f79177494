//! The storage directory of docker.

use std::path::Path;

use bytes::Bytes;
use dockless_oci::Digest;
use dockless_runtime::Runtime;

use crate::layer::{LayerError, LayerPlace};

/// The images and layers of one storage directory.
pub(crate) struct DockerStorage {}

impl DockerStorage {
    /// Looks whether layers can be read in place there.
    ///
    /// # Errors
    /// Why they cannot, in words for the operator.
    #[expect(clippy::unused_async, reason = "shape only")]
    pub(crate) async fn open(_runtime: Runtime, _docker_root: &Path, _driver: &str) -> Result<Self, String> {
        Err("not built yet".into())
    }

    /// Where the layers of these diffIDs, lowest first, lie; in the same order.
    ///
    /// # Errors
    /// [`LayerError`].
    #[expect(clippy::unused_async, reason = "shape only")]
    pub(crate) async fn layers(&self, _diff_ids: &[Digest]) -> Result<Vec<LayerPlace>, LayerError> {
        Err(LayerError::Unsupported("not built yet".into()))
    }

    /// The bytes of the image's config, checked against its id; `None` when there is no such image.
    ///
    /// # Errors
    /// [`LayerError`].
    #[expect(clippy::unused_async, reason = "shape only")]
    pub(crate) async fn config(&self, _image_id: &Digest) -> Result<Option<Bytes>, LayerError> {
        Err(LayerError::Unsupported("not built yet".into()))
    }
}
