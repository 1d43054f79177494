//! Why the registry did not do what it was asked, by what the one who asked can do about it.

use dockless_meta::LedgerError;
use dockless_meta::command::Rejection;
use dockless_oci::Digest;
use dockless_runtime::TaskLost;
use dockless_store::{StoreError, UploadStatus};

/// Every way to be refused. The messages are for the one who asked; what only an operator should know is in the
/// log instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The repository holds no such blob.
    #[error("the repository holds no such blob")]
    BlobUnknown,
    /// No such upload, or not the caller's.
    #[error("no such upload: it was finished, cancelled, or expired; begin a new one")]
    BlobUploadUnknown,
    /// The upload cannot go on like this.
    #[error("{0}")]
    BlobUploadInvalid(String),
    /// Bytes and digest do not belong together.
    #[error("{0}")]
    DigestInvalid(String),
    /// The repository holds no such manifest or tag.
    #[error("the repository holds no such manifest")]
    ManifestUnknown,
    /// The manifest references blobs or manifests that the repository does not hold, and it must (setting
    /// `manifests.require_blobs`).
    #[error("the manifest references {} blobs or manifests that the repository does not hold: push them first", .0.len())]
    ManifestBlobUnknown(Vec<Digest>),
    /// The body is no manifest that this registry takes.
    #[error("{0}")]
    ManifestInvalid(String),
    /// The body is larger than a manifest may be (setting `manifests.bytes_max`).
    #[error("the manifest is larger than this registry accepts")]
    ManifestTooLarge,
    /// The repository does not exist.
    #[error("the repository does not exist")]
    NameUnknown,
    /// A stated size is not the real one.
    #[error("{0}")]
    SizeInvalid(String),
    /// The bytes do not begin where the upload stands.
    #[error("the upload holds {} bytes: go on from there", status.offset)]
    RangeInvalid {
        /// Where it stands.
        status: UploadStatus,
    },
    /// The caller may not do this, and other credentials might.
    #[error("{0}")]
    Denied(String),
    /// `If-Match` or `If-None-Match` does not hold.
    #[error("the tag is not what the request expects: someone else changed it, or it exists already")]
    TagChanged,
    /// The tag may not be moved or removed (setting `tags.immutable`).
    #[error("the tag is immutable: push under another tag")]
    TagImmutable,
    /// More tags in one request than are accepted.
    #[error("more than {limit} tags in one request")]
    TooManyTags {
        /// How many are.
        limit: usize,
    },
    /// The blob is needed by a manifest.
    #[error("the manifest {by} references this blob: delete that first")]
    BlobReferenced {
        /// The manifest.
        by: Digest,
    },
    /// A source has what is to be deleted, and not this registry.
    #[error(
        "{by} holds this, not the registry itself: remove it there (from a container engine with `docker rmi`, \
         `podman rmi` or `ctr image rm`)"
    )]
    HeldElsewhere {
        /// The name of the source.
        by: String,
    },
    /// More bytes than an upload may hold (setting `uploads.bytes_max`).
    #[error("the upload is larger than this registry accepts")]
    TooLarge,
    /// No room.
    #[error("the disk of the registry is full")]
    DiskFull,
    /// More uploads open than may be (setting `uploads.count_max`).
    #[error("too many uploads are open: finish or cancel some, or wait until abandoned ones expire")]
    TooManyUploads,
    /// The registry takes no changes (setting `read_only`).
    #[error("the registry is read-only at present")]
    ReadOnly,
    /// Not now; later, after a restart or a repair, it may work.
    #[error("{0}")]
    Unavailable(String),
    /// Something broke that nobody who asks can mend.
    #[error("{0}")]
    Internal(String),
}

impl From<LedgerError> for Error {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Stopped => {
                Self::Unavailable("the registry is stopping: try again in a moment".to_owned())
            }
            LedgerError::Full => Self::DiskFull,
            LedgerError::Failed(reason) => {
                tracing::error!(%reason, "the ledger takes no writes");
                Self::Unavailable("the registry takes no changes until its operator restarts it".to_owned())
            }
            LedgerError::Damaged(reason) => {
                tracing::error!(%reason, "the ledger cannot be read");
                Self::Unavailable(
                    "the registry cannot read its ledger: its operator must repair it".to_owned(),
                )
            }
            LedgerError::Trimmed { .. } => {
                Self::Internal("the events asked for are no longer kept".to_owned())
            }
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UploadUnknown => Self::BlobUploadUnknown,
            StoreError::Fenced => Self::BlobUploadInvalid(
                "another request has taken this upload over: ask where it stands".to_owned(),
            ),
            StoreError::OffsetMismatch { held } => {
                Self::BlobUploadInvalid(format!("the upload holds {held} bytes: go on from there"))
            }
            StoreError::DigestMismatch { computed } => Self::DigestInvalid(format!(
                "the bytes received have the digest {computed}: the upload was dropped"
            )),
            StoreError::TooLarge { .. } => Self::TooLarge,
            StoreError::TooManyUploads => Self::TooManyUploads,
            StoreError::DiskFull => Self::DiskFull,
            StoreError::Damaged(digest) => {
                tracing::error!(%digest, "a blob is damaged; pushing it again repairs it");
                Self::BlobUnknown
            }
            StoreError::NotSealed => Self::BlobUploadInvalid(
                "another request changed this upload while it was being finished".to_owned(),
            ),
            StoreError::Io(reason) => {
                tracing::error!(%reason, "the blob store failed");
                Self::Internal("the blob store failed; the log of the registry says why".to_owned())
            }
        }
    }
}

impl From<TaskLost> for Error {
    fn from(_: TaskLost) -> Self {
        Self::Unavailable("the registry is stopping: try again in a moment".to_owned())
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::TagChanged { .. } => Self::TagChanged,
            Rejection::TagImmutable { .. } => Self::TagImmutable,
            Rejection::ManifestUnknown | Rejection::TagUnknown => Self::ManifestUnknown,
            Rejection::BlobUnknown | Rejection::SourceUnknown => Self::BlobUnknown,
            Rejection::ReferencesMissing { digests } => Self::ManifestBlobUnknown(digests),
            Rejection::BlobReferenced { by } => Self::BlobReferenced { by },
            Rejection::SizeConflict { digest, stored, stated } => {
                Self::SizeInvalid(format!("{digest} has {stored} bytes here, but is said to have {stated}"))
            }
            Rejection::TooLarge { limit } => {
                Self::ManifestInvalid(format!("the request is over a limit: {limit}"))
            }
        }
    }
}
