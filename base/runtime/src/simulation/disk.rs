//! A disk in memory that crashes, tears, fails and fills up by seed.

mod fault;
mod file;
mod handle;
mod tree;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fault::{Faults, Verdict, enospc};
use handle::SimFile;
use tree::{Directory, Node, Tree};

pub use fault::{Fault, Operation, OperationKind};

use crate::disk::{Disk, DiskEntry, DiskFile, OpenMode, Stat};
use crate::simulation::random::Random;

/// A disk in memory. It keeps two images of everything, what programs see and what is durable, and a crash may
/// keep, lose, tear or zero whatever differs, each piece by itself:
/// - a page (4 KiB) of a file: its durable state, any of its last unsynced states, a mixture of them by sector
///   (512 B), or zeros if it is beyond the durable size;
/// - the size of a file: the durable one or any since;
/// - an operation on the entries of one directory: kept or lost, without regard to the others (a rename inside one
///   directory is one operation, a rename across two is one in each).
///
/// Operations that change the disk are numbered from 0, so that a test can let each of them fail in turn.
pub struct SimDisk {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
}

#[derive(Clone)]
struct State {
    tree: Tree,
    faults: Faults,
    /// Holder (a handle) of the lock of each inode.
    locks: BTreeMap<u64, u64>,
    /// Grows with each crash.
    life: u64,
    next_handle: u64,
    changes: u64,
    capacity: u64,
    cold: bool,
    unreadable: Vec<String>,
}

/// What kind of crash a seed stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    LoseAll,
    KeepAll,
    Mixed,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimDisk {
    /// An empty disk without limits.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::with_state(State {
            tree: Tree::new(),
            faults: Faults::default(),
            locks: BTreeMap::new(),
            life: 0,
            next_handle: 0,
            changes: 0,
            capacity: u64::MAX,
            cold: false,
            unreadable: Vec::new(),
        })
    }

    fn with_state(state: State) -> Arc<Self> {
        Arc::new(Self { shared: Arc::new(Shared { state: Mutex::new(state) }) })
    }

    /// A copy of this disk as it is now, faults and counters included; no file of it is open.
    #[must_use]
    pub fn fork(&self) -> Arc<Self> {
        let mut state = self.shared.lock().clone();
        state.life += 1;
        state.tree.open.clear();
        state.locks.clear();
        Self::with_state(state)
    }

    /// Power off and on. Seed 0 loses everything unsynced, seed 1 keeps everything, every other one decides piece
    /// by piece. Files that were open are dead afterwards, locks are free, faults are gone; mutations that name no
    /// operation by its number stay.
    pub fn crash(&self, seed: u64) {
        let mood = match seed {
            0 => Mood::LoseAll,
            1 => Mood::KeepAll,
            _ => Mood::Mixed,
        };
        let mut state = self.shared.lock();
        state.tree.crash(mood, &mut Random::new(seed));
        state.end_life();
    }

    /// The process ended at once, the machine did not: files that were open are dead, locks are free, faults are
    /// gone. Everything written is seen by the next process, though no more of it is durable than before.
    pub fn kill(&self) {
        self.shared.lock().end_life();
    }

    /// The power is cut at operation `number`: that one and all later ones do nothing and fail.
    pub fn fail_from(&self, number: u64) {
        self.shared.lock().faults.cut_at = Some(number);
    }

    /// Operation `number` fails once, as `fault` says.
    pub fn fail_with(&self, number: u64, fault: Fault) {
        self.shared.lock().faults.once = Some((number, fault));
    }

    /// Operations that changed the disk so far, or were to; the next one has this number.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.shared.lock().faults.log.len() as u64
    }

    /// What the operations were, by number.
    #[must_use]
    pub fn operation_log(&self) -> Vec<Operation> {
        self.shared.lock().faults.log.clone()
    }

    /// Syncs of files and directories that were done.
    #[must_use]
    pub fn sync_count(&self) -> u64 {
        self.shared.lock().faults.syncs
    }

    /// Limits what all files together may take, in whole pages of 4 KiB.
    pub fn set_capacity(&self, bytes: u64) {
        self.shared.lock().capacity = bytes;
    }

    /// A mutation of the program under test: its syncs of paths that `ignored` picks do nothing. A file is named as
    /// it was when it was opened.
    pub fn ignore_syncs_matching(&self, ignored: impl Fn(&Path) -> bool + Send + Sync + 'static) {
        self.shared.lock().faults.ignored_syncs.push(Arc::new(ignored));
    }

    /// A mutation of the program under test: operation `number`, a write, sync, rename or removal, says that it is done
    /// and does nothing. Forgotten at the next crash or kill, after which other operations get these numbers.
    pub fn ignore_operation(&self, number: u64) {
        self.shared.lock().faults.ignored_operations.insert(number);
    }

    /// A mutation of the program under test: its next rename that has `first` in one of its paths happens only
    /// after the next one that has `second` in one.
    pub fn swap_renames(&self, first: &str, second: &str) {
        self.shared.lock().faults.swapped = Some((first.to_owned(), second.to_owned()));
    }

    /// Changes one byte of a file, now and durably, without a trace in its [`Stat`]: the medium failed.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn damage(&self, path: &Path, offset: u64) -> io::Result<()> {
        let mut state = self.shared.lock();
        let inode = state.tree.find(path)?;
        let offset = usize::try_from(offset).map_err(|_| ErrorKind::InvalidInput)?;
        state.tree.file_mut(inode)?.damage(offset);
        Ok(())
    }

    /// From now on nothing can be read from files that were opened by a path with `part` in it.
    pub fn fail_reads_of(&self, part: &str) {
        self.shared.lock().unreadable.push(part.to_owned());
    }

    /// Whether [`DiskFile::read_cached_at`] finds nothing in memory; at first it finds everything.
    pub fn set_cold(&self, cold: bool) {
        self.shared.lock().cold = cold;
    }
}

