//! Large things: an image of 1 GB in 12 layers, and a repository of 10,000 tags.

use futures_util::{StreamExt as _, stream};

use crate::inside::layout::{Files, GREETING, busybox, folder};
use crate::inside::tar::Entry;
use crate::inside::tool::says;
use crate::inside::{Containerd, Dockerd, Flavour, Layout, Node, Room, Stored};

/// Sizes of the layers besides busybox and the greeting, in MiB: real images are as uneven. They are 1 GB together.
const LAYERS_MIB: [u64; 10] = [250, 180, 150, 120, 100, 80, 50, 20, 4, 1];
/// Tags of one repository.
const TAGS: usize = 10_000;
/// Requests at once while the tags are made.
const TOGETHER: usize = 64;
/// The page size that clients without one of their own ask for.
const PAGE: usize = 1_000;

fn large(layout: &mut Layout) -> Stored {
    let mut layers: Vec<Files> = vec![busybox()];
    layers.push(vec![folder("app"), ("app/greeting".to_owned(), Entry::text(&format!("{GREETING}\n")))]);
    for (number, megabytes) in LAYERS_MIB.into_iter().enumerate() {
        let data = Entry::Large { seed: 1000 + number as u64, length: megabytes << 20 };
        layers.push(vec![(format!("data-{number}"), data)]);
    }
    assert_eq!(layers.len(), 12);
    layout.image("large", Flavour::Oci, "amd64", &layers)
}

#[test]
fn an_image_of_a_gigabyte_goes_in_and_comes_out_everywhere() {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let stored = large(&mut layout);
    assert!(stored.total() > 1_000_000_000, "{} bytes", stored.total());
    let image = node.image("large/app:v1");
    let push = room
        .tool("skopeo")
        .words("copy --preserve-digests --dest-tls-verify=false")
        .arg(layout.name("large"));
    node.receives(stored.total(), || push.arg(format!("docker://{image}")).ok());
    assert_eq!(node.manifest("large/app", "v1").1, layout.bytes(&stored.digest));

    let engine = Containerd::start(&room);
    node.sends(stored.total(), || engine.ctr(&room).words("images pull --plain-http").arg(&image).ok());
    assert_eq!(engine.ctr(&room).words("run --rm").arg(&image).arg("large").ok().trim(), GREETING);
    engine.empty(&room);
    drop(engine);

    let engine = Dockerd::start(&room, None);
    let said = node.sends(stored.total(), || engine.docker(&room).words("pull").arg(&image).ok());
    says(&said, &[&format!("Digest: {}", stored.digest)]);
    assert_eq!(engine.docker(&room).words("run --rm --network none").arg(&image).ok().trim(), GREETING);
    engine.empty(&room);

    let pulled = room.path("pulled");
    node.sends(stored.total(), || {
        room.tool("crane").words("pull --format oci").arg(&image).arg(&pulled).ok()
    });
    Layout::new(pulled).is_copy_of(&layout, &stored);
}

#[test]
fn ten_thousand_tags_are_listed_and_pulled() {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 0);
    node.push("many/tags", "t00000", &layout, &stored);
    let bytes = layout.bytes(&stored.digest);
    node.block_on(async {
        let put = async |number: usize| {
            let target = format!("/v2/many/tags/manifests/t{number:05}");
            let ask =
                node.client().put(&target).header("content-type", &stored.media_type).body(bytes.clone());
            ask.send().await.status
        };
        let statuses: Vec<u16> = stream::iter(1..TAGS).map(put).buffer_unordered(TOGETHER).collect().await;
        assert!(statuses.iter().all(|status| *status == 201));
    });
    let expected: Vec<String> = (0..TAGS).map(|number| format!("t{number:05}")).collect();
    let host = node.image("many/tags");
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(lines(room.tool("crane").words("ls").arg(&host).ok()) == expected);
    assert!(lines(room.tool("oras").words("repo tags --plain-http").arg(&host).ok()) == expected);
    room.tool("regctl").words("registry set --tls disabled").arg(node.host()).ok();
    let limit = format!("tag ls --limit {PAGE}");
    assert!(lines(room.tool("regctl").words(&limit).arg(&host).ok()) == expected[..PAGE]);
    let skopeo =
        room.tool("skopeo").words("list-tags --tls-verify=false").arg(format!("docker://{host}")).ok();
    let listed: serde_json::Value = serde_json::from_str(&skopeo).unwrap();
    assert!(listed["Tags"] == serde_json::json!(expected));
    for tag in ["t00000", "t04999", "t09999"] {
        assert_eq!(
            room.tool("crane").words("digest").arg(format!("{host}:{tag}")).ok().trim(),
            stored.digest.as_str()
        );
    }
}
