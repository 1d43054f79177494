//! Layers of an engine, rebuilt byte for byte where they lie: the unpacked files, and what tar-split kept of the tar
//! around them.

pub(crate) mod storage;

use std::path::PathBuf;

use dockless_oci::Digest;
use dockless_runtime::{Runtime, TaskLost};
use dockless_store::Blob;

/// Where one layer lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LayerPlace {
    /// What the rebuilt tar must hash to.
    pub(crate) diff_id: Digest,
    /// The tar-split metadata (gzip over JSON).
    pub(crate) split: PathBuf,
    /// The directory of the unpacked files.
    pub(crate) root: PathBuf,
}

/// Why a layer cannot be read in place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LayerError {
    /// The engine does not have it, or no longer: it was removed meanwhile.
    #[error("{0}")]
    Gone(String),
    /// What lies there is not what it should be.
    #[error("{0}")]
    Damaged(String),
    /// It lies there in a form from which the tar cannot be rebuilt here; the engine itself may be able to.
    #[error("{0}")]
    Unsupported(String),
    /// It cannot be read, or the node stops.
    #[error("{0}")]
    Io(String),
}

impl From<TaskLost> for LayerError {
    fn from(error: TaskLost) -> Self {
        Self::Io(error.to_string())
    }
}

/// The layers of one or more engines, opened where they lie. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Layers {
    _runtime: Runtime,
}

impl Layers {
    /// Knows no layer yet.
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self { _runtime: runtime }
    }

    /// Bytes of the layer's tar; reads the metadata alone.
    ///
    /// # Errors
    /// [`LayerError`].
    #[expect(clippy::unused_async, reason = "shape only")]
    pub(crate) async fn size(&self, _place: &LayerPlace) -> Result<u64, LayerError> {
        Err(LayerError::Unsupported("not built yet".into()))
    }

    /// The layer's tar, as a verified blob.
    ///
    /// # Errors
    /// [`LayerError`].
    #[expect(clippy::unused_async, reason = "shape only")]
    pub(crate) async fn open(&self, _place: &LayerPlace) -> Result<Blob, LayerError> {
        Err(LayerError::Unsupported("not built yet".into()))
    }
}
