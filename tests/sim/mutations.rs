//! What each sync, and the order of the renames, is needed for: without it some cut breaks a promise.
//!
//! A mutation is a disk that says "done" and does nothing, or does things in another order: the registry's code runs
//! as it is. Every test here fails when the mutated registry keeps all promises, which is to say that the sync could
//! go, or that the checks do not see what it is for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use dockless_oci::Algorithm;
use dockless_runtime::simulation::{Fault, Operation, OperationKind, SimDisk};

use super::check::{reopen, reopen_and_go_on, reopen_without_tables};
use super::cuts::{self, Scenario, check_killed, is_one_of_many, operations, prepare, run};
use super::machine::Machine;
use super::scenario::{Blob, Clients, Doubt, Image, Step, blob, image};
use super::witness::Witness;

/// Crashes that show most mutations; the first loses all that is not durable.
const SEEDS: [u64; 4] = [0, 2, 3, 4];

/// The first promise that a mutated registry breaks, or what it does not get done without any cut. Late cuts come
/// first: most mutations show there.
fn breaks(scenario: &Scenario, mutate: &dyn Fn(&SimDisk), from: u64) -> Option<String> {
    let (prepared, witness) = prepare(scenario);
    let (begin, log) = operations(scenario);
    let cuts = (begin.max(from)..=log.len() as u64).rev().filter(|cut| !is_one_of_many(&log, *cut));
    cuts.into_iter().find_map(|cut| {
        let disk = prepared.fork();
        mutate(&disk);
        disk.fail_from(cut);
        // Damage may show as a panic of what reads it, which is no promise kept either.
        let broken = catch_unwind(AssertUnwindSafe(|| {
            let (left, witness, done) = run(&disk, scenario, &witness);
            let undone = done.err().filter(|_| cut == log.len() as u64);
            undone.or_else(|| broken_by_crash(&left, &witness)).or_else(|| broken_by_kill(&left, &witness))
        }));
        let broken = broken.unwrap_or_else(|_| Some("a panic".to_owned()))?;
        Some(format!("cut at operation {cut}: {broken}"))
    })
}

fn broken_by_crash(left: &Arc<SimDisk>, witness: &Witness) -> Option<String> {
    SEEDS.into_iter().find_map(|seed| {
        let crashed = left.fork();
        crashed.crash(seed);
        let without_tables = crashed.fork();
        let going_on = (seed == 0).then(|| reopen_and_go_on(&crashed.fork(), 5, witness).err()).flatten();
        let looking = || reopen(&crashed, seed, witness).err();
        going_on.or_else(looking).or_else(|| reopen_without_tables(&without_tables, seed, witness).err())
    })
}

fn broken_by_kill(left: &Arc<SimDisk>, witness: &Witness) -> Option<String> {
    let killed = left.fork();
    killed.kill();
    check_killed(&killed, witness).err()
}

/// Shows that the scenario needs its syncs of the files and directories that `ignored` picks.
#[track_caller]
fn needs_sync(scenario: &Scenario, ignored: fn(&str) -> bool) {
    let mutate = move |disk: &SimDisk| {
        disk.ignore_syncs_matching(move |path: &Path| ignored(&path.to_string_lossy()));
    };
    let (begin, log) = operations(scenario);
    let syncs =
        |operation: &&Operation| is_sync(operation.kind) && ignored(&operation.path.to_string_lossy());
    let begin = usize::try_from(begin).unwrap();
    assert!(log[begin..].iter().any(|operation| syncs(&operation)), "the scenario makes such a sync");
    let broken = breaks(scenario, &mutate, 0);
    assert!(broken.is_some(), "without it every promise is kept");
}

fn is_sync(kind: OperationKind) -> bool {
    matches!(kind, OperationKind::SyncData | OperationKind::SyncDirectory)
}

/// A new data directory and a push into it.
fn first_push() -> Scenario {
    Scenario {
        before: Vec::new(),
        steps: vec![Step::Push { to: "a/b", blob: blob(1), requests: 1 }],
        ..Scenario::default()
    }
}

fn first_push_by_sha512() -> Scenario {
    let other = Blob { algorithm: Algorithm::Sha512, ..blob(4) };
    Scenario {
        before: vec![Step::Stop],
        steps: vec![Step::Push { to: "a/b", blob: other, requests: 1 }],
        ..Scenario::default()
    }
}

