//! What a command adds to and takes from the counts of a repository and of the ledger.

use dockless_oci::name::RepositoryName;

use crate::answer::{Totals, Usage};
use crate::rows::meta;
use crate::tables::{Table, TableError, TableWrite};

/// Differences, gathered while a command is applied and settled once at its end.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) manifests: i64,
    pub(super) tags: i64,
    pub(super) blobs: i64,
    pub(super) bytes: i64,
    pub(super) distinct_blobs: i64,
    pub(super) distinct_bytes: i64,
    pub(super) doomed: i64,
}

impl Counts {
    /// Writes the repository's row and the totals.
    pub(super) fn settle(
        &self,
        tables: &mut dyn TableWrite,
        repository: Option<&RepositoryName>,
    ) -> Result<(), TableError> {
        let repositories = match repository {
            Some(repository) => self.settle_repository(tables, repository)?,
            None => 0,
        };
        let value = tables.get(Table::Meta, meta::TOTALS)?;
        let before = value.map(|value| Totals::decode(&value)).transpose()?.unwrap_or_default();
        let mut totals = before;
        add(&mut totals.repositories, repositories)?;
        add(&mut totals.blobs, self.distinct_blobs)?;
        add(&mut totals.bytes, self.distinct_bytes)?;
        add(&mut totals.manifests, self.manifests)?;
        add(&mut totals.tags, self.tags)?;
        add(&mut totals.doomed, self.doomed)?;
        // One state has one form: nothing at all is no row.
        if totals == Totals::default() {
            return tables.delete(Table::Meta, meta::TOTALS).map(drop);
        }
        if totals == before { Ok(()) } else { tables.put(Table::Meta, meta::TOTALS, &totals.encode()) }
    }

    /// Writes the repository's row; answers how many more repositories there are.
    fn settle_repository(
        &self,
        tables: &mut dyn TableWrite,
        repository: &RepositoryName,
    ) -> Result<i64, TableError> {
        let name = repository.as_str().as_bytes();
        let value = tables.get(Table::Repositories, name)?;
        let before = value.map(|value| Usage::decode(&value)).transpose()?.unwrap_or_default();
        let mut usage = before;
        add(&mut usage.manifests, self.manifests)?;
        add(&mut usage.tags, self.tags)?;
        add(&mut usage.blobs, self.blobs)?;
        add(&mut usage.bytes, self.bytes)?;
        if usage == before {
            return Ok(0);
        }
        match (before.manifests, usage.manifests) {
            (0, 1..) => tables.put(Table::Catalog, name, &[])?,
            (1.., 0) => drop(tables.delete(Table::Catalog, name)?),
            _ => {}
        }
        if usage.is_empty() {
            tables.delete(Table::Repositories, name)?;
            return Ok(-1);
        }
        tables.put(Table::Repositories, name, &usage.encode())?;
        Ok(i64::from(before.is_empty()))
    }
}

impl Usage {
    /// Bytes do not count: a repository may hold empty blobs only.
    const fn is_empty(&self) -> bool {
        self.manifests == 0 && self.tags == 0 && self.blobs == 0
    }
}

/// Sizes are bounded by what a disk holds, so neither conversion nor sum can overflow in an undamaged ledger.
fn add(value: &mut u64, difference: i64) -> Result<(), TableError> {
    *value = value.checked_add_signed(difference).ok_or_else(|| {
        TableError::Damaged("a count of the ledger is below what is taken from it".to_owned())
    })?;
    Ok(())
}

/// A size as a difference.
pub(super) fn difference(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