impl State {
    fn end_life(&mut self) {
        self.life += 1;
        self.tree.open.clear();
        self.locks.clear();
        self.faults.cut_at = None;
        self.faults.once = None;
        self.faults.held_rename = None;
        self.faults.ignored_operations.clear();
    }

    fn is_powered(&self) -> bool {
        self.faults.cut_at.is_none_or(|cut| (self.faults.log.len() as u64) < cut)
    }

    fn next_change(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    /// Refuses to let a file grow beyond the capacity of the disk.
    fn reserve(&mut self, inode: u64, size: usize) -> io::Result<()> {
        if self.capacity == u64::MAX {
            return Ok(());
        }
        let pages = |bytes: usize| bytes.next_multiple_of(file::PAGE) as u64;
        let held = pages(self.tree.file_mut(inode)?.current.len());
        let growth = pages(size).saturating_sub(held);
        if growth > 0 && self.tree.used() + growth > self.capacity { Err(enospc()) } else { Ok(()) }
    }

    fn stat(&self, inode: u64) -> io::Result<Stat> {
        match self.tree.nodes.get(&inode) {
            Some(Node::File(file)) => Ok(Stat {
                is_dir: false,
                size: file.current.len() as u64,
                inode,
                changed_ns: i128::from(file.changed),
            }),
            Some(Node::Directory(_)) => Ok(Stat { is_dir: true, size: 0, inode, changed_ns: 0 }),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn create(&mut self, path: &Path) -> io::Result<u64> {
        let (parent, name) = self.tree.place(path)?;
        self.faults.begin(OperationKind::Create, path, 0)?;
        let changed = self.next_change();
        let inode = self.tree.add(parent, name, Node::File(file::FileImage::default()))?;
        self.tree.file_mut(inode)?.changed = changed;
        Ok(inode)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let moved = self.tree.find(from);
        self.tree.rename(from, to)?;
        let changed = self.next_change();
        // Renaming changes the change time of a file on Linux's file systems.
        if let Ok(file) = self.tree.file_mut(moved?) {
            file.changed = changed;
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.shared.lock();
        let create_new = matches!(mode, OpenMode::CreateNew | OpenMode::CreateNewPrivate);
        let inode = match state.tree.find(path) {
            Ok(_) if create_new => return Err(ErrorKind::AlreadyExists.into()),
            Ok(inode) => inode,
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Err(error) if matches!(mode, OpenMode::Read | OpenMode::ReadWrite) => return Err(error),
            Err(_) => state.create(path)?,
        };
        state.tree.file_mut(inode)?;
        *state.tree.open.entry(inode).or_default() += 1;
        state.next_handle += 1;
        Ok(Arc::new(SimFile {
            shared: self.shared.clone(),
            inode,
            handle: state.next_handle,
            life: state.life,
            path: path.to_owned(),
            writable: mode != OpenMode::Read,
            sync_failed: AtomicBool::new(false),
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.shared.lock();
        match state.tree.find(path) {
            Ok(inode) => {
                return state.tree.directory(inode).map(|_| ()).map_err(|_| ErrorKind::AlreadyExists.into());
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Err(_) => state.faults.begin(OperationKind::CreateDirectory, path, 0)?,
        };
        let mut ancestors: Vec<_> = path.ancestors().collect();
        ancestors.reverse();
        for directory in ancestors {
            if state.tree.find(directory).is_err() {
                let (parent, name) = state.tree.place(directory)?;
                state.tree.add(parent, name, Node::Directory(Directory::default()))?;
            }
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.faults.begin(OperationKind::Rename, from, 0)? == Verdict::Pretend {
            return Ok(());
        }
        let renames = state.faults.renames(from, to);
        renames.iter().try_for_each(|(from, to)| state.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.shared.lock();
        state.tree.find(path)?;
        match state.faults.begin(OperationKind::Remove, path, 0)? {
            Verdict::Pretend => Ok(()),
            _ => state.tree.remove(path),
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.shared.lock();
        let inode = state.tree.find(path)?;
        let verdict = state.faults.begin(OperationKind::SyncDirectory, path, 0)?;
        let directory = state.tree.directory_mut(inode)?;
        if verdict == Verdict::Proceed {
            directory.sync();
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DiskEntry>> {
        let state = self.shared.lock();
        let directory = state.tree.directory(state.tree.find(path)?)?;
        let entry = |(name, inode): (&std::ffi::OsString, &u64)| DiskEntry {
            name: name.clone(),
            is_dir: matches!(state.tree.nodes.get(inode), Some(Node::Directory(_))),
        };
        Ok(directory.entries.iter().map(entry).collect())
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let state = self.shared.lock();
        state.stat(state.tree.find(path)?)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let state = self.shared.lock();
        state.tree.find(path)?;
        if state.capacity == u64::MAX {
            // A petabyte: enough for every test, and no sum of it overflows.
            return Ok(1 << 50);
        }
        Ok(state.capacity.saturating_sub(state.tree.used()))
    }
}

#[cfg(test)]
mod tests;
