//! The directories of a simulated disk: entries as programs see them, durable entries, and the changes between.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};

use crate::simulation::disk::Mood;
use crate::simulation::disk::file::FileImage;
use crate::simulation::random::Random;

pub(super) const ROOT: u64 = 1;

/// Removed names after which nodes that nothing can reach any more are dropped; the number only bounds memory.
const REMOVED_MAX: usize = 64;

#[derive(Clone)]
pub(super) enum Node {
    File(FileImage),
    Directory(Directory),
}

/// The entries of a directory that one operation changed; a crash keeps all of them or none.
type Change = Vec<(OsString, Option<u64>)>;

#[derive(Clone, Default)]
pub(super) struct Directory {
    pub(super) entries: BTreeMap<OsString, u64>,
    durable: BTreeMap<OsString, u64>,
    pending: Vec<Change>,
}

#[derive(Clone)]
pub(super) struct Tree {
    pub(super) nodes: BTreeMap<u64, Node>,
    /// Open handles by inode.
    pub(super) open: BTreeMap<u64, usize>,
    next_inode: u64,
    removed: usize,
}

impl Directory {
    fn change(&mut self, change: Change) {
        apply(&mut self.entries, &change);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            apply(&mut self.durable, &change);
        }
    }

    fn crash(&mut self, mood: Mood, random: &mut Random) {
        for change in std::mem::take(&mut self.pending) {
            if mood == Mood::KeepAll || mood == Mood::Mixed && random.one_in(2) {
                apply(&mut self.durable, &change);
            }
        }
        self.entries.clone_from(&self.durable);
    }

    /// Every node that a name here leads to, or may lead to after a crash.
    fn targets(&self) -> impl Iterator<Item = u64> {
        let pending = self.pending.iter().flatten().filter_map(|(_, inode)| *inode);
        self.entries.values().chain(self.durable.values()).copied().chain(pending)
    }
}

fn apply(entries: &mut BTreeMap<OsString, u64>, change: &Change) {
    for (name, inode) in change {
        match inode {
            Some(inode) => entries.insert(name.clone(), *inode),
            None => entries.remove(name),
        };
    }
}

impl Tree {
    pub(super) fn new() -> Self {
        let nodes = BTreeMap::from([(ROOT, Node::Directory(Directory::default()))]);
        Self { nodes, open: BTreeMap::new(), next_inode: ROOT, removed: 0 }
    }

    /// The node a path leads to.
    pub(super) fn find(&self, path: &Path) -> io::Result<u64> {
        let mut inode = ROOT;
        for name in names(path)? {
            inode = *self.directory(inode)?.entries.get(&name).ok_or(ErrorKind::NotFound)?;
        }
        Ok(inode)
    }

    /// The directory that holds, or would hold, a path, and the name in it.
    pub(super) fn place(&self, path: &Path) -> io::Result<(u64, OsString)> {
        let mut names = names(path)?;
        let name = names.pop().ok_or(ErrorKind::InvalidInput)?;
        let mut inode = ROOT;
        for name in names {
            inode = *self.directory(inode)?.entries.get(&name).ok_or(ErrorKind::NotFound)?;
        }
        self.directory(inode)?;
        Ok((inode, name))
    }

    pub(super) fn directory(&self, inode: u64) -> io::Result<&Directory> {
        match self.nodes.get(&inode) {
            Some(Node::Directory(directory)) => Ok(directory),
            Some(Node::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn directory_mut(&mut self, inode: u64) -> io::Result<&mut Directory> {
        match self.nodes.get_mut(&inode) {
            Some(Node::Directory(directory)) => Ok(directory),
            Some(Node::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn file_mut(&mut self, inode: u64) -> io::Result<&mut FileImage> {
        match self.nodes.get_mut(&inode) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Directory(_)) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn add(&mut self, parent: u64, name: OsString, node: Node) -> io::Result<u64> {
        self.next_inode += 1;
        let inode = self.next_inode;
        self.directory_mut(parent)?.change(vec![(name, Some(inode))]);
        self.nodes.insert(inode, node);
        Ok(inode)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from_parent, from_name) = self.place(from)?;
        let (to_parent, to_name) = self.place(to)?;
        let moved = self.find(from)?;
        if from != to && to.starts_with(from) {
            return Err(ErrorKind::InvalidInput.into());
        }
        if from != to && from.starts_with(to) {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        if let Some(target) = self.directory(to_parent)?.entries.get(&to_name).copied() {
            if target == moved {
                return Ok(());
            }
            match (&self.nodes[&moved], &self.nodes[&target]) {
                (Node::File(_), Node::Directory(_)) => return Err(ErrorKind::IsADirectory.into()),
                (Node::Directory(_), Node::File(_)) => return Err(ErrorKind::NotADirectory.into()),
                (Node::Directory(_), Node::Directory(old)) if !old.entries.is_empty() => {
                    return Err(ErrorKind::DirectoryNotEmpty.into());
                }
                _ => {}
            }
        }
        if from_parent == to_parent {
            self.directory_mut(from_parent)?.change(vec![(from_name, None), (to_name, Some(moved))]);
        } else {
            self.directory_mut(to_parent)?.change(vec![(to_name, Some(moved))]);
            self.directory_mut(from_parent)?.change(vec![(from_name, None)]);
        }
        self.collect();
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.place(path)?;
        if let Node::Directory(directory) = &self.nodes[&self.find(path)?]
            && !directory.entries.is_empty()
        {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        self.directory_mut(parent)?.change(vec![(name, None)]);
        self.collect();
        Ok(())
    }

    /// Bytes that the files programs can reach take, in whole pages.
    pub(super) fn used(&self) -> u64 {
        let reachable = self.reachable(|directory| directory.entries.values().copied().collect());
        let page = crate::simulation::disk::file::PAGE;
        let size = |inode: &u64| match self.nodes.get(inode) {
            Some(Node::File(file)) => file.current.len().next_multiple_of(page) as u64,
            _ => 0,
        };
        reachable.iter().map(size).sum()
    }

    pub(super) fn crash(&mut self, mood: Mood, random: &mut Random) {
        for node in self.nodes.values_mut() {
            match node {
                Node::File(file) => file.crash(mood, random),
                Node::Directory(directory) => directory.crash(mood, random),
            }
        }
        self.open.clear();
        self.drop_unreachable();
    }

    fn collect(&mut self) {
        self.removed += 1;
        if self.removed >= REMOVED_MAX {
            self.removed = 0;
            self.drop_unreachable();
        }
    }

    fn drop_unreachable(&mut self) {
        let reachable = self.reachable(|directory| directory.targets().collect());
        self.nodes.retain(|inode, _| reachable.contains(inode));
    }

    fn reachable(&self, targets: impl Fn(&Directory) -> Vec<u64>) -> BTreeSet<u64> {
        let mut reachable = BTreeSet::new();
        let mut todo = vec![ROOT];
        todo.extend(self.open.keys());
        while let Some(inode) = todo.pop() {
            if reachable.insert(inode)
                && let Some(Node::Directory(directory)) = self.nodes.get(&inode)
            {
                todo.extend(targets(directory));
            }
        }
        reachable
    }
}

/// The names of a path; there is one root, and relative paths begin there too.
fn names(path: &Path) -> io::Result<Vec<OsString>> {
    path.components()
        .filter_map(|component| match component {
            Component::RootDir | Component::CurDir => None,
            Component::Normal(name) => Some(Ok(name.to_owned())),
            Component::ParentDir | Component::Prefix(_) => Some(Err(ErrorKind::InvalidInput.into())),
        })
        .collect()
}
