//! What a command changed.

use dockless_oci::digest::Digest;
use dockless_oci::name::{RepositoryName, Tag};

use crate::command::Rejection;

/// Most events one call of [`Ledger::events`](crate::ledger::Ledger::events) returns, so that a page stays small beside a request.
pub const EVENTS_PAGE_MAX: usize = 1_000;

/// One change that happened. The events of a command are in the order in which they are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A manifest was put.
    ManifestPut {
        /// Where.
        repository: RepositoryName,
        /// The manifest.
        digest: Digest,
        /// The media type it was pushed with.
        media_type: String,
        /// Its size in bytes.
        size: u64,
        /// The manifest it refers to, if it is a referrer.
        subject: Option<Digest>,
        /// False when the repository had it already.
        created: bool,
    },
    /// A tag was made or moved. Pointing it where it points already is no event.
    TagSet {
        /// Where.
        repository: RepositoryName,
        /// The tag.
        tag: Tag,
        /// What it points to.
        digest: Digest,
        /// What it pointed to before.
        previous: Option<Digest>,
    },
    /// A tag was removed, alone or with its manifest.
    TagDeleted {
        /// Where.
        repository: RepositoryName,
        /// The tag.
        tag: Tag,
        /// What it pointed to.
        digest: Digest,
    },
    /// A manifest was removed.
    ManifestDeleted {
        /// Where.
        repository: RepositoryName,
        /// The manifest.
        digest: Digest,
        /// The manifest it referred to.
        subject: Option<Digest>,
    },
    /// A repository holds a blob.
    BlobLinked {
        /// Where.
        repository: RepositoryName,
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// The repository it was mounted from.
        mounted_from: Option<RepositoryName>,
    },
    /// A repository holds a blob no longer.
    BlobUnlinked {
        /// Where.
        repository: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// No repository holds the blob any more: its file may go.
    Doomed {
        /// The blob.
        digest: Digest,
    },
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its number in the journal; 0 for [`Rejection::TooLarge`], which is refused before it gets one.
    pub index: u64,
    /// What it changed, nothing when it was no change; or why it was refused.
    pub outcome: Result<Vec<Event>, Rejection>,
}
