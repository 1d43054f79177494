//! Whole steps that are durable when they return: small files, names, directories.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::disk::{Disk, OpenMode, read_exact_at, write_all_at};

/// What stands between a file's name and the end of the name under which it is written first.
const TEMPORARY_SUFFIX: &str = ".new";

/// Reads a whole file of at most `bytes_max` bytes.
///
/// # Errors
/// `FileTooLarge` for a longer one, `NotFound`, or whatever else the disk says.
pub fn read_file(disk: &dyn Disk, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    let size = file.stat()?.size;
    if size > bytes_max as u64 {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("{size} bytes, {bytes_max} allowed")));
    }
    let mut bytes = vec![0; usize::try_from(size).map_err(|_| ErrorKind::FileTooLarge)?];
    read_exact_at(&*file, &mut bytes, 0)?;
    Ok(bytes)
}

/// Puts a whole file in place of whatever stands at `path`: afterwards, and after a power cut at any moment, there
/// is the old one or the new one and nothing between. `private` keeps other users out (0600).
///
/// Writes `<path>.new` first, so one path must not be written by two callers at once.
///
/// # Errors
/// Whatever the disk says; the old file is then still there, unless only the last sync failed.
pub fn write_file_durable(disk: &dyn Disk, path: &Path, bytes: &[u8], private: bool) -> io::Result<()> {
    let mut temporary = OsString::from(path);
    temporary.push(TEMPORARY_SUFFIX);
    let temporary = PathBuf::from(temporary);
    let mode = if private { OpenMode::CreateNewPrivate } else { OpenMode::CreateNew };
    let written = (|| {
        let file = match disk.open(&temporary, mode) {
            // A power cut left it; it may be half written, and may have other permissions.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                disk.remove(&temporary)?;
                disk.open(&temporary, mode)?
            }
            opened => opened?,
        };
        write_all_at(&*file, bytes, 0)?;
        file.sync_data()?;
        disk.rename(&temporary, path)
    })();
    if let Err(error) = written {
        // Only tidying up: the error that matters is the first one, and the next write removes what stays.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    disk.sync_dir(parent(path))
}

/// Renames, and makes both directories durable: the new place first, so that what is lost by a power cut is at
/// worst found twice and not nowhere (where the file system orders the two at all).
///
/// # Errors
/// Whatever the disk says; the rename may have happened.
pub fn rename_durable(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    disk.rename(from, to)?;
    disk.sync_dir(parent(to))?;
    if parent(from) == parent(to) { Ok(()) } else { disk.sync_dir(parent(from)) }
}

/// Removes a file or an empty directory, and makes that durable. One that is missing already is fine.
///
/// # Errors
/// Whatever the disk says.
pub fn remove_durable(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    disk.sync_dir(parent(path))
}

/// Makes a directory and its missing parents (0700), each durable before the next one is made. One that exists is
/// fine, and costs one sync: a process killed here before may have left it without.
///
/// # Errors
/// Whatever the disk says.
pub fn create_dir_durable(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    for directory in path.ancestors().take_while(|directory| !directory.as_os_str().is_empty()) {
        match disk.stat(directory) {
            Ok(_) => {
                match disk.sync_dir(parent(directory)) {
                    // Not ours to list, so not ours to have made the entry in.
                    Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
                    synced => synced?,
                }
                break;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => missing.push(directory),
            Err(error) => return Err(error),
        }
    }
    for directory in missing.into_iter().rev() {
        disk.create_dir_all(directory)?;
        disk.sync_dir(parent(directory))?;
    }
    Ok(())
}

/// The directory that holds the entry of `path`.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}
