//! What the tables hold: the layout of keys and values.
//!
//! A repository's part of a key ends in a zero byte, which no name contains; a digest knows its own length. So the
//! rows of one repository, or of one manifest in it, are one range, and their order is the order of the names.
//! The tables can always be made again from a snapshot and the journal: a changed layout only needs another
//! [`FORMAT`].

pub(crate) mod event;
pub(crate) mod key;

use std::ops::ControlFlow;

use bytes::Bytes;
use dockless_oci::descriptor::Descriptor;
use dockless_oci::digest::Digest;
use dockless_oci::name::RepositoryName;

use crate::answer::{Doomed, Totals, Usage};
use crate::record::RecordError;
use crate::record::field::{FieldReader, FieldWriter};
use crate::tables::{RANGE_ROWS_MAX, Row, Table, TableError, TableRead};

/// The layout of all rows. Tables of another one are made again.
pub(crate) const FORMAT: u64 = 1;

/// Keys of [`Table::Meta`].
pub(crate) mod meta {
    /// [`super::FORMAT`], an integer.
    pub(crate) const FORMAT: &[u8] = b"format";
    /// The number of the newest applied command, an integer.
    pub(crate) const APPLIED: &[u8] = b"applied";
    /// The first command whose events are kept, an integer; 1 when missing.
    pub(crate) const EVENTS_FROM: &[u8] = b"events-from";
    /// The totals.
    pub(crate) const TOTALS: &[u8] = b"totals";
}

impl From<RecordError> for TableError {
    fn from(error: RecordError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// A manifest of a repository without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManifestRow {
    pub(crate) size: u64,
    pub(crate) media_type: String,
}

impl ManifestRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = FieldWriter::with_capacity(16 + self.media_type.len());
        writer.integer(self.size);
        writer.text(&self.media_type);
        writer.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = FieldReader::new(bytes);
        Ok(Self { size: reader.integer()?, media_type: reader.text()?.to_owned() })
    }
}

pub(crate) fn encode_digest(digest: &Digest) -> Vec<u8> {
    let mut writer = FieldWriter::with_capacity(65);
    writer.digest(digest);
    writer.finish()
}

pub(crate) fn decode_digest(bytes: &[u8]) -> Result<Digest, RecordError> {
    let mut reader = FieldReader::new(bytes);
    let digest = reader.digest()?;
    reader.end()?;
    Ok(digest)
}

pub(crate) fn encode_integer(value: u64) -> Vec<u8> {
    let mut writer = FieldWriter::with_capacity(10);
    writer.integer(value);
    writer.finish()
}

pub(crate) fn decode_integer(bytes: &[u8]) -> Result<u64, RecordError> {
    let mut reader = FieldReader::new(bytes);
    let value = reader.integer()?;
    reader.end()?;
    Ok(value)
}

pub(crate) fn encode_descriptor(descriptor: &Descriptor) -> Vec<u8> {
    let mut writer = FieldWriter::default();
    writer.text(&descriptor.media_type);
    writer.digest(&descriptor.digest);
    writer.integer(descriptor.size);
    writer.optional(descriptor.artifact_type.as_deref(), FieldWriter::text);
    writer.optional(descriptor.annotations.as_ref(), FieldWriter::map);
    writer.finish()
}

pub(crate) fn decode_descriptor(bytes: &[u8]) -> Result<Descriptor, RecordError> {
    let mut reader = FieldReader::new(bytes);
    let media_type = reader.text()?.to_owned();
    let mut descriptor = Descriptor::new(media_type, reader.digest()?, reader.integer()?);
    descriptor.artifact_type = reader.optional(|reader| Ok(reader.text()?.to_owned()))?;
    descriptor.annotations = reader.optional(FieldReader::map)?;
    Ok(descriptor)
}

impl Usage {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = FieldWriter::with_capacity(32);
        for value in [self.manifests, self.tags, self.blobs, self.bytes] {
            writer.integer(value);
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = FieldReader::new(bytes);
        Ok(Self {
            manifests: reader.integer()?,
            tags: reader.integer()?,
            blobs: reader.integer()?,
            bytes: reader.integer()?,
        })
    }
}

impl Totals {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = FieldWriter::with_capacity(48);
        for value in [self.repositories, self.blobs, self.bytes, self.manifests, self.tags, self.doomed] {
            writer.integer(value);
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = FieldReader::new(bytes);
        Ok(Self {
            repositories: reader.integer()?,
            blobs: reader.integer()?,
            bytes: reader.integer()?,
            manifests: reader.integer()?,
            tags: reader.integer()?,
            doomed: reader.integer()?,
        })
    }
}

pub(crate) fn encode_doomed(since_ms: u64, expected: bool) -> Vec<u8> {
    let mut writer = FieldWriter::with_capacity(11);
    writer.integer(since_ms);
    writer.flag(expected);
    writer.finish()
}

pub(crate) fn decode_doomed(row: &Row) -> Result<Doomed, RecordError> {
    let mut reader = FieldReader::new(&row.value);
    Ok(Doomed { digest: decode_digest(&row.key)?, since_ms: reader.integer()?, expected: reader.flag()? })
}

/// Reads an integer of [`Table::Meta`].
pub(crate) fn meta_integer(tables: &dyn TableRead, key: &[u8]) -> Result<Option<u64>, TableError> {
    let value = tables.get(Table::Meta, key)?;
    Ok(value.map(|value| decode_integer(&value)).transpose()?)
}

/// The first rows whose keys begin with `prefix`.
pub(crate) fn starting_with(
    tables: &dyn TableRead,
    table: Table,
    prefix: &[u8],
    limit: usize,
) -> Result<Vec<Row>, TableError> {
    tables.range(table, prefix, key::after_prefix(prefix).as_deref(), limit)
}

/// Whether a key begins with `prefix`.
pub(crate) fn any_with(tables: &dyn TableRead, table: Table, prefix: &[u8]) -> Result<bool, TableError> {
    Ok(!starting_with(tables, table, prefix, 1)?.is_empty())
}

/// The first manifest of the repository that references `digest`.
pub(crate) fn referenced_by(
    tables: &dyn TableRead,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<Digest>, TableError> {
    let prefix = key::of_content(repository, digest);
    let first = starting_with(tables, Table::References, &prefix, 1)?;
    Ok(first.first().map(|row| decode_digest(&row.key[prefix.len()..])).transpose()?)
}

/// Goes through the rows from `from` up to `until`, a page at a time, until `visit` breaks.
pub(crate) fn each(
    tables: &dyn TableRead,
    table: Table,
    from: &[u8],
    until: Option<&[u8]>,
    visit: &mut dyn FnMut(Row) -> Result<ControlFlow<()>, TableError>,
) -> Result<(), TableError> {
    let page_rows = page_rows(table);
    let mut from = Bytes::copy_from_slice(from);
    loop {
        let page = tables.range(table, &from, until, page_rows)?;
        let Some(last) = page.last() else { return Ok(()) };
        let (full, next) = (page.len() == page_rows, key::successor(&last.key));
        for row in page {
            if visit(row)?.is_break() {
                return Ok(());
            }
        }
        if !full {
            return Ok(());
        }
        from = next.into();
    }
}

/// Rows read at once: enough to make a page's cost that of its rows, and little to hold. A content has up to 4 MiB.
const fn page_rows(table: Table) -> usize {
    const PAGE_ROWS: usize = 256;
    const { assert!(PAGE_ROWS <= RANGE_ROWS_MAX) };
    match table {
        Table::Contents => 4,
        _ => PAGE_ROWS,
    }
}
