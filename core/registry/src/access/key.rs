//! The key that signs tokens: made at the first start, kept, so that tokens outlive a restart.

use std::io;
use std::path::{Path, PathBuf};

use dockless_runtime::Runtime;
use dockless_runtime::disk::{create_dir_durable, read_file, write_file_durable};

use super::token::KEY_BYTES;

/// The file's name in the directory of keys.
const FILE_NAME: &str = "token.key";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The disk says no.
    #[error("the token key {path} cannot be read or made: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the disk says.
        cause: io::Error,
    },
    /// The file is no key.
    #[error(
        "the token key {path} has {found} bytes instead of {KEY_BYTES}: restore it, or remove it to have a new one \
         made (everyone must then log in again)"
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: usize,
    },
}

/// Reads the key in `directory`, or makes it there (0600, durable). Blocks; meant for the start of a node.
pub fn open_or_create_key(runtime: &Runtime, directory: &Path) -> Result<[u8; KEY_BYTES], KeyError> {
    let path = directory.join(FILE_NAME);
    let disk = &*runtime.disk;
    let failed = |cause| KeyError::Io { path: path.clone(), cause };
    match read_file(disk, &path, 1024) {
        Ok(bytes) => {
            let length = KeyError::Length { path: path.clone(), found: bytes.len() };
            bytes.try_into().map_err(|_| length)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = [0; KEY_BYTES];
            runtime.entropy.fill(&mut key);
            create_dir_durable(disk, directory).map_err(failed)?;
            write_file_durable(disk, &path, &key, true).map_err(failed)?;
            Ok(key)
        }
        Err(error) => Err(failed(error)),
    }
}
