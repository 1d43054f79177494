//! The node under test, with its own account of what it sent and received.

use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;
use dockless_oci::digest::Digest;
use dockless_testkit::process::{Options, Process, binary};
use dockless_testkit::push::with_parameter;
use dockless_testkit::{Answer, Client};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::layout::{Layout, Stored};
use super::tool::Tool;

/// What a pull may cost beside the content: pings, tokens, manifests asked for twice, and the metrics page itself.
const TALK_MAX: u64 = 256 << 10;

/// A running node.
pub(crate) struct Node {
    process: Process,
    runtime: Runtime,
    client: Client,
}

impl Node {
    /// A node without configuration, on a free port of the loopback.
    pub(crate) fn start() -> Self {
        Self::with(&Options::default())
    }

    pub(crate) fn with(options: &Options) -> Self {
        let process = Process::start(options);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = process.client();
        Self { process, runtime, client }
    }

    /// The same node, asked by this user from now on.
    pub(crate) fn asked_by(mut self, user: &str, password: &str) -> Self {
        self.client = self.process.client().with_login(user, password);
        self
    }

    /// Ends it and starts it again over its data, on its port, with the arguments that are given.
    pub(crate) fn restarted(self, options: &Options) -> Self {
        let port = Some(self.address().port());
        let (_, directory) = self.process.stop();
        let process = Process::start_in(directory, &Options { port, ..options.clone() });
        let client = process.client();
        Self { process, client, runtime: self.runtime }
    }

    /// One of its own verbs, asked of it.
    pub(crate) fn verb(&self, words: &str) -> Tool {
        Tool::new(binary()).words(words).env("DOCKLESS_DATA", self.data())
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.process.data()
    }

    /// The most memory that it ever had, in bytes.
    pub(crate) fn memory_peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    }

    /// The bytes that it ever read, from files and connections alike.
    pub(crate) fn read_bytes(&self) -> u64 {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.process.id())).unwrap();
        let line = io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
        line.parse().unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.process.address()
    }

    /// `127.0.0.1:PORT`, as image names begin.
    pub(crate) fn host(&self) -> String {
        self.address().to_string()
    }

    /// `127.0.0.1:PORT/NAME`.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address())
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.runtime.block_on(self.client.get(target).send())
    }

    /// Runs work that asks the node many things at once.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A counter of `/metrics`.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let page = self.get("/metrics").expect(200);
        let text = std::str::from_utf8(&page.body).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no counter {name} in:\n{text}"))
    }

    fn sent(&self) -> u64 {
        self.counter("dockless_http_sent_bytes_total")
    }

    fn received(&self) -> u64 {
        self.counter("dockless_http_received_bytes_total")
    }

    /// Runs a pull of `content` and checks that the node sent it: all of it, and once.
    #[track_caller]
    pub(crate) fn sends<T>(&self, content: u64, work: impl FnOnce() -> T) -> T {
        let before = self.sent();
        let result = work();
        let sent = self.sent() - before;
        assert!(
            (content..=content + TALK_MAX).contains(&sent),
            "{sent} bytes were sent for a pull of {content}"
        );
        result
    }

    /// Runs a push of `content` and checks that the node received at least all of it, and not twice.
    #[track_caller]
    pub(crate) fn receives<T>(&self, content: u64, work: impl FnOnce() -> T) -> T {
        let before = self.received();
        let result = work();
        let received = self.received() - before;
        assert!(
            (content..=content + TALK_MAX).contains(&received),
            "{received} bytes came for a push of {content}"
        );
        result
    }

    /// Runs a push and gives how many bytes the node received.
    pub(crate) fn received_by(&self, work: impl FnOnce()) -> u64 {
        let before = self.received();
        work();
        self.received() - before
    }

    /// The manifest under a tag or digest, checked against the digest the node states.
    #[track_caller]
    pub(crate) fn manifest(&self, name: &str, reference: &str) -> (Digest, Bytes) {
        let accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                      application/vnd.docker.distribution.manifest.v2+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json";
        let ask = self.client.get(&format!("/v2/{name}/manifests/{reference}")).header("accept", accept);
        let answer = self.runtime.block_on(ask.send()).expect(200);
        let digest = Digest::sha256(&answer.body);
        assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
        (digest, answer.body)
    }

    /// Checks that `name:tag` is `stored`, byte for byte, with all that belongs to it.
    #[track_caller]
    pub(crate) fn holds(&self, name: &str, tag: &str, layout: &Layout, stored: &Stored) {
        let (digest, bytes) = self.manifest(name, tag);
        assert_eq!(
            (digest.as_str(), &bytes),
            (stored.digest.as_str(), &layout.bytes(&stored.digest)),
            "{name}:{tag}"
        );
        for child in &stored.children {
            if child.children.is_empty() {
                let blob = self.get(&format!("/v2/{name}/blobs/{}", child.digest)).expect(200);
                assert!(Digest::sha256(&blob.body) == child.digest, "{name}: {}", child.digest);
            } else {
                self.holds(name, child.digest.as_str(), layout, child);
            }
        }
    }

    /// Checks that what a client pushed is whole: each blob of the manifest is there, of its size and digest.
    /// Gives the manifest's digest and the bytes of config and layers.
    #[track_caller]
    pub(crate) fn holds_pushed(&self, name: &str, tag: &str) -> (Digest, u64) {
        let (digest, bytes) = self.manifest(name, tag);
        let manifest: Value = serde_json::from_slice(&bytes).unwrap();
        let layers = manifest["layers"].as_array().into_iter().flatten();
        let mut total = 0;
        for descriptor in layers.chain([&manifest["config"]]) {
            let blob_digest = descriptor["digest"].as_str().unwrap();
            let blob = self.get(&format!("/v2/{name}/blobs/{blob_digest}")).expect(200);
            assert_eq!(Digest::sha256(&blob.body).as_str(), blob_digest);
            assert_eq!(Some(blob.body.len() as u64), descriptor["size"].as_u64());
            total += blob.body.len() as u64;
        }
        (digest, total)
    }

    /// Pushes `stored` from its layout, byte for byte.
    #[track_caller]
    pub(crate) fn push(&self, name: &str, tag: &str, layout: &Layout, stored: &Stored) {
        for child in &stored.children {
            if child.children.is_empty() {
                self.push_blob(name, layout, child);
            } else {
                self.push(name, child.digest.as_str(), layout, child);
            }
        }
        let put = self
            .client
            .put(&format!("/v2/{name}/manifests/{tag}"))
            .header("content-type", &stored.media_type);
        let _ = self.runtime.block_on(put.body(layout.bytes(&stored.digest)).send()).expect(201);
    }

    fn push_blob(&self, name: &str, layout: &Layout, blob: &Stored) {
        let begun =
            self.runtime.block_on(self.client.post(&format!("/v2/{name}/blobs/uploads/")).send()).expect(202);
        let target = with_parameter(&begun.location(), &format!("digest={}", blob.digest));
        let _ = self
            .runtime
            .block_on(self.client.put(&target).body(layout.bytes(&blob.digest)).send())
            .expect(201);
    }
}
