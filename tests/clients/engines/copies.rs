//! From one docker to another, and on to a third: the same image, each byte once, whoever gives it.

use dockless_testkit::process::{Options, free_port};

use super::scene::{Machine, Shown, options, serve};
use crate::inside::network::Network;
use crate::inside::tool::says;
use crate::inside::{Dockerd, Elsewhere, Node, Room};

/// What a pull without new layers may cost beside them.
const LITTLE_BYTES: u64 = 64 << 10;

#[test]
fn what_one_docker_builds_another_pulls_and_runs() {
    let (one, other) = (Machine::new(), Machine::new());
    let node = serve(&[one.engine.host()], &[]);
    one.build("hello:1", 3);
    let (image, shown) = (node.image("hello:1"), Shown::of(&node, "hello", "1"));
    let said = node.sends(shown.total(), || other.docker("pull").arg(&image).ok());
    says(&said, &[&format!("Digest: {}", shown.digest), "Downloaded newer image"]);
    assert_eq!(other.id(&image), one.id("hello:1"));
    assert_eq!(shown.config.0, one.id("hello:1"), "the config keeps its bytes");
    other.runs(&image);

    let said = node.sends(0, || other.docker("pull").arg(&image).ok());
    says(&said, &["Image is up to date"]);

    one.build_on("hello:1", "hello:2", "one layer more");
    let (image, more) = (node.image("hello:2"), Shown::of(&node, "hello", "2"));
    assert_eq!(more.layers[..1], shown.layers);
    let new = more.total() - shown.layers[0].1;
    assert!(new < LITTLE_BYTES);
    let said = node.sends(new, || other.docker("pull").arg(&image).ok());
    says(&said, &["Already exists", "Pull complete"]);
    assert_eq!(other.id(&image), one.id("hello:2"));
    other.runs(&image);
    says(&node.verb("pulls").ok(), &["hello:2", &format!("engine {}", one.engine.host())]);
}

#[test]
fn digests_are_the_same_from_every_docker_and_after_every_restart() {
    let (mut one, other) = (Machine::new(), Machine::new());
    let node = serve(&[one.engine.host()], &[]);
    one.build("base:1", 4);
    one.build_on("base:1", "hello:1", "on top");
    let shown = Shown::of(&node, "hello", "1");
    let image = node.image("hello:1");
    other.docker("pull").arg(&image).ok();

    let second = serve(&[other.engine.host()], &[]);
    // As the other docker lists it: with the host and port it was pulled from.
    let listed = format!("127.0.0.1_{}/hello", node.address().port());
    assert_eq!(Shown::of(&second, &listed, "1"), shown);
    assert_eq!(Shown::of(&second, &listed, shown.digest.as_str()), shown);

    one.engine.stop();
    one.engine = Dockerd::start(&one.room, None);
    assert_eq!(Shown::of(&node, "hello", "1"), shown, "after a restart of docker");
    let node = node.restarted(&options(&[one.engine.host()], &[]));
    assert_eq!(Shown::of(&node, "hello", shown.digest.as_str()), shown, "after a restart of the node");
    says(&other.docker("pull").arg(&image).ok(), &["Image is up to date"]);

    one.engine.stop();
    drop(node);
    let third = Machine::new();
    other.docker("tag").arg(&image).arg("hello:1").ok();
    for image in [second.image("hello:1"), second.image(&format!("{listed}@{}", shown.digest))] {
        third.engine.empty(&third.room);
        let said = second.sends(shown.total(), || third.docker("pull").arg(&image).ok());
        says(&said, &[&format!("Digest: {}", shown.digest)]);
        assert_eq!(third.id(&image), other.id("hello:1"));
        third.runs(&image);
    }
}

#[test]
fn a_docker_on_another_host_pulls_once_it_trusts_the_node() {
    let (one, network) = (Machine::new(), Network::new());
    one.build("hello:1", 3);
    let host = format!("{}:{}", network.outside(), free_port());
    let Options { arguments, .. } = options(&[one.engine.host()], &["--listen", &host]);
    let node = Node::with(&Options { arguments, ..Options::default() });
    let room = Room::new();
    let engine = Dockerd::start(&room, Some(network.name()));
    let there = Elsewhere { room, network, host };
    let image = format!("{}/hello:1", there.host);
    let pull = || engine.docker(&there.room).words("pull").arg(&image);
    says(&pull().fails(), &["x509: certificate signed by unknown authority"]);
    there.trust("--yes").ok();
    let shown = Shown::of(&node, "hello", "1");
    node.sends(shown.total(), || pull().ok());
    let id = engine.docker(&there.room).words("image inspect --format {{.Id}}").arg(&image).ok();
    assert_eq!(id.trim(), one.id("hello:1"));
    let said = engine.docker(&there.room).words("run --rm --network none").arg(&image).ok();
    assert_eq!(said.trim(), crate::inside::layout::GREETING);
}
