//! Crashes lose what they may lose, sometimes, and never what is durable.

use std::collections::BTreeSet;
use std::io::IoSlice;

use super::*;
use crate::disk::{create_dir_durable, read_file, rename_durable, write_all_at, write_file_durable};

fn path(name: &str) -> &Path {
    Path::new(name)
}

fn create(disk: &SimDisk, name: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.open(path(name), OpenMode::CreateNew).unwrap();
    write_all_at(&*file, bytes, 0).unwrap();
    file
}

fn content(disk: &SimDisk, name: &str) -> Option<Vec<u8>> {
    read_file(disk, path(name), 1 << 20).ok()
}

/// Every state that some crash of the disk leads to, as `look` sees it.
fn outcomes<T: Ord>(disk: &SimDisk, look: impl Fn(&SimDisk) -> T) -> BTreeSet<T> {
    let crashed = |seed| {
        let fork = disk.fork();
        fork.crash(seed);
        look(&fork)
    };
    (0..400).map(crashed).collect()
}

#[test]
fn what_is_synced_survives_every_crash() {
    let disk = SimDisk::new();
    create_dir_durable(&*disk, path("/a/b")).unwrap();
    create(&disk, "/a/b/f", &[1; 9000]).sync_data().unwrap();
    disk.sync_dir(path("/a/b")).unwrap();
    write_file_durable(&*disk, path("/a/g"), b"g", false).unwrap();
    rename_durable(&*disk, path("/a/g"), path("/a/b/h")).unwrap();
    let states =
        outcomes(&disk, |disk| (content(disk, "/a/b/f"), content(disk, "/a/b/h"), content(disk, "/a/g")));
    assert_eq!(states, BTreeSet::from([(Some(vec![1; 9000]), Some(b"g".to_vec()), None)]));
}

#[test]
fn seed_0_loses_all_and_seed_1_keeps_all() {
    let disk = SimDisk::new();
    let file = create(&disk, "/f", b"old");
    file.sync_data().unwrap();
    disk.sync_dir(path("/")).unwrap();
    write_all_at(&*file, b"newer", 0).unwrap();
    create(&disk, "/g", b"g");
    for (seed, f, g) in [(0, &b"old"[..], None), (1, b"newer", Some(b"g".to_vec()))] {
        let fork = disk.fork();
        fork.crash(seed);
        assert_eq!((content(&fork, "/f").unwrap(), content(&fork, "/g")), (f.to_vec(), g), "seed {seed}");
    }
}

#[test]
fn an_entry_without_a_directory_sync_may_be_lost_though_its_bytes_are_synced() {
    let disk = SimDisk::new();
    create(&disk, "/f", b"abc").sync_data().unwrap();
    assert_eq!(outcomes(&disk, |disk| content(disk, "/f")), BTreeSet::from([None, Some(b"abc".to_vec())]));
}

#[test]
fn bytes_without_a_sync_may_be_lost_torn_or_zero_though_the_entry_is_durable() {
    let disk = SimDisk::new();
    create(&disk, "/f", &[7; 4096]);
    disk.sync_dir(path("/")).unwrap();
    let states = outcomes(&disk, |disk| content(disk, "/f").unwrap());
    assert!(states.contains(&vec![]) && states.contains(&vec![0; 4096]) && states.contains(&vec![7; 4096]));
    let sectors = |bytes: &Vec<u8>| bytes.chunks(512).map(|sector| sector[0]).collect::<BTreeSet<_>>().len();
    assert!(states.iter().any(|bytes| bytes.len() == 4096 && sectors(bytes) == 2), "some are torn");
}

#[test]
fn an_overwritten_page_is_torn_but_never_zeroed() {
    let disk = SimDisk::new();
    let file = create(&disk, "/f", &[1; 8192]);
    file.sync_data().unwrap();
    disk.sync_dir(path("/")).unwrap();
    write_all_at(&*file, &[2; 4096], 0).unwrap();
    write_all_at(&*file, &[3; 4096], 0).unwrap();
    let states = outcomes(&disk, |disk| content(disk, "/f").unwrap());
    for whole in 1..=3 {
        assert!(states.iter().any(|bytes| bytes[..4096] == [whole; 4096]), "state {whole} comes back");
    }
    assert!(states.iter().all(|bytes| bytes.len() == 8192 && bytes[4096..] == [1; 4096]));
    assert!(
        states
            .iter()
            .all(|bytes| bytes.chunks(512).all(|s| matches!(s[0], 1..=3) && s.iter().all(|b| *b == s[0])))
    );
}

