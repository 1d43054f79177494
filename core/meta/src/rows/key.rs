//! Keys, made and taken apart.

use dockless_oci::digest::Digest;
use dockless_oci::name::{RepositoryName, Tag};

use crate::record::RecordError;
use crate::record::field::{FieldReader, FieldWriter};
use crate::tables::TableError;

/// Ends the part of a key that is a repository's name.
const END: u8 = 0;

/// `repository 0`: before all rows of a repository.
pub(crate) fn of_repository(repository: &RepositoryName) -> Vec<u8> {
    with_repository(repository, |_| {})
}

/// `repository 0 tag`, of [`Table::Tags`](crate::tables::Table::Tags).
pub(crate) fn of_tag(repository: &RepositoryName, tag: &str) -> Vec<u8> {
    with_repository(repository, |key| key.raw(tag.as_bytes()))
}

/// `repository 0 digest`, of manifests, facts and links; before all rows of a manifest or subject.
pub(crate) fn of_content(repository: &RepositoryName, digest: &Digest) -> Vec<u8> {
    with_repository(repository, |key| key.digest(digest))
}

/// `repository 0 digest tag`, of [`Table::Tagged`](crate::tables::Table::Tagged).
pub(crate) fn of_tagged(repository: &RepositoryName, digest: &Digest, tag: &Tag) -> Vec<u8> {
    with_repository(repository, |key| {
        key.digest(digest);
        key.raw(tag.as_str().as_bytes());
    })
}

/// `repository 0 target source`, of references and referrers.
pub(crate) fn of_reference(repository: &RepositoryName, target: &Digest, source: &Digest) -> Vec<u8> {
    with_repository(repository, |key| {
        key.digest(target);
        key.digest(source);
    })
}

/// `digest`, of contents, blobs and the doomed; before all holders of it.
pub(crate) fn of_digest(digest: &Digest) -> Vec<u8> {
    super::encode_digest(digest)
}

/// `digest repository`, of the holders.
pub(crate) fn of_holder(digest: &Digest, repository: &RepositoryName) -> Vec<u8> {
    let mut key = FieldWriter::with_capacity(65 + repository.as_str().len());
    key.digest(digest);
    key.raw(repository.as_str().as_bytes());
    key.finish()
}

/// The number, big end first, of [`Table::Events`](crate::tables::Table::Events).
pub(crate) const fn of_index(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

fn with_repository(repository: &RepositoryName, rest: impl FnOnce(&mut FieldWriter)) -> Vec<u8> {
    let name = repository.as_str().as_bytes();
    // Room for the longest key that is common: two SHA-256 digests behind the name.
    let mut key = FieldWriter::with_capacity(name.len() + 67);
    key.raw(name);
    key.byte(END);
    rest(&mut key);
    key.finish()
}

/// The least key above `key`.
pub(crate) fn successor(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

/// The least key above all that begin with `prefix`; `None` where there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

/// A repository's name that is a whole key or the end of one.
pub(crate) fn repository(bytes: &[u8]) -> Result<RepositoryName, TableError> {
    let name = std::str::from_utf8(bytes).map_err(|_| RecordError::Invalid("repository"))?;
    RepositoryName::parse(name).map_err(|_| RecordError::Invalid("repository").into())
}

/// A tag that is the end of a key.
pub(crate) fn tag(bytes: &[u8]) -> Result<Tag, TableError> {
    let tag = std::str::from_utf8(bytes).map_err(|_| RecordError::Invalid("tag"))?;
    Tag::parse(tag).map_err(|_| RecordError::Invalid("tag").into())
}

/// What follows the repository in a key.
pub(crate) fn split_repository(key: &[u8]) -> Result<(RepositoryName, &[u8]), TableError> {
    let end = key.iter().position(|byte| *byte == END).ok_or(RecordError::Truncated)?;
    Ok((repository(&key[..end])?, &key[end + 1..]))
}

/// A digest and what follows it.
pub(crate) fn split_digest(bytes: &[u8]) -> Result<(Digest, &[u8]), TableError> {
    let mut reader = FieldReader::new(bytes);
    let digest = reader.digest()?;
    Ok((digest, reader.rest()))
}

/// The number in a key of [`Table::Events`](crate::tables::Table::Events).
pub(crate) fn index(key: &[u8]) -> Result<u64, TableError> {
    Ok(u64::from_be_bytes(key.try_into().map_err(|_| RecordError::Invalid("index"))?))
}
