//! A dockerd with its own data and socket, and the client that speaks to it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::driver;

/// Where the packages of distributions put programs; dockerd looks for containerd, runc and unpigz there too.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// Longest start and longest end of a dockerd, far more than either takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at one that starts or ends.
const PAUSE: Duration = Duration::from_millis(50);

/// A running dockerd; ended when dropped, with what it mounted.
pub(super) struct Docker {
    child: Child,
    folder: PathBuf,
    client: PathBuf,
}

/// The programs that the rows need; a missing one is named with its package.
pub(super) fn programs() -> Result<[PathBuf; 2], String> {
    let find = |program: &str| {
        let mut folders = PATH.split(':').map(|folder| Path::new(folder).join(program));
        folders.find(|file| file.is_file()).ok_or(format!("{program} is missing: apt-get install docker.io"))
    };
    Ok([find("dockerd")?, find("docker")?])
}

impl Docker {
    /// Starts one in `folder`, which is made.
    pub(super) fn start(folder: PathBuf) -> Result<Self, String> {
        let [program, client] = programs()?;
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(folder.join("client")).map_err(failed)?;
        let log = File::create(folder.join("log")).map_err(failed)?;
        let mut command = Command::new(program);
        for (flag, name) in [("--data-root", "root"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
            command.arg(flag).arg(folder.join(name));
        }
        command.args(["-H", &socket(&folder), "--bridge=none", "--iptables=false"]).env("PATH", PATH);
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log);
        let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let mut docker = Self { child, folder, client };
        let begun = Instant::now();
        while docker.says(&["version"]).is_err() {
            let ended = docker.child.try_wait().map_err(|error| error.to_string())?;
            if ended.is_some() || begun.elapsed() > PATIENCE {
                return Err(format!(
                    "dockerd does not answer (it must be started by root):\n{}",
                    docker.last_words()
                ));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(docker)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens, as `-H` and `--engine` take it.
    pub(super) fn address(&self) -> String {
        socket(&self.folder)
    }

    /// Its client with these words, silent but for what goes wrong.
    pub(super) fn client(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.client);
        command.arg("-H").arg(self.address()).args(words);
        command.env("DOCKER_CONFIG", self.folder.join("client")).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Runs the client to its end.
    pub(super) fn run(&self, words: &[&str]) -> Result<(), String> {
        driver::run(&mut self.client(words))
    }

    /// What the client prints.
    pub(super) fn says(&self, words: &[&str]) -> Result<String, String> {
        let mut command = self.client(words);
        let output = command.stdout(Stdio::piped()).output().map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
        }
    }

    /// Removes every image.
    pub(super) fn empty(&self) -> Result<(), String> {
        let listed = self.says(&["images", "--quiet", "--no-trunc"])?;
        // One with two names is listed twice.
        let ids: BTreeSet<&str> = listed.lines().collect();
        let words: Vec<&str> = ["rmi", "--force"].into_iter().chain(ids).collect();
        if listed.is_empty() { Ok(()) } else { self.run(&words) }
    }

    fn last_words(&self) -> String {
        let said = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// Nothing of it may be mounted any more when the scratch directory is removed.
    fn unmount(&self) {
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let paths = mounts.lines().rev().filter_map(|line| line.split(' ').nth(1));
        for path in paths.filter(|path| Path::new(path).starts_with(&self.folder)) {
            let _removing_tells = Command::new("umount").args(["--lazy", path]).status();
        }
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // As an operator ends it, so that it ends its containerd; the shell's own `kill` is on every machine.
        let _already_gone = Command::new("sh").args(["-c", &format!("kill {}", self.pid())]).status();
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < PATIENCE {
            std::thread::sleep(PAUSE);
        }
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
        self.unmount();
    }
}

fn socket(folder: &Path) -> String {
    format!("unix://{}", folder.join("docker.sock").display())
}
