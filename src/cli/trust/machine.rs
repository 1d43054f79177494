//! The machine whose `/etc` is written, and how it refuses.

use std::io;
use std::path::{Path, PathBuf};

use dockless_runtime::disk::{self, Disk};

use crate::failure::Failure;

/// Largest file compared. A certificate or a hosts.toml has some thousand bytes; what is larger is none of ours.
const FILE_BYTES_MAX: usize = 1 << 20;

/// The machine whose `/etc` is written: the disk, and the directory that stands for `/`.
pub(super) struct Machine<'a> {
    /// Its files.
    pub(super) disk: &'a dyn Disk,
    /// `/`, or another directory in tests and images.
    pub(super) root: &'a Path,
}

impl Machine<'_> {
    /// The place of an absolute path on this machine.
    pub(super) fn place(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// The text at `path`; `None` when nothing is there.
    pub(super) fn text(&self, path: &Path) -> Result<Option<String>, Failure> {
        match disk::read_file(self.disk, path, FILE_BYTES_MAX) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(refused("read", path, &error)),
        }
    }
}

/// The failure of an access to `path`.
pub(super) fn refused(verb: &str, path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::failed(format!("cannot {verb} `{}`: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::PermissionDenied => failure.hint("run it as root, for example with `sudo`"),
        _ => failure,
    }
}
