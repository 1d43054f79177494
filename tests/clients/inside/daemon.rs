//! Engines of our own: dockerd and containerd with their own data and sockets, ended with the test.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::room::Room;
use super::tool::Tool;

/// How often a daemon is looked at while it starts or stops.
const PAUSE: Duration = Duration::from_millis(100);
/// How often at most: a minute, far more than either daemon takes on a loaded machine.
const LOOKS_MAX: usize = 600;

/// A daemon as a child process.
pub(super) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command` with its output in a file, and waits until `ready`.
    #[track_caller]
    pub(super) fn start(mut command: Command, log: PathBuf, ready: impl Fn() -> bool) -> Self {
        let file = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut daemon = Self { child, log };
        for _ in 0..LOOKS_MAX {
            if ready() {
                return daemon;
            }
            if let Some(status) = daemon.child.try_wait().unwrap() {
                panic!("{command:?} ended with {status}:\n{}", daemon.said());
            }
            std::thread::sleep(PAUSE);
        }
        panic!("{command:?} is not ready after a minute:\n{}", daemon.said());
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(id, signal).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The shell's own `kill`: the program is not on every machine. One that a test stopped hears nothing else.
        let id = self.child.id();
        let _ = Command::new("sh").args(["-c", &format!("kill -CONT {id}; kill {id}")]).status();
        for _ in 0..LOOKS_MAX {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(PAUSE),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a dockerd is started.
#[derive(Clone, Default)]
pub(crate) struct DockerdOptions<'a> {
    /// The namespace whose network it has; none is this machine's.
    pub(crate) network: Option<&'a str>,
    /// Further arguments.
    pub(crate) arguments: &'a [&'a str],
    /// Further environment.
    pub(crate) environment: &'a [(&'a str, &'a str)],
    /// Whether it keeps its data, until it ends, where no other process sees it.
    pub(crate) hidden: bool,
}

impl DockerdOptions<'_> {
    /// What begins the command.
    fn command(&self, room: &Room, root: &Path) -> Command {
        // Not `ip netns exec`: it mounts /sys anew and hides the cgroups that dockerd needs.
        let network = self.network.map(|name| format!("--net=/run/netns/{name}"));
        let mount = format!("mount -t tmpfs tmpfs {} && exec \"$@\"", root.display());
        let words: Vec<&str> = match (&network, self.hidden) {
            (Some(network), _) => vec!["nsenter", network],
            (None, true) => vec!["unshare", "--mount", "sh", "-c", &mount, "sh"],
            (None, false) => Vec::new(),
        };
        fs::create_dir_all(root).unwrap();
        let words: Vec<_> = words.into_iter().map(OsString::from).chain(room.words("dockerd")).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }
}

/// A dockerd with a store of its own.
pub(crate) struct Dockerd {
    daemon: Option<Daemon>,
    socket: String,
    /// The client to speak with.
    client: String,
}

impl Dockerd {
    /// Starts one in the network of this machine, or in a namespace.
    #[track_caller]
    pub(crate) fn start(room: &Room, network: Option<&str>) -> Self {
        Self::with(room, &DockerdOptions { network, ..DockerdOptions::default() })
    }

    /// Starts one over what an earlier one left in this room.
    #[track_caller]
    pub(crate) fn with(room: &Room, options: &DockerdOptions<'_>) -> Self {
        let folder = room.path("dockerd");
        fs::create_dir_all(&folder).unwrap();
        let mut command = options.command(room, &folder.join("root"));
        let socket = format!("unix://{}", folder.join("docker.sock").display());
        command.arg("--data-root").arg(folder.join("root")).arg("--exec-root").arg(folder.join("exec"));
        command.arg("--pidfile").arg(folder.join("pid")).args([
            "-H",
            &socket,
            "--bridge=none",
            "--iptables=false",
        ]);
        command.args(options.arguments).envs(options.environment.iter().copied());
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("DOCKER_CONFIG", room.path("docker"));
        let ready = || room.tool("/usr/bin/docker").words(&format!("-H {socket} version")).run().succeeded();
        let daemon = Daemon::start(command, room.path("dockerd.log"), ready);
        Self { daemon: Some(daemon), socket: socket.clone(), client: "/usr/bin/docker".to_owned() }
    }

    /// Ends it as an operator does, and waits for it.
    pub(crate) fn stop(&mut self) {
        drop(self.daemon.take());
    }

    /// Hangs it: it keeps its socket and answers nothing.
    pub(crate) fn hang(&self) {
        self.daemon.as_ref().unwrap().signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.daemon.as_ref().unwrap().signal(Signal::CONT);
    }

    /// The same daemon, spoken to by another client.
    pub(crate) fn spoken_to_by(mut self, client: &str) -> Self {
        client.clone_into(&mut self.client);
        self
    }

    /// The docker client.
    pub(crate) fn docker(&self, room: &Room) -> Tool {
        room.tool(&self.client).words("-H").arg(&self.socket)
    }

    /// Builds the runnable image of `seed` under this name.
    #[track_caller]
    pub(crate) fn build(&self, room: &Room, image: &str, seed: u64) {
        let context = room.context(seed);
        // The builder of the daemon itself: the other is a plugin that Debian does not have.
        let build = self.docker(room).env("DOCKER_BUILDKIT", "0").words("build --quiet --file");
        build.arg(context.join("Containerfile")).arg("--tag").arg(image).arg(&context).ok();
    }

    /// Where the daemon listens, as `DOCKER_HOST` names it.
    pub(crate) fn host(&self) -> &str {
        &self.socket
    }

    /// Removes every image: what is pulled next comes from the registry.
    #[track_caller]
    pub(crate) fn empty(&self, room: &Room) {
        let images = self.docker(room).words("images --quiet --no-trunc").ok();
        let mut images: Vec<&str> = images.lines().collect();
        images.sort_unstable();
        images.dedup();
        if !images.is_empty() {
            let remove = self.docker(room).words("rmi --force");
            images.into_iter().fold(remove, Tool::arg).ok();
        }
        assert_eq!(self.docker(room).words("images --all --quiet").ok(), "", "the store is not empty");
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(daemon) = &self.daemon
        {
            let said = daemon.said();
            let last: Vec<&str> = said.lines().rev().take(20).collect();
            eprintln!("dockerd's last words, the latest first:\n{}", last.join("\n"));
        }
        drop(self.daemon.take());
        let folder = self.socket.trim_start_matches("unix://").trim_end_matches("docker.sock");
        end_shims(folder);
    }
}

/// Ends what a containerd below `folder` started and lost: a container that ends while its daemon does may leave its
/// shim behind.
fn end_shims(folder: &str) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw)
        else {
            continue;
        };
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command);
        let mut words = command.split('\0');
        let is_shim = words.next().is_some_and(|program| program.contains("containerd-shim"));
        if is_shim && words.any(|word| word.starts_with(folder)) {
            let _ = kill_process(id, Signal::KILL);
        }
    }
}

/// podman as an engine: its service, over the storage of a room.
pub(crate) struct PodmanService {
    _daemon: Daemon,
    socket: PathBuf,
}

impl PodmanService {
    #[track_caller]
    pub(crate) fn start(room: &Room) -> Self {
        let socket = room.path("run/podman.sock");
        let address = format!("unix://{}", socket.display());
        let mut command = room.command("podman");
        command
            .arg("--tmpdir")
            .arg(room.path("run/libpod"))
            .args(["system", "service", "--time=0", &address]);
        command.env_clear().envs(room.environment()).current_dir(room.path("tmp"));
        let ready = || UnixStream::connect(&socket).is_ok();
        Self { _daemon: Daemon::start(command, room.path("podman.log"), ready), socket: socket.clone() }
    }

    /// Where it listens, as `--engine` names it.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

/// A containerd with a store of its own.
pub(crate) struct Containerd {
    _daemon: Daemon,
    socket: PathBuf,
}

impl Containerd {
    #[track_caller]
    pub(crate) fn start(room: &Room) -> Self {
        let folder = room.path("containerd");
        fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("containerd.sock");
        let config = format!(
            "version = 2\nroot = \"{0}/root\"\nstate = \"{0}/state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = \"{1}\"\n[ttrpc]\naddress = \"{1}.ttrpc\"\n",
            folder.display(),
            socket.display()
        );
        let config = room.write("containerd.toml", &config);
        let mut command = room.command("containerd");
        command.arg("--config").arg(config).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let ready = || room.tool("ctr").arg("--address").arg(&socket).arg("version").run().succeeded();
        let daemon = Daemon::start(command, room.path("containerd.log"), ready);
        Self { _daemon: daemon, socket: socket.clone() }
    }

    /// `ctr`, speaking to it.
    pub(crate) fn ctr(&self, room: &Room) -> Tool {
        room.tool("ctr").arg("--address").arg(&self.socket)
    }

    /// Where it listens, as `CONTAINERD_ADDRESS` names it.
    pub(crate) fn address(&self) -> &Path {
        &self.socket
    }

    /// Removes every image and all content.
    #[track_caller]
    pub(crate) fn empty(&self, room: &Room) {
        let images = self.ctr(room).words("images ls --quiet").ok();
        for image in images.lines() {
            self.ctr(room).words("images rm --sync").arg(image).ok();
        }
        assert_eq!(self.ctr(room).words("content ls --quiet").ok(), "", "the store is not empty");
    }
}
