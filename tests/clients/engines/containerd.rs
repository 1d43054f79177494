//! containerd as the engine: what it has keeps its bytes, and what it is given too.

use std::process::Command;

use super::scene::{Machine, repositories, serve, tags, until};
use crate::inside::layout::GREETING;
use crate::inside::tool::{Said, says};
use crate::inside::{Containerd, Dockerd, DockerdOptions, Flavour, Layout, Node, Room, Stored};

/// Imports all of a layout into a namespace under a repository.
fn import(engine: &Containerd, room: &Room, namespace: &str, layout: &Layout, repository: &str) {
    let archive = room.path("layout.tar");
    let tar = Command::new("tar").arg("-C").arg(layout.folder()).arg("-cf").arg(&archive).arg(".").status();
    assert!(tar.unwrap().success());
    let import = engine.ctr(room).arg("--namespace").arg(namespace).words("images import --all-platforms");
    import.arg("--base-name").arg(repository).arg(&archive).ok();
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
    import(&engine, &room, "default", &layout, "docker.io/team/app");
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

/// Pushes what a layout has under a tag as `repository:tag`.
fn push(node: &Node, layout: &Layout, from: &str, to: &str) {
    // A room of this machine: that of the engine may be another one's.
    let room = Room::new();
    let copy = room.tool("skopeo").words("copy --all --preserve-digests --dest-tls-verify=false");
    copy.arg(layout.name(from)).arg(format!("docker://{}", node.image(to))).ok();
}

/// Waits until a namespace of containerd has this image under this name, and checks that it is whole.
#[track_caller]
fn has(engine: &Containerd, room: &Room, namespace: &str, name: &str, stored: &Stored) {
    let ctr = || engine.ctr(room).arg("--namespace").arg(namespace);
    let filter = format!("name=={name}");
    until(&format!("{name} is {}", stored.digest), || {
        let listed = ctr().words("images ls").arg(&filter).ok();
        listed.contains(stored.digest.as_str()).then_some(())
    });
    says(&ctr().words("images check").arg(&filter).ok(), &[stored.digest.as_str(), "complete"]);
}

/// Pushes to a node that loads into containerd, and checks what that has.
fn keeps_what_it_was_given(room: &Room) {
    let engine = Containerd::start(room);
    let address = format!("unix://{}", engine.address().display());
    let node = serve(&[&address], &["--engine-load"]);
    let mut layout = Layout::new(room.path("layout"));
    let index = crate::multi_arch(&mut layout);
    let first = layout.runnable("first", Flavour::Oci, 4);
    let second = layout.runnable("second", Flavour::Zstd, 2);
    let here = |name: &str, stored: &Stored| has(&engine, room, "default", name, stored);
    push(&node, &layout, "multi", "team/app:multi");
    here("docker.io/team/app:multi", &index);
    push(&node, &layout, "first", "team/app:1");
    here("docker.io/team/app:1", &first);
    push(&node, &layout, "second", "team/app:1");
    here("docker.io/team/app:1", &second);
    node.verb("tag team/app:multi again").ok();
    here("docker.io/team/app:again", &index);
    push(&node, &layout, "first", "ghcr.io/x/y:1");
    here("ghcr.io/x/y:1", &first);
    // With it goes what nothing keeps.
    engine.ctr(room).words("images rm --sync ghcr.io/x/y:1").ok();
    let content = engine.ctr(room).words("content ls --quiet").ok();
    assert!(!content.contains(first.digest.as_str()), "{content}");
    for (list, header) in [("content active", "REF"), ("leases ls", "ID")] {
        let left = engine.ctr(room).words(list).ok();
        assert!(left.starts_with(header) && left.lines().count() == 1, "{list}: {left}");
    }
    // Another node has nothing but what containerd has: every byte, of all platforms.
    let other = serve(&[&address], &[]);
    assert_eq!(tags(&other, "team/app"), ["1", "again", "multi"]);
    for (tag, stored) in [("1", &second), ("multi", &index), ("again", &index)] {
        other.holds("team/app", tag, &layout, stored);
    }
    let run = engine.ctr(room).words("run --rm --fifo-dir").arg(room.path("fifos"));
    let said = run.words("docker.io/team/app:multi loaded").ok();
    assert_eq!(said.trim(), GREETING, "unpacked when it is needed");

    // Where Kubernetes has images, those of new repositories are for it.
    import(&engine, room, "k8s.io", &layout, "registry.k8s.io/pause");
    push(&node, &layout, "first", "team/new:1");
    has(&engine, room, "k8s.io", "docker.io/team/new:1", &first);
    push(&node, &layout, "first", "team/app:2");
    here("docker.io/team/app:2", &first);
}

#[test]
fn what_is_pushed_is_loaded_into_containerd_as_it_is() {
    keeps_what_it_was_given(&Room::new());
}

#[test]
fn what_is_pushed_is_loaded_into_containerd_1_7_as_it_is() {
    keeps_what_it_was_given(&Room::trixie());
}

#[test]
fn what_is_pushed_is_loaded_into_docker_26_under_its_digest() {
    let room = Room::trixie();
    let config = room.write("daemon.json", r#"{"features": {"containerd-snapshotter": true}}"#);
    let arguments = &["--config-file", &config.display().to_string()];
    let docker = Dockerd::with(&room, &DockerdOptions { arguments, ..DockerdOptions::default() });
    let one = Machine { engine: docker, room };
    let node = serve(&[one.engine.host()], &["--engine-load"]);
    let mut layout = Layout::new(one.room.path("layout"));
    let index = crate::multi_arch(&mut layout);
    let single = layout.runnable("single", Flavour::Oci, 4);
    for (tag, stored) in [("multi", &index), ("single", &single)] {
        push(&node, &layout, tag, "team/app:1");
        // While the image of the tag is being replaced, docker fails to list it.
        let listed =
            || Some(one.docker("images --quiet --no-trunc team/app:1").run()).filter(Said::succeeded);
        let is_loaded = |said: Said| (said.ok().trim() == stored.digest.as_str()).then_some(());
        until(&format!("{tag} is loaded"), || listed().and_then(is_loaded));
        one.runs("team/app:1");
        // Another node has nothing but what docker has.
        serve(&[one.engine.host()], &[]).holds("team/app", "1", &layout, stored);
    }
}
