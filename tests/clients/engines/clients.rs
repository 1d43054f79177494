//! The other clients, pulling what docker has.

use dockless_oci::Digest;

use super::scene::{Machine, Shown, serve};
use crate::inside::layout::GREETING;
use crate::inside::tool::says;
use crate::inside::{Containerd, Layout, Room};

#[test]
fn podman_skopeo_containerd_and_crane_pull_what_docker_has() {
    let (one, room) = (Machine::new(), Room::new());
    let node = serve(&[one.engine.host()], &[]);
    one.build("base:1", 3);
    one.build_on("base:1", "team/app:1", "on top");
    let shown = Shown::of(&node, "team/app", "1");
    let by_tag = node.image("team/app:1");
    let by_digest = node.image(&format!("team/app@{}", shown.digest));

    for image in [&by_tag, &by_digest] {
        room.empty_storage();
        node.sends(shown.total(), || room.podman().words("pull --quiet --tls-verify=false").arg(image).ok());
        let run = room.podman().words("run --rm --network none --pull never").arg(image).ok();
        assert_eq!(run.trim(), GREETING);
        let digest = room.podman().words("image inspect --format {{.Digest}}").arg(image).ok();
        assert_eq!(digest.trim(), shown.digest.as_str());
    }

    let inspect = room.tool("skopeo").words("inspect --tls-verify=false");
    let inspected = inspect.arg(format!("docker://{by_tag}")).ok();
    says(&inspected, &[shown.digest.as_str(), &shown.layers[0].0, &shown.layers[1].0, "\"1\""]);
    for (number, image) in [&by_tag, &by_digest].into_iter().enumerate() {
        let folder = room.path(&format!("copy-{number}"));
        let copy = room.tool("skopeo").words("copy --preserve-digests --src-tls-verify=false");
        let copy = copy.arg(format!("docker://{image}")).arg(format!("dir:{}", folder.display()));
        node.sends(shown.total(), || copy.ok());
        let manifest = std::fs::read(folder.join("manifest.json")).unwrap();
        assert_eq!(Digest::sha256(&manifest), shown.digest);
    }

    let containerd = Containerd::start(&room);
    for (name, image) in [("tag", &by_tag), ("digest", &by_digest)] {
        containerd.empty(&room);
        let pull = containerd.ctr(&room).words("images pull --plain-http").arg(image);
        node.sends(shown.total(), || pull.ok());
        assert_eq!(containerd.ctr(&room).words("run --rm").arg(image).arg(name).ok().trim(), GREETING);
        says(&containerd.ctr(&room).words("images ls").ok(), &[shown.digest.as_str()]);
    }

    let digest = room.tool("crane").words("digest").arg(&by_tag).ok();
    assert_eq!(digest.trim(), shown.digest.as_str());
    let pulled = Layout::new(room.path("crane"));
    let pull = room.tool("crane").words("pull --format oci").arg(&by_tag).arg(pulled.folder());
    node.sends(shown.total(), || pull.ok());
    for (digest, size) in shown.layers.iter().chain([&shown.config]) {
        let digest = Digest::parse(digest).unwrap();
        let bytes = pulled.bytes(&digest);
        assert!(bytes.len() as u64 == *size && Digest::sha256(&bytes) == digest, "{digest}: other bytes");
    }
}
