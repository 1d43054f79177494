//! Whole directories.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::disk::Disk;

/// Deeper than anything the node makes; a loop of mounts ends here instead of on the stack.
const DEPTH_MAX: usize = 32;

/// Removes a directory with all that is in it, or a file. One that is missing already is fine. Not durable before
/// the directory that held it is synced.
///
/// # Errors
/// Whatever the disk says; a part may be gone.
pub fn remove_tree(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    remove_at_depth(disk, path, 0)
}

fn remove_at_depth(disk: &dyn Disk, path: &Path, depth: usize) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::new(ErrorKind::InvalidInput, "directories nested too deep"));
    }
    let removed = (|| {
        if disk.stat(path)?.is_dir {
            for entry in disk.list(path)? {
                remove_at_depth(disk, &path.join(entry.name), depth + 1)?;
            }
        }
        disk.remove(path)
    })();
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
