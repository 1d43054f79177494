//! Failing devices and full disks: an error, nothing half done, and later work goes on.

use std::path::Path;
use std::sync::Arc;

use dockless_oci::Reference;
use dockless_registry::{Error, Registry};
use dockless_runtime::simulation::{Fault, Operation, OperationKind, SimDisk};
use dockless_runtime::{Disk as _, OpenMode};

use super::check::{promises_while_running, reopen, reopen_and_go_on};
use super::cuts::{self, Scenario, operations, prepare};
use super::machine::Machine;
use super::scenario::{Clients, Doubt, Image, Step, asked, blob, image, more_work};
use super::witness::Witness;

/// Lets every operation of the scenario fail in turn, its start included, that `picked` picks.
#[track_caller]
fn survives(scenario: &Scenario, fault: Fault, picked: impl Fn(&Operation) -> bool) {
    let (prepared, witness) = prepare(scenario);
    let (begin, log) = operations(scenario);
    let numbers = begin..log.len() as u64;
    for number in numbers.filter(|number| picked(&log[usize::try_from(*number).unwrap()])) {
        let disk = prepared.fork();
        disk.fail_with(number, fault);
        let checked = check_fault(&disk, scenario, &witness, number, fault);
        if let Err(error) = checked {
            let failed = &log[usize::try_from(number).unwrap()];
            panic!("{fault:?} at operation {number}, {:?} {}: {error}", failed.kind, failed.path.display());
        }
    }
}

fn check_fault(
    disk: &Arc<SimDisk>,
    scenario: &Scenario,
    witness: &Witness,
    number: u64,
    fault: Fault,
) -> Result<(), String> {
    let Ok(machine) = Machine::start(disk, 2) else {
        // It said so and did not start; the next start finds everything.
        return reopen_and_go_on(&disk.fork(), 2, witness);
    };
    let (witness, _) = Clients::new(&machine, witness.clone(), Doubt::WhenUnavailable).run(&scenario.steps);
    let stopped = matches!(scenario.steps.last(), Some(Step::Stop));
    let witness = if stopped { witness } else { work_on(&machine, witness, number, fault)? };
    for seed in [0, 1, 2] {
        reopen(&machine.crashed(seed), seed, &witness)
            .map_err(|error| format!("after crash {seed}: {error}"))?;
    }
    // What the page cache still shows of a failed sync must not be taken for durable by the next start.
    let (restarted, witness) = reopen(&machine.killed(), 3, &witness)?;
    let mut steps = more_work("after/kill").to_vec();
    steps.push(Step::Wait(2));
    let (witness, done) = Clients::new(&restarted, witness, Doubt::Always).run(&steps);
    done.map_err(|error| format!("after a kill: {error}"))?;
    for seed in [0, 2] {
        let left = restarted.crashed(seed);
        reopen(&left, seed, &witness).map_err(|error| format!("after a kill and crash {seed}: {error}"))?;
    }
    reopen_and_go_on(&restarted.killed(), 4, &witness).map_err(|error| format!("after two kills: {error}"))
}

/// The same machine does more work, unless its ledger may have lost something and says so.
fn work_on(machine: &Machine, witness: Witness, number: u64, fault: Fault) -> Result<Witness, String> {
    promises_while_running(machine, &witness).map_err(|error| format!("at once: {error}"))?;
    let clients = Clients::new(machine, witness, Doubt::WhenUnavailable);
    let (witness, done) = clients.run(&more_work("more/work"));
    let log = machine.disk.operation_log();
    let failed = usize::try_from(number).ok().and_then(|number| log.get(number));
    let in_ledger = failed.is_some_and(|operation| {
        // The tables take no more changes after any error; the ledger keeps space free so that they see none of a
        // full disk. The journal goes back to where it was, unless a sync failed.
        let lost = fault == Fault::Eio || operation.kind == OperationKind::SyncData;
        (lost || operation.path.ends_with("tables.redb")) && operation.path.starts_with("/data/ledger")
    });
    match done {
        Ok(()) => {}
        // Only a ledger that does not know what its disk holds may stop.
        Err(Error::Unavailable(_)) if in_ledger => {}
        Err(error) => return Err(format!("later work fails: {error}")),
    }
    promises_while_running(machine, &witness).map_err(|error| format!("after later work: {error}"))?;
    Ok(witness)
}

/// Pushes, an image, deletes and checkpoints: every kind of operation that the registry makes.
fn everything() -> Scenario {
    let first = image("one", &[blob(1), blob(2)], &["latest"]);
    // Its command takes pages of the journal that no later one touches.
    let long = Image { padding: 10_000, ..image("long", &[blob(1)], &["long"]) };
    Scenario {
        before: vec![Step::Push { to: "a/b", blob: blob(1), requests: 1 }],
        steps: vec![
            Step::Push { to: "a/b", blob: blob(2), requests: 2 },
            Step::Put { to: "a/b", image: first.clone() },
            Step::Put { to: "a/b", image: long },
            Step::Mount { from: Some("a/b"), to: "c", blob: blob(1) },
            Step::Wait(2),
            Step::DeleteManifest { of: "a/b", image: first },
            Step::DeleteBlob { of: "a/b", blob: blob(2) },
        ],
        ..Scenario::default()
    }
}

#[test]
fn a_device_that_fails_once() {
    survives(&everything(), Fault::Eio, |_| true);
}

#[test]
fn a_disk_that_is_full_once() {
    survives(&everything(), Fault::Enospc, |_| true);
}

#[test]
fn a_write_that_is_short_once() {
    survives(&everything(), Fault::ShortWrite, |operation| operation.kind == OperationKind::Write);
}

