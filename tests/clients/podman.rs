//! podman: builds, pushes, pulls into an empty store and runs what it pulled.

use crate::inside::layout::GREETING;
use crate::inside::tool::{Tool, says};
use crate::inside::{Flavour, Layout, Node, Room, Stored};

fn run(room: &Room, image: &str) -> String {
    room.podman().words("run --rm --network none --pull never").arg(image).ok()
}

fn pull(room: &Room, image: &str) -> Tool {
    room.podman().words("pull --quiet --tls-verify=false").arg(image)
}

/// Pulls by tag and by digest, each into an empty store, and runs the image.
fn pull_and_run(flavour: Flavour) {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", flavour, 3);
    node.push("run/app", "v1", &layout, &stored);
    for image in [node.image("run/app:v1"), node.image(&format!("run/app@{}", stored.digest))] {
        room.empty_storage();
        node.sends(stored.total(), || pull(&room, &image).ok());
        assert_eq!(run(&room, &image).trim(), GREETING, "{image}");
        let digest = room.podman().words("image inspect --format {{.Digest}}").arg(&image).ok();
        assert_eq!(digest.trim(), stored.digest.as_str());
    }
}

#[test]
fn an_image_is_pulled_and_run() {
    pull_and_run(Flavour::Oci);
}

#[test]
fn an_image_with_zstd_layers_is_pulled_and_run() {
    pull_and_run(Flavour::Zstd);
}

#[test]
fn an_image_of_dockers_types_is_pulled_and_run() {
    pull_and_run(Flavour::Docker);
}

#[test]
fn a_built_image_is_pushed_and_comes_back_the_same() {
    let (node, room) = (Node::start(), Room::new());
    let image = node.image("built/app:v1");
    room.podman().words("build --quiet --tag").arg(&image).arg(room.context(11)).ok();
    let push = || room.podman().words("push --quiet --tls-verify=false --digestfile digest").arg(&image).ok();
    let received = node.received_by(|| {
        push();
    });
    let (digest, total) = node.holds_pushed("built/app", "v1");
    assert!(received >= total, "{received} bytes came for {total}");
    assert_eq!(room.digest_file("digest"), digest.as_str());
    room.empty_storage();
    let by_digest = node.image(&format!("built/app@{digest}"));
    node.sends(total, || pull(&room, &by_digest).ok());
    assert_eq!(run(&room, &by_digest).trim(), GREETING);
}

#[test]
fn an_image_is_pushed_to_another_repository_without_its_bytes() {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 3);
    node.push("from/app", "v1", &layout, &stored);
    let (from, to) = (node.image("from/app:v1"), node.image("to/app:v1"));
    pull(&room, &from).ok();
    let push = || room.podman().words("push --quiet --tls-verify=false").arg(&from).arg(&to).ok();
    let received = node.received_by(|| {
        push();
    });
    assert!(received < 64 << 10, "{received} bytes came for blobs that the node had");
    // podman writes the manifest anew; what it names must be what was pulled.
    let (_, total) = node.holds_pushed("to/app", "v1");
    assert_eq!(total, stored.total() - stored.size);
}

#[test]
fn of_an_index_the_image_of_this_machine_is_pulled() {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let index = crate::multi_arch(&mut layout);
    node.push("multi/app", "v1", &layout, &index);
    let native: &Stored = &index.children[0];
    let image = node.image("multi/app:v1");
    node.sends(index.size + native.total(), || pull(&room, &image).ok());
    assert_eq!(run(&room, &image).trim(), GREETING);
}

#[test]
fn what_is_not_there_is_said() {
    let (node, room) = (Node::start(), Room::new());
    says(&pull(&room, &node.image("no/such:v1")).fails(), &["manifest unknown"]);
}
