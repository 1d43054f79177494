//! The directory of a node's data: one process at a time, one format.
//!
//! ```text
//! lock         locked while a process uses the directory
//! format       "dockless data directory, format 1\n"
//! store/       blobs and uploads (this crate)
//! ledger/      the truth about names
//! keys/        the node's keys and certificates
//! engines/     layers that container engines exported: a cache that may go
//! admin.sock   where a running node is asked and changed
//! ```

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dockless_runtime::disk::{create_dir_durable, read_file, write_file_durable};
use dockless_runtime::{Disk, DiskFile, OpenMode};

/// The format this program writes. A directory of an older one is read, of a newer one refused.
pub const FORMAT: u32 = 1;

/// What stands before the number in the file `format`.
const STAMP_PREFIX: &str = "dockless data directory, format ";

/// The stamp is one short line, and a later format may say more below it; what is longer is no stamp.
const STAMP_BYTES_MAX: usize = 4096;

/// A locked data directory. The lock is given back when this is dropped, or the process ends in any way.
pub struct DataDirectory {
    path: PathBuf,
    _lock: Arc<dyn DiskFile>,
}

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirectoryError {
    /// Another process has it.
    #[error("the data directory {} is in use by another dockless process", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// A later release wrote it.
    #[error(
        "the data directory {} has format {found}, and this release of dockless knows formats up to {known}: \
         run the release that wrote it, or a later one",
        path.display()
    )]
    FormatNewer {
        /// The directory.
        path: PathBuf,
        /// The format of the directory.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// There is data without a readable stamp, so nobody knows what wrote it.
    #[error("the file {} is missing or does not name a format, so the data beside it cannot be read", path.display())]
    FormatUnreadable {
        /// The file that should hold the stamp.
        path: PathBuf,
    },
    /// The disk failed.
    #[error("the data directory {}: {error}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the disk said.
        error: io::Error,
    },
}

impl DataDirectory {
    /// Makes the directory if it is missing (0700), locks it, and checks or writes its stamp. Blocks.
    ///
    /// # Errors
    /// As [`DataDirectoryError`].
    pub fn open(disk: &dyn Disk, path: &Path) -> Result<Self, DataDirectoryError> {
        let io = |error| DataDirectoryError::Io { path: path.to_owned(), error };
        create_dir_durable(disk, path).map_err(io)?;
        let lock = disk.open(&path.join("lock"), OpenMode::ReadWriteOrCreate).map_err(io)?;
        if !lock.try_lock().map_err(io)? {
            return Err(DataDirectoryError::Locked { path: path.to_owned() });
        }
        let directory = Self { path: path.to_owned(), _lock: lock };
        directory.check_stamp(disk)?;
        Ok(directory)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the ledger keeps its files.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.path.join("ledger")
    }

    /// Where blobs and uploads are kept.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    /// Where keys and certificates are kept.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// Where the layers are kept that container engines exported; below it there is a directory for each of them.
    #[must_use]
    pub fn engines(&self) -> PathBuf {
        self.path.join("engines")
    }

    /// The socket of the admin API.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.path.join("admin.sock")
    }

    fn check_stamp(&self, disk: &dyn Disk) -> Result<(), DataDirectoryError> {
        let io = |error| DataDirectoryError::Io { path: self.path.clone(), error };
        let stamp = self.path.join("format");
        match read_file(disk, &stamp, STAMP_BYTES_MAX) {
            Ok(bytes) => match parse_stamp(&bytes) {
                Some(found) if found > FORMAT => {
                    Err(DataDirectoryError::FormatNewer { path: self.path.clone(), found, known: FORMAT })
                }
                Some(_) => Ok(()),
                None => Err(DataDirectoryError::FormatUnreadable { path: stamp }),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // The stamp is durable before anything else is made here.
                for data in [self.store(), self.ledger()] {
                    match disk.stat(&data) {
                        Ok(_) => return Err(DataDirectoryError::FormatUnreadable { path: stamp }),
                        Err(error) if error.kind() == ErrorKind::NotFound => {}
                        Err(error) => return Err(io(error)),
                    }
                }
                write_file_durable(disk, &stamp, format!("{STAMP_PREFIX}{FORMAT}\n").as_bytes(), false)
                    .map_err(io)
            }
            Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                Err(DataDirectoryError::FormatUnreadable { path: stamp })
            }
            Err(error) => Err(io(error)),
        }
    }
}

impl fmt::Debug for DataDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataDirectory").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The format that a stamp names.
pub(crate) fn parse_stamp(bytes: &[u8]) -> Option<u32> {
    let (line, _) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
    line.strip_prefix(STAMP_PREFIX)?.parse().ok().filter(|format| *format > 0)
}
