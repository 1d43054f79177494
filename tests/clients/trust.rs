//! `dockless trust`: another host, on an address that is not loopback, refuses the node's certificate before and
//! accepts it after, in docker, podman, skopeo and containerd, and again refuses it when the trust is taken back.

use dockless_testkit::process::Options;

use crate::inside::layout::GREETING;
use crate::inside::network::Network;
use crate::inside::tool::says;
use crate::inside::{Containerd, Dockerd, Elsewhere, Flavour, Layout, Node, Room};

/// A client's refusal of a certificate that nobody vouches for.
const UNKNOWN: &str = "x509: certificate signed by unknown authority";

#[test]
fn a_host_elsewhere_trusts_the_node_and_takes_it_back() {
    let network = Network::new();
    let port = dockless_testkit::process::free_port();
    let host = format!("{}:{port}", network.outside());
    let arguments = vec!["--listen".to_owned(), host.clone()];
    let node = Node::with(&Options { arguments, ..Options::default() });
    let room = Room::new();
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 3);
    node.push("trusted/app", "v1", &layout, &stored);
    let image = format!("{host}/trusted/app:v1");
    let engine = Dockerd::start(&room, Some(network.name()));
    let there = Elsewhere { room, network, host };
    let room = &there.room;

    let docker = || engine.docker(room).words("pull").arg(&image);
    let podman = || {
        let tool = there.tool("podman").arg("--tmpdir").arg(room.path("run/libpod"));
        tool.words("pull --quiet").arg(&image)
    };
    let skopeo = || {
        let to = format!("dir:{}", room.path("pulled").display());
        there.tool("skopeo").words("copy").arg(format!("docker://{image}")).arg(to)
    };
    let containerd = Containerd::start(room);
    let ctr = || {
        let tool = there.tool("ctr").arg("--address").arg(containerd.address()).words("images pull");
        tool.words("--hosts-dir /etc/containerd/certs.d").arg(&image)
    };
    let refused = || {
        says(&docker().fails(), &[UNKNOWN]);
        says(&podman().fails(), &[UNKNOWN]);
        says(&skopeo().fails(), &[UNKNOWN]);
        says(&ctr().fails(), &[UNKNOWN]);
    };
    refused();
    assert_eq!(there.files(), [false; 3]);
    let shown = there.trust("--dry-run").ok();
    says(&shown, &["ca.crt", "/etc/docker/certs.d"]);
    assert_eq!(there.files(), [false; 3], "--dry-run writes nothing");

    there.trust("--yes").ok();
    assert_eq!(there.files(), [true; 3]);
    node.sends(stored.total(), || docker().ok());
    let said = engine.docker(room).words("run --rm --network none").arg(&image).ok();
    assert_eq!(said.trim(), GREETING);
    node.sends(stored.total(), || podman().ok());
    node.sends(stored.total(), || skopeo().ok());
    node.sends(stored.total(), || ctr().ok());
    let pushed = format!("{}/trusted/pushed:v1", there.host);
    engine.docker(room).words("tag").arg(&image).arg(&pushed).ok();
    engine.docker(room).words("push").arg(&pushed).ok();
    node.holds_pushed("trusted/pushed", "v1");

    there.trust("--undo --yes").ok();
    assert_eq!(there.files(), [false; 3]);
    engine.empty(room);
    refused();
}

#[test]
fn another_fingerprint_than_the_given_one_is_not_trusted() {
    let network = Network::new();
    let host = format!("{}:{}", network.outside(), dockless_testkit::process::free_port());
    let arguments = vec!["--listen".to_owned(), host.clone()];
    let _node = Node::with(&Options { arguments, ..Options::default() });
    let there = Elsewhere { room: Room::new(), network, host };
    let wrong = "00".repeat(32);
    let said = there.trust(&format!("--fingerprint {wrong}")).fails();
    says(&said, &["fingerprint"]);
    assert_eq!(there.files(), [false; 3]);
}
