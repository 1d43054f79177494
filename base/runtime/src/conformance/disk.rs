//! What every [`Disk`] must do while nothing goes wrong.

use std::io::{self, ErrorKind, IoSlice, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use crate::disk::{
    Disk, DiskFile, OpenMode, create_dir_durable, read_exact_at, read_file, remove_durable, remove_tree,
    rename_durable, write_all_at, write_all_vectored_at, write_file_durable,
};

/// Runs the suite in `directory`, which exists and is empty, and leaves it empty.
///
/// # Panics
/// With the first thing that is wrong.
pub fn check(disk: &Arc<dyn Disk>, directory: &Path) {
    let disk = &**disk;
    for part in
        [opens, reads_and_writes, sends, sizes, renames, removes, directories, locks, identity, whole_steps]
    {
        let place = directory.join("place");
        disk.create_dir_all(&place).unwrap();
        part(disk, &place);
        remove_tree(disk, &place).unwrap();
    }
    assert!(disk.list(directory).unwrap().is_empty(), "the suite leaves nothing");
}

#[track_caller]
fn fails<T>(result: io::Result<T>, kind: ErrorKind, why: &str) {
    assert_eq!(result.map(|_| ()).map_err(|error| error.kind()), Err(kind), "{why}");
}

fn create(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.open(path, OpenMode::CreateNew).unwrap();
    write_all_at(&*file, bytes, 0).unwrap();
    file
}

fn content(disk: &dyn Disk, path: &Path) -> Vec<u8> {
    read_file(disk, path, 1 << 20).unwrap()
}

fn opens(disk: &dyn Disk, place: &Path) {
    let path = place.join("file");
    for mode in [OpenMode::Read, OpenMode::ReadWrite] {
        fails(
            disk.open(&path, mode),
            ErrorKind::NotFound,
            "a file that is missing is not made by opening it",
        );
    }
    create(disk, &path, b"abc");
    for mode in [OpenMode::CreateNew, OpenMode::CreateNewPrivate] {
        fails(disk.open(&path, mode), ErrorKind::AlreadyExists, "nothing is replaced by creating");
        fails(disk.open(&place.join("no/file"), mode), ErrorKind::NotFound, "no directory, no file");
    }
    disk.open(&path, OpenMode::ReadWriteOrCreate).unwrap();
    assert_eq!(content(disk, &path), b"abc", "opening cuts nothing");
    disk.open(&place.join("other"), OpenMode::ReadWriteOrCreate).unwrap();
    assert_eq!(content(disk, &place.join("other")), b"");
    disk.open(&place.join("private"), OpenMode::CreateNewPrivate).unwrap();
    let reader = disk.open(&path, OpenMode::Read).unwrap();
    assert!(write_all_at(&*reader, b"x", 0).is_err(), "a reader does not write");
    assert!(reader.set_len(0).is_err(), "a reader does not cut");
    fails(disk.open(&path.join("below"), OpenMode::Read), ErrorKind::NotADirectory, "a file holds no files");
}

fn reads_and_writes(disk: &dyn Disk, place: &Path) {
    let file = create(disk, &place.join("file"), b"0123456789");
    let mut buffer = [0; 4];
    assert_eq!(file.read_at(&mut buffer, 3).unwrap(), 4);
    assert_eq!(&buffer, b"3456");
    assert_eq!(file.read_at(&mut buffer, 8).unwrap(), 2, "a read stops at the end");
    assert_eq!(file.read_at(&mut buffer, 10).unwrap(), 0, "at the end there is nothing");
    assert_eq!(file.read_at(&mut buffer, 1 << 40).unwrap(), 0, "far behind the end as well");
    fails(read_exact_at(&*file, &mut buffer, 8), ErrorKind::UnexpectedEof, "exact is exact");
    if let Some(read) = file.read_cached_at(&mut buffer, 0).unwrap() {
        assert_eq!(buffer[..read], b"0123"[..read], "bytes from memory are the same bytes");
    }
    write_all_at(&*file, b"xy", 4).unwrap();
    write_all_at(&*file, b"end", 9000).unwrap();
    let second = disk.open(&place.join("file"), OpenMode::Read).unwrap();
    let mut all = vec![1; 9003];
    read_exact_at(&*second, &mut all, 0).unwrap();
    assert_eq!(&all[..10], b"0123xy6789", "other handles see what is written, before any sync");
    assert!(all[10..9000].iter().all(|byte| *byte == 0) && &all[9000..] == b"end", "a gap reads as zeros");
    file.sync_data().unwrap();
    second.sync_data().unwrap();
    writes_joined(disk, &place.join("joined"));
}

fn writes_joined(disk: &dyn Disk, path: &Path) {
    let file = create(disk, path, b"0123");
    // More than a system takes at once, and empty ones everywhere.
    let buffers =
        |pieces: &[&'static [u8]]| pieces.iter().map(|piece| IoSlice::new(piece)).collect::<Vec<_>>();
    let many = [b"".as_slice(), b"ab", b"", b"c", b""].repeat(1500);
    write_all_vectored_at(&*file, &mut buffers(&many), 2).unwrap();
    let expected = [b"01".as_slice(), &b"abc".repeat(1500)].concat();
    assert_eq!(content(disk, path), expected);
    for nothing in [vec![], vec![b"".as_slice(); 3]] {
        write_all_vectored_at(&*file, &mut buffers(&nothing), 9).unwrap();
    }
    assert_eq!(content(disk, path), expected);
}

fn sends(disk: &dyn Disk, place: &Path) {
    let file = create(disk, &place.join("file"), b"0123456789");
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    // A disk may be one that cannot send, but then it never does.
    let Some(first) = file.send_to(ours.as_fd(), 2, 5).unwrap() else {
        assert_eq!(file.send_to(ours.as_fd(), 0, 10).unwrap(), None);
        return;
    };
    assert!((1..=5).contains(&first));
    let mut bytes = [0; 5];
    theirs.read_exact(&mut bytes[..first]).unwrap();
    assert_eq!(bytes[..first], b"23456"[..first], "what is sent are the bytes of the file");
    assert_eq!(file.send_to(ours.as_fd(), 8, 10).unwrap(), Some(2), "a send stops at the end");
    assert_eq!(file.send_to(ours.as_fd(), 10, 10).unwrap(), Some(0), "at the end there is nothing");
    let mut sent = 2;
    let refused = loop {
        match file.send_to(ours.as_fd(), 0, 10) {
            Ok(more) => sent += more.unwrap(),
            Err(error) => break error,
        }
        assert!(sent < 1 << 30, "no socket holds this much");
    };
    assert_eq!(refused.kind(), ErrorKind::WouldBlock, "a full socket takes nothing");
    drop(theirs);
    assert!(file.send_to(ours.as_fd(), 0, 10).is_err(), "nor does one that nobody reads");
}

fn sizes(disk: &dyn Disk, place: &Path) {
    let file = create(disk, &place.join("file"), &[7; 5000]);
    file.set_len(100).unwrap();
    assert_eq!(file.stat().unwrap().size, 100);
    file.set_len(6000).unwrap();
    let bytes = content(disk, &place.join("file"));
    assert!(bytes[..100].iter().all(|byte| *byte == 7), "cutting keeps the front");
    assert!(
        bytes.len() == 6000 && bytes[100..].iter().all(|byte| *byte == 0),
        "what was cut off does not return"
    );
    fails(read_file(disk, &place.join("file"), 5999), ErrorKind::FileTooLarge, "a limit is a limit");
    assert_eq!(read_file(disk, &place.join("file"), 6000).unwrap().len(), 6000);
}

fn renames(disk: &dyn Disk, place: &Path) {
    let (a, b) = (place.join("a"), place.join("b"));
    let file = create(disk, &a, b"first");
    disk.rename(&a, &b).unwrap();
    fails(disk.stat(&a), ErrorKind::NotFound, "the old name is gone");
    create(disk, &a, b"second");
    disk.rename(&a, &b).unwrap();
    assert_eq!(content(disk, &b), b"second", "a file replaces a file");
    let mut old = [0; 5];
    read_exact_at(&*file, &mut old, 0).unwrap();
    assert_eq!(&old, b"first", "an open file outlives its name");
    fails(disk.rename(&a, &b), ErrorKind::NotFound, "nothing cannot be renamed");
    fails(disk.rename(&b, &place.join("no/b")), ErrorKind::NotFound, "a directory is not made by renaming");
    let inner = place.join("x/y");
    disk.create_dir_all(&inner).unwrap();
    disk.rename(&b, &inner.join("c")).unwrap();
    disk.rename(&place.join("x"), &place.join("z")).unwrap();
    assert_eq!(content(disk, &place.join("z/y/c")), b"second", "directories move with what they hold");
    disk.sync_dir(&place.join("z/y")).unwrap();
    disk.sync_dir(place).unwrap();
}

fn removes(disk: &dyn Disk, place: &Path) {
    let path = place.join("file");
    let file = create(disk, &path, b"abc");
    disk.remove(&path).unwrap();
    fails(disk.remove(&path), ErrorKind::NotFound, "gone is gone");
    write_all_at(&*file, b"d", 3).unwrap();
    let mut buffer = [0; 4];
    read_exact_at(&*file, &mut buffer, 0).unwrap();
    assert_eq!(&buffer, b"abcd", "an open file outlives its removal");
    disk.create_dir_all(&place.join("d/e")).unwrap();
    fails(disk.remove(&place.join("d")), ErrorKind::DirectoryNotEmpty, "only empty directories go");
    disk.remove(&place.join("d/e")).unwrap();
    disk.remove(&place.join("d")).unwrap();
    assert!(disk.list(place).unwrap().is_empty());
}

fn directories(disk: &dyn Disk, place: &Path) {
    disk.create_dir_all(&place.join("a/b/c")).unwrap();
    disk.create_dir_all(&place.join("a/b")).unwrap();
    create(disk, &place.join("a/file"), b"");
    fails(disk.create_dir_all(&place.join("a/file")), ErrorKind::AlreadyExists, "a file is in the way");
    let mut entries = disk.list(&place.join("a")).unwrap();
    entries.sort();
    let entries: Vec<_> = entries.iter().map(|e| (e.name.to_str().unwrap(), e.is_dir)).collect();
    assert_eq!(entries, [("b", true), ("file", false)]);
    fails(disk.list(&place.join("no")), ErrorKind::NotFound, "nothing to list");
    fails(disk.list(&place.join("a/file")), ErrorKind::NotADirectory, "a file has no entries");
    assert!(disk.stat(&place.join("a")).unwrap().is_dir && !disk.stat(&place.join("a/file")).unwrap().is_dir);
    assert!(disk.free_bytes(place).unwrap() > 0);
    fails(disk.free_bytes(&place.join("no")), ErrorKind::NotFound, "no place, no space");
}

fn locks(disk: &dyn Disk, place: &Path) {
    let path = place.join("lock");
    let first = create(disk, &path, b"");
    let second = disk.open(&path, OpenMode::ReadWrite).unwrap();
    assert!(first.try_lock().unwrap(), "a free lock is taken");
    assert!(!second.try_lock().unwrap(), "one holder at a time");
    drop(first);
    assert!(second.try_lock().unwrap(), "a lock ends with its handle");
}

fn identity(disk: &dyn Disk, place: &Path) {
    let path = place.join("file");
    let file = create(disk, &path, b"abc");
    let before = disk.stat(&path).unwrap();
    assert_eq!(before, file.stat().unwrap(), "a path and its open file are the same");
    assert_eq!(content(disk, &path), b"abc");
    disk.sync_dir(place).unwrap();
    assert_eq!(disk.stat(&path).unwrap(), before, "reading changes nothing");
    let other = create(disk, &place.join("other"), b"abc");
    assert_ne!(before.inode, other.stat().unwrap().inode, "two files are two files");
    disk.rename(&place.join("other"), &path).unwrap();
    assert_ne!(disk.stat(&path).unwrap().inode, before.inode, "a replaced file is another file");
}

fn whole_steps(disk: &dyn Disk, place: &Path) {
    let path = place.join("p/q/file");
    create_dir_durable(disk, &place.join("p/q")).unwrap();
    create_dir_durable(disk, &place.join("p/q")).unwrap();
    for (bytes, private) in [(&b"one"[..], false), (b"", true), (b"three", false)] {
        write_file_durable(disk, &path, bytes, private).unwrap();
        assert_eq!(content(disk, &path), bytes);
        assert_eq!(disk.list(&place.join("p/q")).unwrap().len(), 1, "nothing temporary stays");
    }
    // What a power cut may leave of an earlier try.
    create(disk, &place.join("p/q/file.new"), b"a part that is longer than the next file");
    write_file_durable(disk, &path, b"four", false).unwrap();
    assert_eq!(content(disk, &path), b"four");
    rename_durable(disk, &path, &place.join("p/file")).unwrap();
    remove_durable(disk, &place.join("p/file")).unwrap();
    remove_durable(disk, &place.join("p/file")).unwrap();
    remove_tree(disk, &place.join("p")).unwrap();
    remove_tree(disk, &place.join("p")).unwrap();
    assert!(disk.list(place).unwrap().is_empty());
}
