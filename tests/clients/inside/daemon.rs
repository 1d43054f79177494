//! Engines of our own: dockerd and containerd with their own data and sockets, ended with the test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::room::Room;
use super::tool::Tool;

/// How often a daemon is looked at while it starts or stops.
const PAUSE: Duration = Duration::from_millis(100);
/// How often at most: a minute, far more than either daemon takes on a loaded machine.
const LOOKS_MAX: usize = 600;

/// A daemon as a child process.
struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command` with its output in a file, and waits until `ready`.
    #[track_caller]
    fn start(mut command: Command, log: PathBuf, ready: impl Fn() -> bool) -> Self {
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
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The shell's own `kill`: the program is not on every machine.
        let _ = Command::new("sh").args(["-c", &format!("kill {}", self.child.id())]).status();
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
        let folder = room.path("dockerd");
        fs::create_dir_all(&folder).unwrap();
        // Not `ip netns exec`: it mounts /sys anew and hides the cgroups that dockerd needs.
        let mut command = Command::new(if network.is_some() { "nsenter" } else { "dockerd" });
        if let Some(name) = network {
            command.arg(format!("--net=/run/netns/{name}")).arg("dockerd");
        }
        let socket = format!("unix://{}", folder.join("docker.sock").display());
        command.arg("--data-root").arg(folder.join("root")).arg("--exec-root").arg(folder.join("exec"));
        command.arg("--pidfile").arg(folder.join("pid")).args([
            "-H",
            &socket,
            "--bridge=none",
            "--iptables=false",
        ]);
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("DOCKER_CONFIG", room.path("docker"));
        let ready = || room.tool("/usr/bin/docker").words(&format!("-H {socket} version")).run().succeeded();
        let daemon = Daemon::start(command, room.path("dockerd.log"), ready);
        Self { daemon: Some(daemon), socket: socket.clone(), client: "/usr/bin/docker".to_owned() }
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
        let mut command = Command::new("containerd");
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
