//! A disk that counts its syncs: what durability costs, for metrics and benchmarks.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

use super::{Disk, DiskEntry, DiskFile, OpenMode, Stat};
use crate::metric::Counter;

/// Passes every call to the disk behind it and counts [`DiskFile::sync_data`] and [`Disk::sync_dir`].
pub struct CountedDisk {
    disk: Arc<dyn Disk>,
    syncs: Counter,
}

struct CountedFile {
    file: Arc<dyn DiskFile>,
    syncs: Counter,
}

impl CountedDisk {
    /// Counts the syncs of `disk`, failed ones too, in `syncs`.
    #[must_use]
    pub const fn new(disk: Arc<dyn Disk>, syncs: Counter) -> Self {
        Self { disk, syncs }
    }
}

impl Disk for CountedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(CountedFile { file: self.disk.open(path, mode)?, syncs: self.syncs.clone() }))
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
        self.syncs.inc();
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

impl DiskFile for CountedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        self.file.read_cached_at(buffer, offset)
    }

    fn send_to(&self, socket: BorrowedFd<'_>, offset: u64, length: usize) -> io::Result<Option<usize>> {
        self.file.send_to(socket, offset, length)
    }

    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.file.write_at(buffers, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.syncs.inc();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Simulation;

    #[test]
    fn behaves_as_the_disk_behind_it() {
        let counted: Arc<dyn Disk> =
            Arc::new(CountedDisk::new(Simulation::new(1).disk(), Counter::default()));
        crate::conformance::disk::check(&counted, Path::new("/counted"));
    }

    #[test]
    fn counts_syncs_of_files_and_directories() {
        let syncs = Counter::default();
        let disk = CountedDisk::new(Simulation::new(1).disk(), syncs.clone());
        disk.create_dir_all(Path::new("/d")).unwrap();
        let file = disk.open(Path::new("/d/f"), OpenMode::CreateNew).unwrap();
        file.write_at(&[IoSlice::new(b"x")], 0).unwrap();
        assert_eq!(syncs.get(), 0);
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        assert_eq!(syncs.get(), 2);
    }
}
