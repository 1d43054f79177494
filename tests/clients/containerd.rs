//! containerd, through `ctr`: import, push, pull into an emptied store, run.

use std::process::Command;

use crate::inside::layout::GREETING;
use crate::inside::tool::{Tool, says};
use crate::inside::{Containerd, Flavour, Layout, Node, Room};

fn pull(engine: &Containerd, room: &Room, image: &str) -> Tool {
    engine.ctr(room).words("images pull --plain-http").arg(image)
}

fn run(engine: &Containerd, room: &Room, image: &str, name: &str) -> String {
    engine.ctr(room).words("run --rm").arg(image).arg(name).ok()
}

/// Imports a layout, pushes it, pulls it by tag and by digest into an emptied store, and runs it.
fn round_trip(flavour: Flavour) {
    let (node, room) = (Node::start(), Room::new());
    let engine = Containerd::start(&room);
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", flavour, 3);
    let archive = room.path("layout.tar");
    let tar = Command::new("tar")
        .arg("-C")
        .arg(layout.folder())
        .arg("-cf")
        .arg(&archive)
        .arg(".")
        .status()
        .unwrap();
    assert!(tar.success());
    let image = node.image("ctr/app:v1");
    engine.ctr(&room).words("images import --base-name").arg(node.image("ctr/app")).arg(&archive).ok();
    node.receives(stored.total(), || engine.ctr(&room).words("images push --plain-http").arg(&image).ok());
    node.holds("ctr/app", "v1", &layout, &stored);
    for (name, image) in [("tag", image), ("digest", node.image(&format!("ctr/app@{}", stored.digest)))] {
        engine.empty(&room);
        node.sends(stored.total(), || pull(&engine, &room, &image).ok());
        assert_eq!(run(&engine, &room, &image, name).trim(), GREETING, "{image}");
    }
}

#[test]
fn an_image_is_pushed_pulled_and_run() {
    round_trip(Flavour::Oci);
}

#[test]
fn an_image_with_zstd_layers_is_pushed_pulled_and_run() {
    round_trip(Flavour::Zstd);
}

#[test]
fn an_image_of_dockers_types_is_pulled_and_run() {
    let (node, room) = (Node::start(), Room::new());
    let engine = Containerd::start(&room);
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Docker, 3);
    node.push("ctr/docker", "v1", &layout, &stored);
    let image = node.image("ctr/docker:v1");
    node.sends(stored.total(), || pull(&engine, &room, &image).ok());
    assert_eq!(run(&engine, &room, &image, "docker").trim(), GREETING);
}

#[test]
fn an_index_is_pulled_for_all_platforms_and_pushed_again() {
    let (node, room) = (Node::start(), Room::new());
    let engine = Containerd::start(&room);
    let mut layout = Layout::new(room.path("layout"));
    let index = crate::multi_arch(&mut layout);
    node.push("ctr/multi", "v1", &layout, &index);
    let (from, to) = (node.image("ctr/multi:v1"), node.image("ctr/again:v1"));
    node.sends(index.total(), || {
        engine.ctr(&room).words("images pull --plain-http --all-platforms").arg(&from).ok()
    });
    engine.ctr(&room).words("images tag").arg(&from).arg(&to).ok();
    engine.ctr(&room).words("images push --plain-http").arg(&to).ok();
    node.holds("ctr/again", "v1", &layout, &index);
}

#[test]
fn what_is_not_there_is_said() {
    let (node, room) = (Node::start(), Room::new());
    let engine = Containerd::start(&room);
    says(&pull(&engine, &room, &node.image("no/such:v1")).fails(), &["not found"]);
}
