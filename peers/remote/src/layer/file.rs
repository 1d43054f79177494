//! Files that say what an engine has: nothing below its directory is believed to be what it should be, not even a file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dockless_runtime::Stat;
use dockless_runtime::disk::{ForeignFile, ForeignRoot};

/// A name below a directory of an engine. Whatever stands there: nothing outside of the directory is opened, no pipe
/// blocks and no device acts (see [`ForeignRoot`]). All calls block.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EngineFile {
    root: Arc<Path>,
    name: PathBuf,
}

impl EngineFile {
    /// The directory `root` itself; it is the operator's choice and followed as usual.
    pub(crate) fn root(root: &Path) -> Self {
        Self { root: root.into(), name: PathBuf::new() }
    }

    /// What has this name below this one.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> Self {
        Self { root: self.root.clone(), name: self.name.join(name) }
    }

    /// Where that is, for people, and for who opens it as a directory of its own.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    /// Opens it. Errors as those of [`ForeignRoot::open_file`].
    pub(crate) fn open(&self) -> io::Result<ForeignFile> {
        ForeignRoot::open(&self.root)?.open_file(&self.name)
    }

    /// What it is. Errors as those of [`ForeignRoot::stat_file`].
    pub(crate) fn stat(&self) -> io::Result<Stat> {
        ForeignRoot::open(&self.root)?.stat_file(&self.name)
    }

    /// Whether anything stands there. Errors as those of [`ForeignRoot::exists`].
    pub(crate) fn exists(&self) -> io::Result<bool> {
        ForeignRoot::open(&self.root)?.exists(&self.name)
    }

    /// All of it, if those are at most `bytes_max` bytes. Errors as those of [`ForeignRoot::read_file`].
    pub(crate) fn read(&self, bytes_max: usize) -> io::Result<Vec<u8>> {
        ForeignRoot::open(&self.root)?.read_file(&self.name, bytes_max)
    }
}

impl fmt::Display for EngineFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.path().display())
    }
}
