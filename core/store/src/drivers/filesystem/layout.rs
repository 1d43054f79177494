//! Where everything lies below the store's directory.
//!
//! ```text
//! blobs/<algorithm>/<first two digits>/<hex>     whole, hashed, synced before it has this name
//! uploads/<id>/data                              what an upload holds
//! uploads/<id>/state                             how far it is known to be good (`state_file`)
//! chains/<algorithm>/<first two digits>/<hex>    derived: when the blob was hashed, its chain list (`derived`)
//! quarantine/<algorithm>-<hex>                   the last file of this name that failed its digest
//! ```

use std::path::{Path, PathBuf};

use dockless_oci::digest::{Algorithm, Digest};

use crate::upload::UploadId;

/// All paths of one store.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(crate) fn blobs_of(&self, algorithm: Algorithm) -> PathBuf {
        self.blobs().join(algorithm.as_str())
    }

    /// The directory that holds the entry of [`Layout::blob`].
    pub(crate) fn shard(&self, digest: &Digest) -> PathBuf {
        self.blobs_of(digest.algorithm()).join(shard_name(digest))
    }

    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.shard(digest).join(digest.hex())
    }

    pub(crate) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub(crate) fn upload(&self, id: &UploadId) -> PathBuf {
        self.uploads().join(id.as_str())
    }

    pub(crate) fn data(&self, id: &UploadId) -> PathBuf {
        self.upload(id).join("data")
    }

    /// Where a restored upload's bytes are copied before they take the name [`Layout::data`].
    pub(crate) fn data_copy(&self, id: &UploadId) -> PathBuf {
        self.upload(id).join("data.new")
    }

    pub(crate) fn state(&self, id: &UploadId) -> PathBuf {
        self.upload(id).join("state")
    }

    pub(crate) fn chain_shard(&self, digest: &Digest) -> PathBuf {
        self.root.join("chains").join(digest.algorithm().as_str()).join(shard_name(digest))
    }

    pub(crate) fn chain(&self, digest: &Digest) -> PathBuf {
        self.chain_shard(digest).join(digest.hex())
    }

    pub(crate) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    pub(crate) fn quarantined(&self, digest: &Digest) -> PathBuf {
        self.quarantine().join(format!("{}-{}", digest.algorithm(), digest.hex()))
    }
}

fn shard_name(digest: &Digest) -> &str {
    &digest.hex()[..2]
}
