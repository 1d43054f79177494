//! skopeo: copies between a layout and the node, whole indexes too, every byte compared.

use std::fs;

use crate::inside::tool::{Tool, says};
use crate::inside::{Flavour, Layout, Node, Room, Stored};

fn copy(room: &Room, from: &str, to: &str) -> Tool {
    let plain = "--src-tls-verify=false --dest-tls-verify=false";
    room.tool("skopeo").words("copy --all --preserve-digests").words(plain).arg(from).arg(to)
}

/// Pushes with skopeo, pulls by tag and by digest into empty layouts, and compares.
fn round_trip(tag: &str, make: impl FnOnce(&mut Layout) -> Stored) {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let stored = make(&mut layout);
    let remote = format!("docker://{}", node.image("copied/app"));
    node.receives(stored.total(), || copy(&room, &layout.name(tag), &format!("{remote}:{tag}")).ok());
    node.holds("copied/app", tag, &layout, &stored);
    for (folder, name) in
        [("by-tag", format!("{remote}:{tag}")), ("by-digest", format!("{remote}@{}", stored.digest))]
    {
        let pulled = Layout::new(room.path(folder));
        node.sends(stored.total(), || copy(&room, &name, &pulled.name("copy")).ok());
        pulled.is_copy_of(&layout, &stored);
    }
}

#[test]
fn an_image_goes_to_the_node_and_back() {
    round_trip("v1", |layout| layout.runnable("v1", Flavour::Oci, 3));
}

#[test]
fn an_image_with_zstd_layers_goes_to_the_node_and_back() {
    round_trip("v1", |layout| layout.runnable("v1", Flavour::Zstd, 3));
}

#[test]
fn an_index_of_three_architectures_goes_to_the_node_and_back() {
    round_trip("multi", crate::multi_arch);
}

#[test]
fn dockers_own_media_types_are_kept() {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v2", Flavour::Docker, 3);
    node.push("docker/app", "v2", &layout, &stored);
    let folder = room.path("copy");
    let to = format!("dir:{}", folder.display());
    node.sends(stored.total(), || {
        copy(&room, &format!("docker://{}:v2", node.image("docker/app")), &to).ok()
    });
    assert!(fs::read(folder.join("manifest.json")).unwrap() == layout.bytes(&stored.digest));
    let back = format!("docker://{}:again", node.image("docker/app"));
    let again = node.received_by(|| {
        copy(&room, &to, &back).ok();
    });
    assert!(again < 64 << 10, "{again} bytes came though every blob was there");
    node.holds("docker/app", "again", &layout, &stored);
}

#[test]
fn tags_are_listed_inspected_and_deleted() {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("one", Flavour::Oci, 0);
    node.push("list/app", "one", &layout, &stored);
    node.push("list/app", "two", &layout, &stored);
    let remote = format!("docker://{}", node.image("list/app"));
    let skopeo = |words: &str| room.tool("skopeo").words(words).words("--tls-verify=false");
    let listed = skopeo("list-tags").arg(&remote).ok();
    says(&listed, &["\"one\"", "\"two\""]);
    let inspected = skopeo("inspect").arg(format!("{remote}:one")).ok();
    says(&inspected, &[stored.digest.as_str(), "\"two\""]);
    skopeo("delete").arg(format!("{remote}:one")).ok();
    assert_eq!(
        node.get("/v2/list/app/manifests/two").status,
        404,
        "skopeo deletes by digest, with every tag"
    );
    says(&skopeo("inspect").arg(format!("{remote}:one")).fails(), &["manifest unknown"]);
}

#[test]
fn what_is_already_there_is_mounted_and_not_sent_again() {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 3);
    let push = |name: &str| copy(&room, &layout.name("v1"), &format!("docker://{}", node.image(name))).ok();
    push("first/app:v1");
    let received = node.received_by(|| {
        push("second/app:v1");
    });
    assert!(received < 64 << 10, "{received} bytes came for blobs that the node had");
    node.holds("second/app", "v1", &layout, &stored);
}
