//! What an image says of names, links and kinds of files leads nowhere else, blocks nothing and opens no device.
#![expect(
    clippy::disallowed_methods,
    reason = "plants links, pipes and sockets, which the seam has no call for"
)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use super::*;

/// A directory with a root `r` in it and a file `secret` beside it.
fn planted() -> (tempfile::TempDir, ForeignRoot) {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("secret"), "secret").unwrap();
    std::fs::create_dir_all(place.path().join("r/usr/lib")).unwrap();
    std::fs::write(place.path().join("r/usr/lib/so"), "library").unwrap();
    let root = ForeignRoot::open(&place.path().join("r")).unwrap();
    (place, root)
}

fn read(root: &ForeignRoot, name: &str) -> Result<String, io::ErrorKind> {
    let file = root.open_file(Path::new(name)).map_err(|error| error.kind())?;
    let mut buffer = vec![0; 64];
    let read = file.read_at(&mut buffer, 0).unwrap();
    assert_eq!(read as u64, file.size());
    Ok(String::from_utf8(buffer[..read].to_vec()).unwrap())
}

#[test]
fn links_on_the_way_lead_within_the_root() {
    let (place, root) = planted();
    symlink("usr/lib", place.path().join("r/lib")).unwrap();
    symlink("/usr/lib", place.path().join("r/absolute")).unwrap();
    symlink("../../../../usr", place.path().join("r/up")).unwrap();
    for name in
        ["usr/lib/so", "/usr/lib/so", "./usr//lib/so", "../usr/lib/so", "lib/so", "absolute/so", "up/lib/so"]
    {
        assert_eq!(read(&root, name).as_deref(), Ok("library"), "{name}");
    }
}

#[test]
fn nothing_leads_out_of_the_root() {
    let (place, root) = planted();
    symlink("..", place.path().join("r/out")).unwrap();
    symlink(place.path(), place.path().join("r/absolute")).unwrap();
    symlink("/proc/self/cwd", place.path().join("r/magic")).unwrap();
    for name in ["../secret", "/secret", "out/secret", "absolute/secret", "usr/../../secret", "magic/secret"]
    {
        assert_eq!(read(&root, name), Err(io::ErrorKind::NotFound), "{name}");
    }
}

#[test]
fn only_regular_files_are_opened_and_nothing_blocks() {
    let (place, root) = planted();
    let at = |name: &str| place.path().join("r").join(name);
    symlink("usr/lib/so", at("link")).unwrap();
    symlink("loop", at("loop")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    for name in ["link", "loop/x", "pipe", "socket", "usr", "/", "."] {
        assert_eq!(read(&root, name), Err(io::ErrorKind::InvalidData), "{name}");
    }
    assert_eq!(read(&root, ""), Err(io::ErrorKind::NotFound));
    assert_eq!(read(&root, "a\0b"), Err(io::ErrorKind::InvalidInput));
    assert_eq!(read(&root, "usr/lib/so/x"), Err(io::ErrorKind::NotADirectory));
}

#[test]
fn names_are_bytes_and_a_removed_file_stays_readable() {
    let (place, root) = planted();
    let name = OsStr::from_bytes(b"\xff\xfe\n");
    std::fs::write(place.path().join("r").join(name), "bytes").unwrap();
    let file = root.open_file(Path::new(name)).unwrap();
    std::fs::remove_file(place.path().join("r").join(name)).unwrap();
    let mut buffer = [0; 8];
    assert_eq!(file.read_at(&mut buffer, 2).unwrap(), 3);
    assert_eq!(&buffer[..3], b"tes");
    assert_eq!(file.read_at(&mut buffer, 5).unwrap(), 0);
}

#[test]
fn reading_leaves_the_time_of_access() {
    let (place, root) = planted();
    let path = place.path().join("r/usr/lib/so");
    let before = std::fs::metadata(&path).unwrap().accessed().unwrap();
    // By default the system writes a time of access that is older than the last change.
    std::fs::write(&path, "changed").unwrap();
    assert_eq!(read(&root, "usr/lib/so").as_deref(), Ok("changed"));
    assert_eq!(std::fs::metadata(&path).unwrap().accessed().unwrap(), before);
}

#[test]
fn a_root_is_a_directory() {
    let (place, _) = planted();
    let refused = |name: &str| ForeignRoot::open(&place.path().join(name)).unwrap_err().kind();
    assert_eq!(refused("secret"), io::ErrorKind::NotADirectory);
    assert_eq!(refused("none"), io::ErrorKind::NotFound);
}

#[test]
fn what_stands_there_is_seen_without_opening_it() {
    let (place, root) = planted();
    let at = |name: &str| place.path().join("r").join(name);
    rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    symlink("../secret", at("link")).unwrap();
    assert!(root.exists(Path::new("usr/lib")).unwrap());
    assert!(root.exists(Path::new("pipe")).unwrap());
    assert!(root.exists(Path::new("link")).unwrap());
    assert!(!root.exists(Path::new("usr/none")).unwrap());
    let seen = |name: &str| root.stat_file(Path::new(name)).map_err(|error| error.kind());
    for name in ["pipe", "link", "usr"] {
        assert_eq!(seen(name), Err(io::ErrorKind::InvalidData), "{name}");
    }
    assert_eq!(seen("../secret"), Err(io::ErrorKind::NotFound));
    let file = root.open_file(Path::new("usr/lib/so")).unwrap();
    let stat = seen("usr/lib/so").unwrap();
    assert_eq!((stat.size, stat.is_dir), (7, false));
    assert_eq!(file.stat().unwrap(), stat);
    assert_eq!(file.stat_known().unwrap(), stat);
    std::fs::write(at("usr/lib/so"), "changed").unwrap();
    assert_ne!(file.stat().unwrap(), stat);
    assert_eq!(file.stat_known().unwrap(), file.stat().unwrap());
}

#[test]
fn a_whole_file_is_read_up_to_a_limit() {
    let (_place, root) = planted();
    let read = |bytes_max| root.read_file(Path::new("usr/lib/so"), bytes_max).map_err(|error| error.kind());
    assert_eq!(read(7).as_deref(), Ok(&b"library"[..]));
    assert_eq!(read(6), Err(io::ErrorKind::FileTooLarge));
}

#[cfg(target_os = "linux")]
#[test]
fn what_lies_in_memory_is_read_at_once() {
    let (_place, root) = planted();
    let file = root.open_file(Path::new("usr/lib/so")).unwrap();
    let mut buffer = [0; 8];
    // Not every file system can tell.
    if let Some(read) = file.read_cached_at(&mut buffer, 3).unwrap() {
        assert_eq!(&buffer[..read], b"rary");
    }
}
