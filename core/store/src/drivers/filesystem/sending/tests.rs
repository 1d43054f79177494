//! What is sent, over a file that does as it is told.

use std::io::{self, ErrorKind, IoSlice};
use std::ops::Range;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dockless_oci::digest::Digest;
use dockless_runtime::{DiskFile, Stat};

use super::super::open_file::{Look, OpenFile, Verification};
use crate::blob::Sent;
use crate::chain::{ChainList, PIECE_BYTES_MIN};

/// The whole file: three pieces of the chain list.
const SIZE: u64 = 3 * PIECE_BYTES_MIN;

#[derive(Default)]
struct Scripted {
    bytes: Bytes,
    changed: AtomicI64,
    /// Not in memory.
    cold: Range<u64>,
    /// What the next send does: takes so many bytes, or cannot.
    takes: Mutex<Option<usize>>,
    /// Each send changes the file.
    restless: bool,
    sends: AtomicUsize,
}

impl DiskFile for Scripted {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = &self.bytes[usize::try_from(offset).unwrap()..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        if self.cold.contains(&offset) { Ok(None) } else { self.read_at(buffer, offset).map(Some) }
    }

    fn send_to(&self, _: BorrowedFd<'_>, offset: u64, length: usize) -> io::Result<Option<usize>> {
        assert!(offset + length as u64 <= SIZE);
        self.sends.fetch_add(1, Ordering::Relaxed);
        self.changed.fetch_add(i64::from(self.restless), Ordering::Relaxed);
        Ok(*self.takes.lock().unwrap())
    }

    fn write_at(&self, _: &[IoSlice<'_>], _: u64) -> io::Result<usize> {
        Err(ErrorKind::Unsupported.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn stat(&self) -> io::Result<Stat> {
        let changed_ns = i128::from(self.changed.load(Ordering::Relaxed));
        Ok(Stat { is_dir: false, size: SIZE, inode: 7, changed_ns })
    }

    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }
}

fn scripted(takes: Option<usize>) -> Scripted {
    let bytes = Bytes::from(vec![b'x'; usize::try_from(SIZE).unwrap()]);
    Scripted { bytes, takes: Mutex::new(takes), ..Scripted::default() }
}

fn opened(file: Scripted, list: Option<ChainList>, genuine: bool) -> (Arc<Scripted>, OpenFile) {
    let (file, digest) = (Arc::new(file), Digest::sha256(&vec![b'x'; usize::try_from(SIZE).unwrap()]));
    let identity = file.stat().unwrap();
    let open = OpenFile::new(digest, file.clone(), identity, genuine, list, Arc::default(), Arc::default());
    (file, open)
}

fn send(file: &OpenFile, offset: u64, max: usize) -> io::Result<Option<Sent>> {
    file.try_send(UnixStream::pair().unwrap().0.as_fd(), offset, max)
}

#[test]
fn a_genuine_file_is_sent_as_far_as_the_socket_takes_it() {
    let (_, open) = opened(scripted(Some(1234)), None, true);
    assert_eq!(open.sendable(5, 400_000), 400_000);
    assert_eq!(send(&open, 5, 400_000).unwrap(), Some(Sent { bytes: 1234, genuine: true }));
}

#[test]
fn nothing_is_sent_before_it_is_known_to_be_genuine() {
    let (file, open) = opened(scripted(Some(1)), None, false);
    assert_eq!(open.sendable(0, 1000), 0);
    assert_eq!(send(&open, 0, 1000).unwrap(), None);
    assert_eq!(file.sends.load(Ordering::Relaxed), 0);
    open.verify().unwrap();
    assert_eq!(open.sendable(0, 1000), 1000);
    assert!(send(&open, 0, 1000).unwrap().is_some());
}

#[test]
fn of_a_file_learned_by_pieces_only_those_that_are_right_are_sent() {
    let (_, open) = opened(scripted(Some(1)), None, false);
    let Verification::Genuine(_, list) = open.verify().unwrap() else { panic!("it is genuine") };
    let (_, open) = opened(scripted(Some(1)), list, false);
    open.read(PIECE_BYTES_MIN, 10).unwrap();
    assert_eq!(open.sendable(0, 1000), 0);
    assert_eq!(open.sendable(PIECE_BYTES_MIN + 1, 400_000) as u64, PIECE_BYTES_MIN - 1);
    assert_eq!(send(&open, 2 * PIECE_BYTES_MIN, 1000).unwrap(), None);
}

#[test]
fn what_is_not_in_memory_is_read() {
    for cold in [0..1, 262_144..262_145, 399_999..400_000, 0..SIZE] {
        let (_, open) = opened(Scripted { cold: cold.clone(), ..scripted(Some(1)) }, None, true);
        assert_eq!(open.sendable(0, 400_000), 0, "{cold:?}");
    }
}

#[test]
fn a_file_that_became_another_is_not_sent() {
    let (file, open) = opened(scripted(Some(1)), None, true);
    file.changed.store(1, Ordering::Relaxed);
    assert_eq!(send(&open, 0, 1000).unwrap(), None);
    assert_eq!(file.sends.load(Ordering::Relaxed), 0);
    assert!(matches!(open.read(0, 1000).unwrap(), Look::Changed), "and reading says why");
}

#[test]
fn a_file_that_becomes_another_while_it_is_sent_is_told() {
    let (_, open) = opened(Scripted { restless: true, ..scripted(Some(9)) }, None, true);
    assert_eq!(send(&open, 0, 1000).unwrap(), Some(Sent { bytes: 9, genuine: false }));
    assert_eq!(send(&open, 9, 1000).unwrap(), None);
}

#[test]
fn a_file_without_its_end_is_an_error_and_a_disk_that_cannot_send_is_read() {
    let (_, open) = opened(scripted(Some(0)), None, true);
    assert_eq!(send(&open, 0, 1000).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    let (_, open) = opened(scripted(None), None, true);
    assert_eq!(send(&open, 0, 1000).unwrap(), None);
}
