//! A node that is measured while generators hold connections to it.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::seed::{digest_of, large_file};
use super::servers::{self, Server};
use super::{Plan, driver, measure};

/// A node is at rest when it has used at most this share of a core for this long.
const REST: Duration = Duration::from_secs(1);
const REST_CPU_SECONDS: f64 = 0.025;
/// Longest wait for a node to accept what its clients have opened, to notice that they are gone, or to come to rest.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// One of our nodes, and what it held when it was at rest.
pub(crate) struct Node {
    server: Server,
    sockets_at_rest: u64,
    kib_at_rest: f64,
}

impl Node {
    /// Starts a node on `data`.
    pub(crate) fn start(root: &Path, data: &Path) -> Result<Self, String> {
        let mut node = Self { server: servers::dockless(root, data)?, sockets_at_rest: 0, kib_at_rest: 0.0 };
        node.begin()?;
        Ok(node)
    }

    /// Takes what the node holds now for what it holds without clients.
    fn begin(&mut self) -> Result<(), String> {
        self.rest()?;
        self.sockets_at_rest = measure::sockets(self.pid())?;
        self.kib_at_rest = measure::status_number(self.pid(), "VmRSS")?;
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Waits until the connections of the node are `enough` and it has come to rest, and gives their number then.
    pub(crate) fn settle(&self, enough: impl Fn(u64) -> bool) -> Result<u64, String> {
        let begun = Instant::now();
        while !enough(self.held()?) && begun.elapsed() < SETTLE_MAX {
            std::thread::sleep(LOOK_EVERY);
        }
        self.rest()?;
        self.held()
    }

    /// Connections that the node has accepted and not given up.
    fn held(&self) -> Result<u64, String> {
        Ok(measure::sockets(self.pid())?.saturating_sub(self.sockets_at_rest))
    }

    /// Waits until the node has nothing to do any more, as when the sockets of all slow readers are full.
    fn rest(&self) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < SETTLE_MAX {
            let ((), used, _) = measure::during(self.pid(), || {
                std::thread::sleep(REST);
                Ok(())
            })?;
            if used <= REST_CPU_SECONDS {
                break;
            }
        }
        Ok(())
    }

    /// Resident memory beyond that at rest for each of `held` connections, in KiB.
    pub(crate) fn kib_each(&self, held: u64) -> Result<f64, String> {
        let more = measure::status_number(self.pid(), "VmRSS")? - self.kib_at_rest;
        Ok(more.max(0.0) / held.max(1) as f64)
    }
}

/// Pushes a blob that no socket's buffers can hold, and gives its path.
pub(crate) fn large_blob(root: &Path, plan: &Plan, node: &mut Node) -> Result<String, String> {
    let file = large_file(plan)?;
    let digest = digest_of(&file)?;
    driver::push_file(root, node.server.address, &file, &digest, "put")?;
    node.begin()?;
    Ok(format!("/v2/bench/app/blobs/{digest}"))
}

/// A load generator that holds connections until this is dropped.
pub(crate) struct Holder(Child);

impl Holder {
    /// Starts a generator, which begins to open.
    fn start(root: &Path, words: &[String]) -> Result<Self, String> {
        // The generator ends with its input, so it cannot outlive this process.
        let mut command = driver::generator(root, words);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().map(Self).map_err(|error| format!("{command:?}: {error}"))
    }

    /// Starts a generator for each of `all`, and waits until every one has opened what it can.
    pub(crate) fn start_all(root: &Path, all: &[Vec<String>]) -> Result<Vec<Self>, String> {
        let mut holders = all.iter().map(|words| Self::start(root, words)).collect::<Result<Vec<_>, _>>()?;
        holders.iter_mut().try_for_each(Self::opened)?;
        Ok(holders)
    }

    /// Waits until the generator has opened what it can, which it bounds itself.
    fn opened(&mut self) -> Result<(), String> {
        let errors = self.0.stderr.as_mut().ok_or("a generator without standard error")?;
        let mut line = String::new();
        BufReader::new(errors).read_line(&mut line).map_err(|error| error.to_string())?;
        if line.starts_with("held ") { Ok(()) } else { Err(format!("a generator held nothing: {line}")) }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _already_gone = self.0.kill();
        let _status = self.0.wait();
    }
}
