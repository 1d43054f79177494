//! The ledger of one node: it passes the suite, and comes back from every crash with all that it acknowledged.

mod fixtures;
mod power;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dockless_runtime::Runtime;
use dockless_runtime::disk::Disk;
use dockless_runtime::simulation::{Fault, SimDisk, Simulation};
use futures_util::future::join_all;

use super::{LocalLedger, OpenError};
use crate::command::Command;
use crate::conformance::{self, sample};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::ledger::memory::MemoryLedger;
use crate::settings::Settings;

const DIRECTORY: &str = "/data/ledger";

fn settings() -> Settings {
    Settings { cache_bytes: 4 << 20, ..Settings::default() }
}

async fn open(runtime: Runtime) -> Arc<LocalLedger> {
    LocalLedger::open(runtime, PathBuf::from(DIRECTORY), settings()).await.unwrap()
}

fn try_open(simulation: &Simulation) -> Result<Arc<LocalLedger>, OpenError> {
    simulation.block_on(LocalLedger::open(simulation.runtime(), PathBuf::from(DIRECTORY), settings()))
}

/// A put that leaves a tag of this name.
fn numbered(number: usize) -> Command {
    sample::put("r", &format!("manifest {number}"), &[&format!("t{number}")])
}

fn has(ledger: &dyn Ledger, number: usize) -> bool {
    let view = ledger.view().unwrap();
    let found = view.tag(&sample::repository("r"), &sample::tag(&format!("t{number}"))).unwrap();
    found == Some(sample::digest(&format!("manifest {number}")))
}

#[test]
fn a_ledger_in_memory_conforms() {
    Simulation::new(1).block_on(conformance::ledger(|| async { MemoryLedger::new() as Arc<dyn Ledger> }));
}

#[test]
fn a_ledger_on_a_disk_conforms() {
    let simulations = std::cell::RefCell::new(0);
    let simulation = Simulation::new(1);
    simulation.block_on(conformance::ledger(|| async {
        let number = simulations.replace_with(|number| *number + 1);
        let place = PathBuf::from(format!("/data/{number}"));
        LocalLedger::open(simulation.runtime(), place, settings()).await.unwrap() as Arc<dyn Ledger>
    }));
}

/// With threads, real time and the machine's own files.
#[test]
fn a_ledger_on_this_machine_conforms() {
    let executor = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    executor.block_on(conformance::ledger(|| async {
        number.set(number.get() + 1);
        let place = folder.path().join(number.get().to_string());
        LocalLedger::open(Runtime::real(), place, settings()).await.unwrap() as Arc<dyn Ledger>
    }));
}

/// A stop makes one while the keeper may be making one of the same command.
#[test]
fn snapshots_asked_for_at_once_do_not_meet() {
    let executor = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    executor.block_on(async {
        let runtime = Runtime::real();
        let place = folder.path().join("ledger");
        let ledger = LocalLedger::open(runtime.clone(), place, settings()).await.unwrap();
        for number in 0..8 {
            let text: String = (0..200_000)
                .map(|word: u32| format!("{:x} ", word.wrapping_mul(0x9e37_79b9) ^ number))
                .collect();
            ledger.submit(sample::put("r", &text, &[])).await.unwrap();
            let snapshots = (0..3).map(|_| {
                let shared = ledger.shared.clone();
                runtime.blocking("snapshot", move || super::keeper::snapshot(&shared))
            });
            for made in join_all(snapshots).await {
                made.unwrap().unwrap();
            }
        }
        ledger.stop().await.unwrap();
    });
}

#[test]
fn waiting_commands_share_a_sync() {
    let simulation = Simulation::new(3);
    let statistics = simulation.block_on(async {
        let ledger = open(simulation.runtime()).await;
        let before = ledger.statistics();
        let answers = join_all((0..64).map(|number| ledger.submit(numbered(number)))).await;
        assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|applied| applied.outcome.is_ok())));
        let after = ledger.statistics();
        assert_eq!((after.commands, after.rejected), (64, 0));
        after.syncs - before.syncs
    });
    assert!(statistics * 5 <= 64, "{statistics} syncs for 64 commands");
}

#[test]
fn a_killed_ledger_comes_back_with_all_that_it_acknowledged() {
    for checkpointed in [false, true] {
        let simulation = Simulation::new(5);
        let ledger = try_open(&simulation).unwrap();
        for number in 0..50 {
            simulation.block_on(ledger.submit(numbered(number))).unwrap();
        }
        if checkpointed {
            simulation.run_for(Duration::from_secs(2));
        }
        simulation.block_on(ledger.submit(numbered(50))).unwrap();
        simulation.power_cycle(0);
        drop(ledger);
        let ledger = try_open(&simulation).unwrap();
        assert!((0..51).all(|number| has(&*ledger, number)));
        assert_eq!(ledger.statistics().replayed, if checkpointed { 1 } else { 51 });
        assert_eq!(simulation.block_on(ledger.events(0, 9)).unwrap().len(), 10, "events of whole commands");
    }
}

