//! What is settable about the registry.

use std::time::Duration;

use dockless_oci::manifest::MANIFEST_BYTES_MAX;
use dockless_oci::{RepositoryName, Tag};
use serde::{Deserialize, Serialize};

use crate::access::Pattern;

/// Settings of a [`Registry`](crate::Registry). Limits on bytes and number of uploads are the store's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `read_only`: no change is accepted; pulls go on.
    pub read_only: bool,
    /// `manifests.require_blobs`: a manifest is refused while the repository lacks something it references.
    pub require_blobs: bool,
    /// `manifests.bytes_max`: the largest manifest in bytes; at most, and by default, 4 MiB.
    pub manifest_bytes_max: usize,
    /// `tags.immutable`: tags that, once set, are neither moved nor removed.
    pub immutable_tags: Vec<ImmutableTags>,
    /// `uploads.expire_after`: an upload that received nothing for so long is dropped.
    pub upload_expires_after: Duration,
    /// `limits.cache_bytes_max`: memory for manifests and small blobs; 0 keeps none.
    pub cache_bytes_max: usize,
    /// The directory whose disk is watched for readiness; absent for a registry in memory.
    pub data_directory: Option<std::path::PathBuf>,
    /// Free bytes of that disk under which the node reports that it is not ready for writes.
    pub disk_free_min: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            read_only: false,
            require_blobs: false,
            manifest_bytes_max: MANIFEST_BYTES_MAX,
            immutable_tags: Vec::new(),
            upload_expires_after: Duration::from_secs(24 * 3600),
            cache_bytes_max: 64 << 20,
            data_directory: None,
            disk_free_min: dockless_store::Settings::default().free_bytes_min,
        }
    }
}

/// Tags that never change, by patterns: in these repositories, these tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImmutableTags {
    /// In which repositories.
    pub repositories: Pattern,
    /// Which tags.
    pub tags: Pattern,
}

impl Settings {
    /// Whether some setting makes tags of this repository immutable.
    pub(crate) fn has_immutable(&self, repository: &RepositoryName) -> bool {
        self.immutable_tags.iter().any(|rule| rule.repositories.matches(repository.as_str()))
    }

    /// Whether some setting makes this tag immutable.
    pub fn is_immutable(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        let mut rules = self.immutable_tags.iter();
        rules.any(|rule| rule.repositories.matches(repository.as_str()) && rule.tags.matches(tag.as_str()))
    }
}
