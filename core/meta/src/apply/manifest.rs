//! Manifests: what is kept of one, what it references, whom it refers to.

use dockless_oci::descriptor::Descriptor;
use dockless_oci::digest::Digest;
use dockless_oci::manifest::{ManifestFacts, ReferenceFact, ReferenceKind};
use dockless_oci::name::RepositoryName;

use super::counts::{Counts, difference};
use super::{Outcome, tag};
use crate::command::{PutManifest, Rejection};
use crate::event::Event;
use crate::record::field::{FieldReader, FieldWriter};
use crate::record::v1::{read_facts, write_facts};
use crate::rows::{self, ManifestRow, key};
use crate::tables::{Table, TableError, TableRead, TableWrite};

/// Tags taken away at once when their manifest goes.
const TAGS_PAGE: usize = 256;

/// `PutManifest`.
pub(super) fn put(tables: &mut dyn TableWrite, put: &PutManifest) -> Result<Outcome, TableError> {
    if let Some(rejection) = refusal(tables, put)? {
        return Ok(Err(rejection));
    }
    let PutManifest { repository, digest, media_type, bytes, facts, .. } = put;
    let mut counts = Counts::default();
    let row = ManifestRow { size: bytes.len() as u64, media_type: media_type.clone() };
    let held = find(tables, repository, digest)?;
    let created = held.is_none();
    if held.as_ref().is_none_or(|(held, held_facts)| *held != row || held_facts != facts) {
        // Pushed before with another media type: its rows are made again.
        if let Some((held, held_facts)) = &held {
            erase(tables, &mut counts, repository, digest, held, held_facts)?;
        }
        insert(tables, &mut counts, repository, digest, &row, facts)?;
    }
    // Also where another repository holds it already: what was damaged is mended by pushing it again.
    if tables.get(Table::Contents, &key::of_digest(digest))?.as_ref() != Some(bytes) {
        tables.put(Table::Contents, &key::of_digest(digest), bytes)?;
    }
    let mut events = vec![Event::ManifestPut {
        repository: repository.clone(),
        digest: digest.clone(),
        media_type: media_type.clone(),
        size: row.size,
        subject: facts.subject.clone(),
        created,
    }];
    for tag in &put.tags {
        events.extend(tag::point(tables, &mut counts, repository, tag, digest)?);
    }
    counts.settle(tables, Some(repository))?;
    Ok(Ok(events))
}

/// Why a put may not be, if it may not.
fn refusal(tables: &dyn TableRead, put: &PutManifest) -> Result<Option<Rejection>, TableError> {
    match refusal_of_tags(tables, put)? {
        None => refusal_of_references(tables, put),
        refused => Ok(refused),
    }
}

fn refusal_of_tags(tables: &dyn TableRead, put: &PutManifest) -> Result<Option<Rejection>, TableError> {
    let holds =
        |current: Option<&Digest>| put.only_if.as_ref().is_none_or(|condition| condition.holds(current));
    if put.tags.is_empty() {
        let held = tables.get(Table::Manifests, &key::of_content(&put.repository, &put.digest))?;
        let current = held.map(|_| put.digest.clone());
        return Ok((!holds(current.as_ref())).then_some(Rejection::TagChanged { current }));
    }
    for tag in &put.tags {
        let current = tag::current(tables, &put.repository, tag)?;
        if !holds(current.as_ref()) {
            return Ok(Some(Rejection::TagChanged { current }));
        }
        if let Some(current) = current
            && put.immutable_tags
            && current != put.digest
        {
            return Ok(Some(Rejection::TagImmutable { tag: tag.clone(), current }));
        }
    }
    Ok(None)
}

fn refusal_of_references(tables: &dyn TableRead, put: &PutManifest) -> Result<Option<Rejection>, TableError> {
    let mut missing = Vec::new();
    for reference in &put.facts.references {
        match size_held(tables, &put.repository, reference)? {
            Some(stored) if stored != reference.size => {
                let (digest, stated) = (reference.digest.clone(), reference.size);
                return Ok(Some(Rejection::SizeConflict { digest, stored, stated }));
            }
            None if put.require_references && !reference.foreign => missing.push(reference.digest.clone()),
            _ => {}
        }
    }
    Ok((!missing.is_empty()).then_some(Rejection::ReferencesMissing { digests: missing }))
}

/// The size of what a descriptor names, where this very repository holds it: another one's must not show.
fn size_held(
    tables: &dyn TableRead,
    repository: &RepositoryName,
    reference: &ReferenceFact,
) -> Result<Option<u64>, TableError> {
    let key = key::of_content(repository, &reference.digest);
    Ok(match reference.kind {
        ReferenceKind::Blob => {
            tables.get(Table::Links, &key)?.map(|value| rows::decode_integer(&value)).transpose()?
        }
        ReferenceKind::Manifest => {
            let row = tables.get(Table::Manifests, &key)?.map(|value| ManifestRow::decode(&value));
            row.transpose()?.map(|row| row.size)
        }
    })
}

