//! What goes wrong on a simulated disk, and when.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A fault that [`SimDisk::fail_with`](super::SimDisk::fail_with) lets happen once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device fails (EIO). Nothing is done; a failed sync of a file loses its unsynced pages silently.
    Eio,
    /// The disk is full (ENOSPC). Nothing is done. Removing, cutting and syncing directories cannot fail so.
    Enospc,
    /// A write takes only half of the bytes. Nothing but writes of two bytes and more can fail so.
    ShortWrite,
}

/// Kinds of operations that change the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// Made a file.
    Create,
    /// Made one or more directories.
    CreateDirectory,
    /// Renamed; the path is the old one.
    Rename,
    /// Removed.
    Remove,
    /// Wrote to a file.
    Write,
    /// Set the size of a file.
    SetSize,
    /// Synced a file.
    SyncData,
    /// Synced a directory.
    SyncDirectory,
}

/// One operation that changed the disk, or was to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it was.
    pub kind: OperationKind,
    /// On which path; a file is named as it was when it was opened.
    pub path: PathBuf,
}

type Predicate = Arc<dyn Fn(&Path) -> bool + Send + Sync>;

/// Faults and mutations in force, and the operations so far.
#[derive(Clone, Default)]
pub(super) struct Faults {
    pub(super) log: Vec<Operation>,
    pub(super) syncs: u64,
    pub(super) cut_at: Option<u64>,
    pub(super) once: Option<(u64, Fault)>,
    pub(super) ignored_syncs: Vec<Predicate>,
    pub(super) ignored_operations: BTreeSet<u64>,
    pub(super) swapped: Option<(String, String)>,
    /// The first of two swapped renames, waiting for the second.
    pub(super) held_rename: Option<(PathBuf, PathBuf)>,
}

/// What an operation is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed,
    /// Say that it is done and do nothing.
    Pretend,
    /// Do half of it.
    Half,
}

impl Faults {
    /// Counts an operation and decides what becomes of it.
    pub(super) fn begin(&mut self, kind: OperationKind, path: &Path, bytes: usize) -> io::Result<Verdict> {
        let number = self.log.len() as u64;
        self.log.push(Operation { kind, path: path.to_owned() });
        if self.cut_at.is_some_and(|cut| number >= cut) {
            return Err(io::Error::other("the simulated machine lost power"));
        }
        if let Some((at, fault)) = self.once
            && at == number
        {
            match fault {
                Fault::Eio => return Err(io::Error::from_raw_os_error(EIO)),
                Fault::Enospc if takes_space(kind) => return Err(enospc()),
                Fault::ShortWrite if kind == OperationKind::Write && bytes > 1 => return Ok(Verdict::Half),
                Fault::Enospc | Fault::ShortWrite => {}
            }
        }
        let sync = matches!(kind, OperationKind::SyncData | OperationKind::SyncDirectory);
        if self.ignored_operations.contains(&number)
            || sync && self.ignored_syncs.iter().any(|ignored| ignored(path))
        {
            return Ok(Verdict::Pretend);
        }
        self.syncs += u64::from(sync);
        Ok(Verdict::Proceed)
    }

    /// The renames to do now, in order, when `from -> to` is asked for.
    pub(super) fn renames(&mut self, from: &Path, to: &Path) -> Vec<(PathBuf, PathBuf)> {
        let this = (from.to_owned(), to.to_owned());
        let Some((first, second)) = &self.swapped else { return vec![this] };
        let touches = |part: &str| [from, to].iter().any(|path| path.to_string_lossy().contains(part));
        if touches(first) && self.held_rename.is_none() {
            self.held_rename = Some(this);
            return Vec::new();
        }
        if touches(second) {
            return [Some(this), self.held_rename.take()].into_iter().flatten().collect();
        }
        vec![this]
    }
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

pub(super) fn enospc() -> io::Error {
    io::Error::from_raw_os_error(ENOSPC)
}

fn takes_space(kind: OperationKind) -> bool {
    !matches!(kind, OperationKind::Remove | OperationKind::SyncDirectory)
}