#[test]
fn a_stopped_ledger_has_nothing_to_replay() {
    let simulation = Simulation::new(5);
    let ledger = try_open(&simulation).unwrap();
    simulation.block_on(ledger.submit(numbered(0))).unwrap();
    simulation.block_on(ledger.stop()).unwrap();
    assert_eq!(ledger.statistics().snapshots, 1);
    simulation.power_cycle(0);
    let ledger = try_open(&simulation).unwrap();
    assert_eq!(ledger.statistics().replayed, 0);
    assert!(has(&*ledger, 0));
    simulation.block_on(ledger.submit(numbered(1))).unwrap();
}

#[test]
fn missing_tables_are_made_again_from_snapshot_and_journal() {
    let simulation = Simulation::new(7);
    let ledger = try_open(&simulation).unwrap();
    for number in 0..20 {
        simulation.block_on(ledger.submit(numbered(number))).unwrap();
    }
    simulation.block_on(ledger.submit(sample::link("r", "x"))).unwrap();
    simulation.block_on(ledger.stop()).unwrap();
    let ledger = try_open(&simulation).unwrap();
    for number in 20..30 {
        simulation.block_on(ledger.submit(numbered(number))).unwrap();
    }
    let totals = ledger.view().unwrap().totals().unwrap();
    simulation.kill();
    drop(ledger);
    simulation.disk().remove(&Path::new(DIRECTORY).join("tables.redb")).unwrap();
    let ledger = try_open(&simulation).unwrap();
    assert!((0..30).all(|number| has(&*ledger, number)));
    assert_eq!(ledger.statistics().replayed, 10, "the rest is in the snapshot");
    assert_eq!(ledger.view().unwrap().totals().unwrap(), totals);
    let trimmed = simulation.block_on(ledger.events(0, 1));
    assert_eq!(trimmed, Err(LedgerError::Trimmed { first: 22 }), "events before the snapshot are gone");
    assert!(!simulation.block_on(ledger.events(21, 1)).unwrap().is_empty());
}

#[test]
fn missing_tables_are_made_again_from_the_journal_alone() {
    let simulation = Simulation::new(7);
    let ledger = try_open(&simulation).unwrap();
    simulation.block_on(ledger.submit(numbered(0))).unwrap();
    simulation.kill();
    drop(ledger);
    simulation.disk().remove(&Path::new(DIRECTORY).join("tables.redb")).unwrap();
    assert!(has(&*try_open(&simulation).unwrap(), 0));
}

#[test]
fn damaged_tables_are_made_again_and_kept_aside() {
    let simulation = Simulation::new(7);
    let ledger = try_open(&simulation).unwrap();
    simulation.block_on(ledger.submit(numbered(0))).unwrap();
    simulation.block_on(ledger.stop()).unwrap();
    let tables = Path::new(DIRECTORY).join("tables.redb");
    simulation.disk().damage(&tables, 0).unwrap();
    assert!(has(&*try_open(&simulation).unwrap(), 0));
    simulation.disk().stat(&Path::new(DIRECTORY).join("tables.redb.damaged")).unwrap();
}

#[test]
fn a_damaged_snapshot_gives_way_to_the_one_before() {
    let simulation = Simulation::new(7);
    for number in 0..3 {
        let ledger = try_open(&simulation).unwrap();
        simulation.block_on(ledger.submit(numbered(number))).unwrap();
        simulation.block_on(ledger.stop()).unwrap();
    }
    let snapshot = Path::new(DIRECTORY).join("snapshots/00000000000000000003.jsonl.zst");
    simulation.disk().damage(&snapshot, 30).unwrap();
    simulation.disk().remove(&Path::new(DIRECTORY).join("tables.redb")).unwrap();
    let ledger = try_open(&simulation).unwrap();
    assert!((0..3).all(|number| has(&*ledger, number)));
    assert_eq!(ledger.statistics().replayed, 1);
}

