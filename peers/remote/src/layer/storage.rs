//! Where engines keep their layers on disk.

mod docker;
mod podman;

pub(crate) use docker::DockerStorage;
pub(crate) use podman::PodmanStorage;

use std::io;
use std::path::Path;

use bytes::Bytes;
use dockless_oci::Digest;
use dockless_runtime::Disk;
use dockless_runtime::disk::{ForeignRoot, read_file};

use super::LayerError;

/// Bytes of an image's config: no registry takes a larger manifest, and every config that is pushed is parsed too.
const CONFIG_BYTES_MAX: usize = 4 << 20;

/// Bytes of a file that holds one digest or one name.
const WORD_BYTES_MAX: usize = 256;

/// Why layers cannot be read below `root`, if that is so from the start: it is not there, may not be looked into, or
/// the system cannot open files safely.
fn check_readable(disk: &dyn Disk, root: &Path) -> Result<(), String> {
    let said = |error: io::Error| format!("{}: {error}", root.display());
    disk.list(root).map_err(said)?;
    ForeignRoot::open(root).map_err(said)?;
    Ok(())
}

/// One word of a small file.
fn read_word(disk: &dyn Disk, path: &Path) -> Result<String, LayerError> {
    let bytes = read_file(disk, path, WORD_BYTES_MAX).map_err(|error| read_error(path, &error))?;
    let word = String::from_utf8(bytes)
        .map_err(|_| LayerError::Damaged(format!("{} is not text", path.display())))?;
    Ok(word.trim_end_matches('\n').to_owned())
}

/// The config of an image, checked; `None` when there is none.
fn read_config(disk: &dyn Disk, path: &Path, id: &Digest) -> Result<Option<Bytes>, LayerError> {
    let bytes = match read_file(disk, path, CONFIG_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read_error(path, &error)),
    };
    if Digest::of(id.algorithm(), &bytes) != *id {
        return Err(LayerError::Damaged(format!("{} is not the config {id}", path.display())));
    }
    Ok(Some(bytes.into()))
}

fn read_error(path: &Path, error: &io::Error) -> LayerError {
    let said = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::NotFound => LayerError::Gone(said),
        io::ErrorKind::PermissionDenied => LayerError::Unsupported(said),
        io::ErrorKind::FileTooLarge => LayerError::Damaged(said),
        _ => LayerError::Io(said),
    }
}

/// Whether a name that a file gives is one name, and not a path to elsewhere.
fn is_one_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}

#[cfg(test)]
mod tests;
