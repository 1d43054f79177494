//! What a view answers with.

use bytes::Bytes;
use dockless_oci::digest::Digest;
use dockless_oci::manifest::ManifestFacts;

/// A manifest of a repository.
#[derive(Clone, Debug, PartialEq)]
pub struct ManifestRecord {
    /// Its digest.
    pub digest: Digest,
    /// The media type it was pushed with.
    pub media_type: String,
    /// The bytes as they were pushed.
    pub bytes: Bytes,
    /// What was read from them.
    pub facts: ManifestFacts,
}

/// A manifest of a repository without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestHead {
    /// The media type it was pushed with.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
}

/// What one repository holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Manifests.
    pub manifests: u64,
    /// Tags.
    pub tags: u64,
    /// Blob links.
    pub blobs: u64,
    /// Bytes of its manifests and of the blobs that it links.
    pub bytes: u64,
}

/// What the ledger holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Repositories that hold anything.
    pub repositories: u64,
    /// Blobs, each once.
    pub blobs: u64,
    /// Bytes of blobs and of manifests, each once.
    pub bytes: u64,
    /// Manifests, each once for every repository that holds it.
    pub manifests: u64,
    /// Tags.
    pub tags: u64,
    /// Blobs whose file may exist without a link.
    pub doomed: u64,
}

/// A blob that no repository links and whose file may exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doomed {
    /// The blob.
    pub digest: Digest,
    /// When it was doomed or last expected, in milliseconds since 1970.
    pub since_ms: u64,
    /// True when an upload was about to make the file visible ([`Command::ExpectBlob`]) and may still be; false when
    /// the last link went.
    ///
    /// [`Command::ExpectBlob`]: crate::command::Command::ExpectBlob
    pub expected: bool,
}
