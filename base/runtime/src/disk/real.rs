//! The machine's own files: the only user of `std::fs`.
#![expect(clippy::disallowed_methods, reason = "this is the door the ban points to")]

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, IoSlice};
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::{Disk, DiskEntry, DiskFile, OpenMode, Stat};

/// Buffers that the system takes at once (`IOV_MAX`).
#[cfg(target_os = "linux")]
const BUFFERS_MAX: usize = 1024;

/// The machine's file systems.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

struct RealFile {
    file: File,
    /// A sync failed. The kernel reports that once and then forgets which pages it dropped.
    sync_failed: AtomicBool,
}

/// Lets only the owner read and write what stands at `path` (0600): for sockets, which are made by binding them.
///
/// # Errors
/// Whatever the disk says.
pub fn restrict_to_owner(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read);
        match mode {
            OpenMode::Read | OpenMode::ReadWrite => &mut options,
            OpenMode::CreateNew => options.create_new(true).mode(0o644),
            OpenMode::CreateNewPrivate => options.create_new(true).mode(0o600),
            OpenMode::ReadWriteOrCreate => options.create(true).truncate(false).mode(0o644),
        };
        Ok(Arc::new(RealFile { file: options.open(path)?, sync_failed: AtomicBool::new(false) }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if std::fs::symlink_metadata(path)?.is_dir() {
            std::fs::remove_dir(path)
        } else {
            std::fs::remove_file(path)
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DiskEntry>> {
        std::fs::read_dir(path)?
            .map(|entry| {
                let entry = entry?;
                Ok(DiskEntry { name: entry.file_name(), is_dir: entry.file_type()?.is_dir() })
            })
            .collect()
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        Ok(stat_of(&std::fs::metadata(path)?))
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    #[cfg(target_os = "linux")]
    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        read_cached(&self.file, buffer, offset)
    }

    #[cfg(not(target_os = "linux"))]
    fn read_cached_at(&self, _buffer: &mut [u8], _offset: u64) -> io::Result<Option<usize>> {
        Ok(None)
    }

    #[cfg(target_os = "linux")]
    fn send_to(&self, socket: BorrowedFd<'_>, offset: u64, length: usize) -> io::Result<Option<usize>> {
        use rustix::io::{Errno, retry_on_intr};
        let mut from = offset;
        match retry_on_intr(|| rustix::fs::sendfile(socket, &self.file, Some(&mut from), length)) {
            Ok(sent) => Ok(Some(sent)),
            // This file system or kernel cannot.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn send_to(&self, _socket: BorrowedFd<'_>, _offset: u64, _length: usize) -> io::Result<Option<usize>> {
        Ok(None)
    }

    #[cfg(target_os = "linux")]
    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let taken = &buffers[..buffers.len().min(BUFFERS_MAX)];
        Ok(rustix::io::pwritev(&self.file, taken, offset)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let first = buffers.iter().find(|buffer| !buffer.is_empty());
        first.map_or(Ok(0), |buffer| self.file.write_at(buffer, offset))
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.sync_failed.load(Ordering::Acquire) {
            return Err(io::Error::other("an earlier sync of this file failed"));
        }
        let synced = self.file.sync_data();
        if synced.is_err() {
            self.sync_failed.store(true, Ordering::Release);
        }
        synced
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&self.file.metadata()?))
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// As [`DiskFile::read_cached_at`].
#[cfg(target_os = "linux")]
pub(super) fn read_cached(file: impl AsFd, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
    use rustix::io::{Errno, IoSliceMut, ReadWriteFlags, preadv2};
    match preadv2(file, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT) {
        Ok(read) => Ok(Some(read)),
        // EOPNOTSUPP, ENOSYS and EINVAL: this file system or kernel cannot tell; EINTR is as good as a miss.
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn stat_of(metadata: &std::fs::Metadata) -> Stat {
    Stat {
        is_dir: metadata.is_dir(),
        size: metadata.len(),
        inode: metadata.ino(),
        changed_ns: i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec()),
    }
}
