//! Tags: pointing, moving, removing.

use dockless_oci::digest::Digest;
use dockless_oci::name::{RepositoryName, Tag};

use super::Outcome;
use super::counts::Counts;
use crate::command::Rejection;
use crate::event::Event;
use crate::rows::{self, key};
use crate::tables::{Table, TableError, TableRead, TableWrite};

/// What a tag points to.
pub(super) fn current(
    tables: &dyn TableRead,
    repository: &RepositoryName,
    tag: &Tag,
) -> Result<Option<Digest>, TableError> {
    let value = tables.get(Table::Tags, &key::of_tag(repository, tag.as_str()))?;
    Ok(value.map(|value| rows::decode_digest(&value)).transpose()?)
}

/// Points a tag at a manifest; no event where it points there already.
pub(super) fn point(
    tables: &mut dyn TableWrite,
    counts: &mut Counts,
    repository: &RepositoryName,
    tag: &Tag,
    digest: &Digest,
) -> Result<Option<Event>, TableError> {
    let previous = current(tables, repository, tag)?;
    match &previous {
        Some(previous) if previous == digest => return Ok(None),
        Some(previous) => drop(tables.delete(Table::Tagged, &key::of_tagged(repository, previous, tag))?),
        None => counts.tags += 1,
    }
    tables.put(Table::Tags, &key::of_tag(repository, tag.as_str()), &rows::encode_digest(digest))?;
    tables.put(Table::Tagged, &key::of_tagged(repository, digest, tag), &[])?;
    let (repository, tag, digest) = (repository.clone(), tag.clone(), digest.clone());
    Ok(Some(Event::TagSet { repository, tag, digest, previous }))
}

/// Takes away a tag that points to `digest`.
pub(super) fn remove(
    tables: &mut dyn TableWrite,
    counts: &mut Counts,
    repository: &RepositoryName,
    tag: &Tag,
    digest: &Digest,
) -> Result<Event, TableError> {
    tables.delete(Table::Tags, &key::of_tag(repository, tag.as_str()))?;
    tables.delete(Table::Tagged, &key::of_tagged(repository, digest, tag))?;
    counts.tags -= 1;
    Ok(Event::TagDeleted { repository: repository.clone(), tag: tag.clone(), digest: digest.clone() })
}

/// `SetTag`.
pub(super) fn set(
    tables: &mut dyn TableWrite,
    repository: &RepositoryName,
    tag: &Tag,
    digest: &Digest,
    immutable: bool,
) -> Result<Outcome, TableError> {
    if tables.get(Table::Manifests, &key::of_content(repository, digest))?.is_none() {
        return Ok(Err(Rejection::ManifestUnknown));
    }
    if immutable
        && let Some(current) = current(tables, repository, tag)?
        && current != *digest
    {
        return Ok(Err(Rejection::TagImmutable { tag: tag.clone(), current }));
    }
    let mut counts = Counts::default();
    let event = point(tables, &mut counts, repository, tag, digest)?;
    counts.settle(tables, Some(repository))?;
    Ok(Ok(event.into_iter().collect()))
}

/// `DeleteTag`.
pub(super) fn delete(
    tables: &mut dyn TableWrite,
    repository: &RepositoryName,
    tag: &Tag,
) -> Result<Outcome, TableError> {
    let Some(digest) = current(tables, repository, tag)? else { return Ok(Err(Rejection::TagUnknown)) };
    let mut counts = Counts::default();
    let event = remove(tables, &mut counts, repository, tag, &digest)?;
    counts.settle(tables, Some(repository))?;
    Ok(Ok(vec![event]))
}
