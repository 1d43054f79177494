//! Directories that somebody else fills: files are opened below them and nowhere else, whatever their names say.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat};

use super::Stat;

/// How often one opening is tried again. The kernel gives up when something is renamed on the way; that this happens
/// each time means that somebody renames without an end.
const TRIES_MAX: usize = 8;

/// A directory whose content is not ours, such as the unpacked layer of an engine: names, links and kinds of files
/// are what an image says. Nothing outside of it is ever opened, and nothing but regular files, so that no device
/// acts and no pipe blocks.
#[derive(Debug)]
pub struct ForeignRoot {
    directory: OwnedFd,
}

/// A regular file below a [`ForeignRoot`], open to be read. It stays readable when it is removed or replaced.
#[derive(Debug)]
pub struct ForeignFile {
    file: OwnedFd,
    size: u64,
}

impl ForeignRoot {
    /// Takes the directory at `path`, which is ours to choose and followed as usual. It needs no right to list it.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, `Unsupported` on a kernel without `openat2` (before Linux 5.6) or where that is
    /// forbidden; whatever else the disk says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let directory = system::open_directory(path)?;
        Ok(Self { directory })
    }

    /// Opens a regular file to be read. `name` is taken as a process that is confined to this directory would take
    /// it: a leading `/`, links on the way, absolute ones too, and `..` all stay below it. The last component is
    /// never followed. Two walks, a few microseconds. Reading leaves no trace in the file, not even a time of access,
    /// where this process may decide that.
    ///
    /// # Errors
    /// `NotFound` (also for an empty name), `NotADirectory`, `InvalidData` for anything but a regular file and for
    /// links without an end, `InvalidInput` for a name with a NUL, `PermissionDenied`; whatever else the disk says.
    pub fn open_file(&self, name: &Path) -> io::Result<ForeignFile> {
        // To look before opening: opening a device may already do something.
        let looked = self.open_below(name, OFlags::PATH)?;
        stat_of_file(&fstat(&looked)?)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        // A time of access that is written costs the device more than all else that reading does.
        let file = match self.open_below(name, flags | OFlags::NOATIME) {
            // Only for the owner of the file and the administrator.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.open_below(name, flags)?,
            opened => opened?,
        };
        let size = stat_of_file(&fstat(&file)?)?.size;
        Ok(ForeignFile { file, size })
    }

    /// What the regular file of this name is now, without opening it. Names as in [`ForeignRoot::open_file`].
    ///
    /// # Errors
    /// As [`ForeignRoot::open_file`].
    pub fn stat_file(&self, name: &Path) -> io::Result<Stat> {
        stat_of_file(&fstat(self.open_below(name, OFlags::PATH)?)?)
    }

    /// Whether anything at all has this name, without opening it. Names as in [`ForeignRoot::open_file`].
    ///
    /// # Errors
    /// Whatever the disk says, but for `NotFound`.
    pub fn exists(&self, name: &Path) -> io::Result<bool> {
        match self.open_below(name, OFlags::PATH) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads a whole file of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// As [`ForeignRoot::open_file`]; `FileTooLarge` for a longer one, `UnexpectedEof` for one that is cut meanwhile.
    pub fn read_file(&self, name: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
        self.open_file(name)?.read(bytes_max)
    }

    fn open_below(&self, name: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let mut tried = 1;
        loop {
            match system::open_below(&self.directory, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC) {
                Err(error) if retryable(&error) && tried < TRIES_MAX => tried += 1,
                opened => return opened,
            }
        }
    }
}

/// What a regular file is.
fn stat_of_file(stat: &rustix::fs::Stat) -> io::Result<Stat> {
    let not_regular = || io::Error::new(io::ErrorKind::InvalidData, "not a regular file");
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(not_regular());
    }
    Ok(Stat {
        is_dir: false,
        size: u64::try_from(stat.st_size).map_err(|_| not_regular())?,
        inode: stat.st_ino,
        changed_ns: i128::from(stat.st_ctime) * 1_000_000_000 + i128::from(stat.st_ctime_nsec),
    })
}

