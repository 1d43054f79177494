//! Where engines keep their layers on disk.

mod docker;
mod podman;

pub(crate) use docker::DockerStorage;
pub(crate) use podman::PodmanStorage;

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use dockless_oci::Digest;
use dockless_runtime::Disk;
use dockless_runtime::disk::ForeignRoot;

use super::LayerError;
use super::bounded::NotDone;
use super::file::EngineFile;

/// Bytes of an image's config: no registry takes a larger manifest, and every config that is pushed is parsed too.
const CONFIG_BYTES_MAX: usize = 4 << 20;

/// Bytes of a file that holds one digest or one name.
const WORD_BYTES_MAX: usize = 256;

/// Layers of one image: more than any engine can mount as one (the kernel takes 500, docker 125).
pub(crate) const LAYERS_MAX: usize = 512;

/// How long it may take to look whether layers can be read: an engine must say what it is in not much more.
const OPEN_TIME_MAX: Duration = Duration::from_secs(3);

/// Why layers cannot be read in place, in words for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOpen {
    /// That is so for now.
    #[error("{0}")]
    Unreadable(String),
    /// It was not found out in time.
    #[error("{0}")]
    Unknown(String),
}

impl From<String> for NotOpen {
    fn from(why: String) -> Self {
        Self::Unreadable(why)
    }
}

impl From<NotDone> for NotOpen {
    fn from(NotDone(why): NotDone) -> Self {
        Self::Unknown(why)
    }
}

/// Why layers cannot be read below `root`, if that is so from the start: it is not there, may not be looked into, or
/// the system cannot open files safely.
fn check_readable(disk: &dyn Disk, root: &Path) -> Result<(), String> {
    let said = |error: io::Error| format!("{}: {error}", root.display());
    disk.list(root).map_err(said)?;
    ForeignRoot::open(root).map_err(said)?;
    Ok(())
}

/// One word of a small file.
fn read_word(file: &EngineFile) -> Result<String, LayerError> {
    let bytes = file.read(WORD_BYTES_MAX).map_err(|error| read_error(file, &error))?;
    let word = String::from_utf8(bytes).map_err(|_| LayerError::Damaged(format!("{file} is not text")))?;
    Ok(word.trim_end_matches('\n').to_owned())
}

/// The config of an image, checked; `None` when there is none.
fn read_config(file: &EngineFile, id: &Digest) -> Result<Option<Bytes>, LayerError> {
    let bytes = match file.read(CONFIG_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read_error(file, &error)),
    };
    if Digest::of(id.algorithm(), &bytes) != *id {
        return Err(LayerError::Damaged(format!("{file} is not the config {id}")));
    }
    Ok(Some(bytes.into()))
}

/// What an error about a file says of the layer or image that it belongs to.
pub(crate) fn read_error(file: &EngineFile, error: &io::Error) -> LayerError {
    use io::ErrorKind::{
        FileTooLarge, InvalidData, NotADirectory, NotFound, PermissionDenied, UnexpectedEof,
    };
    let said = format!("{file}: {error}");
    match error.kind() {
        NotFound => LayerError::Gone(said),
        PermissionDenied => LayerError::Unsupported(said),
        FileTooLarge | InvalidData | NotADirectory | UnexpectedEof => LayerError::Damaged(said),
        _ => LayerError::Io(said),
    }
}

/// Refuses an image that no engine can run.
fn check_count(diff_ids: &[Digest]) -> Result<(), LayerError> {
    if diff_ids.len() <= LAYERS_MAX {
        return Ok(());
    }
    Err(LayerError::Unsupported(format!("an image of {} layers: {LAYERS_MAX} are taken", diff_ids.len())))
}

/// Whether a name that a file gives is one name, and not a path to elsewhere.
fn is_one_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}

#[cfg(test)]
mod tests;
