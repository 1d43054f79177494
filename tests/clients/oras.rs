//! oras: artifacts of any type, attached to each other, discovered, copied with their graph.

use std::fs;

use serde_json::Value;

use crate::inside::tool::{Tool, says};
use crate::inside::{Flavour, Layout, Node, Room};

fn oras(room: &Room, words: &str) -> Tool {
    room.tool("oras").words(words)
}

#[test]
fn an_artifact_is_pushed_and_pulled() {
    let (node, room) = (Node::start(), Room::new());
    room.write("notes.txt", "what was done\n");
    let image = node.image("oras/notes:v1");
    let push = oras(&room, "push --plain-http --artifact-type application/vnd.example.notes").arg(&image);
    says(&push.arg("notes.txt:text/plain").ok(), &["Digest: sha256:"]);
    let (digest, bytes) = node.manifest("oras/notes", "v1");
    let manifest: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(manifest["artifactType"], "application/vnd.example.notes");
    for (folder, image) in [("by-tag", image), ("by-digest", node.image(&format!("oras/notes@{digest}")))] {
        oras(&room, "pull --plain-http --output").arg(folder).arg(&image).ok();
        assert_eq!(fs::read_to_string(room.path(folder).join("notes.txt")).unwrap(), "what was done\n");
    }
}

#[test]
fn an_image_goes_to_the_node_and_back() {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 3);
    let image = node.image("oras/app:v1");
    let local = format!("{}:v1", layout.folder().display());
    let copy = oras(&room, "copy --from-oci-layout --to-plain-http").arg(local).arg(&image);
    node.receives(stored.total(), || copy.ok());
    node.holds("oras/app", "v1", &layout, &stored);
    let out = room.path("out");
    let copy = oras(&room, "copy --from-plain-http --to-oci-layout")
        .arg(&image)
        .arg(format!("{}:v1", out.display()));
    node.sends(stored.total(), || copy.ok());
    Layout::new(out).is_copy_of(&layout, &stored);
}

#[test]
fn attachments_are_discovered_and_copied_with_their_subject() {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 0);
    node.push("oras/app", "v1", &layout, &stored);
    let image = node.image("oras/app:v1");
    for (kind, file) in
        [("application/vnd.example.sbom", "sbom.json"), ("application/vnd.example.note", "note.txt")]
    {
        room.write(file, file);
        oras(&room, "attach --plain-http --artifact-type")
            .arg(kind)
            .arg(&image)
            .arg(format!("{file}:text/plain"))
            .ok();
    }
    let found = |words: &str, image: &str| -> usize {
        let text = oras(&room, "discover --plain-http --format json").words(words).arg(image).ok();
        let value: Value = serde_json::from_str(&text).unwrap();
        value["manifests"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(found("", &image), 2);
    assert_eq!(found("--artifact-type application/vnd.example.sbom", &image), 1);
    let copied = node.image("oras/elsewhere:v1");
    oras(&room, "copy --recursive --from-plain-http --to-plain-http").arg(&image).arg(&copied).ok();
    assert_eq!(found("", &copied), 2);
    node.holds("oras/elsewhere", "v1", &layout, &stored);
}

#[test]
fn repositories_tags_manifests_and_blobs_are_handled() {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 0);
    node.push("oras/app", "v1", &layout, &stored);
    oras(&room, "tag --plain-http").arg(node.image("oras/app:v1")).words("v2 v3").ok();
    assert_eq!(oras(&room, "repo tags --plain-http").arg(node.image("oras/app")).ok(), "v1\nv2\nv3\n");
    assert_eq!(oras(&room, "repo ls --plain-http").arg(node.host()).ok(), "oras/app\n");
    room.write("blob", "some bytes");
    let pushed =
        oras(&room, "blob push --plain-http --descriptor").arg(node.image("oras/app")).arg("blob").ok();
    let digest = serde_json::from_str::<Value>(&pushed).unwrap()["digest"].as_str().unwrap().to_owned();
    let blob = node.image(&format!("oras/app@{digest}"));
    assert_eq!(oras(&room, "blob fetch --plain-http --output -").arg(&blob).ok(), "some bytes");
    oras(&room, "blob delete --plain-http --force").arg(&blob).ok();
    assert_eq!(node.get(&format!("/v2/oras/app/blobs/{digest}")).status, 404);
    oras(&room, "manifest delete --plain-http --force").arg(node.image("oras/app:v3")).ok();
    says(&oras(&room, "manifest fetch --plain-http").arg(node.image("oras/app:v1")).fails(), &["not found"]);
}
