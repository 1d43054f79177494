//! A disk that counts the bytes read from some of its files.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dockless_runtime::{Disk, DiskEntry, DiskFile, OpenMode, Runtime, Stat};

/// Counts what is read from the files that `counts` picks.
pub(super) struct Watched {
    disk: Arc<dyn Disk>,
    counts: fn(&Path) -> bool,
    read: Arc<AtomicU64>,
}

struct WatchedFile {
    file: Arc<dyn DiskFile>,
    read: Option<Arc<AtomicU64>>,
}

impl Watched {
    /// `runtime` with its disk watched, and the count.
    pub(super) fn over(runtime: Runtime, counts: fn(&Path) -> bool) -> (Runtime, Arc<AtomicU64>) {
        let read = Arc::new(AtomicU64::new(0));
        let disk = Arc::new(Self { disk: runtime.disk, counts, read: read.clone() });
        (Runtime { disk, ..runtime }, read)
    }
}

impl Disk for Watched {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let read = (self.counts)(path).then(|| self.read.clone());
        Ok(Arc::new(WatchedFile { file: self.disk.open(path, mode)?, read }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DiskEntry>> {
        self.disk.list(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.disk.stat(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.disk.free_bytes(path)
    }
}

impl WatchedFile {
    fn count(&self, bytes: usize) {
        if let Some(read) = &self.read {
            read.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

impl DiskFile for WatchedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset).inspect(|read| self.count(*read))
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        self.file.read_cached_at(buffer, offset).inspect(|read| self.count(read.unwrap_or(0)))
    }

    fn send_to(&self, socket: BorrowedFd<'_>, offset: u64, length: usize) -> io::Result<Option<usize>> {
        self.file.send_to(socket, offset, length)
    }

    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.file.write_at(buffers, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn stat(&self) -> io::Result<Stat> {
        self.file.stat()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }
}