/// `DeleteManifest`.
pub(super) fn delete(
    tables: &mut dyn TableWrite,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Outcome, TableError> {
    let Some((row, facts)) = find(tables, repository, digest)? else {
        return Ok(Err(Rejection::ManifestUnknown));
    };
    let mut counts = Counts::default();
    let mut events = Vec::new();
    let prefix = key::of_content(repository, digest);
    loop {
        let page = rows::starting_with(tables, Table::Tagged, &prefix, TAGS_PAGE)?;
        for tagged in &page {
            let tag = key::tag(&tagged.key[prefix.len()..])?;
            events.push(tag::remove(tables, &mut counts, repository, &tag, digest)?);
        }
        if page.len() < TAGS_PAGE {
            break;
        }
    }
    erase(tables, &mut counts, repository, digest, &row, &facts)?;
    counts.settle(tables, Some(repository))?;
    let (repository, digest) = (repository.clone(), digest.clone());
    events.push(Event::ManifestDeleted { repository, digest, subject: facts.subject });
    Ok(Ok(events))
}

fn find(
    tables: &dyn TableRead,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<(ManifestRow, ManifestFacts)>, TableError> {
    let key = key::of_content(repository, digest);
    let Some(row) = tables.get(Table::Manifests, &key)? else { return Ok(None) };
    let facts = tables.get(Table::Facts, &key)?;
    let facts = facts.ok_or_else(|| TableError::Damaged("a manifest has no facts".to_owned()))?;
    Ok(Some((ManifestRow::decode(&row)?, read_facts(&mut FieldReader::new(&facts))?)))
}

/// Adds a manifest, but not its bytes, to a repository that does not hold it.
pub(super) fn insert(
    tables: &mut dyn TableWrite,
    counts: &mut Counts,
    repository: &RepositoryName,
    digest: &Digest,
    row: &ManifestRow,
    facts: &ManifestFacts,
) -> Result<(), TableError> {
    let key = key::of_content(repository, digest);
    tables.put(Table::Manifests, &key, &row.encode())?;
    let mut writer = FieldWriter::default();
    write_facts(&mut writer, facts);
    tables.put(Table::Facts, &key, &writer.finish())?;
    for reference in &facts.references {
        tables.put(Table::References, &key::of_reference(repository, &reference.digest, digest), &[])?;
    }
    if let Some(subject) = &facts.subject {
        let descriptor = rows::encode_descriptor(&referrer(digest, row, facts));
        tables.put(Table::Referrers, &key::of_reference(repository, subject, digest), &descriptor)?;
    }
    if !rows::any_with(tables, Table::ContentHolders, &key::of_digest(digest))? {
        counts.distinct_bytes += difference(row.size);
    }
    tables.put(Table::ContentHolders, &key::of_holder(digest, repository), &[])?;
    counts.manifests += 1;
    counts.bytes += difference(row.size);
    Ok(())
}

/// Takes a manifest away, but not the tags that point to it.
fn erase(
    tables: &mut dyn TableWrite,
    counts: &mut Counts,
    repository: &RepositoryName,
    digest: &Digest,
    row: &ManifestRow,
    facts: &ManifestFacts,
) -> Result<(), TableError> {
    let key = key::of_content(repository, digest);
    tables.delete(Table::Manifests, &key)?;
    tables.delete(Table::Facts, &key)?;
    for reference in &facts.references {
        tables.delete(Table::References, &key::of_reference(repository, &reference.digest, digest))?;
    }
    if let Some(subject) = &facts.subject {
        tables.delete(Table::Referrers, &key::of_reference(repository, subject, digest))?;
    }
    tables.delete(Table::ContentHolders, &key::of_holder(digest, repository))?;
    if !rows::any_with(tables, Table::ContentHolders, &key::of_digest(digest))? {
        tables.delete(Table::Contents, &key::of_digest(digest))?;
        counts.distinct_bytes -= difference(row.size);
    }
    counts.manifests -= 1;
    counts.bytes -= difference(row.size);
    Ok(())
}

/// What the referrers list says of a manifest (distribution-spec, "Listing Referrers").
fn referrer(digest: &Digest, row: &ManifestRow, facts: &ManifestFacts) -> Descriptor {
    let mut descriptor = Descriptor::new(row.media_type.clone(), digest.clone(), row.size);
    descriptor.artifact_type.clone_from(&facts.artifact_type);
    descriptor.annotations = (!facts.annotations.is_empty()).then(|| facts.annotations.clone());
    descriptor
}
