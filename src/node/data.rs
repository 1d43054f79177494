//! Opens the data directory of a node.

use std::io::ErrorKind;
use std::path::Path;

use dockless_runtime::Runtime;
use dockless_store::{DataDirectory, DataDirectoryError};

use super::failed;
use crate::failure::Failure;

/// Locks the data directory.
///
/// # Errors
/// Who has it, or why it cannot be had, and what to do.
pub(super) async fn open(runtime: &Runtime, data: &Path) -> Result<DataDirectory, Failure> {
    let (disk, path) = (runtime.disk.clone(), data.to_owned());
    let opened = runtime.blocking("open data directory", move || DataDirectory::open(&*disk, &path)).await;
    opened.map_err(failed("cannot open the data directory"))?.map_err(|error| {
        let failure = Failure::failed(error.to_string());
        match error {
            DataDirectoryError::Locked { .. } => failure
                .hint("stop that one (`dockless status` shows it), or give another directory with `--data`"),
            DataDirectoryError::Io { error, .. } if is_of_path(error.kind()) => {
                failure.hint("give a directory that this user may write with `--data`")
            }
            _ => failure,
        }
    })
}

/// Whether an error speaks of the path that was given, and not of the disk below it.
fn is_of_path(kind: ErrorKind) -> bool {
    use ErrorKind as Kind;
    matches!(kind, Kind::PermissionDenied | Kind::NotFound | Kind::NotADirectory | Kind::ReadOnlyFilesystem)
}