macro_rules! needs_sync {
    ($($name:ident: $scenario:expr, $ignored:expr;)*) => {$(
        #[test]
        fn $name() {
            needs_sync(&$scenario, $ignored);
        }
    )*};
}

needs_sync! {
    the_entry_of_the_data_directory: first_push(), |path| path == "/";
    the_format_stamp: first_push(), |path| path == "/data/format.new";
    the_entries_of_the_data_directory: first_push(), |path| path == "/data";
    the_entries_of_the_store: first_push(), |path| path == "/data/store";
    the_directory_of_an_algorithm: first_push(), |path| path == "/data/store/blobs";
    the_directories_of_blobs: first_push(), |path| path == "/data/store/blobs/sha256";
    the_directory_of_a_rare_algorithm: first_push_by_sha512(), |path| path == "/data/store/blobs";
    the_directory_of_a_blob_by_a_rare_algorithm: first_push_by_sha512(), |path| path == "/data/store/blobs/sha512";
    the_bytes_of_an_upload: cuts::push(), |path| path.ends_with("/data");
    the_entry_of_a_blob: cuts::push(), |path| path.starts_with("/data/store/blobs/sha256/");
    the_entries_of_the_ledger: first_push(), |path| path == "/data/ledger";
    the_entry_of_a_journal_segment: cuts::put(), |path| path == "/data/ledger/journal";
    the_append_to_the_journal: cuts::put(), |path| path.starts_with("/data/ledger/journal/");
    the_tables_before_they_take_their_name: first_push(), |path| path == "/data/ledger/tables.redb.new";
    the_checkpoint_of_the_tables: cuts::snapshots(), |path| path == "/data/ledger/tables.redb";
    the_bytes_of_a_snapshot: cuts::snapshots(), |path| path.starts_with("/data/ledger/snapshots/");
    the_entry_of_a_snapshot: cuts::snapshots(), |path| path == "/data/ledger/snapshots";
}

/// Shows that the scenario needs the order of two of its renames: the other way round it loses something, or does
/// not get through.
#[track_caller]
fn needs_order(scenario: &Scenario, first: &'static str, second: &'static str) {
    let broken = breaks(scenario, &move |disk| disk.swap_renames(first, second), 0);
    assert!(broken.is_some(), "the other way round every promise is kept");
}

#[test]
fn the_order_of_the_format_stamp_and_the_first_tables() {
    needs_order(&first_push(), "/data/format", "/data/ledger/tables.redb");
}

#[test]
fn the_order_of_the_names_of_two_blobs() {
    let push = |seed| Step::Push { to: "a/b", blob: blob(seed), requests: 1 };
    let scenario =
        Scenario { before: vec![Step::Stop], steps: vec![push(1), push(2)], ..Scenario::default() };
    needs_order(&scenario, leak(blob(1)), leak(blob(2)));
}

fn leak(blob: Blob) -> &'static str {
    blob.digest().hex().to_owned().leak()
}

#[test]
fn the_order_of_putting_a_damaged_blob_aside_and_its_healing() {
    needs_order(&cuts::heal(), "/data/store/quarantine", "/data/store/uploads");
}

#[test]
fn the_order_of_putting_damaged_tables_aside_and_their_replacement() {
    needs_order(&cuts::damaged_tables(), "tables.redb.damaged", "tables.redb.new");
}

/// The number of the first operation from `begin` on that `picked` picks.
fn find(disk: &SimDisk, begin: u64, picked: impl Fn(&Operation) -> bool) -> u64 {
    let log = disk.operation_log();
    let begin = usize::try_from(begin).unwrap();
    let found = log.iter().skip(begin).position(picked).expect("there is such an operation");
    (begin + found) as u64
}

fn touches_journal(operation: &Operation, kind: OperationKind) -> bool {
    operation.kind == kind && operation.path.starts_with("/data/ledger/journal")
}

#[test]
fn the_expectation_of_a_blob_before_its_name() {
    let scenario = cuts::push();
    let (begin, log) = operations(&scenario);
    let syncs = log.iter().enumerate().skip(usize::try_from(begin).unwrap());
    let mut syncs = syncs.filter(|(_, operation)| touches_journal(operation, OperationKind::SyncData));
    // The start settles the journal, the push expects the blob, then links it.
    let expectation = syncs.nth(1).unwrap().0 as u64;
    let broken = breaks(&scenario, &|disk| disk.ignore_operation(expectation), expectation + 1);
    assert!(broken.is_some_and(|broken| broken.contains("not doomed")));
}