fn retryable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl ForeignFile {
    /// Bytes, when it was opened.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads up to `buffer.len()` bytes at `offset`; 0 at and after the end of the file. May read fewer.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match rustix::io::pread(&self.file, &mut *buffer, offset) {
                Err(rustix::io::Errno::INTR) => {}
                read => return Ok(read?),
            }
        }
    }

    /// As [`ForeignFile::read_at`], but only from memory: `None` when the bytes would have to come from the device.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        system::read_cached_at(&self.file, buffer, offset)
    }

    /// What this file is now.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn stat(&self) -> io::Result<Stat> {
        stat_of_file(&fstat(&self.file)?)
    }

    /// What this machine knows of this file: as [`ForeignFile::stat`], but on a file system of the network without
    /// asking the other side. Never waits for it.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn stat_known(&self) -> io::Result<Stat> {
        system::stat_known(&self.file)
    }

    /// Reads it whole, if it has at most `bytes_max` bytes.
    ///
    /// # Errors
    /// `FileTooLarge` for a longer one, `UnexpectedEof` for one that is cut meanwhile; whatever else the disk says.
    pub fn read(&self, bytes_max: usize) -> io::Result<Vec<u8>> {
        if self.size > bytes_max as u64 {
            let said = format!("{} bytes, {bytes_max} allowed", self.size);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, said));
        }
        let mut bytes = vec![0; usize::try_from(self.size).map_err(|_| io::ErrorKind::FileTooLarge)?];
        let mut filled = 0;
        while filled < bytes.len() {
            match self.read_at(&mut bytes[filled..], filled as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        Ok(bytes)
    }
}

#[cfg(target_os = "linux")]
mod system {
    //! The calls of Linux.

    use super::{Mode, OFlags, OwnedFd, Path, Stat, io};
    use crate::disk::real::read_cached;
    use rustix::fs::{AtFlags, CWD, ResolveFlags, StatxFlags, openat2, statx};
    use rustix::io::Errno;

    pub(super) fn read_cached_at(
        file: &OwnedFd,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<Option<usize>> {
        read_cached(file, buffer, offset)
    }

    pub(super) fn stat_known(file: &OwnedFd) -> io::Result<Stat> {
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let stat = statx(file, "", flags, StatxFlags::SIZE | StatxFlags::INO | StatxFlags::CTIME)?;
        let changed = stat.stx_ctime;
        Ok(Stat {
            is_dir: false,
            size: stat.stx_size,
            inode: stat.stx_ino,
            changed_ns: i128::from(changed.tv_sec) * 1_000_000_000 + i128::from(changed.tv_nsec),
        })
    }

    pub(super) fn open_directory(path: &Path) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat2(CWD, path, flags, Mode::empty(), ResolveFlags::empty()).map_err(|error| match error {
            // A filter of system calls that does not know the call answers EPERM, which opening a path never does.
            Errno::NOSYS | Errno::PERM => io::Error::new(
                io::ErrorKind::Unsupported,
                "this system cannot open files below one directory only (openat2, Linux 5.6)",
            ),
            error => error.into(),
        })
    }

    pub(super) fn open_below(directory: &OwnedFd, name: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        openat2(directory, name, flags, Mode::empty(), resolve).map_err(|error| match error {
            Errno::LOOP => io::Error::new(io::ErrorKind::InvalidData, "links without an end"),
            error => error.into(),
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    //! No other system has the calls.

    use super::{OFlags, OwnedFd, Path, Stat, io};

    pub(super) fn read_cached_at(_: &OwnedFd, _: &mut [u8], _: u64) -> io::Result<Option<usize>> {
        Ok(None)
    }

    pub(super) fn stat_known(_: &OwnedFd) -> io::Result<Stat> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn open_directory(_path: &Path) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn open_below(_directory: &OwnedFd, _name: &Path, _flags: OFlags) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests;
