//! The seam [`Source`]: who else has these bytes, or knows this name.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dockless_oci::{Digest, Reference, RepositoryName, Tag};
use dockless_store::Blob;
use futures_util::stream::BoxStream;

use crate::content::Manifest;

/// Who wants what lies in which repository. A source decides by it whether it answers at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    /// The repository, as the client spells it.
    pub repository: RepositoryName,
    /// The registry that the client means by that name (`?ns=`, as containerd and BuildKit send it to a mirror).
    pub namespace: Option<Box<str>>,
    /// For whom.
    pub principal: Principal,
}

impl Asked {
    /// Anybody's question about a repository of this node.
    #[must_use]
    pub fn anonymous(repository: &RepositoryName) -> Self {
        Self { repository: repository.clone(), namespace: None, principal: Principal::Anonymous }
    }

    /// The question of the one who runs this node about a repository of it.
    #[must_use]
    pub fn by_owner(repository: &RepositoryName) -> Self {
        Self { principal: Principal::Owner, ..Self::anonymous(repository) }
    }
}

/// On whose behalf a source is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// Anybody who reaches the node.
    Anonymous,
    /// A user of this node, by name.
    User(Arc<str>),
    /// Who runs the node and reached it through its private socket, or the node itself: no rule is about them.
    Owner,
}

/// Where a source stands in the order in which sources are asked; lower ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// A container engine of this machine.
    Engine,
    /// Another machine that speaks for itself.
    Remote,
}

/// What a source says of itself, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTraits {
    /// A short name for logs, metrics and people, such as `docker unix:///var/run/docker.sock`; unique in a node.
    pub label: String,
    /// Its place in the order.
    pub kind: SourceKind,
    /// How long a "no" holds. Zero where names come and go at any moment, as in an engine.
    pub absence_holds: Duration,
    /// Whether an answer is for the principal alone who asked: it is then never shared with others.
    pub private: bool,
}

/// A blob that a source has.
pub enum SourceBlob {
    /// The source reads it where it lies and verifies it as [`Blob::read`] promises: it is served from there, to one
    /// client. Each call gives a reader of its own, which may go by what it gave before.
    InPlace(Blob),
    /// Bytes that nobody has verified. They go into the store and are verified there before anyone gets them.
    Foreign {
        /// Bytes, when the source says so; a promise to be checked.
        size: Option<u64>,
        /// The bytes in order. Dropping it gives the transfer up.
        bytes: BoxStream<'static, Result<Bytes, SourceError>>,
    },
}

impl fmt::Debug for SourceBlob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InPlace(blob) => formatter.debug_tuple("InPlace").field(blob).finish(),
            Self::Foreign { size, .. } => {
                formatter.debug_struct("Foreign").field("size", size).finish_non_exhaustive()
            }
        }
    }
}

/// Why a source gave no answer. "I do not have it" is an answer, not an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It does not answer this principal.
    #[error("{0}")]
    Denied(String),
    /// It cannot be reached, does not answer, or is too busy; later it may.
    #[error("{0}")]
    Unavailable(String),
    /// It refuses this one thing, or cannot give it, for these reasons; the source itself is well. Says nothing about
    /// anything else that it is asked, nor whether it has this.
    #[error("{0}")]
    Refused(String),
    /// What it has is damaged or incomplete.
    #[error("{0}")]
    Damaged(String),
}

/// How a source is, for people and for readiness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStatus {
    /// What it is, such as `docker 26.1.5, overlay2`; what is known of one that does not answer.
    pub description: String,
    /// Images or repositories that it offers now, where it can tell.
    pub images: Option<u64>,
    /// Why it does not answer; `None` for one that works.
    pub problem: Option<String>,
    /// What an operator should know of one that works, such as that layers cannot be read in place.
    pub note: Option<String>,
}

/// Another place that has content. Every call may be dropped at any await and then leaves nothing behind; every call
/// comes to an end within a limit that the source keeps by itself.
#[async_trait]
pub trait Source: Send + Sync {
    /// What it says of itself; always the same.
    fn traits(&self) -> &SourceTraits;

    /// The manifest that a tag points to there now, or that has this digest; `None` when the source does not have
    /// it, or not all of the blobs it needs. Whoever asks checks a digest, and computes that of a tag.
    ///
    /// # Errors
    /// [`SourceError`]: it gave no answer.
    async fn manifest(&self, asked: &Asked, reference: &Reference) -> Result<Option<Manifest>, SourceError>;

    /// The blob of this digest, if it belongs to something that the source offers in this repository.
    ///
    /// # Errors
    /// [`SourceError`]: it gave no answer.
    async fn blob(&self, asked: &Asked, digest: &Digest) -> Result<Option<SourceBlob>, SourceError>;

    /// The tags of a repository, in any order, each once; `None` when the source does not have the repository.
    ///
    /// # Errors
    /// [`SourceError`]: it gave no answer.
    async fn tags(&self, asked: &Asked) -> Result<Option<Vec<Tag>>, SourceError>;

    /// The repositories that the source offers to this principal, in any order, each once.
    ///
    /// # Errors
    /// [`SourceError`]: it gave no answer.
    async fn repositories(&self, principal: &Principal) -> Result<Vec<RepositoryName>, SourceError>;

    /// How it is now. Asks it, and waits for a bounded time.
    async fn status(&self) -> SourceStatus;
}
