//! regctl: images, indexes, artifacts with referrers, tags and blobs.

use crate::inside::tool::{Tool, says};
use crate::inside::{Flavour, Layout, Node, Room};

/// A room whose regctl speaks plain HTTP to the node.
fn room(node: &Node) -> Room {
    let room = Room::new();
    regctl(&room, "registry set --tls disabled").arg(node.host()).ok();
    room
}

fn regctl(room: &Room, words: &str) -> Tool {
    room.tool("regctl").words(words)
}

#[test]
fn an_image_goes_to_the_node_and_back() {
    let node = Node::start();
    let room = room(&node);
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 3);
    let local = |folder: &str| format!("ocidir://{}", room.path(folder).display());
    let image = node.image("regctl/app:v1");
    node.receives(stored.total(), || {
        regctl(&room, "image copy").arg(format!("{}:v1", local("layout"))).arg(&image).ok()
    });
    node.holds("regctl/app", "v1", &layout, &stored);
    let by_digest = node.image(&format!("regctl/app@{}", stored.digest));
    for (folder, image) in [("by-tag", &image), ("by-digest", &by_digest)] {
        let to = format!("{}:copy", local(folder));
        node.sends(stored.total(), || regctl(&room, "image copy").arg(image).arg(to).ok());
        Layout::new(room.path(folder)).is_copy_of(&layout, &stored);
    }
}

#[test]
fn an_index_is_copied_whole() {
    let node = Node::start();
    let room = room(&node);
    let mut layout = Layout::new(room.path("layout"));
    let index = crate::multi_arch(&mut layout);
    node.push("regctl/multi", "v1", &layout, &index);
    regctl(&room, "image copy").arg(node.image("regctl/multi:v1")).arg(node.image("regctl/copy:v1")).ok();
    node.holds("regctl/copy", "v1", &layout, &index);
    let native = regctl(&room, "image digest --platform linux/amd64").arg(node.image("regctl/copy:v1")).ok();
    assert_eq!(native.trim(), index.children[0].digest.as_str());
}

#[test]
fn artifacts_refer_to_an_image_and_are_found_by_type() {
    let node = Node::start();
    let room = room(&node);
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 0);
    node.push("regctl/app", "v1", &layout, &stored);
    let image = node.image("regctl/app:v1");
    for (kind, content) in
        [("application/vnd.example.sbom", "the list"), ("application/vnd.example.note", "a note")]
    {
        let put = regctl(&room, "artifact put --artifact-type").arg(kind).arg("--subject").arg(&image);
        put.input(content).ok();
    }
    let all = regctl(&room, "artifact list --format").arg("{{json .}}").arg(&image).ok();
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    assert_eq!(all["descriptors"].as_array().map(Vec::len), Some(2), "{all}");
    let filter = "--filter-artifact-type application/vnd.example.sbom";
    let one = regctl(&room, "artifact list --format").arg("{{json .}}").words(filter).arg(&image).ok();
    let one: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!(one["descriptors"].as_array().map(Vec::len), Some(1), "{one}");
    let got = regctl(&room, "artifact get").words(filter).arg("--subject").arg(&image).ok();
    assert_eq!(got, "the list");
    let copied = node.image("regctl/elsewhere:v1");
    regctl(&room, "image copy --referrers").arg(&image).arg(&copied).ok();
    let referrers = node.get(&format!("/v2/regctl/elsewhere/referrers/{}", stored.digest)).expect(200).json();
    assert_eq!(referrers["manifests"].as_array().map(Vec::len), Some(2), "{referrers}");
}

#[test]
fn tags_blobs_and_repositories_are_listed_and_deleted() {
    let node = Node::start();
    let room = room(&node);
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 0);
    node.push("regctl/app", "v1", &layout, &stored);
    node.push("regctl/app", "v2", &layout, &stored);
    assert_eq!(regctl(&room, "tag ls").arg(node.image("regctl/app")).ok(), "v1\nv2\n");
    assert_eq!(regctl(&room, "repo ls").arg(node.host()).ok(), "regctl/app\n");
    regctl(&room, "tag delete").arg(node.image("regctl/app:v1")).ok();
    assert_eq!(regctl(&room, "tag ls").arg(node.image("regctl/app")).ok(), "v2\n");
    let digest = regctl(&room, "blob put").arg(node.image("regctl/app")).input("some bytes").ok();
    let get = regctl(&room, "blob get").arg(node.image("regctl/app")).arg(digest.trim());
    assert_eq!(get.ok(), "some bytes");
    regctl(&room, "manifest delete").arg(node.image(&format!("regctl/app@{}", stored.digest))).ok();
    says(&regctl(&room, "manifest head").arg(node.image("regctl/app:v2")).fails(), &["not found"]);
}
