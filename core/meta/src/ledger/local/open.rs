//! Opening: find tables that the journal reaches, or make them again from a snapshot, and apply the rest.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dockless_runtime::disk::{Disk, create_dir_durable, remove_durable, rename_durable};

use super::shared::{Opened, SNAPSHOTS};
use crate::apply::apply_batch;
use crate::command::Entry;
use crate::journal::{self, Journal, JournalError};
use crate::record;
use crate::rows::{self, meta};
use crate::settings::Settings;
use crate::snapshot::{self, SnapshotError};
use crate::tables::redb::RedbTables;
use crate::tables::{Table, TableError, Tables};
use crate::view::View;

const TABLES: &str = "tables.redb";
const TABLES_UNFINISHED: &str = "tables.redb.new";
const TABLES_DAMAGED: &str = "tables.redb.damaged";
const JOURNAL: &str = "journal";

/// Why a ledger could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// What is on the disk is not what was written. The text says what to do.
    #[error("{0}")]
    Damaged(String),
    /// The disk refused.
    #[error("cannot open the ledger: {0}")]
    Io(String),
}

/// Commands applied again in one transaction: as large as memory allows without a thought.
const REPLAY_COMMANDS: usize = 4_096;
/// Bytes of records applied again in one transaction.
const REPLAY_BYTES: usize = 16 << 20;

/// Opens or makes a ledger. Blocks.
pub(super) fn open(disk: &Arc<dyn Disk>, directory: &Path, settings: &Settings) -> Result<Opened, OpenError> {
    create_dir_durable(&**disk, directory).map_err(|error| io_error("make its directory", &error))?;
    let place = Place { disk, directory, settings };
    let journal_directory = directory.join(JOURNAL);
    let first = journal::first_kept(&**disk, &journal_directory)?;
    let (tables, applied) = match place.existing(first)? {
        Some(found) => found,
        None => place.rebuild(first)?,
    };
    let mut replay = Replay { tables: &tables, entries: Vec::new(), bytes: 0 };
    let (journal, found) = Journal::open(
        disk.clone(),
        &journal_directory,
        settings.segment_bytes,
        applied,
        &mut |index, record| replay.take(index, record),
    )?;
    replay.apply()?;
    if found.cut_bytes > 0 {
        tracing::info!(bytes = found.cut_bytes, "cut an unfinished append off the journal");
    }
    let view = View::new(tables.read()?)?;
    let newest = snapshot::list(&**disk, &directory.join(SNAPSHOTS))?.last().copied().unwrap_or(0);
    let snapshot_due = journal.first() > newest + 1;
    Ok(Opened { journal, tables, view, replayed: found.replayed, snapshot_due })
}

struct Place<'a> {
    disk: &'a Arc<dyn Disk>,
    directory: &'a Path,
    settings: &'a Settings,
}

