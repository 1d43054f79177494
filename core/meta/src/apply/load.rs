//! Putting back what a snapshot says, with every derived row.

use dockless_oci::digest::Digest;
use dockless_oci::manifest::ManifestFacts;
use dockless_oci::name::{RepositoryName, Tag};

use super::counts::Counts;
use super::{blob, manifest, tag};
use crate::answer::Doomed;
use crate::rows::{ManifestRow, key};
use crate::tables::{Table, TableError, TableWrite};

/// The bytes of a manifest; before every manifest that has them.
pub(crate) fn content(tables: &mut dyn TableWrite, digest: &Digest, bytes: &[u8]) -> Result<(), TableError> {
    tables.put(Table::Contents, &key::of_digest(digest), bytes)
}

/// A manifest of a repository.
pub(crate) fn manifest(
    tables: &mut dyn TableWrite,
    repository: &RepositoryName,
    digest: &Digest,
    row: &ManifestRow,
    facts: &ManifestFacts,
) -> Result<(), TableError> {
    let mut counts = Counts::default();
    manifest::insert(tables, &mut counts, repository, digest, row, facts)?;
    counts.settle(tables, Some(repository))
}

/// A tag.
pub(crate) fn tag(
    tables: &mut dyn TableWrite,
    repository: &RepositoryName,
    tag: &Tag,
    digest: &Digest,
) -> Result<(), TableError> {
    let mut counts = Counts::default();
    tag::point(tables, &mut counts, repository, tag, digest)?;
    counts.settle(tables, Some(repository))
}

/// A blob of a repository.
pub(crate) fn link(
    tables: &mut dyn TableWrite,
    repository: &RepositoryName,
    digest: &Digest,
    size: u64,
) -> Result<(), TableError> {
    let mut counts = Counts::default();
    blob::insert(tables, &mut counts, repository, digest, size)?;
    counts.settle(tables, Some(repository))
}

/// A blob whose file may exist without a link.
pub(crate) fn doomed(tables: &mut dyn TableWrite, doomed: &Doomed) -> Result<(), TableError> {
    let mut counts = Counts::default();
    blob::doom(tables, &mut counts, &doomed.digest, doomed.since_ms, doomed.expected)?;
    counts.settle(tables, None)
}
