//! What is pulled: manifests, and blobs that are ready to be sent.

use bytes::Bytes;
use dockless_oci::Digest;
use dockless_store::Blob;

/// A manifest as it was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The digest it was pushed with.
    pub digest: Digest,
    /// The media type it was pushed with.
    pub media_type: String,
    /// Its bytes, verified.
    pub bytes: Bytes,
}

/// What a HEAD of a manifest needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestHead {
    /// The digest it was pushed with.
    pub digest: Digest,
    /// The media type it was pushed with.
    pub media_type: String,
    /// Bytes.
    pub size: u64,
}

/// A blob that is ready to be sent.
#[derive(Clone, Debug)]
pub struct BlobContent {
    /// Bytes.
    pub size: u64,
    /// Where they are.
    pub body: BlobBody,
}

/// Where the bytes of a blob are.
#[derive(Clone, Debug)]
pub enum BlobBody {
    /// In memory, whole and verified.
    Cached(Bytes),
    /// In the store, or where a source has it; verified while it is read.
    File(Blob),
}