impl Place<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn open_tables(&self, name: &str) -> Result<RedbTables, TableError> {
        RedbTables::open(&**self.disk, &self.path(name), self.settings.cache_bytes)
    }

    /// The tables that are there with the number of their last command, if the journal goes on from them.
    fn existing(&self, first: Option<u64>) -> Result<Option<(RedbTables, u64)>, OpenError> {
        match self.disk.stat(&self.path(TABLES)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read its tables", &error)),
            Ok(_) => {}
        }
        let why = match self.open_tables(TABLES) {
            Err(TableError::Damaged(what)) => what,
            Err(error) => return Err(error.into()),
            Ok(tables) => {
                let format = rows::meta_integer(&*tables.read()?, meta::FORMAT)?;
                let applied = rows::meta_integer(&*tables.read()?, meta::APPLIED)?.unwrap_or(0);
                if format == Some(rows::FORMAT) && first.is_none_or(|first| first <= applied + 1) {
                    return Ok(Some((tables, applied)));
                }
                tables.close()?;
                format!("layout {format:?}, last command {applied}, the journal begins with {first:?}")
            }
        };
        tracing::warn!(why, "the tables are of no use; they are kept as {TABLES_DAMAGED} and made again");
        if first.is_none() {
            return Err(OpenError::Damaged(format!(
                "the tables in {} are of no use ({why}) and there is no journal: restore the ledger from a backup",
                self.path(TABLES).display()
            )));
        }
        rename_durable(&**self.disk, &self.path(TABLES), &self.path(TABLES_DAMAGED))
            .map_err(|error| io_error("move its tables", &error))?;
        Ok(None)
    }

    /// Makes the tables again from the newest snapshot that is whole and that the journal goes on from.
    fn rebuild(&self, first: Option<u64>) -> Result<(RedbTables, u64), OpenError> {
        let directory = self.path(SNAPSHOTS);
        let reached = |index: &u64| first.is_none_or(|first| first <= index + 1);
        let found = snapshot::list(&**self.disk, &directory)?;
        let mut tried = Vec::new();
        for index in found.iter().rev().copied().filter(reached).chain(reached(&0).then_some(0)) {
            match self.rebuild_from(&directory, index) {
                Ok(tables) => return Ok((tables, index)),
                Err(SnapshotError::Damaged { path, what }) => {
                    tracing::warn!(path = %path.display(), what, "a snapshot is damaged; the one before it is tried");
                    tried.push(path.display().to_string());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(OpenError::Damaged(format!(
            "the tables are missing and no snapshot in {} is whole and reaches the journal, which begins with command \
             {} (damaged: {tried:?}): put back the tables, a snapshot or the older journal files, or restore the ledger \
             from a backup",
            directory.display(),
            first.unwrap_or(1),
        )))
    }

    /// Makes the tables beside their place and moves them there, so that no half of them is ever taken for whole.
    /// Number 0 is the empty ledger.
    fn rebuild_from(&self, snapshots: &Path, index: u64) -> Result<RedbTables, SnapshotError> {
        let (unfinished, place) = (self.path(TABLES_UNFINISHED), self.path(TABLES));
        let io = |doing, path: &Path| {
            let path = path.to_owned();
            move |error| SnapshotError::Io { doing, path, error }
        };
        remove_durable(&**self.disk, &unfinished).map_err(io("prepare for", &unfinished))?;
        let tables = self.open_tables(TABLES_UNFINISHED)?;
        if index == 0 {
            tables.write(&mut |tables| {
                tables.put(Table::Meta, meta::FORMAT, &rows::encode_integer(rows::FORMAT))
            })?;
        } else {
            snapshot::load(self.disk, snapshots, index, &tables)?;
            tracing::info!(index, "made the tables again from a snapshot");
        }
        tables.close()?;
        rename_durable(&**self.disk, &unfinished, &place).map_err(io("keep the tables of", &place))?;
        Ok(self.open_tables(TABLES)?)
    }
}

/// Gathers records and applies them in large transactions.
struct Replay<'a> {
    tables: &'a RedbTables,
    entries: Vec<Entry>,
    bytes: usize,
}

impl Replay<'_> {
    fn take(&mut self, index: u64, bytes: &[u8]) -> Result<(), OpenError> {
        let entry = record::decode(index, bytes).map_err(|error| {
            OpenError::Damaged(format!(
                "command {index} of the journal cannot be read ({error}): run the release that wrote it"
            ))
        })?;
        self.entries.push(entry);
        self.bytes += bytes.len();
        if self.entries.len() >= REPLAY_COMMANDS || self.bytes >= REPLAY_BYTES {
            self.apply()?;
        }
        Ok(())
    }

    fn apply(&mut self) -> Result<(), OpenError> {
        let entries = std::mem::take(&mut self.entries);
        self.bytes = 0;
        Ok(self.tables.write(&mut |tables| apply_batch(tables, &entries).map(drop))?)
    }
}

fn io_error(doing: &str, error: &io::Error) -> OpenError {
    OpenError::Io(format!("cannot {doing}: {error}"))
}

impl From<JournalError> for OpenError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Damaged(what) => Self::Damaged(what),
            error => Self::Io(error.to_string()),
        }
    }
}

impl From<TableError> for OpenError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Damaged(what) => Self::Damaged(format!(
                "the tables are damaged ({what}): move {TABLES} away, they are made again from the newest snapshot and \
                 the journal"
            )),
            error => Self::Io(error.to_string()),
        }
    }
}

impl From<SnapshotError> for OpenError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Tables(error) => error.into(),
            error => Self::Io(error.to_string()),
        }
    }
}
