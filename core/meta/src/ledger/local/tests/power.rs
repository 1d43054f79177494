//! The power is cut at every operation of a small ledger's life; and each sync of it is needed: without it, the same
//! cuts find something missing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dockless_runtime::simulation::{Fault, SimDisk, Simulation};

use super::{DIRECTORY, has, numbered, settings, try_open};
use crate::ledger::Ledger;
use crate::ledger::local::LocalLedger;
use crate::settings::Settings;

/// Opens, submits, stops, and that twice; true when nothing failed. Segments are so small that they roll, and only
/// one snapshot is kept, so that the journal is trimmed.
fn live(simulation: &Simulation, acknowledged: &mut Vec<usize>) -> bool {
    let small = Settings { segment_bytes: 400, snapshots_kept: 1, ..settings() };
    for life in 0..2 {
        let place = PathBuf::from(DIRECTORY);
        let Ok(ledger) = simulation.block_on(LocalLedger::open(simulation.runtime(), place, small.clone()))
        else {
            return false;
        };
        for number in life * 4..life * 4 + 4 {
            match simulation.block_on(ledger.submit(numbered(number))) {
                Ok(_) => acknowledged.push(number),
                Err(_) => return false,
            }
            if number % 2 == 0 {
                simulation.run_for(Duration::from_secs(2));
            }
        }
        if simulation.block_on(ledger.stop()).is_err() {
            return false;
        }
    }
    true
}

/// Cuts the power at one operation and comes back after a crash of this seed. `Ok(true)` when the life was over
/// before the cut, an error when something acknowledged is missing afterwards.
fn cut_at(operation: u64, seed: u64, mutate: fn(&SimDisk)) -> Result<bool, String> {
    let simulation = Simulation::new(operation);
    mutate(&simulation.disk());
    simulation.disk().fail_from(operation);
    let mut acknowledged = Vec::new();
    let finished = live(&simulation, &mut acknowledged);
    simulation.power_cycle(seed);
    all_is_there(&simulation, acknowledged).map(|()| finished)
}

/// Opens the ledger: what was acknowledged is there, and it takes writes.
fn all_is_there(simulation: &Simulation, acknowledged: Vec<usize>) -> Result<(), String> {
    let ledger = try_open(simulation).map_err(|error| error.to_string())?;
    for number in acknowledged {
        if !has(&*ledger, number) {
            return Err(format!("number {number} is missing"));
        }
    }
    let applied = simulation.block_on(ledger.submit(numbered(99))).map_err(|error| error.to_string())?;
    applied.outcome.map_err(|rejection| rejection.to_string())?;
    if has(&*ledger, 99) { Ok(()) } else { Err("it takes no writes".to_owned()) }
}

/// How many cuts there are, or the first one that something acknowledged does not survive. Every other crash loses
/// all that is unsynced, the ones between lose it piece by piece.
fn sweep(mutate: fn(&SimDisk)) -> Result<u64, String> {
    for operation in 0.. {
        let seed = if operation % 2 == 0 { 0 } else { operation + 2 };
        // What a mutation breaks may also show as a panic of the embedded database.
        let came_back = catch_unwind(AssertUnwindSafe(|| cut_at(operation, seed, mutate)));
        let came_back = came_back.unwrap_or_else(|_| Err("it panicked".to_owned()));
        if came_back.map_err(|what| format!("cut {operation}, seed {seed}: {what}"))? {
            return Ok(operation);
        }
    }
    unreachable!("a life is finite")
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged() {
    let cuts = sweep(|_| {}).unwrap();
    assert!(cuts > 100, "only {cuts} operations");
}

/// A failing disk, a full one and a short write by turns, each once, at each operation; then the process starts again,
/// or the whole machine.
#[test]
fn a_fault_at_any_operation_loses_nothing_acknowledged() {
    for operation in 0.. {
        let fault = [Fault::Eio, Fault::Enospc, Fault::ShortWrite][operation as usize % 3];
        let simulation = Simulation::new(operation);
        simulation.disk().fail_with(operation, fault);
        let mut acknowledged = Vec::new();
        let finished = live(&simulation, &mut acknowledged);
        if simulation.disk().operations() <= operation {
            assert!(finished, "nothing failed");
            return;
        }
        if operation % 2 == 0 {
            simulation.power_cycle(operation);
        } else {
            simulation.kill();
        }
        let there = all_is_there(&simulation, acknowledged);
        assert_eq!(there, Ok(()), "{fault:?} at operation {operation}");
    }
}

/// A sync that could be left out is either superfluous or not tested.
fn is_needed(mutate: fn(&SimDisk)) {
    let found = sweep(mutate);
    assert!(found.is_err(), "nothing misses that sync");
}

fn ends_with(path: &Path, end: &str) -> bool {
    path.to_string_lossy().ends_with(end)
}

#[test]
fn syncs_of_the_journal_are_needed() {
    is_needed(|disk| disk.ignore_syncs_matching(|path| ends_with(path, ".log")));
}

#[test]
fn syncs_of_the_directory_of_the_journal_are_needed() {
    is_needed(|disk| disk.ignore_syncs_matching(|path| ends_with(path, "/journal")));
}

#[test]
fn syncs_of_the_directory_of_the_ledger_are_needed() {
    is_needed(|disk| disk.ignore_syncs_matching(|path| ends_with(path, "/ledger")));
}

#[test]
fn syncs_of_the_tables_are_needed() {
    is_needed(|disk| disk.ignore_syncs_matching(|path| path.to_string_lossy().contains("tables.redb")));
}
