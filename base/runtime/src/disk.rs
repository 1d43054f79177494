//! Files: the seams [`Disk`] and [`DiskFile`], and what is built on them alone.
//!
//! All calls block and belong in [`Runtime::blocking`](crate::Runtime::blocking), but for
//! [`DiskFile::read_cached_at`], which never waits for the device, and [`DiskFile::send_to`], which does not for bytes
//! that are in memory.
//!
//! # What is durable
//! Nothing is durable before it is synced, and nothing keeps the order of the calls. Bytes and the size of a file
//! are durable after its [`DiskFile::sync_data`]. The *entry* of a file or directory (that it exists under a name,
//! or no longer does) is durable after [`Disk::sync_dir`] of the directory that holds it; a rename between two
//! directories needs both, and until then either half may be lost alone. A rename inside one directory is atomic.

mod counted;
mod durable;
mod exact;
mod foreign;
mod real;
mod tree;

use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

pub use counted::CountedDisk;
pub use durable::{create_dir_durable, read_file, remove_durable, rename_durable, write_file_durable};
pub use exact::{read_exact_at, write_all_at, write_all_vectored_at};
pub use foreign::{ForeignFile, ForeignRoot};
pub use real::{RealDisk, restrict_to_owner};
pub use tree::remove_tree;

/// The only way to files. Paths are as the operating system takes them.
pub trait Disk: Send + Sync {
    /// Opens or creates one file.
    ///
    /// # Errors
    /// `NotFound` without the file (or its directory), `AlreadyExists` for the `CreateNew` modes.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a directory and its missing parents, each open to the owner only (0700). One that exists is fine.
    ///
    /// # Errors
    /// A file in the way, or whatever the disk says.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Gives a file or directory another name; replaces a file that has it.
    ///
    /// # Errors
    /// `NotFound` without `from` or the directory of `to`; whatever else the disk says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file or an empty directory. Open handles of the file go on working.
    ///
    /// # Errors
    /// `NotFound`, `DirectoryNotEmpty`, or whatever else the disk says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes all changes of this directory's entries so far durable (not those of its children).
    ///
    /// # Errors
    /// Whatever the disk says. It is never tried again: what was lost is unknown.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// The entries of a directory, in no order.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, or whatever else the disk says.
    fn list(&self, path: &Path) -> io::Result<Vec<DiskEntry>>;

    /// What stands under a name.
    ///
    /// # Errors
    /// `NotFound`, or whatever else the disk says.
    fn stat(&self, path: &Path) -> io::Result<Stat>;

    /// Bytes that a caller without privileges may still write on the file system that holds `path`.
    ///
    /// # Errors
    /// `NotFound`, or whatever else the disk says.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// One open file. Offsets are absolute; there is no cursor, so any number of threads may share it.
pub trait DiskFile: Send + Sync {
    /// Reads up to `buffer.len()` bytes at `offset`; 0 at and after the end of the file. May read fewer.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// As [`DiskFile::read_at`], but only from memory: `None` when the bytes would have to come from the device.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>>;

    /// Hands up to `length` bytes at `offset` to a socket that does not block, without a copy in this process; 0 at
    /// and after the end of the file. May send fewer. `None` when this disk cannot: read and write instead.
    ///
    /// What the socket holds are the pages of the file: a change of the file in place shows in bytes that are not on
    /// their way yet.
    ///
    /// # Errors
    /// `WouldBlock` when the socket takes nothing now; whatever else the disk or the socket says.
    fn send_to(&self, socket: BorrowedFd<'_>, offset: u64, length: usize) -> io::Result<Option<usize>>;

    /// Writes what the buffers hold, joined, at `offset`, past the end too (the gap reads as zeros). May write less. What
    /// is written at once lies together in memory, and is read, sent and brought to the device for less.
    ///
    /// # Errors
    /// `StorageFull`, or whatever else the disk says.
    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;

    /// Makes the bytes and the size durable.
    ///
    /// # Errors
    /// Whatever the disk says. What a failed sync lost is unknown and the kernel forgets that it failed, so every
    /// later call on this handle fails as well: nobody may take a second try for success.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts the file, or extends it with zeros.
    ///
    /// # Errors
    /// `StorageFull`, or whatever else the disk says.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// What this file is now.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn stat(&self) -> io::Result<Stat>;

    /// Takes the lock of the file, held until this handle is dropped; false when another handle, of this or any
    /// process, has it.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn try_lock(&self) -> io::Result<bool>;
}

/// How [`Disk::open`] opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    ReadWrite,
    /// A file that must not exist yet; anyone who reaches its directory may read it (0644).
    CreateNew,
    /// A file that must not exist yet; only the owner may read it (0600).
    CreateNewPrivate,
    /// To read and write; made empty when it is missing (0644).
    ReadWriteOrCreate,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiskEntry {
    /// The name, without the directory.
    pub name: OsString,
    /// True for a directory.
    pub is_dir: bool,
}

/// What a file is. Inode, size and change time together are the identity of its bytes: while none of the three
/// changed, nobody wrote to it (the change time cannot be set back by a program).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// True for a directory.
    pub is_dir: bool,
    /// Bytes.
    pub size: u64,
    /// The file system's number of this file; may be used again after the file is gone.
    pub inode: u64,
    /// Nanoseconds since 1970 of the last change of bytes, size or name.
    pub changed_ns: i128,
}

#[cfg(test)]
mod tests;
