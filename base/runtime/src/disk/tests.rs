//! The real disk passes the suite; the simulated one, while nothing goes wrong, does what the real one does.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::conformance;
use crate::simulation::SimDisk;

#[test]
fn the_real_disk_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    conformance::disk::check(&disk, directory.path());
}

#[test]
fn the_simulated_disk_conforms() {
    let disk: Arc<dyn Disk> = SimDisk::new();
    disk.create_dir_all(Path::new("/a/b")).unwrap();
    conformance::disk::check(&disk, Path::new("/a/b"));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "permissions are not part of the seam")]
fn permissions_are_as_narrow_as_asked() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    RealDisk.create_dir_all(&path("d/e")).unwrap();
    RealDisk.open(&path("public"), OpenMode::CreateNew).unwrap();
    RealDisk.open(&path("private"), OpenMode::CreateNewPrivate).unwrap();
    write_file_durable(&RealDisk, &path("key"), b"k", true).unwrap();
    RealDisk.open(&path("socket"), OpenMode::CreateNew).unwrap();
    restrict_to_owner(&path("socket")).unwrap();
    for (name, mode) in [("d", 0o700), ("d/e", 0o700), ("private", 0o600), ("key", 0o600), ("socket", 0o600)]
    {
        assert_eq!(std::fs::metadata(path(name)).unwrap().permissions().mode() & 0o777, mode, "{name}");
    }
    let public = std::fs::metadata(path("public")).unwrap().permissions().mode() & 0o777;
    // The umask of whoever runs this may take rights away.
    assert_eq!(public & !0o644, 0);
}

#[test]
fn real_bytes_just_written_are_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let file = RealDisk.open(&directory.path().join("f"), OpenMode::CreateNew).unwrap();
    write_all_at(&*file, &[9; 10_000], 0).unwrap();
    let mut buffer = [0; 10_000];
    // `None` is right on a file system that cannot tell; a wrong byte never is.
    if let Some(read) = file.read_cached_at(&mut buffer, 0).unwrap() {
        assert!(read > 0 && buffer[..read].iter().all(|byte| *byte == 9));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn linux_sends_files() {
    let directory = tempfile::tempdir().unwrap();
    let file = RealDisk.open(&directory.path().join("f"), OpenMode::CreateNew).unwrap();
    write_all_at(&*file, b"abc", 0).unwrap();
    let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    assert_eq!(file.send_to(std::os::fd::AsFd::as_fd(&ours), 0, 3).unwrap(), Some(3));
}

#[derive(Clone, Debug)]
enum Step {
    Open { path: usize, mode: OpenMode },
    Write { handle: usize, offset: u64, length: usize },
    Read { handle: usize, offset: u64, length: usize },
    SetLen { handle: usize, length: u64 },
    Sync { handle: usize },
    Close { handle: usize },
    Rename { from: usize, to: usize },
    Remove { path: usize },
    CreateDir { path: usize },
    List { path: usize },
    SyncDir { path: usize },
    ReadFile { path: usize },
}

const PATHS: [&str; 8] = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "a/a"];

fn step() -> impl Strategy<Value = Step> {
    let path = 0..PATHS.len();
    let handle = 0..4_usize;
    let mode = prop_oneof![
        Just(OpenMode::Read),
        Just(OpenMode::ReadWrite),
        Just(OpenMode::CreateNew),
        Just(OpenMode::CreateNewPrivate),
        Just(OpenMode::ReadWriteOrCreate)
    ];
    prop_oneof![
        4 => (path.clone(), mode).prop_map(|(path, mode)| Step::Open { path, mode }),
        4 => (handle.clone(), 0..20_000_u64, 0..9_000_usize)
            .prop_map(|(handle, offset, length)| Step::Write { handle, offset, length }),
        3 => (handle.clone(), 0..20_000_u64, 0..9_000_usize)
            .prop_map(|(handle, offset, length)| Step::Read { handle, offset, length }),
        2 => (handle.clone(), 0..20_000_u64).prop_map(|(handle, length)| Step::SetLen { handle, length }),
        1 => handle.clone().prop_map(|handle| Step::Sync { handle }),
        1 => handle.prop_map(|handle| Step::Close { handle }),
        3 => (path.clone(), path.clone()).prop_map(|(from, to)| Step::Rename { from, to }),
        2 => path.clone().prop_map(|path| Step::Remove { path }),
        3 => path.clone().prop_map(|path| Step::CreateDir { path }),
        1 => path.clone().prop_map(|path| Step::List { path }),
        1 => path.clone().prop_map(|path| Step::SyncDir { path }),
        3 => path.prop_map(|path| Step::ReadFile { path }),
    ]
}

