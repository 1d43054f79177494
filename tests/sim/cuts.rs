//! Power cuts at every operation of every scenario.

use std::sync::Arc;

use dockless_oci::Algorithm;
use dockless_runtime::simulation::{Operation, OperationKind, SimDisk};

use super::check::{reopen, reopen_and_go_on, reopen_without_tables};
use super::machine::Machine;
use super::scenario::{Blob, Clients, Doubt, Image, Step, blob, image, more_work};
use super::witness::Witness;

/// Crashes after each cut: all is lost, all is kept, and mixtures.
const SEEDS: u64 = 5;

/// What is cut, after what was done before on the same disk.
#[derive(Clone, Default)]
pub(crate) struct Scenario {
    pub(crate) before: Vec<Step>,
    /// The power was cut in between, with this seed.
    pub(crate) crash: Option<u64>,
    pub(crate) steps: Vec<Step>,
    /// Decides the order of what happens at once.
    pub(crate) order: u64,
}

/// The disk after the steps before, all of it durable or not as it happens to be, and what is known.
pub(crate) fn prepare(scenario: &Scenario) -> (Arc<SimDisk>, Witness) {
    let disk = SimDisk::new();
    if scenario.before.is_empty() {
        return (disk, Witness::default());
    }
    let machine = Machine::start(&disk, 1).unwrap();
    let (witness, done) = Clients::new(&machine, Witness::default(), Doubt::Always).run(&scenario.before);
    done.unwrap();
    match scenario.crash {
        None => (machine.killed(), witness),
        Some(seed) => (machine.crashed(seed), witness),
    }
}

/// The numbers of the operations of the scenario, its start included, and one more: a cut after the last.
pub(crate) fn operations(scenario: &Scenario) -> (u64, Vec<Operation>) {
    let (prepared, witness) = prepare(scenario);
    let (left, _, done) = run(&prepared.fork(), scenario, &witness);
    done.unwrap();
    (prepared.operations(), left.operation_log())
}

/// Cuts the power at every operation of the scenario, its start included, and checks what each crash leaves; the
/// first broken promise.
pub(crate) fn sweep(scenario: &Scenario, seeds: u64) -> Result<(), String> {
    let (prepared, witness) = prepare(scenario);
    let (begin, log) = operations(scenario);
    for cut in (begin..=log.len() as u64).filter(|cut| !is_one_of_many(&log, *cut)) {
        let disk = prepared.fork();
        disk.fail_from(cut);
        check_cut(&disk, scenario, &witness, cut, seeds)?;
    }
    Ok(())
}

/// Runs the scenario until the power is cut, and checks what each crash leaves.
pub(crate) fn check_cut(
    disk: &Arc<SimDisk>,
    scenario: &Scenario,
    witness: &Witness,
    cut: u64,
    seeds: u64,
) -> Result<(), String> {
    let (left, witness, _) = run(disk, scenario, witness);
    for seed in 0..seeds {
        let crashed = left.fork();
        crashed.crash(seed);
        // Going on costs ten times as much as looking, so each cut does it after one crash.
        let checked = match (seed + cut) % seeds {
            0 => reopen_and_go_on(&crashed, seed, &witness),
            1 => reopen_without_tables(&crashed, seed, &witness),
            _ => reopen(&crashed, seed, &witness).map(|_| ()),
        };
        checked.map_err(|error| broken(&left, cut, seed, &error))?;
    }
    Ok(())
}

/// Kills the process at every operation of the scenario, lets the next one do more work, and then cuts the power:
/// what the page cache showed to the second process must not be taken for durable.
fn sweep_kills(scenario: &Scenario) -> Result<(), String> {
    let (prepared, witness) = prepare(scenario);
    let (begin, log) = operations(scenario);
    for number in (begin..=log.len() as u64).filter(|number| !is_one_of_many(&log, *number)) {
        let disk = prepared.fork();
        disk.fail_from(number);
        let (left, witness, _) = run(&disk, scenario, &witness);
        left.kill();
        check_killed(&left, &witness).map_err(|error| broken(&left, number, 0, &error))?;
    }
    Ok(())
}

pub(crate) fn check_killed(left: &Arc<SimDisk>, witness: &Witness) -> Result<(), String> {
    let (machine, witness) = reopen(left, 3, witness).map_err(|error| format!("after the kill: {error}"))?;
    let (witness, done) = Clients::new(&machine, witness, Doubt::Always).run(&more_work("after/kill"));
    done.map_err(|error| format!("after the kill: {error}"))?;
    for seed in [0, 2, 3] {
        let error = |error| format!("after the kill, more work and crash {seed}: {error}");
        reopen(&machine.crashed(seed), seed, &witness).map_err(error)?;
    }
    Ok(())
}

/// The first start makes some hundred directories one after another; a few of those cuts stand for all.
pub(crate) fn is_one_of_many(log: &[Operation], cut: u64) -> bool {
    let makes = |cut: u64| {
        let operation = usize::try_from(cut).ok().and_then(|cut| log.get(cut));
        operation.is_some_and(|operation| operation.kind == OperationKind::CreateDirectory)
    };
    makes(cut) && cut > 0 && makes(cut - 1) && makes(cut + 1) && !cut.is_multiple_of(64)
}

