//! The data directory keeps others out and refuses what it cannot read.

use dockless_runtime::disk::{RealDisk, write_all_at};
use dockless_runtime::simulation::SimDisk;

use super::*;

const ROOT: &str = "/srv/dockless";

fn write(disk: &dyn Disk, name: &str, text: &str) {
    disk.create_dir_all(Path::new(ROOT)).unwrap();
    let file = disk.open(&Path::new(ROOT).join(name), OpenMode::ReadWriteOrCreate).unwrap();
    write_all_at(&*file, text.as_bytes(), 0).unwrap();
}

#[test]
fn a_new_directory_gets_a_stamp_that_lasts() {
    let disk = SimDisk::new();
    let directory = DataDirectory::open(&*disk, Path::new(ROOT)).unwrap();
    assert_eq!(directory.path(), Path::new(ROOT));
    for (path, name) in [
        (directory.store(), "store"),
        (directory.ledger(), "ledger"),
        (directory.keys(), "keys"),
        (directory.admin_socket(), "admin.sock"),
    ] {
        assert_eq!(path, Path::new(ROOT).join(name));
    }
    drop(directory);
    disk.crash(0);
    let stamp = read_file(&*disk, &Path::new(ROOT).join("format"), 100).unwrap();
    assert_eq!(stamp, include_bytes!("../../fixtures/format-1/format"));
    DataDirectory::open(&*disk, Path::new(ROOT)).unwrap();
}

#[test]
fn a_second_user_is_refused_by_the_name_of_the_directory_until_the_first_is_gone() {
    let disk = SimDisk::new();
    let first = DataDirectory::open(&*disk, Path::new(ROOT)).unwrap();
    let refused = DataDirectory::open(&*disk, Path::new(ROOT)).unwrap_err();
    assert!(matches!(refused, DataDirectoryError::Locked { .. }));
    assert!(refused.to_string().contains(ROOT), "{refused}");
    drop(first);
    DataDirectory::open(&*disk, Path::new(ROOT)).unwrap();
}

#[test]
fn stamps_are_read_strictly() {
    #[derive(Debug, PartialEq)]
    enum Said {
        Fine,
        Newer(u32),
        Unreadable,
    }
    let long = "x".repeat(10_000);
    for (stamp, expected) in [
        ("dockless data directory, format 1\n", Said::Fine),
        ("dockless data directory, format 1\nand more\n", Said::Fine),
        ("dockless data directory, format 2\n", Said::Newer(2)),
        ("dockless data directory, format 4000000000\nwith more", Said::Newer(4_000_000_000)),
        ("dockless data directory, format 1", Said::Unreadable),
        ("dockless data directory, format 0\n", Said::Unreadable),
        ("dockless data directory, format -1\n", Said::Unreadable),
        ("dockless data directory, format 99999999999\n", Said::Unreadable),
        ("dockless data directory, format \n", Said::Unreadable),
        ("format 1\n", Said::Unreadable),
        ("\n", Said::Unreadable),
        ("", Said::Unreadable),
        (&long, Said::Unreadable),
    ] {
        let disk = SimDisk::new();
        write(&*disk, "format", stamp);
        let said = match DataDirectory::open(&*disk, Path::new(ROOT)) {
            Ok(_) => Said::Fine,
            Err(DataDirectoryError::FormatNewer { found, known: FORMAT, .. }) => Said::Newer(found),
            Err(DataDirectoryError::FormatUnreadable { .. }) => Said::Unreadable,
            Err(error) => panic!("{stamp:?}: {error}"),
        };
        assert_eq!(said, expected, "{stamp:?}");
    }
}

#[test]
fn data_without_a_stamp_is_not_taken_over() {
    let disk = SimDisk::new();
    disk.create_dir_all(&Path::new(ROOT).join("store")).unwrap();
    let refused = DataDirectory::open(&*disk, Path::new(ROOT)).unwrap_err();
    assert!(matches!(refused, DataDirectoryError::FormatUnreadable { .. }), "{refused}");
}

#[test]
fn a_power_cut_at_any_moment_of_the_first_start_leaves_a_directory_that_opens() {
    for cut in 0.. {
        let disk = SimDisk::new();
        disk.fail_from(cut);
        let opened = DataDirectory::open(&*disk, Path::new(ROOT)).is_ok();
        for seed in 0..8 {
            let disk = disk.fork();
            disk.crash(seed);
            DataDirectory::open(&*disk, Path::new(ROOT)).unwrap();
        }
        if opened {
            assert!(cut > 4, "the start does more than {cut} operations");
            return;
        }
    }
}

#[test]
fn on_the_real_disk_only_the_owner_gets_in_and_a_second_process_would_not() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data");
    let first = DataDirectory::open(&RealDisk, &path).unwrap();
    #[expect(clippy::disallowed_methods, reason = "looks at what the real disk has")]
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(matches!(DataDirectory::open(&RealDisk, &path), Err(DataDirectoryError::Locked { .. })));
    drop(first);
    DataDirectory::open(&RealDisk, &path).unwrap();
}
