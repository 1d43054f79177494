//! Both implementations pass the suite; the file survives what it must.

use std::path::Path;
use std::sync::Arc;

use dockless_runtime::disk::{Disk, write_file_durable};
use dockless_runtime::simulation::SimDisk;

use super::memory::MemoryTables;
use super::redb::RedbTables;
use super::{Table, TableError, Tables};
use crate::conformance;

const CACHE_BYTES: usize = 4 << 20;

fn open(disk: &Arc<SimDisk>) -> Result<RedbTables, TableError> {
    RedbTables::open(&**disk, Path::new("/tables.redb"), CACHE_BYTES)
}

fn put(tables: &RedbTables, key: &str) {
    tables.write(&mut |tables| tables.put(Table::Tags, key.as_bytes(), b"x")).unwrap();
}

fn has(tables: &RedbTables, key: &str) -> bool {
    tables.read().unwrap().get(Table::Tags, key.as_bytes()).unwrap().is_some()
}

#[test]
fn tables_in_memory_conform() {
    conformance::tables(MemoryTables::new);
}

#[test]
fn tables_in_a_file_conform() {
    conformance::tables(|| open(&SimDisk::new()).unwrap());
}

#[test]
fn a_crash_goes_back_to_the_last_checkpoint_whatever_is_lost() {
    for seed in 0..50 {
        let disk = SimDisk::new();
        let tables = open(&disk).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        put(&tables, "first");
        tables.checkpoint().unwrap();
        for number in 0..200 {
            put(&tables, &format!("later {number}"));
        }
        disk.fail_from(disk.operations());
        drop(tables);
        disk.crash(seed);
        let tables = open(&disk).unwrap();
        assert!(has(&tables, "first") && !has(&tables, "later 0"), "seed {seed}");
        put(&tables, "again");
        tables.checkpoint().unwrap();
    }
}

#[test]
fn a_power_cut_at_any_operation_of_a_checkpoint_leaves_one_whole_state() {
    let prepared = SimDisk::new();
    let tables = open(&prepared).unwrap();
    put(&tables, "first");
    tables.close().unwrap();
    prepared.sync_dir(Path::new("/")).unwrap();
    for cut in 0..200 {
        let disk = prepared.fork();
        let tables = open(&disk).unwrap();
        let begun = disk.operations();
        disk.fail_from(begun + cut);
        let written = tables.write(&mut |tables| tables.put(Table::Tags, b"second", &[7; 20_000]));
        let checked = written.and_then(|()| tables.checkpoint());
        drop(tables);
        disk.crash(cut);
        let tables = open(&disk).unwrap();
        assert!(has(&tables, "first"), "cut {cut}");
        if checked.is_ok() {
            assert!(has(&tables, "second"), "cut {cut}: the checkpoint said that it was done");
            return;
        }
    }
    panic!("the checkpoint was never done");
}

#[test]
fn a_file_that_is_none_of_ours_is_damage() {
    let disk = SimDisk::new();
    write_file_durable(&*disk, Path::new("/tables.redb"), &[7; 100_000], true).unwrap();
    assert!(matches!(open(&disk), Err(TableError::Damaged(_))));
}
