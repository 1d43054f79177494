//! The files that released versions wrote are read: whole, without their tables, and from the journal alone.

use std::path::Path;
use std::sync::Arc;

use dockless_runtime::disk::{create_dir_durable, write_file_durable};
use dockless_runtime::simulation::Simulation;

use super::{DIRECTORY, try_open};
use crate::conformance::sample;
use crate::ledger::Ledger;
use crate::ledger::memory::MemoryLedger;
use crate::tables::{RANGE_ROWS_MAX, Row, Table};
use crate::view::View;

const JOURNAL: (&str, &[u8]) = (
    "journal/00000000000000000001.log",
    include_bytes!("../../../../fixtures/v1/journal/00000000000000000001.log"),
);
const SNAPSHOT: (&str, &[u8]) = (
    "snapshots/00000000000000000009.jsonl.zst",
    include_bytes!("../../../../fixtures/v1/snapshots/00000000000000000009.jsonl.zst"),
);
const TABLES: &[u8] = include_bytes!("../../../../fixtures/v1/tables.redb.zst");

/// All rows but those that tell the time, or what was forgotten.
fn dump(view: &View) -> Vec<(Table, Vec<Row>)> {
    let mut tables = Table::ALL.to_vec();
    tables.retain(|table| !matches!(table, Table::Doomed | Table::Events | Table::Meta));
    let rows = |table: &Table| view.tables().range(*table, b"", None, RANGE_ROWS_MAX).unwrap();
    tables.iter().map(|table| (*table, rows(table))).collect()
}

fn check(files: &[(&str, &[u8])], replayed: u64) {
    let simulation = Simulation::new(1);
    for (name, bytes) in files {
        let path = Path::new(DIRECTORY).join(name);
        create_dir_durable(&*simulation.disk(), path.parent().unwrap()).unwrap();
        write_file_durable(&*simulation.disk(), &path, bytes, true).unwrap();
    }
    let ledger = try_open(&simulation).unwrap();
    assert_eq!(ledger.statistics().replayed, replayed);
    let live: Arc<MemoryLedger> = MemoryLedger::new();
    for command in sample::life() {
        simulation.block_on(live.submit(command)).unwrap();
    }
    let (view, expected) = (ledger.view().unwrap(), live.view().unwrap());
    assert_eq!(view.index(), expected.index());
    assert_eq!(dump(&view), dump(&expected));
    assert_eq!(view.totals(), expected.totals());
    let doomed = |view: &View| {
        let doomed = view.doomed(None, 99).unwrap();
        doomed.into_iter().map(|doomed| (doomed.digest, doomed.expected)).collect::<Vec<_>>()
    };
    assert_eq!(doomed(&view), doomed(&expected));
    let last = |ledger: &dyn Ledger| simulation.block_on(ledger.events(9, 99)).unwrap();
    assert_eq!(last(&*ledger), last(&*live));
    simulation.block_on(ledger.submit(sample::put("new", "one", &["v1"]))).unwrap().outcome.unwrap();
}

#[test]
fn the_ledger_of_version_1_is_read() {
    let tables = zstd::decode_all(TABLES).unwrap();
    check(&[JOURNAL, SNAPSHOT, ("tables.redb", &tables)], 9);
}

#[test]
fn the_snapshot_of_version_1_is_read() {
    check(&[JOURNAL, SNAPSHOT], 9);
}

#[test]
fn the_journal_of_version_1_is_read() {
    check(&[JOURNAL], 18);
}
