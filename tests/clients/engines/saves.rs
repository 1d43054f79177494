//! Layers that cannot be read where they lie: one export for all who ask, and nothing left of one that is given up.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use dockless_oci::Digest;
use futures_util::future::join_all;

use super::relay::Relay;
use super::scene::{Machine, Shown, serve, until};
use crate::inside::tool::says;
use crate::inside::{DockerdOptions, Node};

/// Clients at once.
const CLIENTS: usize = 20;

/// A docker whose storage the node does not see.
fn machine() -> Machine {
    Machine::with(&DockerdOptions { hidden: true, ..DockerdOptions::default() })
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let below = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path) } else { vec![path] }
    };
    entries.flat_map(below).collect()
}

/// A client that waits for its answer until it is dropped.
struct Client(Child);

impl Client {
    fn ask(protocol: &str, target: &str) -> Self {
        let mut command = Command::new("curl");
        command.args(["--silent", protocol, target]).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a file of the spool is a blob under its digest.
fn is_whole(file: &Path) -> bool {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    std::fs::read(file).is_ok_and(|bytes| Digest::sha256(&bytes).hex() == name)
}

/// Pulls an image by plain requests and checks each blob.
async fn pull(node: &Node, name: &str) {
    let client = node.client();
    let (repository, tag) = name.split_once(':').unwrap();
    let manifest = client.get(&format!("/v2/{repository}/manifests/{tag}")).send().await.expect(200).json();
    let layers = manifest["layers"].as_array().unwrap().iter();
    for part in layers.chain([&manifest["config"]]) {
        let digest = part["digest"].as_str().unwrap();
        let blob = client.get(&format!("/v2/{repository}/blobs/{digest}")).send().await.expect(200);
        assert!(Digest::sha256(&blob.body).as_str() == digest, "{digest}: other bytes");
    }
}

#[test]
fn twenty_clients_that_ask_for_one_image_cost_one_export() {
    let machine = machine();
    let relay = Relay::start(&machine.room, machine.engine.host());
    let node = serve(&[&relay.address()], &[]);
    machine.build("base:1", 3);
    machine.build_on("base:1", "app:1", "on top");
    node.block_on(join_all((0..CLIENTS).map(|_| pull(&node, "app:1"))));
    assert_eq!(relay.exports(), 1);
    says(&node.verb("engines").ok(), &["answers", "layers are exported by the engine"]);
    // Another docker pulls what is kept by now, and the lower image costs no export either.
    let shown = Shown::of(&node, "app", "1");
    let other = Machine::new();
    node.sends(shown.total(), || other.docker("pull").arg(node.image("app:1")).ok());
    assert_eq!(other.id(&node.image("app:1")), machine.id("app:1"));
    other.runs(&node.image("app:1"));
    let node = node.restarted(&super::scene::options(&[&relay.address()], &[]));
    assert_eq!(Shown::of(&node, "app", "1"), shown);
    node.block_on(pull(&node, "app:1"));
    assert_eq!(relay.exports(), 1, "what was kept is kept over a restart");
    // In place the same image has the same manifest.
    let in_place = serve(&[other.engine.host()], &[]);
    let listed = format!("127.0.0.1_{}/app", node.address().port());
    assert_eq!(Shown::of(&in_place, &listed, "1"), shown);
}

#[test]
fn an_export_that_nobody_waits_for_is_given_up_and_leaves_nothing() {
    let machine = machine();
    let relay = Relay::start(&machine.room, machine.engine.host());
    let node = serve(&[&relay.address()], &[]);
    machine.build("app:1", 3);
    relay.hold_exports(true);
    let ask = |protocol| Client::ask(protocol, &format!("http://{}/v2/app/manifests/1", node.host()));
    // The last to leave speaks HTTP/1.1: it may only have said all it has to say, and is waited for a while.
    let mut clients: Vec<Client> = ["--http1.1", "--http2-prior-knowledge", "--http1.1"].map(ask).into();
    until("the export is held back", || (relay.held() == 1).then_some(()));
    let spool = node.data().join("engines");
    assert!(!files(&spool).is_empty(), "nothing was being taken in");
    let last = clients.pop();
    drop(clients);
    // The last one, and the one that asks for this number.
    let asking = || node.counter("dockless_http_requests_in_progress");
    until("the others are known to be gone", || (asking() == 2).then_some(()));
    assert_eq!((relay.held(), relay.given_up()), (1, 0), "somebody still waits");
    drop(last);
    until("the export is given up", || (relay.given_up() == 1).then_some(()));
    // What was whole by then is kept as any other blob; what was under way is gone.
    until("nothing half is left", || files(&spool).iter().all(|file| is_whole(file)).then_some(()));
    let kept: u64 = files(&spool).iter().map(|file| file.metadata().unwrap().len()).sum();
    let label = format!("dockless_engine_spool_bytes{{engine=\"{}\"}}", relay.address());
    assert_eq!(node.counter(&label), kept);
    assert!(kept < 1 << 20, "the layer is not among them");

    relay.hold_exports(false);
    node.block_on(pull(&node, "app:1"));
    assert_eq!(relay.exports(), 2);
    // A client that goes away while it reads a layer harms nobody.
    let shown = Shown::of(&node, "app", "1");
    let mut client = TcpStream::connect(node.address()).unwrap();
    let ask = format!("GET /v2/app/blobs/{} HTTP/1.1\r\nHost: node\r\n\r\n", shown.layers[0].0);
    client.write_all(ask.as_bytes()).unwrap();
    client.read_exact(&mut [0; 1000]).unwrap();
    drop(client);
    node.block_on(pull(&node, "app:1"));
    assert_eq!(relay.exports(), 2);
}
