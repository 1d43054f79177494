//! Truth at one moment, and every question that may be asked of it.

use std::ops::ControlFlow;
use std::sync::Arc;

use dockless_oci::descriptor::Descriptor;
use dockless_oci::digest::Digest;
use dockless_oci::manifest::ManifestFacts;
use dockless_oci::name::{RepositoryName, Tag};

use crate::answer::{Doomed, ManifestHead, ManifestRecord, Totals, Usage};
use crate::error::LedgerError;
use crate::event::{EVENTS_PAGE_MAX, Event};
use crate::record::RecordError;
use crate::record::field::FieldReader;
use crate::record::v1::read_facts;
use crate::rows::{self, ManifestRow, key, meta};
use crate::tables::{Row, Table, TableError, TableRead};

/// A consistent snapshot of the ledger. Cloning is cheap. Every answer costs O(1) or O(items answered).
///
/// Lists are in byte order and hold at most `limit` items and at most
/// [`RANGE_ROWS_MAX`](crate::tables::RANGE_ROWS_MAX); `after` is where the page before ended. All fail with
/// [`LedgerError::Damaged`] or [`LedgerError::Failed`] when the tables cannot be read.
#[derive(Clone)]
pub struct View {
    tables: Arc<dyn TableRead + Send + Sync>,
    index: u64,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("index", &self.index).finish_non_exhaustive()
    }
}

impl View {
    /// The tables as they are, in which the commands up to their applied number are.
    pub(crate) fn new(tables: Arc<dyn TableRead + Send + Sync>) -> Result<Self, TableError> {
        let index = rows::meta_integer(&*tables, meta::APPLIED)?.unwrap_or(0);
        Ok(Self { tables, index })
    }

    pub(crate) fn tables(&self) -> &(dyn TableRead + Send + Sync) {
        &*self.tables
    }

    /// The number of the newest command that this sees.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// What a tag points to.
    ///
    /// # Errors
    /// See [`View`].
    pub fn tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<Option<Digest>, LedgerError> {
        let value = self.tables.get(Table::Tags, &key::of_tag(repository, tag.as_str()))?;
        Ok(value.map(|value| rows::decode_digest(&value)).transpose()?)
    }

    /// A manifest that the repository holds.
    ///
    /// # Errors
    /// See [`View`].
    pub fn manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<ManifestRecord>, LedgerError> {
        let Some(head) = self.manifest_head(repository, digest)? else { return Ok(None) };
        let bytes = self.tables.get(Table::Contents, &key::of_digest(digest))?;
        let bytes = bytes.ok_or(RecordError::Invalid("manifest: its bytes are missing"))?;
        let facts = self.facts(repository, digest)?;
        let facts = facts.ok_or(RecordError::Invalid("manifest: its facts are missing"))?;
        Ok(Some(ManifestRecord { digest: digest.clone(), media_type: head.media_type, bytes, facts }))
    }

