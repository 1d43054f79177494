//! buildah: builds, pushes, pulls into an empty store, and runs a command in what it pulled.

use crate::inside::layout::GREETING;
use crate::inside::{Node, Room};

#[test]
fn a_built_image_is_pushed_pulled_and_run() {
    let (node, room) = (Node::start(), Room::new());
    let buildah = |words: &str| room.tool("buildah").words(words);
    let image = node.image("buildah/app:v1");
    buildah("build --quiet --isolation chroot --tag").arg(&image).arg(room.context(21)).ok();
    let push = || buildah("push --quiet --tls-verify=false --digestfile digest").arg(&image).ok();
    let received = node.received_by(|| {
        push();
    });
    let (digest, total) = node.holds_pushed("buildah/app", "v1");
    assert!(received >= total, "{received} bytes came for {total}");
    assert_eq!(room.digest_file("digest"), digest.as_str());
    for image in [image, node.image(&format!("buildah/app@{digest}"))] {
        room.empty_storage();
        node.sends(total, || buildah("pull --quiet --tls-verify=false").arg(&image).ok());
        let container = buildah("from --pull-never").arg(&image).ok();
        let container = container.trim();
        let said = buildah("run --isolation chroot").arg(container).words("-- /bin/cat /app/greeting").ok();
        assert_eq!(said.trim(), GREETING, "{image}");
    }
}

#[test]
fn layers_are_pushed_as_zstd() {
    let (node, room) = (Node::start(), Room::new());
    let buildah = |words: &str| room.tool("buildah").words(words);
    let image = node.image("buildah/zstd:v1");
    buildah("build --quiet --isolation chroot --tag").arg(&image).arg(room.context(22)).ok();
    buildah("push --quiet --tls-verify=false --compression-format zstd").arg(&image).ok();
    let (_, bytes) = node.manifest("buildah/zstd", "v1");
    assert!(String::from_utf8_lossy(&bytes).contains("tar+zstd"), "{bytes:?}");
    let (_, total) = node.holds_pushed("buildah/zstd", "v1");
    room.empty_storage();
    node.sends(total, || buildah("pull --quiet --tls-verify=false").arg(&image).ok());
}