/// A put whose command takes pages of the journal that no later one touches.
fn long_put() -> Scenario {
    let long = Image { padding: 10_000, ..image("long", &[blob(1)], &["long"]) };
    let before = vec![Step::Push { to: "a/b", blob: blob(1), requests: 1 }, Step::Stop];
    Scenario { before, steps: vec![Step::Put { to: "a/b", image: long }], ..Scenario::default() }
}

/// Whether all is kept by a start after `left`, more work and a power cut, when the first operation of that start
/// that `picked` picks does nothing.
fn survives_start_without(
    left: &Arc<SimDisk>,
    witness: &Witness,
    picked: impl Fn(&Operation) -> bool,
) -> bool {
    left.kill();
    let begin = left.operations();
    let trial = left.fork();
    drop(Machine::start(&trial, 3).unwrap());
    let number = find(&trial, begin, picked);
    assert!(check_killed(&left.fork(), witness).is_ok(), "as it is, it survives");
    let mutated = left.fork();
    mutated.ignore_operation(number);
    check_killed(&mutated, witness).is_ok()
}

#[test]
fn the_last_append_of_a_process_whose_sync_failed_is_written_again() {
    let scenario = long_put();
    let (prepared, witness) = prepare(&scenario);
    let (begin, log) = operations(&scenario);
    let last =
        log.iter().rposition(|operation| touches_journal(operation, OperationKind::SyncData)).unwrap() as u64;
    assert!(last > begin);
    for kind in [OperationKind::Write, OperationKind::SyncData] {
        let disk = prepared.fork();
        disk.fail_with(last, Fault::Eio);
        let machine = Machine::start(&disk, 2).unwrap();
        let (witness, _) = Clients::new(&machine, witness.clone(), Doubt::Always).run(&scenario.steps);
        let left = machine.killed();
        assert!(
            !survives_start_without(&left, &witness, |operation| touches_journal(operation, kind)),
            "{kind:?}"
        );
    }
}

#[test]
fn the_entry_of_a_segment_that_a_killed_process_made() {
    let scenario = long_put();
    let (prepared, witness) = prepare(&scenario);
    let (_, log) = operations(&scenario);
    let made =
        log.iter().rposition(|operation| touches_journal(operation, OperationKind::SyncDirectory)).unwrap();
    let disk = prepared.fork();
    disk.fail_from(made as u64);
    let (left, witness, _) = run(&disk, &scenario, &witness);
    let is_entry = |operation: &Operation| touches_journal(operation, OperationKind::SyncDirectory);
    assert!(!survives_start_without(&left, &witness, is_entry));
}

/// A push whose last sync failed leaves a whole blob under its name; the next push of it need not move another there,
/// but has to make the name durable.
#[test]
fn the_entry_of_a_blob_that_an_earlier_push_left() {
    let scenario = cuts::push();
    let (prepared, witness) = prepare(&scenario);
    let is_entry = |operation: &Operation| {
        operation.kind == OperationKind::SyncDirectory
            && operation.path.parent() == Some(Path::new("/data/store/blobs/sha256"))
    };
    let (begin, _) = operations(&scenario);
    let keeps = |ignored: Option<u64>| {
        let disk = prepared.fork();
        let probe = run(&prepared.fork(), &scenario, &witness).0;
        disk.fail_with(find(&probe, begin, is_entry), Fault::Eio);
        disk.ignore_operation(ignored.unwrap_or(u64::MAX));
        let machine = Machine::start(&disk, 2).unwrap();
        let clients = Clients::new(&machine, witness.clone(), Doubt::WhenUnavailable);
        let (witness, failed) = clients.run(&scenario.steps);
        assert!(failed.is_err(), "a sync failed");
        let second = disk.operations();
        let (witness, done) = Clients::new(&machine, witness, Doubt::Always).run(&scenario.steps);
        done.unwrap();
        let kept = reopen(&machine.crashed(0), 3, &witness).is_ok();
        (kept, find(&machine.disk, second, is_entry))
    };
    let (kept, second) = keeps(None);
    assert!(kept, "as it is, it survives");
    assert!(!keeps(Some(second)).0);
}