#[test]
fn a_rename_in_one_directory_is_atomic() {
    let disk = SimDisk::new();
    write_file_durable(&*disk, path("/a"), b"a", false).unwrap();
    write_file_durable(&*disk, path("/b"), b"b", false).unwrap();
    disk.rename(path("/a"), path("/b")).unwrap();
    let states = outcomes(&disk, |disk| (content(disk, "/a"), content(disk, "/b")));
    let (a, b) = (Some(b"a".to_vec()), Some(b"b".to_vec()));
    assert_eq!(states, BTreeSet::from([(None, a.clone()), (a, b)]));
}

#[test]
fn a_rename_across_directories_may_be_lost_on_either_side() {
    let disk = SimDisk::new();
    create_dir_durable(&*disk, path("/x")).unwrap();
    create_dir_durable(&*disk, path("/y")).unwrap();
    write_file_durable(&*disk, path("/x/f"), b"f", false).unwrap();
    disk.rename(path("/x/f"), path("/y/f")).unwrap();
    let both = |disk: &SimDisk| (content(disk, "/x/f").is_some(), content(disk, "/y/f").is_some());
    assert_eq!(outcomes(&disk, both).len(), 4, "here, there, in both places, nowhere");
    disk.sync_dir(path("/y")).unwrap();
    assert_eq!(outcomes(&disk, both), BTreeSet::from([(false, true), (true, true)]));
    disk.sync_dir(path("/x")).unwrap();
    assert_eq!(outcomes(&disk, both), BTreeSet::from([(false, true)]));
}

#[test]
fn removing_and_cutting_may_be_undone() {
    let disk = SimDisk::new();
    write_file_durable(&*disk, path("/gone"), b"g", false).unwrap();
    write_file_durable(&*disk, path("/cut"), &[5; 5000], false).unwrap();
    disk.remove(path("/gone")).unwrap();
    let file = disk.open(path("/cut"), OpenMode::ReadWrite).unwrap();
    file.set_len(10).unwrap();
    let states =
        outcomes(&disk, |disk| (content(disk, "/gone").is_some(), content(disk, "/cut").unwrap().len()));
    assert_eq!(states, BTreeSet::from([(false, 10), (false, 5000), (true, 10), (true, 5000)]));
    // What was cut and grown again in between reads as zeros for ever.
    file.set_len(5000).unwrap();
    file.sync_data().unwrap();
    let states = outcomes(&disk, |disk| content(disk, "/cut").unwrap());
    assert_eq!(states.len(), 1);
    assert!(states.first().unwrap()[10..].iter().all(|byte| *byte == 0));
}

#[test]
fn the_power_cut_stops_every_later_change() {
    let disk = SimDisk::new();
    let file = create(&disk, "/f", b"abc");
    assert_eq!(disk.operations(), 2);
    disk.fail_from(3);
    write_all_at(&*file, b"d", 3).unwrap();
    assert!(
        file.sync_data().is_err()
            && file.write_at(&[IoSlice::new(b"x")], 0).is_err()
            && file.set_len(0).is_err()
    );
    assert!(disk.open(path("/g"), OpenMode::CreateNew).is_err() && disk.remove(path("/f")).is_err());
    assert!(disk.rename(path("/f"), path("/g")).is_err() && disk.sync_dir(path("/")).is_err());
    assert!(disk.create_dir_all(path("/d")).is_err());
    assert_eq!(content(&disk, "/f").unwrap(), b"abcd");
    disk.crash(1);
    assert!(file.read_at(&mut [0], 0).is_err() && file.try_lock().is_err(), "handles die with the machine");
    assert_eq!(content(&disk, "/f").unwrap(), b"abcd");
    write_file_durable(&*disk, path("/g"), b"g", false).unwrap();
}

#[test]
fn a_failed_sync_loses_the_bytes_for_good() {
    let disk = SimDisk::new();
    let file = create(&disk, "/f", b"abc");
    disk.sync_dir(path("/")).unwrap();
    disk.fail_with(disk.operations(), Fault::Eio);
    assert!(file.sync_data().is_err());
    assert!(file.sync_data().is_err(), "the handle remembers");
    disk.open(path("/f"), OpenMode::ReadWrite).unwrap().sync_data().unwrap();
    assert_eq!(content(&disk, "/f").unwrap(), b"abc", "programs go on seeing them");
    assert_eq!(outcomes(&disk, |disk| content(disk, "/f").unwrap()), BTreeSet::from([vec![0; 3]]));
}