/// Runs the scenario: what stands on the disk, what is known, and whether all was done, when the power is gone or the
/// scenario is over.
pub(crate) fn run(
    disk: &Arc<SimDisk>,
    scenario: &Scenario,
    witness: &Witness,
) -> (Arc<SimDisk>, Witness, Result<(), String>) {
    match Machine::start(disk, 2 + scenario.order) {
        Ok(machine) => {
            let (witness, done) = Clients::new(&machine, witness.clone(), Doubt::Always).run(&scenario.steps);
            (machine.killed(), witness, done.map_err(|error| error.to_string()))
        }
        Err(error) => (disk.fork(), witness.clone(), Err(error)),
    }
}

fn broken(disk: &SimDisk, cut: u64, seed: u64, error: &str) -> String {
    let log = disk.operation_log();
    let cut = usize::try_from(cut).unwrap();
    let around: Vec<_> = log.iter().enumerate().skip(cut.saturating_sub(12)).take(13).collect();
    let around: Vec<_> =
        around.iter().map(|(n, op)| format!("{n} {:?} {}", op.kind, op.path.display())).collect();
    format!("cut at operation {cut}, crash seed {seed}: {error}\noperations:\n{}", around.join("\n"))
}

#[track_caller]
fn holds(scenario: &Scenario) {
    if let Err(broken) = sweep(scenario, SEEDS).and_then(|()| sweep_kills(scenario)) {
        panic!("{broken}");
    }
}

#[test]
fn cuts_of_the_first_start() {
    holds(&Scenario::default());
}

pub(crate) fn push() -> Scenario {
    Scenario {
        before: vec![Step::Stop],
        steps: vec![Step::Push { to: "a/b", blob: blob(1), requests: 1 }],
        ..Scenario::default()
    }
}

#[test]
fn cuts_of_a_monolithic_push() {
    holds(&push());
}

#[test]
fn cuts_of_a_chunked_push() {
    let steps = vec![Step::Push { to: "a/b", blob: blob(1), requests: 3 }];
    holds(&Scenario { before: vec![Step::Stop], steps, ..Scenario::default() });
}

#[test]
fn cuts_of_a_push_with_a_chain_list() {
    let long = Blob { seed: 3, length: 600_000, algorithm: Algorithm::Sha256 };
    holds(&Scenario {
        before: vec![Step::Stop],
        steps: vec![Step::Push { to: "a/b", blob: long, requests: 2 }],
        ..Scenario::default()
    });
}

#[test]
fn cuts_of_a_push_by_sha512() {
    let other = Blob { algorithm: Algorithm::Sha512, ..blob(4) };
    holds(&Scenario {
        before: vec![Step::Stop],
        steps: vec![Step::Push { to: "a/b", blob: other, requests: 2 }],
        ..Scenario::default()
    });
}

#[test]
fn cuts_of_a_resumed_push() {
    let before = vec![Step::PushHalf { to: "a/b", blob: blob(1) }];
    holds(&Scenario {
        before,
        steps: vec![Step::Resume { to: "a/b", blob: blob(1) }],
        ..Scenario::default()
    });
}

pub(crate) fn put() -> Scenario {
    let subject = image("one", &[blob(1), blob(2)], &["latest"]);
    let referrer =
        Image { subject: Some(Box::new(subject.clone())), ..image("two", &[blob(1)], &["latest", "v2"]) };
    let push = |seed| Step::Push { to: "a/b", blob: blob(seed), requests: 1 };
    Scenario {
        before: vec![push(1), push(2), Step::Put { to: "a/b", image: subject }],
        steps: vec![Step::Put { to: "a/b", image: referrer }],
        ..Scenario::default()
    }
}

#[test]
fn cuts_of_a_manifest_put() {
    holds(&put());
}

#[test]
fn cuts_of_deletes() {
    let first = image("one", &[blob(1), blob(2)], &["latest", "v1"]);
    let second = Image { subject: Some(Box::new(first.clone())), ..image("two", &[blob(1)], &["v2"]) };
    let push = |seed| Step::Push { to: "a/b", blob: blob(seed), requests: 1 };
    holds(&Scenario {
        before: vec![
            push(1),
            push(2),
            Step::Put { to: "a/b", image: first.clone() },
            Step::Put { to: "a/b", image: second.clone() },
        ],
        steps: vec![
            Step::DeleteTag { of: "a/b", tag: "v1" },
            Step::DeleteManifest { of: "a/b", image: second },
            Step::DeleteManifest { of: "a/b", image: first },
            Step::DeleteBlob { of: "a/b", blob: blob(2) },
        ],
        ..Scenario::default()
    });
}

