//! What was written for a host, so that it can be taken back exactly.

use std::path::{Path, PathBuf};

use dockless_oci::Digest;
use dockless_runtime::disk;
use serde::{Deserialize, Serialize};

use super::host::Host;
use super::machine::{Machine, refused};
use crate::failure::Failure;

/// Where records are kept, one file a host.
const DIRECTORY: &str = "/etc/dockless/trust";

/// Directories that clients must be able to enter, whoever runs them.
const DIRECTORY_MODE: u32 = 0o755;

/// What was written for one host.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// The version of this format.
    version: u32,
    /// The files, and what they held.
    files: Vec<WrittenFile>,
    /// The directories that did not exist before, outermost first.
    directories: Vec<PathBuf>,
}

/// One file that was written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct WrittenFile {
    path: PathBuf,
    digest: Digest,
}

/// What became of a file that was to be taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Removal {
    /// It stands as it was written, and goes.
    Removed,
    /// Somebody changed it since; it stays.
    Changed,
    /// It is gone already.
    Missing,
}

impl Record {
    /// The record of `host`, if something was written for it.
    pub(super) fn read(machine: &Machine<'_>, host: &Host) -> Result<Option<Self>, Failure> {
        let path = place(machine, host);
        let Some(text) = machine.text(&path)? else { return Ok(None) };
        let record = serde_json::from_str(&text);
        record.map(Some).map_err(|error| {
            Failure::failed(format!("the record `{}` cannot be read: {error}", path.display()))
                .hint("remove it, and the files of the host under /etc/*/certs.d, by hand")
        })
    }

    /// Whether `path` was written by us and then held what `digest` names.
    pub(super) fn wrote(&self, path: &Path, digest: &Digest) -> bool {
        self.files.iter().any(|file| file.path == path && file.digest == *digest)
    }

    /// Writes files, path and content, after the record of them: a crash between leaves nothing that `--undo` does not
    /// know.
    pub(super) fn write(
        mut self,
        machine: &Machine<'_>,
        host: &Host,
        files: &[(&Path, &str)],
    ) -> Result<(), Failure> {
        let own = place(machine, host);
        self.version = 1;
        for path in files.iter().map(|(path, _)| *path).chain([own.as_path()]) {
            for directory in missing_directories(machine, path)? {
                if !self.directories.contains(&directory) {
                    self.directories.push(directory);
                }
            }
        }
        for (path, content) in files {
            self.files.retain(|written| written.path != *path);
            let digest = Digest::sha256(content.as_bytes());
            self.files.push(WrittenFile { path: path.to_path_buf(), digest });
        }
        self.save(machine, &own)?;
        files.iter().try_for_each(|(path, content)| write_file(machine, path, content))
    }

    /// What would become of each file if it were taken back now.
    pub(super) fn removals(&self, machine: &Machine<'_>) -> Result<Vec<(PathBuf, Removal)>, Failure> {
        let removal = |file: &WrittenFile| -> Result<Removal, Failure> {
            Ok(match machine.text(&file.path)? {
                None => Removal::Missing,
                Some(text) if Digest::sha256(text.as_bytes()) == file.digest => Removal::Removed,
                Some(_) => Removal::Changed,
            })
        };
        self.files.iter().map(|file| Ok((file.path.clone(), removal(file)?))).collect()
    }

    /// Takes back what stands as it was written, then the directories that became empty, then the record.
    pub(super) fn undo(&self, machine: &Machine<'_>, host: &Host) -> Result<(), Failure> {
        let remove = |path: &Path| machine.disk.remove(path).map_err(|error| refused("remove", path, &error));
        for (path, removal) in self.removals(machine)? {
            if removal == Removal::Removed {
                remove(&path)?;
            }
        }
        remove(&place(machine, host))?;
        for directory in self.directories.iter().rev() {
            // A directory that holds something else, or is gone, is not ours to worry about.
            let _ = machine.disk.remove(directory);
        }
        Ok(())
    }

    /// Writes the record itself.
    fn save(&self, machine: &Machine<'_>, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Failure::failed(error.to_string()))?;
        write_file(machine, path, &text)
    }
}

/// The file of the record of `host`.
fn place(machine: &Machine<'_>, host: &Host) -> PathBuf {
    machine.place(&format!("{DIRECTORY}/{host}.json"))
}

/// The directories above `path` that do not exist, outermost first.
fn missing_directories(machine: &Machine<'_>, path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut missing = Vec::new();
    for directory in path.ancestors().skip(1) {
        match machine.disk.stat(directory) {
            Ok(_) => break,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => missing.push(directory.to_owned()),
            Err(error) => return Err(refused("look at", directory, &error)),
        }
    }
    missing.reverse();
    Ok(missing)
}

/// Writes one file that everybody may read, and the directories it needs.
fn write_file(machine: &Machine<'_>, path: &Path, content: &str) -> Result<(), Failure> {
    for directory in missing_directories(machine, path)? {
        machine.disk.create_dir_all(&directory).map_err(|error| refused("create", &directory, &error))?;
        // The seam makes directories private, as a node's data is; these are for the clients of every user.
        rustix::fs::chmod(&directory, rustix::fs::Mode::from_raw_mode(DIRECTORY_MODE))
            .map_err(|error| refused("open up", &directory, &error.into()))?;
    }
    disk::write_file_durable(machine.disk, path, content.as_bytes(), false)
        .map_err(|error| refused("write", path, &error))
}
