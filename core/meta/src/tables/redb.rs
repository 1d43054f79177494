//! Tables in one file of the embedded database redb, over the seam [`Disk`].
//!
//! A [`Tables::write`] is a commit without durability: it costs no sync and lives in memory. A
//! [`Tables::checkpoint`] is a durable commit with *quick repair*: it records which pages are free, so that opening
//! after a crash reads that record instead of walking the whole file, and it commits in two phases (two syncs),
//! which that needs.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use dockless_runtime::disk::{Disk, DiskFile, OpenMode, read_exact_at, write_all_at};
use redb::{
    CommitError, Database, DatabaseError, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable,
    StorageBackend, StorageError, TableDefinition, TransactionError,
};

use super::{RANGE_ROWS_MAX, Row, Table, TableError, TableRead, TableWrite, Tables, Work};

type Bytewise = &'static [u8];

/// Tables in a file.
#[derive(Debug)]
pub struct RedbTables {
    database: RwLock<Option<Database>>,
}

/// One file of a [`Disk`] as redb wants it.
struct DiskBackend(Arc<dyn DiskFile>);

/// The tables of one read transaction, which lasts as long as they do.
struct Reader(Vec<ReadOnlyTable<Bytewise, Bytewise>>);

/// The tables of one write transaction.
struct Writer<'txn>(Vec<redb::Table<'txn, Bytewise, Bytewise>>);

impl RedbTables {
    /// Opens the file, or makes it. `cache_bytes` bounds the memory for pages, read and not yet written together.
    ///
    /// # Errors
    /// [`TableError::Damaged`] for a file that is none of ours or was damaged, [`TableError::Io`] when the disk
    /// refuses.
    pub fn open(disk: &dyn Disk, path: &Path, cache_bytes: usize) -> Result<Self, TableError> {
        let file = match disk.open(path, OpenMode::ReadWrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk.open(path, OpenMode::CreateNewPrivate)
            }
            opened => opened,
        };
        let file = file.map_err(|error| io_error(&error))?;
        let database = Database::builder()
            .set_cache_size(cache_bytes)
            .create_with_backend(DiskBackend(file))
            .map_err(|error| database_error(&error))?;
        let tables = Self { database: RwLock::new(Some(database)) };
        // The first write makes the tables, which a reader could not.
        tables.write(&mut |_| Ok(()))?;
        Ok(tables)
    }

    fn database(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables for RedbTables {
    fn read(&self) -> Result<Arc<dyn TableRead + Send + Sync>, TableError> {
        let database = self.database();
        let transaction = database.as_ref().ok_or(TableError::Closed)?.begin_read().map_err(begin_error)?;
        let tables = Table::ALL
            .iter()
            .map(|table| transaction.open_table(definition(*table)).map_err(table_error))
            .collect::<Result<_, _>>()?;
        Ok(Arc::new(Reader(tables)))
    }

    fn write(&self, work: Work<'_>) -> Result<(), TableError> {
        let database = self.database();
        let mut transaction =
            database.as_ref().ok_or(TableError::Closed)?.begin_write().map_err(begin_error)?;
        transaction
            .set_durability(Durability::None)
            .map_err(|error| TableError::Io(format!("redb: {error}")))?;
        let tables = Table::ALL
            .iter()
            .map(|table| transaction.open_table(definition(*table)).map_err(table_error))
            .collect::<Result<_, _>>()?;
        let mut writer = Writer(tables);
        let done = work(&mut writer);
        drop(writer);
        match done {
            Ok(()) => transaction.commit().map_err(commit_error),
            Err(error) => {
                transaction.abort().map_err(storage_error)?;
                Err(error)
            }
        }
    }

    fn checkpoint(&self) -> Result<(), TableError> {
        let database = self.database();
        let mut transaction =
            database.as_ref().ok_or(TableError::Closed)?.begin_write().map_err(begin_error)?;
        transaction.set_quick_repair(true);
        transaction.commit().map_err(commit_error)
    }

    fn close(&self) -> Result<(), TableError> {
        let taken = self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        taken.map_or(Ok(()), |database| database.close().map_err(|error| database_error(&error)))
    }
}

impl TableRead for Reader {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        get(&self.0[table.position()], key)
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        until: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, TableError> {
        range(&self.0[table.position()], from, until, limit)
    }
}

impl TableRead for Writer<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        get(&self.0[table.position()], key)
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        until: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, TableError> {
        range(&self.0[table.position()], from, until, limit)
    }
}

impl TableWrite for Writer<'_> {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), TableError> {
        self.0[table.position()].insert(key, value).map(drop).map_err(storage_error)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool, TableError> {
        Ok(self.0[table.position()].remove(key).map_err(storage_error)?.is_some())
    }
}

fn get(table: &impl ReadableTable<Bytewise, Bytewise>, key: &[u8]) -> Result<Option<Bytes>, TableError> {
    let found = table.get(key).map_err(storage_error)?;
    Ok(found.map(|value| Bytes::copy_from_slice(value.value())))
}

fn range(
    table: &impl ReadableTable<Bytewise, Bytewise>,
    from: &[u8],
    until: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Row>, TableError> {
    // redb takes a reversed range for a mistake of its caller.
    if until.is_some_and(|until| until <= from) {
        return Ok(Vec::new());
    }
    let rows = match until {
        Some(until) => table.range::<&[u8]>(from..until),
        None => table.range::<&[u8]>(from..),
    };
    rows.map_err(storage_error)?
        .take(limit.min(RANGE_ROWS_MAX))
        .map(|row| {
            let (key, value) = row.map_err(storage_error)?;
            Ok(Row { key: Bytes::copy_from_slice(key.value()), value: Bytes::copy_from_slice(value.value()) })
        })
        .collect()
}

fn definition(table: Table) -> TableDefinition<'static, Bytewise, Bytewise> {
    TableDefinition::new(table.name())
}

impl std::fmt::Debug for DiskBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DiskBackend")
    }
}

impl StorageBackend for DiskBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.stat()?.size)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        read_exact_at(&*self.0, out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        write_all_at(&*self.0, data, offset)
    }
}

fn io_error(error: &io::Error) -> TableError {
    TableError::Io(error.to_string())
}

fn storage_error(error: StorageError) -> TableError {
    match error {
        StorageError::Corrupted(what) => TableError::Damaged(what),
        StorageError::DatabaseClosed => TableError::Closed,
        StorageError::Io(error) if is_damage(&error) => TableError::Damaged(error.to_string()),
        error => TableError::Io(format!("redb: {error}")),
    }
}

/// What redb answers for a file that is too short or not its own.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

fn database_error(error: &DatabaseError) -> TableError {
    match error {
        DatabaseError::Storage(StorageError::Io(error)) if !is_damage(error) => io_error(error),
        DatabaseError::Storage(StorageError::PreviousIo) => {
            TableError::Io("an earlier write failed".to_owned())
        }
        error => TableError::Damaged(format!("redb: {error}")),
    }
}

fn begin_error(error: TransactionError) -> TableError {
    storage_error_of(error.into())
}

fn commit_error(error: CommitError) -> TableError {
    storage_error_of(error.into())
}

fn table_error(error: redb::TableError) -> TableError {
    storage_error_of(error.into())
}

fn storage_error_of(error: redb::Error) -> TableError {
    match error {
        redb::Error::Corrupted(what) => TableError::Damaged(what),
        redb::Error::DatabaseClosed => TableError::Closed,
        redb::Error::Io(error) if is_damage(&error) => TableError::Damaged(error.to_string()),
        error => TableError::Io(format!("redb: {error}")),
    }
}