/// A disk under a directory, with open files, that answers steps in comparable words.
struct Machine {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    handles: Vec<Arc<dyn DiskFile>>,
    written: u8,
}

impl Machine {
    fn new(disk: Arc<dyn Disk>, root: &Path) -> Self {
        Self { disk, root: root.to_owned(), handles: Vec::new(), written: 0 }
    }

    fn run(&mut self, step: &Step) -> Result<String, String> {
        self.try_run(step).map_err(|error| format!("{:?}", error.kind()))
    }

    fn try_run(&mut self, step: &Step) -> io::Result<String> {
        let path = |index: usize| self.root.join(PATHS[index]);
        let handle = |index: usize| self.handles.get(index).cloned().ok_or(io::ErrorKind::InvalidInput);
        Ok(match *step {
            // A directory can be opened to read on Linux but never read: nobody relies on either.
            Step::Open { path: p, .. } if self.disk.stat(&path(p)).is_ok_and(|stat| stat.is_dir) => {
                String::new()
            }
            Step::Open { path: p, mode } => {
                let file = self.disk.open(&path(p), mode)?;
                self.handles.truncate(3);
                self.handles.insert(0, file);
                String::new()
            }
            Step::Write { handle: h, offset, length } => {
                self.written = self.written.wrapping_add(1);
                write_all_at(&*handle(h)?, &vec![self.written; length], offset)?;
                String::new()
            }
            Step::Read { handle: h, offset, length } => {
                let mut buffer = vec![0; length];
                let read = handle(h)?.read_at(&mut buffer, offset)?;
                format!("{:?}", &buffer[..read])
            }
            Step::SetLen { handle: h, length } => {
                // Linux refuses a reader with EINVAL here and with EBADF at a write; only the refusal matters.
                handle(h)?.set_len(length).map_err(|_| io::ErrorKind::Other)?;
                String::new()
            }
            Step::Sync { handle: h } => format!("{:?}", handle(h)?.sync_data()?),
            Step::Close { handle: h } => {
                handle(h)?;
                self.handles.remove(h);
                String::new()
            }
            Step::Rename { from, to } => format!("{:?}", self.disk.rename(&path(from), &path(to))?),
            Step::Remove { path: p } => format!("{:?}", self.disk.remove(&path(p))?),
            Step::CreateDir { path: p } => format!("{:?}", self.disk.create_dir_all(&path(p))?),
            Step::SyncDir { path: p } => {
                if !self.disk.stat(&path(p))?.is_dir {
                    return Ok(String::new());
                }
                format!("{:?}", self.disk.sync_dir(&path(p))?)
            }
            Step::List { path: p } => {
                let mut entries = self.disk.list(&path(p))?;
                entries.sort();
                format!("{entries:?}")
            }
            Step::ReadFile { path: p } => {
                let stat = self.disk.stat(&path(p))?;
                if stat.is_dir {
                    "directory".into()
                } else {
                    format!("{:?}", read_file(&*self.disk, &path(p), 1 << 20)?)
                }
            }
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn without_crashes_the_simulated_disk_is_the_real_one(steps in prop::collection::vec(step(), 1..60)) {
        let directory = tempfile::tempdir().unwrap();
        let mut real = Machine::new(Arc::new(RealDisk), directory.path());
        let mut simulated = Machine::new(SimDisk::new(), Path::new("/"));
        for step in &steps {
            prop_assert_eq!(real.run(step), simulated.run(step), "{:?}", step);
        }
    }
}

/// All files with their bytes, and all directories with nothing; each is synced on the way if asked.
fn everything(disk: &dyn Disk, directory: &Path, sync: bool) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in disk.list(directory).unwrap() {
        let path = directory.join(entry.name);
        if entry.is_dir {
            found.push((path.clone(), Vec::new()));
            found.extend(everything(disk, &path, sync));
            continue;
        }
        if sync {
            disk.open(&path, OpenMode::Read).unwrap().sync_data().unwrap();
        }
        found.push((path.clone(), read_file(disk, &path, 1 << 20).unwrap()));
    }
    if sync {
        disk.sync_dir(directory).unwrap();
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn once_all_is_synced_a_crash_changes_nothing(steps in prop::collection::vec(step(), 1..60), seed: u64) {
        let disk = SimDisk::new();
        let mut machine = Machine::new(disk.clone(), Path::new("/"));
        for step in &steps {
            let _ = machine.run(step);
        }
        let before = everything(&*disk, Path::new("/"), true);
        disk.crash(seed);
        prop_assert_eq!(everything(&*disk, Path::new("/"), false), before);
    }
}
