//! Blobs: links of repositories, and files that may go.

use dockless_oci::digest::Digest;
use dockless_oci::name::RepositoryName;

use super::Outcome;
use super::counts::{Counts, difference};
use crate::command::Rejection;
use crate::event::Event;
use crate::rows::{self, key};
use crate::tables::{Table, TableError, TableRead, TableWrite};

/// `ExpectBlob`.
pub(super) fn expect(
    tables: &mut dyn TableWrite,
    digest: &Digest,
    time_ms: u64,
) -> Result<Outcome, TableError> {
    if tables.get(Table::Blobs, &key::of_digest(digest))?.is_none() {
        let mut counts = Counts::default();
        doom(tables, &mut counts, digest, time_ms, true)?;
        counts.settle(tables, None)?;
    }
    Ok(Ok(Vec::new()))
}

/// `ForgetBlob`.
pub(super) fn forget(tables: &mut dyn TableWrite, digest: &Digest) -> Result<Outcome, TableError> {
    let mut counts = Counts::default();
    revive(tables, &mut counts, digest)?;
    counts.settle(tables, None)?;
    Ok(Ok(Vec::new()))
}

/// `LinkBlob`, and the second half of a mount.
pub(super) fn link(
    tables: &mut dyn TableWrite,
    repository: &RepositoryName,
    digest: &Digest,
    size: u64,
    mounted_from: Option<&RepositoryName>,
) -> Result<Outcome, TableError> {
    let stored = tables.get(Table::Blobs, &key::of_digest(digest))?;
    let stored = stored.map(|value| rows::decode_integer(&value)).transpose()?;
    if let Some(stored) = stored
        && stored != size
    {
        return Ok(Err(Rejection::SizeConflict { digest: digest.clone(), stored, stated: size }));
    }
    if held(tables, repository, digest)?.is_some() {
        return Ok(Ok(Vec::new()));
    }
    let mut counts = Counts::default();
    insert(tables, &mut counts, repository, digest, size)?;
    counts.settle(tables, Some(repository))?;
    let (repository, digest) = (repository.clone(), digest.clone());
    Ok(Ok(vec![Event::BlobLinked { repository, digest, size, mounted_from: mounted_from.cloned() }]))
}

/// `MountBlob`.
pub(super) fn mount(
    tables: &mut dyn TableWrite,
    from: &RepositoryName,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Outcome, TableError> {
    match held(tables, from, digest)? {
        Some(size) => link(tables, repository, digest, size, Some(from)),
        None => Ok(Err(Rejection::SourceUnknown)),
    }
}

/// `UnlinkBlob`.
pub(super) fn unlink(
    tables: &mut dyn TableWrite,
    repository: &RepositoryName,
    digest: &Digest,
    time_ms: u64,
) -> Result<Outcome, TableError> {
    let Some(size) = held(tables, repository, digest)? else { return Ok(Err(Rejection::BlobUnknown)) };
    if let Some(by) = rows::referenced_by(tables, repository, digest)? {
        return Ok(Err(Rejection::BlobReferenced { by }));
    }
    let mut counts = Counts { blobs: -1, bytes: -difference(size), ..Counts::default() };
    tables.delete(Table::Links, &key::of_content(repository, digest))?;
    tables.delete(Table::Holders, &key::of_holder(digest, repository))?;
    let mut events = vec![Event::BlobUnlinked { repository: repository.clone(), digest: digest.clone() }];
    if !rows::any_with(tables, Table::Holders, &key::of_digest(digest))? {
        tables.delete(Table::Blobs, &key::of_digest(digest))?;
        counts.distinct_blobs -= 1;
        counts.distinct_bytes -= difference(size);
        doom(tables, &mut counts, digest, time_ms, false)?;
        events.push(Event::Doomed { digest: digest.clone() });
    }
    counts.settle(tables, Some(repository))?;
    Ok(Ok(events))
}

fn held(
    tables: &dyn TableRead,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<u64>, TableError> {
    let value = tables.get(Table::Links, &key::of_content(repository, digest))?;
    Ok(value.map(|value| rows::decode_integer(&value)).transpose()?)
}

/// Adds a link that is not there yet.
pub(super) fn insert(
    tables: &mut dyn TableWrite,
    counts: &mut Counts,
    repository: &RepositoryName,
    digest: &Digest,
    size: u64,
) -> Result<(), TableError> {
    tables.put(Table::Links, &key::of_content(repository, digest), &rows::encode_integer(size))?;
    tables.put(Table::Holders, &key::of_holder(digest, repository), &[])?;
    counts.blobs += 1;
    counts.bytes += difference(size);
    if tables.get(Table::Blobs, &key::of_digest(digest))?.is_none() {
        tables.put(Table::Blobs, &key::of_digest(digest), &rows::encode_integer(size))?;
        counts.distinct_blobs += 1;
        counts.distinct_bytes += difference(size);
        revive(tables, counts, digest)?;
    }
    Ok(())
}

/// Puts a digest among the doomed, or gives it a new time there.
pub(super) fn doom(
    tables: &mut dyn TableWrite,
    counts: &mut Counts,
    digest: &Digest,
    time_ms: u64,
    expected: bool,
) -> Result<(), TableError> {
    let key = key::of_digest(digest);
    if tables.get(Table::Doomed, &key)?.is_none() {
        counts.doomed += 1;
    }
    tables.put(Table::Doomed, &key, &rows::encode_doomed(time_ms, expected))
}

/// Takes a digest off the doomed.
fn revive(tables: &mut dyn TableWrite, counts: &mut Counts, digest: &Digest) -> Result<(), TableError> {
    if tables.delete(Table::Doomed, &key::of_digest(digest))? {
        counts.doomed -= 1;
    }
    Ok(())
}
