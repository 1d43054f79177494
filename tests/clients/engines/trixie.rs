//! Engines as Debian 13 has them: docker 26 with containerd's store, and containerd 1.7. What they have keeps its bytes.

use super::scene::{Machine, Shown, repositories, serve, tags};
use crate::inside::tool::says;
use crate::inside::{Containerd, Dockerd, DockerdOptions, Flavour, Layout, Node, Room, Stored};

/// A docker 26 that has its images in containerd's store; the node may not see where.
fn machine(hidden: bool) -> Machine {
    let room = Room::trixie();
    let config = room.write("daemon.json", r#"{"features": {"containerd-snapshotter": true}}"#);
    let arguments = &["--config-file", &config.display().to_string()];
    let engine = Dockerd::with(&room, &DockerdOptions { arguments, hidden, ..Default::default() });
    Machine { engine, room }
}

/// A repository with an index under `multi` and an image of some flavour under `single`.
struct Upstream {
    node: Node,
    layout: Layout,
    index: Stored,
    single: Stored,
}

impl Upstream {
    const NAME: &str = "team/app";

    fn start(room: &Room, flavour: Flavour) -> Self {
        let (node, mut layout) = (Node::start(), Layout::new(room.path("layout")));
        let index = crate::multi_arch(&mut layout);
        let single = layout.runnable("single", flavour, 2);
        node.push(Self::NAME, "multi", &layout, &index);
        node.push(Self::NAME, "single", &layout, &single);
        Self { node, layout, index, single }
    }

    fn image(&self, tag: &str) -> String {
        self.node.image(&format!("{}:{tag}", Self::NAME))
    }

    /// The image of the index that is for this machine, then those that are not.
    fn images(&self) -> (&Stored, &[Stored]) {
        self.index.children.split_first().unwrap()
    }
}

/// Checks that the node answers what was pulled from upstream as it is there: of an index, the image that was pulled.
#[track_caller]
fn answers_the_original(node: &Node, upstream: &Upstream) {
    let Upstream { layout, index, single, .. } = upstream;
    node.holds(Upstream::NAME, "single", layout, single);
    let (digest, bytes) = node.manifest(Upstream::NAME, "multi");
    assert_eq!((&digest, &bytes), (&index.digest, &layout.bytes(&index.digest)));
    let (own, others) = upstream.images();
    node.holds(Upstream::NAME, own.digest.as_str(), layout, own);
    for other in others {
        let target = format!("/v2/{}/manifests/{}", Upstream::NAME, other.digest);
        node.get(&target).expect_error(404, "MANIFEST_UNKNOWN");
    }
}

/// Copies an image with skopeo and checks that each byte of it is the original's.
#[track_caller]
fn is_copied(node: &Node, upstream: &Upstream, reference: &str, stored: &Stored) {
    let room = Room::new();
    let copied = Layout::new(room.path("copied"));
    let copy = room.tool("skopeo").words("copy --preserve-digests --src-tls-verify=false");
    let image = node.image(&format!("{}{reference}", Upstream::NAME));
    node.sends(stored.total(), || copy.arg(format!("docker://{image}")).arg(copied.name("1")).ok());
    copied.is_copy_of(&upstream.layout, stored);
}

/// Pulls into a docker 26, takes upstream away, and checks what the node answers out of that docker.
fn keeps_what_it_pulled(hidden: bool) {
    let one = machine(hidden);
    // Not zstd: docker 26 throws such layers away once they are unpacked.
    let upstream = Upstream::start(&one.room, Flavour::Docker);
    for tag in ["multi", "single"] {
        let image = upstream.image(tag);
        one.docker("pull").arg(&image).ok();
        one.docker("tag").arg(&image).arg(format!("{}:{tag}", Upstream::NAME)).ok();
        one.docker("rmi").arg(&image).ok();
    }
    assert_eq!(one.id("team/app:multi"), upstream.index.digest.as_str());
    let node = serve(&[one.engine.host()], &[]);
    assert_eq!(repositories(&node), [Upstream::NAME]);
    assert_eq!(tags(&node, Upstream::NAME), ["multi", "single"]);
    answers_the_original(&node, &upstream);
    let engines = node.verb("engines").ok();
    says(&engines, &["docker 26", "over containerd", "answers"]);
    assert_eq!(engines.contains("exported"), hidden, "{engines}");

    is_copied(&node, &upstream, ":single", &upstream.single);
    let (own, _) = upstream.images();
    is_copied(&node, &upstream, &format!("@{}", own.digest), own);
    let older = Machine::new();
    let image = node.image("team/app:multi");
    let said = node.sends(own.total(), || older.docker("pull").arg(&image).ok());
    says(&said, &[&format!("Digest: {}", upstream.index.digest)]);
    older.runs(&image);
    // Another docker 26 has it under its digest too, and gives it on under that.
    let other = machine(false);
    node.sends(own.total(), || other.docker("pull").arg(&image).ok());
    assert_eq!(other.id(&image), upstream.index.digest.as_str());
    other.runs(&image);
    let second = serve(&[other.engine.host()], &[]);
    let listed = format!("127.0.0.1_{}/{}", node.address().port(), Upstream::NAME);
    assert_eq!(second.manifest(&listed, "multi"), node.manifest(Upstream::NAME, "multi"));

    one.docker("rmi team/app:multi").ok();
    node.get("/v2/team/app/manifests/multi").expect_error(404, "MANIFEST_UNKNOWN");
}

#[test]
fn what_docker_26_pulled_keeps_its_bytes_and_its_index() {
    keeps_what_it_pulled(false);
}

#[test]
fn what_docker_26_exports_keeps_its_bytes_and_its_index() {
    keeps_what_it_pulled(true);
}

#[test]
fn what_docker_26_built_saved_and_loaded_has_the_digest_that_it_shows() {
    let one = machine(false);
    let node = serve(&[one.engine.host()], &[]);
    one.build("base:1", 3);
    one.build_on("base:1", "app:1", "on top");
    let shown = Shown::of(&node, "app", "1");
    assert_eq!(shown.digest.as_str(), one.id("app:1"));
    let archive = one.room.path("app.tar");
    one.docker("save app:1 --output").arg(&archive).ok();
    one.docker("rmi app:1 base:1").ok();
    node.get("/v2/app/manifests/1").expect_error(404, "MANIFEST_UNKNOWN");
    one.docker("load --input").arg(&archive).ok();
    assert_eq!(Shown::of(&node, "app", "1"), shown);
    let older = Machine::new();
    let image = node.image("app:1");
    let said = node.sends(shown.total(), || older.docker("pull").arg(&image).ok());
    says(&said, &[&format!("Digest: {}", shown.digest)]);
    assert_eq!(older.id(&image), shown.config.0);
    older.runs(&image);
}

#[test]
fn what_containerd_1_7_has_keeps_its_bytes_and_its_index() {
    let room = Room::trixie();
    let engine = Containerd::start(&room);
    let upstream = Upstream::start(&room, Flavour::Zstd);
    for tag in ["multi", "single"] {
        let image = upstream.image(tag);
        engine.ctr(&room).words("images pull --plain-http --all-platforms").arg(&image).ok();
        let name = format!("docker.io/{}:{tag}", Upstream::NAME);
        engine.ctr(&room).words("images tag").arg(&image).arg(name).ok();
        engine.ctr(&room).words("images rm").arg(&image).ok();
    }
    let node = serve(&[&format!("unix://{}", engine.address().display())], &[]);
    assert_eq!(repositories(&node), [Upstream::NAME]);
    let Upstream { layout, index, single, .. } = &upstream;
    node.holds(Upstream::NAME, "multi", layout, index);
    node.holds(Upstream::NAME, "single", layout, single);
    says(&node.verb("engines").ok(), &["containerd 1.7", "answers"]);
    is_copied(&node, &upstream, ":single", single);
    engine.ctr(&room).words("images rm --sync docker.io/team/app:multi").ok();
    node.get("/v2/team/app/manifests/multi").expect_error(404, "MANIFEST_UNKNOWN");
}
