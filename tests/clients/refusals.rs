//! An error while the client is still sending: docker and podman print what the node said.

use dockless_testkit::process::Options;

use crate::inside::tool::says;
use crate::inside::{Dockerd, Node, Room};

/// What a push of 3 MiB and more meets.
fn node(variable: &str, value: &str) -> Node {
    let environment = vec![(variable.to_owned(), value.to_owned())];
    Node::with(&Options { environment, ..Options::default() })
}

/// Pushes a built image by docker and by podman, and gives what each printed.
fn pushes(node: &Node) -> (String, String) {
    let room = Room::new();
    let image = node.image("refused/app:v1");
    let engine = Dockerd::start(&room, None);
    engine.build(&room, &image, 61);
    let docker = engine.docker(&room).words("push").arg(&image).fails();
    room.podman().words("build --quiet --tag").arg(&image).arg(room.context(62)).ok();
    let podman = room.podman().words("push --quiet --tls-verify=false").arg(&image).fails();
    (docker, podman)
}

#[test]
fn a_layer_that_is_too_large() {
    let node = node("DOCKLESS_UPLOADS_BYTES_MAX", "1MiB");
    let (docker, podman) = pushes(&node);
    says(&docker, &["denied: the upload is larger than this registry accepts"]);
    assert!(!docker.contains("Retrying"), "docker takes it as final: {docker}");
    says(&podman, &["denied: the upload is larger than this registry accepts"]);
    assert_eq!(node.get("/v2/refused/app/tags/list").status, 404, "nothing was tagged");
}

#[test]
fn a_node_that_only_reads() {
    let node = Node::with(&Options { arguments: vec!["--read-only".to_owned()], ..Options::default() });
    let (docker, podman) = pushes(&node);
    says(&docker, &["unsupported: the registry is read-only at present"]);
    assert!(!docker.contains("Retrying"), "docker takes it as final: {docker}");
    says(&podman, &["unsupported: the registry is read-only at present"]);
}

#[test]
fn a_disk_that_is_full() {
    let node = node("DOCKLESS_LIMITS_DISK_FREE_MIN", "1000000GiB");
    let (docker, podman) = pushes(&node);
    // Both read the body of a 5xx answer no further than its status; docker tries again for a minute first.
    says(&docker, &["received unexpected HTTP status: 507 Insufficient Storage"]);
    says(&podman, &["received unexpected HTTP status: 507 Insufficient Storage"]);
}
