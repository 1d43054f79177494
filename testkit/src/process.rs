//! The real binary as a child process: `dockless serve` on a free port over a data directory that goes away.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::client::Client;

/// The longest that a start may take before the test is said to hang; a loaded machine replays a journal in less.
const START_LIMIT: Duration = Duration::from_secs(60);
/// The most lines of output kept for the message of a failing test.
const LINES_MAX: usize = 2_000;

/// The path of the `dockless` binary: `DOCKLESS_BIN`, else the debug build of this workspace.
///
/// # Panics
/// When there is no file, with the command that makes it.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the test runner names the binary; nothing here is the product"
)]
pub fn binary() -> PathBuf {
    let path = std::env::var_os("DOCKLESS_BIN").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/dockless"),
        PathBuf::from,
    );
    assert!(path.is_file(), "there is no {}: run `cargo build`, or set DOCKLESS_BIN", path.display());
    path
}

/// What the child wrote, line by line.
#[derive(Default)]
struct Output {
    lines: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

impl Output {
    fn collect(self: Arc<Self>, from: impl Read + Send + 'static) {
        #[expect(clippy::disallowed_methods, reason = "a pipe that nobody reads would stop the child")]
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                let mut held = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                if held.0.len() < LINES_MAX {
                    held.0.push(line);
                }
                self.changed.notify_all();
            }
            self.lines.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
            self.changed.notify_all();
        });
    }

    /// Waits for a line that contains `part`; `None` when the output ends or the limit passes before.
    fn line_with(&self, part: &str) -> Option<String> {
        let with = |lines: &[String]| lines.iter().find(|line| line.contains(part)).cloned();
        let held = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(held, START_LIMIT, |(lines, ended)| with(lines).is_none() && !*ended);
        with(&waited.unwrap_or_else(PoisonError::into_inner).0.0)
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).0.join("\n")
    }
}

/// How to start the binary.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Further arguments behind `serve --data DIR --listen ADDR:PORT`.
    pub arguments: Vec<String>,
    /// Environment variables besides `PATH` and `HOME`, which is the temporary directory.
    pub environment: Vec<(String, String)>,
    /// The port to listen on; without one a free one is taken.
    pub port: Option<u16>,
}

/// A running node; killed when dropped.
pub struct Process {
    child: Child,
    address: SocketAddr,
    directory: Arc<TempDir>,
    first_line: String,
    output: Arc<Output>,
    errors: Arc<Output>,
}

impl Process {
    /// Starts a node over a fresh data directory and waits for its first line of output.
    ///
    /// # Panics
    /// When there is no binary, or it ends or says nothing for a minute, with what it wrote.
    #[must_use]
    pub fn start(options: &Options) -> Self {
        let directory =
            TempDir::with_prefix("dockless-test-").expect("the temporary directory can be written");
        Self::start_in(Arc::new(directory), options)
    }

    /// The same over a directory that exists, such as that of a node that was killed.
    ///
    /// # Panics
    /// As `start`.
    #[must_use]
    pub fn start_in(directory: Arc<TempDir>, options: &Options) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port.unwrap_or_else(free_port)));
        let mut command = Command::new(binary());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", directory.path());
        command.envs(options.environment.iter().map(|(name, value)| (name, value)));
        command.arg("serve").arg("--data").arg(directory.path().join("data"));
        command.args(["--listen", &address.to_string()]).args(&options.arguments);
        command.current_dir(directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be executed");
        let (output, errors) = (Arc::new(Output::default()), Arc::new(Output::default()));
        Arc::clone(&output).collect(child.stdout.take().expect("stdout is piped"));
        Arc::clone(&errors).collect(child.stderr.take().expect("stderr is piped"));
        let mut process = Self { child, address, directory, first_line: String::new(), output, errors };
        process.first_line = process.output.line_with("").unwrap_or_else(|| {
            panic!("the node does not start.\nstdout:\n{}\nstderr:\n{}", process.stdout(), process.stderr())
        });
        process
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client without credentials.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// The directory that holds `data`; keep it to start again over the same data.
    #[must_use]
    pub fn directory(&self) -> Arc<TempDir> {
        Arc::clone(&self.directory)
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The first line that it wrote.
    #[must_use]
    pub fn first_line(&self) -> &str {
        &self.first_line
    }

    /// What it wrote on stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.output.text()
    }

    /// What it wrote on stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.errors.text()
    }

    /// Waits for a line on stderr that contains `part`.
    ///
    /// # Panics
    /// When the node ends, or a minute passes, without one.
    #[must_use]
    pub fn stderr_line(&self, part: &str) -> String {
        self.errors.line_with(part).unwrap_or_else(|| panic!("no line has `{part}`:\n{}", self.stderr()))
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: the power cut of processes. Gives the directory, to start again over it.
    #[must_use]
    pub fn kill(mut self) -> Arc<TempDir> {
        self.kill_now();
        self.directory()
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Panics
    /// When the process is gone already.
    #[must_use]
    pub fn stop(mut self) -> (ExitStatus, Arc<TempDir>) {
        self.signal(Signal::TERM);
        let status = self.child.wait().expect("a child can be waited for");
        (status, self.directory())
    }

    /// Waits for the end of a node that was asked to stop.
    ///
    /// # Panics
    /// When the process is gone already.
    #[must_use]
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("a child can be waited for")
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process is gone already.
    pub fn signal(&self, signal: Signal) {
        let id =
            i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id is positive");
        rustix::process::kill_process(id, signal).expect("the child takes signals");
    }

    fn kill_now(&mut self) {
        // An error means that it ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_now();
    }
}

/// The ports that are handed out. They lie below those that outgoing connections take (32768 and above in Linux's
/// default `ip_local_port_range`), so that no client of a test beside this one gets there first.
const PORTS: Range<u16> = 20_000..32_000;

/// A port that nobody listens on at the moment, at any address; each call of this process gives another one.
///
/// # Panics
/// When the machine has none.
#[must_use]
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    for _ in 0..count {
        // Processes beside each other begin apart: their numbers follow one another, a stride of 97 parts them.
        let number =
            std::process::id().wrapping_mul(97).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % count;
        let port = PORTS.start + u16::try_from(number).expect("less than the number of ports");
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("no port of {PORTS:?} is free");
}