#[test]
fn faults_happen_once_and_only_where_they_can() {
    let fails = |fault, work: &dyn Fn(&SimDisk) -> io::Result<usize>| {
        let disk = SimDisk::new();
        create(&disk, "/f", b"abc");
        disk.fail_with(disk.operations(), fault);
        let first = work(&disk).map_err(|error| error.kind());
        let _ = disk.remove(path("/g"));
        assert_eq!(
            disk.open(path("/f"), OpenMode::ReadWrite).unwrap().write_at(&[IoSlice::new(b"xyz")], 0).unwrap(),
            3
        );
        first
    };
    let write =
        |disk: &SimDisk| disk.open(path("/f"), OpenMode::ReadWrite)?.write_at(&[IoSlice::new(b"1234567")], 0);
    let rename = |disk: &SimDisk| disk.rename(path("/f"), path("/f")).map(|()| 0);
    let sync_dir = |disk: &SimDisk| disk.sync_dir(path("/")).map(|()| 0);
    assert_eq!(fails(Fault::ShortWrite, &write), Ok(3));
    assert_eq!(fails(Fault::Enospc, &write), Err(ErrorKind::StorageFull));
    assert!(fails(Fault::Eio, &write).is_err() && fails(Fault::Eio, &rename).is_err());
    assert_eq!(fails(Fault::Enospc, &rename), Err(ErrorKind::StorageFull));
    assert_eq!(fails(Fault::Enospc, &sync_dir), Ok(0));
    assert_eq!(fails(Fault::ShortWrite, &rename), Ok(0));
}

#[test]
fn capacity_counts_whole_pages_of_what_can_be_reached() {
    let disk = SimDisk::new();
    disk.set_capacity(3 * 4096);
    let file = create(&disk, "/f", &[1; 5000]);
    create(&disk, "/g", b"x");
    assert_eq!(disk.free_bytes(path("/")).unwrap(), 0);
    let full = |result: io::Result<()>| assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
    full(write_all_at(&*file, &[1; 5000], 5000));
    full(file.set_len(20_000));
    write_all_at(&*file, &[1; 192], 8000).unwrap();
    disk.remove(path("/f")).unwrap();
    assert_eq!(disk.free_bytes(path("/")).unwrap(), 0, "an open file keeps its bytes");
    drop(file);
    assert_eq!(disk.free_bytes(path("/")).unwrap(), 2 * 4096);
}

#[test]
fn mutations_do_nothing_and_say_that_it_is_done() {
    let disk = SimDisk::new();
    disk.ignore_syncs_matching(|path| path.to_string_lossy().contains('f'));
    let file = create(&disk, "/f", b"abc");
    file.sync_data().unwrap();
    disk.sync_dir(path("/")).unwrap();
    assert_eq!((disk.sync_count(), outcomes(&disk, |disk| content(disk, "/f")).len() > 1), (1, true));

    let disk = SimDisk::new();
    create(&disk, "/g", b"abc");
    disk.ignore_operation(2);
    disk.rename(path("/g"), path("/h")).unwrap();
    assert!(content(&disk, "/g").is_some() && content(&disk, "/h").is_none());
    assert_eq!(disk.operation_log()[2], Operation { kind: OperationKind::Rename, path: "/g".into() });

    disk.swap_renames("/g", "/k");
    create(&disk, "/i", b"i");
    disk.rename(path("/g"), path("/h")).unwrap();
    assert!(content(&disk, "/g").is_some(), "the first waits");
    disk.rename(path("/i"), path("/k")).unwrap();
    assert!(
        content(&disk, "/k").is_some() && content(&disk, "/h").is_some() && content(&disk, "/g").is_none()
    );
}

#[test]
fn the_change_time_tells_of_writes_and_renames_but_not_of_damage() {
    let disk = SimDisk::new();
    let file = create(&disk, "/f", b"abc");
    let stats = [
        file.stat().unwrap(),
        file.write_at(&[IoSlice::new(b"x")], 0).and_then(|_| file.stat()).unwrap(),
        disk.rename(path("/f"), path("/g")).and_then(|()| file.stat()).unwrap(),
    ];
    assert!(stats[0] != stats[1] && stats[1] != stats[2] && stats[0].inode == stats[2].inode);
    disk.damage(path("/g"), 1).unwrap();
    assert_eq!(file.stat().unwrap(), stats[2]);
    assert_ne!(content(&disk, "/g").unwrap(), b"xbc");
    disk.fail_reads_of("g");
    assert!(content(&disk, "/g").is_none());
}

#[test]
fn a_kill_keeps_what_is_seen_and_makes_nothing_durable() {
    let disk = SimDisk::new();
    let file = create(&disk, "/f", b"abc");
    assert!(file.try_lock().unwrap());
    disk.fail_from(0);
    disk.kill();
    assert!(file.read_at(&mut [0], 0).is_err(), "handles die with the process");
    assert!(disk.open(path("/f"), OpenMode::ReadWrite).unwrap().try_lock().unwrap());
    assert_eq!(content(&disk, "/f").unwrap(), b"abc");
    disk.crash(0);
    assert_eq!(content(&disk, "/f"), None);
}
