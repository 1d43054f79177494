//! Tables in memory: the fake of the seam, and what [`crate::ledger::memory`] stands on.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{RANGE_ROWS_MAX, Row, Table, TableError, TableRead, TableWrite, Tables, Work};

type Map = BTreeMap<Bytes, Bytes>;

/// Tables that live as long as the value. A reader is a cheap clone; the first write beside a living reader copies
/// the tables that it touches, so keep this for small data.
#[derive(Debug, Default)]
pub struct MemoryTables {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    maps: Snapshot,
    closed: bool,
}

#[derive(Clone, Debug, Default)]
struct Snapshot([Arc<Map>; Table::ALL.len()]);

/// Writes in place and remembers how to undo.
struct Writer<'a> {
    maps: &'a mut Snapshot,
    undo: Vec<(Table, Bytes, Option<Bytes>)>,
}

impl MemoryTables {
    /// Empty tables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, TableError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed { Err(TableError::Closed) } else { Ok(state) }
    }
}

impl Tables for MemoryTables {
    fn read(&self) -> Result<Arc<dyn TableRead + Send + Sync>, TableError> {
        Ok(Arc::new(self.open()?.maps.clone()))
    }

    fn write(&self, work: Work<'_>) -> Result<(), TableError> {
        let mut state = self.open()?;
        let mut writer = Writer { maps: &mut state.maps, undo: Vec::new() };
        let done = work(&mut writer);
        if done.is_err() {
            writer.roll_back();
        }
        done
    }

    fn checkpoint(&self) -> Result<(), TableError> {
        self.open().map(drop)
    }

    fn close(&self) -> Result<(), TableError> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        Ok(())
    }
}

impl TableRead for Snapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        Ok(self.0[table.position()].get(key).cloned())
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        until: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, TableError> {
        if until.is_some_and(|until| until <= from) {
            return Ok(Vec::new());
        }
        let bounds = (Bound::Included(from), until.map_or(Bound::Unbounded, Bound::Excluded));
        Ok(self.0[table.position()]
            .range::<[u8], _>(bounds)
            .take(limit.min(RANGE_ROWS_MAX))
            .map(|(key, value)| Row { key: key.clone(), value: value.clone() })
            .collect())
    }
}

impl Writer<'_> {
    fn map(&mut self, table: Table) -> &mut Map {
        Arc::make_mut(&mut self.maps.0[table.position()])
    }

    fn roll_back(&mut self) {
        for (table, key, value) in std::mem::take(&mut self.undo).into_iter().rev() {
            let map = self.map(table);
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
    }
}

impl TableRead for Writer<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        self.maps.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        until: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, TableError> {
        self.maps.range(table, from, until, limit)
    }
}

impl TableWrite for Writer<'_> {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), TableError> {
        let key = Bytes::copy_from_slice(key);
        let before = self.map(table).insert(key.clone(), Bytes::copy_from_slice(value));
        self.undo.push((table, key, before));
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool, TableError> {
        let Some((key, before)) = self.map(table).remove_entry(key) else { return Ok(false) };
        self.undo.push((table, key, Some(before)));
        Ok(true)
    }
}