#[test]
fn snapshots_are_kept_few_and_the_journal_since_the_oldest() {
    let simulation = Simulation::new(7);
    let disk = simulation.disk();
    let small = Settings { segment_bytes: 300, ..settings() };
    let place = PathBuf::from(DIRECTORY);
    let ledger = simulation.block_on(LocalLedger::open(simulation.runtime(), place, small)).unwrap();
    for number in 0..5 {
        simulation.block_on(ledger.submit(numbered(number))).unwrap();
        simulation.run_for(Duration::from_secs(7 * 60 * 60));
    }
    let names = |part: &str| {
        let entries = disk.list(&Path::new(DIRECTORY).join(part)).unwrap();
        let mut names: Vec<_> = entries.iter().map(|entry| entry.name.to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let kept = ["3", "4", "5"].map(|index| format!("{index:0>20}.jsonl.zst"));
    assert_eq!(names("snapshots"), kept);
    assert_eq!(names("journal").first().unwrap(), "00000000000000000003.log", "{:?}", names("journal"));
    assert_eq!(simulation.block_on(ledger.events(0, 1)), Err(LedgerError::Trimmed { first: 3 }));
    assert_eq!(ledger.statistics().snapshots, 5);
}

#[test]
fn a_failed_sync_stops_all_writes_until_it_is_opened_again() {
    let simulation = Simulation::new(9);
    let ledger = try_open(&simulation).unwrap();
    simulation.block_on(ledger.submit(numbered(0))).unwrap();
    simulation.run_for(Duration::from_secs(2));
    let disk = simulation.disk();
    // The append is one write and one sync.
    disk.fail_with(disk.operations() + 1, Fault::Eio);
    let failed = simulation.block_on(ledger.submit(numbered(1)));
    assert!(matches!(failed, Err(LedgerError::Failed(_))), "{failed:?}");
    let syncs = disk.sync_count();
    let failed = simulation.block_on(ledger.submit(numbered(2)));
    assert!(matches!(failed, Err(LedgerError::Failed(_))), "{failed:?}");
    assert_eq!(disk.sync_count(), syncs, "it was not tried again");
    assert!(has(&*ledger, 0), "reads go on");
    assert!(matches!(simulation.block_on(ledger.stop()), Err(LedgerError::Failed(_))));
    simulation.power_cycle(0);
    drop(ledger);
    let ledger = try_open(&simulation).unwrap();
    assert!(has(&*ledger, 0) && !has(&*ledger, 1));
    simulation.block_on(ledger.submit(numbered(3))).unwrap();
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let simulation = Simulation::new(9);
    let ledger = try_open(&simulation).unwrap();
    simulation.block_on(ledger.submit(numbered(0))).unwrap();
    simulation.run_for(Duration::from_secs(2));
    let disk = simulation.disk();
    disk.fail_with(disk.operations(), Fault::Enospc);
    assert_eq!(simulation.block_on(ledger.submit(numbered(1))), Err(LedgerError::Full));
    assert!(!has(&*ledger, 1));
    let applied = simulation.block_on(ledger.submit(numbered(2))).unwrap();
    assert_eq!(applied.index, 2, "the refused one has no number");
    simulation.power_cycle(0);
    drop(ledger);
    let ledger = try_open(&simulation).unwrap();
    assert!(has(&*ledger, 0) && !has(&*ledger, 1) && has(&*ledger, 2));
}

#[test]
fn a_nearly_full_disk_takes_only_removals() {
    let simulation = Simulation::new(9);
    let ledger = try_open(&simulation).unwrap();
    simulation.block_on(ledger.submit(numbered(0))).unwrap();
    simulation.disk().set_capacity(settings().reserve_bytes);
    assert_eq!(simulation.block_on(ledger.submit(numbered(1))), Err(LedgerError::Full));
    simulation.block_on(ledger.submit(sample::delete("r", "manifest 0"))).unwrap().outcome.unwrap();
    simulation.disk().set_capacity(u64::MAX);
    simulation.block_on(ledger.submit(numbered(1))).unwrap();
}

#[test]
fn a_journal_behind_its_tables_is_damage_that_says_what_to_do() {
    let simulation = Simulation::new(9);
    let disk = simulation.disk();
    let ledger = try_open(&simulation).unwrap();
    let before = disk.fork();
    simulation.block_on(ledger.submit(numbered(0))).unwrap();
    simulation.block_on(ledger.stop()).unwrap();
    replace_journal(&disk, &before);
    match try_open(&simulation) {
        Err(OpenError::Damaged(what)) => assert!(what.contains("move the directory away"), "{what}"),
        other => panic!("{other:?}"),
    }
    dockless_runtime::disk::remove_tree(&*disk, &Path::new(DIRECTORY).join("journal")).unwrap();
    let ledger = try_open(&simulation).unwrap();
    assert_eq!(simulation.block_on(ledger.submit(numbered(1))).unwrap().index, 2);
}

/// Puts the journal of an older disk in place.
fn replace_journal(disk: &SimDisk, older: &SimDisk) {
    let directory = Path::new(DIRECTORY).join("journal");
    for entry in older.list(&directory).unwrap() {
        let path = directory.join(entry.name);
        let bytes = dockless_runtime::disk::read_file(older, &path, 1 << 20).unwrap();
        dockless_runtime::disk::write_file_durable(disk, &path, &bytes, true).unwrap();
    }
}

#[test]
fn a_dropped_ledger_ends_its_tasks() {
    let simulation = Simulation::new(9);
    let ledger = try_open(&simulation).unwrap();
    let shared = Arc::downgrade(&ledger.shared);
    drop(ledger);
    simulation.run_for(Duration::from_secs(60));
    assert!(shared.upgrade().is_none());
}
