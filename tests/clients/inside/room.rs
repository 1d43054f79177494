//! Where a client lives: its home, its credentials, its storage, all in a folder that goes away with the test.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::layout::{Files, GREETING, busybox, folder};
use super::tar::{self, Entry};
use super::tool::Tool;
use super::trixie;

/// podman as root beside cgroup v1, without raising limits that a container may not raise.
const CONTAINERS_CONF: &str = "\
[containers]
default_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]
[engine]
runtime = \"runc\"
cgroup_manager = \"cgroupfs\"
events_logger = \"file\"
";

/// A scratch folder with an environment of its own.
pub(crate) struct Room {
    folder: TempDir,
    /// What begins each command: nothing, or the way into another root.
    entry: Vec<OsString>,
}

impl Room {
    pub(crate) fn new() -> Self {
        let folder = TempDir::with_prefix("dockless-room-").unwrap();
        let room = Self { folder, entry: Vec::new() };
        for name in ["home", "run", "tmp", "docker", "storage", "storage-run"] {
            fs::create_dir(room.path(name)).unwrap();
        }
        fs::write(room.path("containers.conf"), CONTAINERS_CONF).unwrap();
        // podman and buildah fail when the file they are pointed at is not there.
        fs::write(room.path("auth.json"), "{}").unwrap();
        room.empty_storage();
        room
    }

    /// A room whose programs are those of Debian 13.
    pub(crate) fn trixie() -> Self {
        let mut room = Self::new();
        room.entry = trixie::entry(room.folder.path());
        room
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A program in this room's environment.
    pub(crate) fn tool(&self, program: &str) -> Tool {
        let environment = self.environment().into_iter();
        let words = self.words(program);
        let tool = words[1..].iter().fold(Tool::new(&words[0]), Tool::arg);
        environment.fold(tool, |tool, (name, value)| tool.env(name, value)).within(self.folder.path())
    }

    /// The words that start a program of this room.
    pub(super) fn words(&self, program: &str) -> Vec<OsString> {
        self.entry.iter().cloned().chain([program.into()]).collect()
    }

    /// A command that starts a program of this room, in the caller's environment.
    pub(super) fn command(&self, program: &str) -> Command {
        let words = self.words(program);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }

    /// What tells programs where this room is.
    pub(crate) fn environment(&self) -> [(&'static str, OsString); 9] {
        [
            ("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", tools().display()).into()),
            ("LANG", "C".into()),
            ("HOME", self.path("home").into()),
            ("TMPDIR", self.path("tmp").into()),
            ("XDG_RUNTIME_DIR", self.path("run").into()),
            ("DOCKER_CONFIG", self.path("docker").into()),
            ("REGISTRY_AUTH_FILE", self.path("auth.json").into()),
            ("CONTAINERS_CONF", self.path("containers.conf").into()),
            ("CONTAINERS_STORAGE_CONF", self.path("storage.conf").into()),
        ]
    }

    /// podman with its storage in this room.
    pub(crate) fn podman(&self) -> Tool {
        self.tool("podman").arg("--tmpdir").arg(self.path("run/libpod"))
    }

    /// Points podman and buildah at an empty store: what was pulled before is not there.
    pub(crate) fn empty_storage(&self) {
        let number = fs::read_dir(self.path("storage")).unwrap().count();
        let (root, run) =
            (self.path(&format!("storage/{number}")), self.path(&format!("storage-run/{number}")));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&run).unwrap();
        let text = format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n",
            root.display(),
            run.display()
        );
        fs::write(self.path("storage.conf"), text).unwrap();
    }

    /// A folder to build an image from: a Containerfile and an archive of the runnable files.
    pub(crate) fn context(&self, seed: u64) -> PathBuf {
        let context = self.path(&format!("context-{seed}"));
        fs::create_dir_all(&context).unwrap();
        let mut files: Files = busybox();
        files.extend([folder("app"), ("app/greeting".to_owned(), Entry::text(&format!("{GREETING}\n")))]);
        files.push(("data".to_owned(), Entry::Large { seed, length: 3 << 20 }));
        tar::write(&files, &mut fs::File::create(context.join("root.tar")).unwrap()).unwrap();
        let text = "FROM scratch\nADD root.tar /\nCMD [\"/bin/cat\", \"/app/greeting\"]\n";
        fs::write(context.join("Containerfile"), text).unwrap();
        context
    }

    /// The digest that podman and buildah wrote into a file.
    pub(crate) fn digest_file(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap().trim().to_owned()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        unmount_below(self.folder.path());
    }
}

/// Takes away mounts that a client left below a folder, the deepest first, so that the folder can be removed.
pub(crate) fn unmount_below(folder: &Path) {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let below = |path: &&str| Path::new(path).starts_with(folder);
    let mut paths: Vec<&str> =
        mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(below).collect();
    paths.sort_by_key(|path| std::cmp::Reverse(path.len()));
    for path in paths {
        let _ = Command::new("umount").args(["--lazy", path]).status();
    }
}

/// Where the clients that are built from source are.
pub(crate) fn tools() -> PathBuf {
    let folder = std::env::var_os("DOCKLESS_TOOLS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools"), PathBuf::from);
    assert!(
        folder.is_dir(),
        "there is no {}: `cargo xtask test --clients` builds the tools",
        folder.display()
    );
    folder
}
