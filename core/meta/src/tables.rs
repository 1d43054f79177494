//! The seam to the tables: ordered maps of bytes, in memory or in a file.

pub mod memory;
pub mod redb;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

/// Most rows one call of [`TableRead::range`] returns; callers page.
pub const RANGE_ROWS_MAX: usize = 10_000;

/// One ordered map. What its keys and values are stands in `rows.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// Single values: the applied index, the totals, the format.
    Meta,
    /// Repositories and what each holds.
    Repositories,
    /// Repositories that hold a manifest.
    Catalog,
    /// Tags of a repository.
    Tags,
    /// Tags by the manifest they point to.
    Tagged,
    /// Manifests of a repository, without their bytes.
    Manifests,
    /// What was read from a manifest of a repository.
    Facts,
    /// Bytes of manifests, once each.
    Contents,
    /// Repositories by the manifest they hold.
    ContentHolders,
    /// Manifests of a repository by what they reference.
    References,
    /// Manifests of a repository by their subject.
    Referrers,
    /// Blobs of a repository.
    Links,
    /// Repositories by the blob they hold.
    Holders,
    /// Blobs that some repository holds.
    Blobs,
    /// Blobs whose file may exist without a link.
    Doomed,
    /// What each command changed, by its index.
    Events,
}

impl Table {
    /// Every table, in the order of their declaration.
    pub const ALL: [Self; 16] = [
        Self::Meta,
        Self::Repositories,
        Self::Catalog,
        Self::Tags,
        Self::Tagged,
        Self::Manifests,
        Self::Facts,
        Self::Contents,
        Self::ContentHolders,
        Self::References,
        Self::Referrers,
        Self::Links,
        Self::Holders,
        Self::Blobs,
        Self::Doomed,
        Self::Events,
    ];

    /// The name it has in a file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Repositories => "repositories",
            Self::Catalog => "catalog",
            Self::Tags => "tags",
            Self::Tagged => "tagged",
            Self::Manifests => "manifests",
            Self::Facts => "facts",
            Self::Contents => "contents",
            Self::ContentHolders => "content-holders",
            Self::References => "references",
            Self::Referrers => "referrers",
            Self::Links => "links",
            Self::Holders => "holders",
            Self::Blobs => "blobs",
            Self::Doomed => "doomed",
            Self::Events => "events",
        }
    }

    /// Its place in [`Table::ALL`].
    pub(crate) const fn position(self) -> usize {
        self as usize
    }
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
}

/// Tables as they are at one moment.
pub trait TableRead {
    /// The value of a key.
    ///
    /// # Errors
    /// When the table cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, TableError>;

    /// The first `limit` (at most [`RANGE_ROWS_MAX`]) rows from `from`, in order of their bytes, up to and without
    /// `until` where that is given.
    ///
    /// # Errors
    /// When the table cannot be read.
    fn range(
        &self,
        table: Table,
        from: &[u8],
        until: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, TableError>;
}

/// Tables that are being changed; reads see the changes.
pub trait TableWrite: TableRead {
    /// Gives a key a value.
    ///
    /// # Errors
    /// When the table cannot be written.
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), TableError>;

    /// Removes a key; false when it was not there.
    ///
    /// # Errors
    /// When the table cannot be written.
    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool, TableError>;
}

/// The work of one transaction.
pub type Work<'a> = &'a mut dyn FnMut(&mut dyn TableWrite) -> Result<(), TableError>;

/// A set of tables: one writer, any number of readers.
pub trait Tables: Send + Sync {
    /// What the newest transaction left.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&self) -> Result<Arc<dyn TableRead + Send + Sync>, TableError>;

    /// Runs `work` and keeps all of its changes, or none when it fails. What is kept is seen by every later
    /// [`Tables::read`] but survives a crash only from the next [`Tables::checkpoint`] on. Waits for another writer.
    ///
    /// # Errors
    /// Those of `work`, or of the tables themselves; after the latter they may take no more changes.
    fn write(&self, work: Work<'_>) -> Result<(), TableError>;

    /// Makes everything written so far survive a crash.
    ///
    /// # Errors
    /// When the file cannot be written; an earlier checkpoint stays whole.
    fn checkpoint(&self) -> Result<(), TableError>;

    /// A last checkpoint, then gives the file back. Everything later is an error; closing again is fine.
    ///
    /// # Errors
    /// When the file cannot be written; an earlier checkpoint stays whole.
    fn close(&self) -> Result<(), TableError>;
}

/// Why tables could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// What is stored is not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The disk refused.
    #[error("{0}")]
    Io(String),
    /// They were closed.
    #[error("closed")]
    Closed,
}
