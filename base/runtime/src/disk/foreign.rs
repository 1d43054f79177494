//! Directories that somebody else fills: files are opened below them and nowhere else, whatever their names say.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat};

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
        let seen = fstat(&looked)?;
        let not_regular = || io::Error::new(io::ErrorKind::InvalidData, "not a regular file");
        if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile {
            return Err(not_regular());
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        // A time of access that is written costs the device more than all else that reading does.
        let file = match self.open_below(name, flags | OFlags::NOATIME) {
            // Only for the owner of the file and the administrator.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.open_below(name, flags)?,
            opened => opened?,
        };
        let stat = fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(not_regular());
        }
        let size = u64::try_from(stat.st_size).map_err(|_| not_regular())?;
        Ok(ForeignFile { file, size })
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
}

#[cfg(target_os = "linux")]
mod system {
    //! The calls of Linux.

    use super::{Mode, OFlags, OwnedFd, Path, io};
    use rustix::fs::{CWD, ResolveFlags, openat2};
    use rustix::io::Errno;

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

    use super::{OFlags, OwnedFd, Path, io};

    pub(super) fn open_directory(_path: &Path) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn open_below(_directory: &OwnedFd, _name: &Path, _flags: OFlags) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "plants links, pipes and sockets, which the seam has no call for"
)]
mod tests {
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
        for name in [
            "usr/lib/so",
            "/usr/lib/so",
            "./usr//lib/so",
            "../usr/lib/so",
            "lib/so",
            "absolute/so",
            "up/lib/so",
        ] {
            assert_eq!(read(&root, name).as_deref(), Ok("library"), "{name}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_root() {
        let (place, root) = planted();
        symlink("..", place.path().join("r/out")).unwrap();
        symlink(place.path(), place.path().join("r/absolute")).unwrap();
        symlink("/proc/self/cwd", place.path().join("r/magic")).unwrap();
        for name in
            ["../secret", "/secret", "out/secret", "absolute/secret", "usr/../../secret", "magic/secret"]
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
}
