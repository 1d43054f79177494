//! A ledger in memory: the fake of the seam. It can be told to refuse, as one does whose disk is full or whose
//! cluster has lost its quorum.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use dockless_runtime::clock::Clock;
use tokio::sync::watch;

use crate::apply::apply_batch;
use crate::command::{Command, Entry};
use crate::error::LedgerError;
use crate::event::{Applied, Event};
use crate::ledger::Ledger;
use crate::record::check_limits;
use crate::tables::Tables;
use crate::tables::memory::MemoryTables;
use crate::view::View;

/// A ledger that lives as long as the value. For tests and small data: see [`MemoryTables`].
pub struct MemoryLedger {
    tables: MemoryTables,
    clock: Option<Arc<dyn Clock>>,
    state: Mutex<State>,
    applied: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    newest: u64,
    refusing: Option<LedgerError>,
    stopped: bool,
}

impl MemoryLedger {
    /// An empty ledger whose time is the number of the command.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::make(None)
    }

    /// An empty ledger with the time of this clock.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::make(Some(clock))
    }

    fn make(clock: Option<Arc<dyn Clock>>) -> Arc<Self> {
        let tables = MemoryTables::new();
        Arc::new(Self { tables, clock, state: Mutex::default(), applied: watch::Sender::new(0) })
    }

    /// Answers every later submit with this error and changes nothing, until told otherwise. Reads go on.
    pub fn refuse(&self, error: Option<LedgerError>) {
        self.state().refusing = error;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for MemoryLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryLedger").field("applied", &*self.applied.borrow()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn submit(&self, command: Command) -> Result<Applied, LedgerError> {
        let mut state = self.state();
        if state.stopped {
            return Err(LedgerError::Stopped);
        }
        if let Some(error) = &state.refusing {
            return Err(error.clone());
        }
        if let Err(rejection) = check_limits(&command) {
            return Ok(Applied { index: 0, outcome: Err(rejection) });
        }
        let index = state.newest + 1;
        let entry =
            Entry { index, time_ms: self.clock.as_ref().map_or(index, |clock| clock.unix_ms()), command };
        let mut applied = Vec::new();
        self.tables.write(&mut |tables| {
            applied = apply_batch(tables, std::slice::from_ref(&entry))?;
            Ok(())
        })?;
        state.newest = index;
        self.applied.send_replace(index);
        Ok(applied.pop().expect("one entry has one answer"))
    }

    fn view(&self) -> Result<View, LedgerError> {
        if self.state().stopped {
            return Err(LedgerError::Stopped);
        }
        Ok(View::new(self.tables.read()?)?)
    }

    fn applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    async fn events(&self, after: u64, limit: usize) -> Result<Vec<(u64, Event)>, LedgerError> {
        self.view()?.events(after, limit)
    }

    async fn stop(&self) -> Result<(), LedgerError> {
        self.state().stopped = true;
        Ok(())
    }
}
