//! containerd as the engine: what it has keeps its bytes.

use std::process::Command;

use super::scene::{Machine, repositories, serve, tags};
use crate::inside::layout::GREETING;
use crate::inside::tool::says;
use crate::inside::{Containerd, Flavour, Layout, Room};

/// Imports all of a layout under a repository.
fn import(engine: &Containerd, room: &Room, layout: &Layout, repository: &str) {
    let archive = room.path("layout.tar");
    let tar = Command::new("tar").arg("-C").arg(layout.folder()).arg("-cf").arg(&archive).arg(".").status();
    assert!(tar.unwrap().success());
    engine.ctr(room).words("images import --all-platforms --base-name").arg(repository).arg(&archive).ok();
}

#[test]
fn what_containerd_has_keeps_its_bytes_and_its_indexes() {
    let room = Room::new();
    let engine = Containerd::start(&room);
    let node = serve(&[&format!("unix://{}", engine.address().display())], &[]);
    assert_eq!(repositories(&node), [""; 0]);
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 3);
    let zstd = layout.runnable("zst", Flavour::Zstd, 2);
    let index = crate::multi_arch(&mut layout);
    import(&engine, &room, &layout, "docker.io/team/app");
    assert_eq!(repositories(&node), ["team/app"]);
    assert_eq!(tags(&node, "team/app"), ["multi", "v1", "zst"]);
    for (tag, stored) in [("v1", &stored), ("zst", &zstd), ("multi", &index)] {
        node.holds("team/app", tag, &layout, stored);
    }
    says(&node.verb("engines").ok(), &["containerd", "answers"]);

    let there = Room::new();
    let other = Containerd::start(&there);
    let image = node.image("team/app:multi");
    let pull = other.ctr(&there).words("images pull --plain-http --all-platforms").arg(&image);
    node.sends(index.total(), || pull.ok());
    assert_eq!(other.ctr(&there).words("run --rm").arg(&image).arg("pulled").ok().trim(), GREETING);
    let copied = Layout::new(there.path("copied"));
    let copy = there.tool("skopeo").words("copy --preserve-digests --src-tls-verify=false");
    let copy = copy.arg(format!("docker://{}", node.image("team/app:v1"))).arg(copied.name("v1"));
    node.sends(stored.total(), || copy.ok());
    for content in stored.children.iter().chain([&stored]) {
        assert!(layout.bytes(&content.digest) == copied.bytes(&content.digest), "{}", content.digest);
    }
    let docker = Machine::new();
    let image = node.image("team/app:v1");
    says(&docker.docker("pull").arg(&image).ok(), &[&format!("Digest: {}", stored.digest)]);
    docker.runs(&image);

    engine.ctr(&room).words("images rm --sync docker.io/team/app:v1").ok();
    node.get("/v2/team/app/manifests/v1").expect_error(404, "MANIFEST_UNKNOWN");
    assert_eq!(tags(&node, "team/app"), ["multi", "zst"]);
}
