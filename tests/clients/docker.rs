//! docker with a dockerd of its own: pulls, runs, builds and pushes.

use crate::inside::layout::GREETING;
use crate::inside::tool::says;
use crate::inside::{Dockerd, Flavour, Layout, Node, Room};

/// The clients on this machine: Debian's, and another one that stands before it in the path.
fn clients() -> Vec<String> {
    let mut clients = vec!["/usr/bin/docker".to_owned()];
    let other = "/usr/local/bin/docker".to_owned();
    if std::path::Path::new(&other).exists() {
        clients.push(other);
    }
    clients
}

fn run(engine: &Dockerd, room: &Room, image: &str) -> String {
    engine.docker(room).words("run --rm --network none").arg(image).ok()
}

/// Pulls by tag and by digest, each into an emptied store, and runs the image.
fn pull_and_run(flavour: Flavour) {
    let (node, room) = (Node::start(), Room::new());
    let mut engine = Dockerd::start(&room, None);
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", flavour, 3);
    node.push("run/app", "v1", &layout, &stored);
    for client in clients() {
        engine = engine.spoken_to_by(&client);
        for image in [node.image("run/app:v1"), node.image(&format!("run/app@{}", stored.digest))] {
            engine.empty(&room);
            let said = node.sends(stored.total(), || engine.docker(&room).words("pull").arg(&image).ok());
            says(&said, &[&format!("Digest: {}", stored.digest)]);
            assert_eq!(run(&engine, &room, &image).trim(), GREETING, "{image}");
        }
    }
}

#[test]
fn an_image_is_pulled_and_run() {
    pull_and_run(Flavour::Oci);
}

#[test]
fn an_image_of_dockers_types_is_pulled_and_run() {
    pull_and_run(Flavour::Docker);
}

#[test]
fn of_an_index_the_image_of_this_machine_is_pulled() {
    let (node, room) = (Node::start(), Room::new());
    let engine = Dockerd::start(&room, None);
    let mut layout = Layout::new(room.path("layout"));
    let index = crate::multi_arch(&mut layout);
    node.push("multi/app", "v1", &layout, &index);
    let image = node.image("multi/app:v1");
    let content = index.size + index.children[0].total();
    let said = node.sends(content, || engine.docker(&room).words("pull").arg(&image).ok());
    says(&said, &[&format!("Digest: {}", index.digest)]);
    assert_eq!(run(&engine, &room, &image).trim(), GREETING);
}

#[test]
fn a_built_image_is_pushed_and_comes_back_the_same() {
    let (node, room) = (Node::start(), Room::new());
    let mut engine = Dockerd::start(&room, None);
    for (number, client) in clients().iter().enumerate() {
        engine = engine.spoken_to_by(client);
        let name = format!("built/app{number}");
        let image = node.image(&format!("{name}:v1"));
        engine.build(&room, &image, 30 + number as u64);
        let mut said = String::new();
        let received = node.received_by(|| said = engine.docker(&room).words("push").arg(&image).ok());
        let (digest, total) = node.holds_pushed(&name, "v1");
        assert!(received >= total, "{received} bytes came for {total}");
        says(&said, &[&format!("v1: digest: {digest} size: ")]);
        for image in [image, node.image(&format!("{name}@{digest}"))] {
            engine.empty(&room);
            let said = node.sends(total, || engine.docker(&room).words("pull").arg(&image).ok());
            says(&said, &[&format!("Digest: {digest}")]);
            assert_eq!(run(&engine, &room, &image).trim(), GREETING, "{image}");
        }
    }
}

#[test]
fn a_pulled_image_is_mounted_into_another_repository() {
    let (node, room) = (Node::start(), Room::new());
    let engine = Dockerd::start(&room, None);
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Docker, 3);
    node.push("from/app", "v1", &layout, &stored);
    let (from, to) = (node.image("from/app:v1"), node.image("to/app:v1"));
    engine.docker(&room).words("pull").arg(&from).ok();
    engine.docker(&room).words("tag").arg(&from).arg(&to).ok();
    let mut said = String::new();
    let received = node.received_by(|| said = engine.docker(&room).words("push").arg(&to).ok());
    says(&said, &["Mounted from from/app"]);
    assert!(received < 64 << 10, "{received} bytes came for blobs that the node had");
    node.holds_pushed("to/app", "v1");
}

#[test]
fn what_is_not_there_is_said() {
    let (node, room) = (Node::start(), Room::new());
    let engine = Dockerd::start(&room, None);
    let said = engine.docker(&room).words("pull").arg(node.image("no/such:v1")).fails();
    says(&said, &["manifest for", "not found: manifest unknown"]);
}