#[test]
fn cuts_of_mounts() {
    holds(&Scenario {
        before: vec![Step::Push { to: "a/b", blob: blob(1), requests: 1 }],
        steps: vec![
            Step::Mount { from: Some("a/b"), to: "c", blob: blob(1) },
            Step::Mount { from: None, to: "d", blob: blob(1) },
            Step::DeleteBlob { of: "a/b", blob: blob(1) },
        ],
        ..Scenario::default()
    });
}

#[test]
fn cuts_of_a_push_of_what_is_there_or_was_deleted() {
    holds(&Scenario {
        before: vec![
            Step::Push { to: "a/b", blob: blob(1), requests: 1 },
            Step::Push { to: "a/b", blob: blob(2), requests: 1 },
            Step::DeleteBlob { of: "a/b", blob: blob(2) },
        ],
        steps: vec![
            Step::Push { to: "c", blob: blob(1), requests: 1 },
            Step::Push { to: "d", blob: blob(2), requests: 1 },
        ],
        ..Scenario::default()
    });
}

pub(crate) fn checkpoint() -> Scenario {
    let put = |note, tag| Step::Put { to: "a/b", image: image(note, &[blob(1)], &[tag]) };
    Scenario {
        before: vec![Step::Push { to: "a/b", blob: blob(1), requests: 1 }, put("one", "one")],
        steps: vec![Step::Wait(2), put("two", "two"), Step::Wait(2), put("three", "one"), Step::Stop],
        ..Scenario::default()
    }
}

#[test]
fn cuts_of_checkpoints_and_a_clean_stop() {
    holds(&checkpoint());
}

pub(crate) fn snapshots() -> Scenario {
    let put = |note, tag| Step::Put { to: "a/b", image: image(note, &[blob(1)], &[tag]) };
    let before = [("1", "a"), ("2", "b"), ("3", "a"), ("4", "c"), ("5", "d")];
    let mut steps: Vec<Step> = before.into_iter().map(|(note, tag)| put(note, tag)).collect();
    steps.insert(0, Step::Push { to: "a/b", blob: blob(1), requests: 1 });
    steps.push(Step::Wait(70));
    Scenario {
        before: steps,
        steps: vec![put("6", "a"), Step::Wait(70), put("7", "b"), put("8", "e"), Step::Wait(70)],
        ..Scenario::default()
    }
}

#[test]
fn cuts_of_snapshots_and_of_the_removal_of_old_journal() {
    holds(&snapshots());
}

#[test]
fn cuts_of_work_done_at_once() {
    let push = |to, seed| Step::Push { to, blob: blob(seed), requests: 2 };
    // Three repositories get one blob, one of which is deleted meanwhile; a tag goes and another comes.
    for order in [0, 100, 200] {
        holds(&Scenario {
            before: vec![
                push("a", 1),
                push("a", 2),
                push("e", 1),
                Step::Put { to: "a", image: image("1", &[blob(2)], &["t"]) },
            ],
            steps: vec![Step::Together(vec![
                push("b", 1),
                push("c", 3),
                push("d", 3),
                Step::DeleteBlob { of: "e", blob: blob(1) },
                Step::Put { to: "a", image: image("2", &[blob(2)], &["u"]) },
                Step::DeleteTag { of: "a", tag: "t" },
            ])],
            order,
            ..Scenario::default()
        });
    }
}

/// What a crash left in the middle of several things is put right by the next start, which is cut in turn.
#[test]
fn cuts_of_the_start_after_a_power_cut() {
    let put = |note, tag| Step::Put { to: "a/b", image: image(note, &[blob(1)], &[tag]) };
    for seed in [2, 5] {
        holds(&Scenario {
            before: vec![
                Step::Push { to: "a/b", blob: blob(1), requests: 1 },
                put("one", "one"),
                Step::Wait(70),
                put("two", "one"),
                Step::PushHalf { to: "c", blob: blob(2) },
                put("three", "two"),
            ],
            crash: Some(seed),
            steps: vec![Step::Resume { to: "c", blob: blob(2) }, put("four", "one")],
            ..Scenario::default()
        });
    }
}

pub(crate) fn heal() -> Scenario {
    let push = Step::Push { to: "a/b", blob: blob(1), requests: 1 };
    Scenario {
        before: vec![push.clone(), Step::Damage(blob(1))],
        steps: vec![Step::Read { of: "a/b", blob: blob(1) }, push],
        ..Scenario::default()
    }
}

#[test]
fn cuts_of_finding_and_healing_a_damaged_blob() {
    holds(&heal());
}

pub(crate) fn damaged_tables() -> Scenario {
    let put = |note, tag| Step::Put { to: "a/b", image: image(note, &[blob(1)], &[tag]) };
    let push = Step::Push { to: "a/b", blob: blob(1), requests: 1 };
    Scenario {
        before: vec![push, put("1", "a"), Step::Wait(70), put("2", "b"), Step::Wait(2), Step::DamageTables],
        steps: vec![put("3", "a")],
        ..Scenario::default()
    }
}

#[test]
fn cuts_of_making_damaged_tables_again() {
    holds(&damaged_tables());
}
