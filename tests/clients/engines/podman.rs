//! podman's service as the engine.

use super::scene::{Machine, Shown, repositories, serve, tags};
use crate::inside::tool::says;
use crate::inside::{PodmanService, Room};

#[test]
fn what_podman_has_is_pulled_by_its_full_name_and_its_short_one() {
    pulled(&Room::new(), "podman 4.3");
}

#[test]
fn what_podman_5_has_is_pulled_by_its_full_name_and_its_short_one() {
    pulled(&Room::trixie(), "podman 5");
}

/// Pulls what the podman of a room has, which calls itself `version`.
fn pulled(room: &Room, version: &str) {
    let service = PodmanService::start(room);
    let node = serve(&[&service.address()], &[]);
    assert_eq!(repositories(&node), [""; 0]);
    room.podman().words("build --quiet --tag app:1").arg(room.context(3)).ok();
    room.podman().words("tag localhost/app:1 ghcr.io/x/y:2").ok();
    assert_eq!(repositories(&node), ["app", "ghcr.io/x/y"]);
    assert_eq!(tags(&node, "app"), ["1"]);
    let shown = Shown::of(&node, "app", "1");
    for name in ["localhost/app", "library/app"] {
        assert_eq!(Shown::of(&node, name, "1"), shown, "{name}");
    }
    assert_eq!(Shown::of(&node, "ghcr.io/x/y", "2"), shown);
    let id = room.podman().words("image inspect --format {{.Id}} app:1").ok();
    assert_eq!(shown.config.0, format!("sha256:{}", id.trim()));
    let engines = node.verb("engines").ok();
    says(&engines, &[version, "overlay", "answers"]);
    assert!(!engines.contains("exported"), "layers are read where they lie:\n{engines}");

    let elsewhere = Room::new();
    let folder = elsewhere.path("copy");
    let copy = elsewhere.tool("skopeo").words("copy --preserve-digests --src-tls-verify=false");
    let copy = copy.arg(format!("docker://{}", node.image("app:1"))).arg(format!("dir:{}", folder.display()));
    node.sends(shown.total(), || copy.ok());
    let other = Machine::new();
    let image = node.image("ghcr.io/x/y:2");
    node.sends(shown.total(), || other.docker("pull").arg(&image).ok());
    assert_eq!(other.id(&image), shown.config.0);
    other.runs(&image);
    let image = node.image(&format!("app@{}", shown.digest));
    elsewhere.podman().words("pull --quiet --tls-verify=false").arg(&image).ok();
    let pulled = elsewhere.podman().words("image inspect --format {{.Digest}}").arg(&image).ok();
    assert_eq!(pulled.trim(), shown.digest.as_str());

    room.podman().words("rmi app:1").ok();
    node.get("/v2/app/manifests/1").expect_error(404, "MANIFEST_UNKNOWN");
    assert_eq!(repositories(&node), ["ghcr.io/x/y"]);
}