    /// A manifest that the repository holds, without its bytes: the cheapest question about it.
    ///
    /// # Errors
    /// See [`View`].
    pub fn manifest_head(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<ManifestHead>, LedgerError> {
        let value = self.tables.get(Table::Manifests, &key::of_content(repository, digest))?;
        let row = value.map(|value| ManifestRow::decode(&value)).transpose()?;
        Ok(row.map(|row| ManifestHead { media_type: row.media_type, size: row.size }))
    }

    /// What was read from a manifest that the repository holds.
    ///
    /// # Errors
    /// See [`View`].
    pub fn facts(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<ManifestFacts>, LedgerError> {
        let value = self.tables.get(Table::Facts, &key::of_content(repository, digest))?;
        Ok(value.map(|value| read_facts(&mut FieldReader::new(&value))).transpose()?)
    }

    /// The size of a blob that the repository holds.
    ///
    /// # Errors
    /// See [`View`].
    pub fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<u64>, LedgerError> {
        let value = self.tables.get(Table::Links, &key::of_content(repository, digest))?;
        Ok(value.map(|value| rows::decode_integer(&value)).transpose()?)
    }

    /// The repositories that hold a blob.
    ///
    /// # Errors
    /// See [`View`].
    pub fn blob_holders(
        &self,
        digest: &Digest,
        after: Option<&RepositoryName>,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, LedgerError> {
        let prefix = key::of_digest(digest);
        let after = after.map(|after| key::of_holder(digest, after));
        self.page(Table::Holders, &prefix, after.as_deref(), limit, |row| {
            key::repository(&row.key[prefix.len()..])
        })
    }

    /// Whether the repository holds anything: a manifest, a tag or a blob.
    ///
    /// # Errors
    /// See [`View`].
    pub fn repository_exists(&self, repository: &RepositoryName) -> Result<bool, LedgerError> {
        Ok(self.tables.get(Table::Repositories, repository.as_str().as_bytes())?.is_some())
    }

    /// The tags of a repository with what they point to. `after` need not be a tag.
    ///
    /// # Errors
    /// See [`View`].
    pub fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(Tag, Digest)>, LedgerError> {
        let prefix = key::of_repository(repository);
        let after = after.map(|after| key::of_tag(repository, after));
        self.page(Table::Tags, &prefix, after.as_deref(), limit, |row| {
            Ok((key::tag(&row.key[prefix.len()..])?, rows::decode_digest(&row.value)?))
        })
    }

    /// The first tags of a repository that point to a manifest.
    ///
    /// # Errors
    /// See [`View`].
    pub fn tags_of(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        limit: usize,
    ) -> Result<Vec<Tag>, LedgerError> {
        let prefix = key::of_content(repository, digest);
        self.page(Table::Tagged, &prefix, None, limit, |row| key::tag(&row.key[prefix.len()..]))
    }

    /// The repositories that hold a manifest. `after` need not be a repository.
    ///
    /// # Errors
    /// See [`View`].
    pub fn repositories(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, LedgerError> {
        self.page(Table::Catalog, &[], after.map(str::as_bytes), limit, |row| key::repository(&row.key))
    }

    /// Descriptors of the manifests of a repository whose subject is `subject`, which need not exist.
    ///
    /// # Errors
    /// See [`View`].
    pub fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<Descriptor>, LedgerError> {
        let prefix = key::of_content(repository, subject);
        let after = after.map(|after| key::of_reference(repository, subject, after));
        self.page(Table::Referrers, &prefix, after.as_deref(), limit, |row| {
            Ok(rows::decode_descriptor(&row.value)?)
        })
    }

    /// A manifest of the repository that references a blob or manifest, if there is one.
    ///
    /// # Errors
    /// See [`View`].
    pub fn referenced_by(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Digest>, LedgerError> {
        Ok(rows::referenced_by(&*self.tables, repository, digest)?)
    }

    /// What a repository holds; nothing for one that does not exist.
    ///
    /// # Errors
    /// See [`View`].
    pub fn usage(&self, repository: &RepositoryName) -> Result<Usage, LedgerError> {
        let value = self.tables.get(Table::Repositories, repository.as_str().as_bytes())?;
        Ok(value.map(|value| Usage::decode(&value)).transpose()?.unwrap_or_default())
    }

    /// What the ledger holds.
    ///
    /// # Errors
    /// See [`View`].
    pub fn totals(&self) -> Result<Totals, LedgerError> {
        let value = self.tables.get(Table::Meta, meta::TOTALS)?;
        Ok(value.map(|value| Totals::decode(&value)).transpose()?.unwrap_or_default())
    }

    /// The blobs whose file may exist without a link.
    ///
    /// # Errors
    /// See [`View`].
    pub fn doomed(&self, after: Option<&Digest>, limit: usize) -> Result<Vec<Doomed>, LedgerError> {
        let after = after.map(key::of_digest);
        self.page(Table::Doomed, &[], after.as_deref(), limit, |row| Ok(rows::decode_doomed(row)?))
    }

    /// See [`Ledger::events`](crate::ledger::Ledger::events).
    ///
    /// # Errors
    /// See there.
    pub fn events(&self, after: u64, limit: usize) -> Result<Vec<(u64, Event)>, LedgerError> {
        let first = rows::meta_integer(&*self.tables, meta::EVENTS_FROM)?.unwrap_or(1);
        if after.saturating_add(1) < first {
            return Err(LedgerError::Trimmed { first });
        }
        let limit = limit.clamp(1, EVENTS_PAGE_MAX);
        let mut events = Vec::new();
        let from = key::of_index(after.saturating_add(1));
        rows::each(&*self.tables, Table::Events, &from, None, &mut |row| {
            let index = key::index(&row.key)?;
            events.extend(rows::event::decode(&row.value)?.into_iter().map(|event| (index, event)));
            Ok(if events.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(events)
    }

    /// One page of the rows whose keys begin with `prefix`, after the key `after`.
    fn page<T>(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
        read: impl Fn(&Row) -> Result<T, TableError>,
    ) -> Result<Vec<T>, LedgerError> {
        let until = key::after_prefix(prefix);
        let from = after.map_or_else(|| prefix.to_vec(), key::successor);
        let page = self.tables.range(table, &from, until.as_deref(), limit)?;
        Ok(page.iter().map(read).collect::<Result<_, _>>()?)
    }
}