#[test]
fn faults_while_snapshots_are_made() {
    let rare = |operation: &Operation| {
        let path = operation.path.to_string_lossy();
        path.contains("snapshots") || path.contains("journal") && operation.kind != OperationKind::Write
    };
    for fault in [Fault::Eio, Fault::Enospc, Fault::ShortWrite] {
        survives(&cuts::snapshots(), fault, rare);
    }
}

#[test]
fn a_device_that_fails_while_the_tables_are_written() {
    let tables = |operation: &Operation| {
        operation.path.ends_with("tables.redb") && operation.kind != OperationKind::Write
    };
    survives(&cuts::checkpoint(), Fault::Eio, tables);
    survives(&cuts::snapshots(), Fault::Eio, tables);
}

/// The number of the first operation of the steps that `picked` picks.
fn find_operation(scenario: &Scenario, picked: impl Fn(&Operation) -> bool) -> u64 {
    let (disk, witness) = prepare(scenario);
    let machine = Machine::start(&disk, 2).unwrap();
    let begin = usize::try_from(disk.operations()).unwrap();
    let (_, done) = Clients::new(&machine, witness, Doubt::Always).run(&scenario.steps);
    done.unwrap();
    let found = disk.operation_log().iter().skip(begin).position(picked).unwrap();
    (begin + found) as u64
}

#[test]
fn a_failed_sync_of_the_journal_stops_all_writes_until_the_next_start() {
    let scenario = cuts::put();
    let sync = find_operation(&scenario, |operation| {
        operation.kind == OperationKind::SyncData && operation.path.to_string_lossy().contains("journal")
    });
    let (disk, witness) = prepare(&scenario);
    disk.fail_with(sync, Fault::Eio);
    let machine = Machine::start(&disk, 2).unwrap();
    let (mut witness, done) = Clients::new(&machine, witness, Doubt::WhenUnavailable).run(&scenario.steps);
    assert!(matches!(done, Err(Error::Unavailable(_))), "the put is in doubt: {done:?}");
    for step in [
        Step::Push { to: "a/b", blob: blob(9), requests: 1 },
        Step::Put { to: "a/b", image: image("other", &[blob(1)], &["other"]) },
        Step::DeleteTag { of: "a/b", tag: "latest" },
    ] {
        let syncs = disk.sync_count();
        let (known, done) = Clients::new(&machine, witness, Doubt::WhenUnavailable).run(&[step]);
        witness = known;
        assert!(matches!(done, Err(Error::Unavailable(_))), "writes have stopped: {done:?}");
        let journal = |operation: &Operation| operation.path.to_string_lossy().contains("journal");
        let log = disk.operation_log();
        let last = log.iter().rposition(journal).unwrap() as u64;
        assert_eq!(last, sync, "the journal is not touched again, {} syncs later", disk.sync_count() - syncs);
    }
    promises_while_running(&machine, &witness).unwrap();
    assert!(machine.block_on(can_pull(&machine.registry)), "reads go on");
    reopen_and_go_on(&machine.killed(), 1, &witness).unwrap();
    for seed in 0..6 {
        reopen(&machine.crashed(seed), seed, &witness).unwrap();
    }
}

async fn can_pull(registry: &Registry) -> bool {
    registry.manifest(&asked("a/b"), &Reference::Tag("latest".parse().unwrap())).await.is_ok()
}

#[test]
fn a_disk_that_fills_up_refuses_pushes_first_and_deletes_last() {
    let scenario = cuts::put();
    let (disk, witness) = prepare(&scenario);
    let machine = Machine::start(&disk, 2).unwrap();
    let used = (1 << 50) - disk.free_bytes(Path::new("/")).unwrap();
    assert_eq!(used, 0, "a disk without limits does not count");
    let run = |free: u64, step: Step| {
        // Something that takes all but what is to be left.
        disk.set_capacity(1 << 40);
        let used = (1 << 40) - disk.free_bytes(Path::new("/")).unwrap();
        disk.set_capacity(used + free);
        Clients::new(&machine, witness.clone(), Doubt::WhenUnavailable).run(&[step]).1
    };
    let push = || Step::Push { to: "a/b", blob: blob(9), requests: 1 };
    let put = || Step::Put { to: "a/b", image: image("other", &[blob(1)], &["other"]) };
    assert_eq!(run(100 << 20, push()), Err(Error::DiskFull));
    assert_eq!(run(100 << 20, put()), Ok(()));
    assert_eq!(run(10 << 20, put()), Err(Error::DiskFull));
    assert_eq!(run(10 << 20, Step::DeleteTag { of: "a/b", tag: "other" }), Ok(()));
    assert_eq!(run(1 << 30, push()), Ok(()));
    assert_eq!(run(1 << 30, put()), Ok(()));
}

#[test]
fn a_damaged_blob_is_not_served_and_a_push_heals_it() {
    let scenario = cuts::put();
    let (disk, witness) = prepare(&scenario);
    let digest = blob(2).digest();
    let path = Path::new("/data/store/blobs/sha256").join(&digest.hex()[..2]).join(digest.hex());
    disk.damage(&path, 4_567).unwrap();
    // The file looks like what was verified; a copy over it does not.
    disk.open(&path, OpenMode::ReadWrite).unwrap().set_len(9_000).unwrap();
    let machine = Machine::start(&disk, 2).unwrap();
    let served = machine.block_on(machine.registry.blob(&asked("a/b"), &digest));
    assert_eq!(served.map(|content| content.size), Err(Error::BlobUnknown));
    let heal = [Step::Push { to: "a/b", blob: blob(2), requests: 1 }];
    let (witness, done) = Clients::new(&machine, witness, Doubt::Always).run(&heal);
    done.unwrap();
    promises_while_running(&machine, &witness).unwrap();
    reopen_and_go_on(&machine.crashed(0), 1, &witness).unwrap();
}
