//! What may be asked of the ledger, and why it refuses.

use bytes::Bytes;
use dockless_oci::digest::Digest;
use dockless_oci::manifest::ManifestFacts;
use dockless_oci::name::{RepositoryName, Tag};

/// Most tags one [`PutManifest`] may set: a hundred times what build tools push at once, and small beside the
/// manifest itself.
pub const TAGS_MAX: usize = 1_000;

/// A change of truth. One command is all or nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Keep a manifest in a repository and point tags at it.
    PutManifest(PutManifest),
    /// Point one tag at a manifest that the repository holds.
    SetTag {
        /// Where the manifest is.
        repository: RepositoryName,
        /// The tag.
        tag: Tag,
        /// The manifest.
        digest: Digest,
        /// Refuse to move the tag when it points to another manifest.
        immutable: bool,
    },
    /// Remove one tag; its manifest stays.
    DeleteTag {
        /// Where the tag is.
        repository: RepositoryName,
        /// The tag.
        tag: Tag,
    },
    /// Remove a manifest, every tag of the repository that points to it and its place among the referrers.
    DeleteManifest {
        /// Where the manifest is.
        repository: RepositoryName,
        /// Its digest.
        digest: Digest,
    },
    /// The file of this digest may exist without a link from now on: submitted before a finished upload becomes
    /// visible, so that a crash leaves no file that nobody knows. No change when some repository links the blob.
    ExpectBlob {
        /// The blob.
        digest: Digest,
    },
    /// A repository holds this blob, whose file is durable. Takes the digest off the doomed.
    LinkBlob {
        /// The repository.
        repository: RepositoryName,
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
    },
    /// A repository holds a blob that another one holds already.
    MountBlob {
        /// The repository that holds it.
        from: RepositoryName,
        /// The repository that gets it.
        repository: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// A repository holds this blob no longer. The last link gone, the digest is doomed.
    UnlinkBlob {
        /// The repository.
        repository: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// The file of a doomed digest is gone, durably: takes it off the doomed. No change when it is not doomed.
    ForgetBlob {
        /// The blob.
        digest: Digest,
    },
}

/// A manifest to keep, with all that moves together with it.
#[derive(Clone, Debug, PartialEq)]
pub struct PutManifest {
    /// Where it goes.
    pub repository: RepositoryName,
    /// The digest of `bytes`, checked by the caller.
    pub digest: Digest,
    /// The media type it was pushed with.
    pub media_type: String,
    /// The manifest as it was pushed, at most [`dockless_oci::manifest::MANIFEST_BYTES_MAX`] long.
    pub bytes: Bytes,
    /// What was read from `bytes`.
    pub facts: ManifestFacts,
    /// The tags to point at it, at most [`TAGS_MAX`]; all or none.
    pub tags: Vec<Tag>,
    /// What every one of `tags` must be at this moment; without tags, what the manifest itself must be.
    pub only_if: Option<TagCondition>,
    /// Refuse to move a tag that points to another manifest.
    pub immutable_tags: bool,
    /// Refuse the manifest while the repository lacks something it references, foreign content apart.
    pub require_references: bool,
}

/// What every tag of a put, or without tags the manifest, must be for the put to happen (RFC 9110, section 13.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagCondition {
    /// `If-Match: "digest", "digest"`: it points to one of these. Without any it never holds.
    MatchOneOf(Vec<Digest>),
    /// `If-Match: *`: it exists.
    Exists,
    /// `If-None-Match: *`: it does not exist.
    Absent,
}

impl TagCondition {
    /// Whether it holds for what a tag points to now.
    #[must_use]
    pub fn holds(&self, current: Option<&Digest>) -> bool {
        match self {
            Self::MatchOneOf(digests) => current.is_some_and(|current| digests.contains(current)),
            Self::Exists => current.is_some(),
            Self::Absent => current.is_none(),
        }
    }
}

/// A command in its place in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its number: 1 for the first, each one more than the one before.
    pub index: u64,
    /// When it was accepted, in milliseconds since 1970.
    pub time_ms: u64,
    /// What was asked.
    pub command: Command,
}

/// Why a command changed nothing. It keeps its number in the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The tag, or the manifest of a put without tags, is not what [`PutManifest::only_if`] says.
    #[error("the tag points to {}", current.as_ref().map_or("nothing", Digest::as_str))]
    TagChanged {
        /// What the tag points to, or the manifest if it is held.
        current: Option<Digest>,
    },
    /// The tag points to another manifest and tags here are immutable.
    #[error("the tag {tag} is immutable and points to {current}")]
    TagImmutable {
        /// The tag.
        tag: Tag,
        /// What it points to.
        current: Digest,
    },
    /// The repository has no such manifest.
    #[error("the repository has no such manifest")]
    ManifestUnknown,
    /// The repository has no such tag.
    #[error("the repository has no such tag")]
    TagUnknown,
    /// The repository has no such blob.
    #[error("the repository has no such blob")]
    BlobUnknown,
    /// A manifest of the repository needs the blob.
    #[error("the manifest {by} references the blob")]
    BlobReferenced {
        /// The manifest.
        by: Digest,
    },
    /// The repository lacks what the manifest references, and [`PutManifest::require_references`] is set.
    #[error("the repository lacks {} blobs or manifests that the manifest references", digests.len())]
    ReferencesMissing {
        /// What it lacks, in the order of the manifest.
        digests: Vec<Digest>,
    },
    /// The repository to mount from does not hold the blob.
    #[error("the repository to mount from does not hold the blob")]
    SourceUnknown,
    /// A descriptor states another size than the repository's blob or manifest has, or a blob is linked with
    /// another size than it is held with.
    #[error("{digest} is {stored} bytes long, not {stated}")]
    SizeConflict {
        /// The blob or manifest.
        digest: Digest,
        /// Its size in bytes.
        stored: u64,
        /// The size it was said to have.
        stated: u64,
    },
    /// The command is over a limit ([`TAGS_MAX`], [`ENTRY_BYTES_MAX`](crate::record::ENTRY_BYTES_MAX)). It got no
    /// number and stands in no journal.
    #[error("the command is over the limit: {limit}")]
    TooLarge {
        /// The limit, in words.
        limit: &'static str,
    },
}
