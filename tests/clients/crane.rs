//! crane: pushes a layout, copies, lists, validates, deletes.

use crate::inside::tool::says;
use crate::inside::{Flavour, Layout, Node, Room};

#[test]
fn an_image_is_pushed_validated_and_pulled() {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 3);
    let crane = |words: &str| room.tool("crane").words(words);
    let image = node.image("crane/app:v1");
    node.receives(stored.total(), || crane("push").arg(layout.folder()).arg(&image).ok());
    node.holds("crane/app", "v1", &layout, &stored);
    assert_eq!(crane("digest").arg(&image).ok().trim(), stored.digest.as_str());
    crane("validate --remote").arg(&image).ok();
    let by_digest = node.image(&format!("crane/app@{}", stored.digest));
    for (folder, image) in [("by-tag", &image), ("by-digest", &by_digest)] {
        node.sends(stored.total(), || crane("pull --format oci").arg(image).arg(room.path(folder)).ok());
        Layout::new(room.path(folder)).is_copy_of(&layout, &stored);
    }
}

#[test]
fn an_index_is_copied_whole() {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let index = crate::multi_arch(&mut layout);
    node.push("crane/multi", "v1", &layout, &index);
    let (from, to) = (node.image("crane/multi:v1"), node.image("crane/copy:v1"));
    room.tool("crane").words("copy").arg(&from).arg(&to).ok();
    node.holds("crane/copy", "v1", &layout, &index);
    let native = room.tool("crane").words("digest --platform linux/amd64").arg(&to).ok();
    assert_eq!(native.trim(), index.children[0].digest.as_str());
}

#[test]
fn repositories_and_tags_are_listed_set_and_deleted() {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 0);
    node.push("crane/app", "v1", &layout, &stored);
    let crane = |words: &str| room.tool("crane").words(words);
    crane("tag").arg(node.image("crane/app:v1")).arg("v2").ok();
    assert_eq!(crane("ls").arg(node.image("crane/app")).ok(), "v1\nv2\n");
    assert_eq!(crane("catalog").arg(node.host()).ok(), "crane/app\n");
    let layer = &stored.children[1];
    let blob = node.image(&format!("crane/app@{}", layer.digest));
    node.sends(layer.size, || crane("blob").arg(&blob).run().succeeded());
    crane("delete").arg(node.image("crane/app:v1")).ok();
    assert_eq!(crane("ls").arg(node.image("crane/app")).ok(), "v2\n");
    crane("delete").arg(node.image(&format!("crane/app@{}", stored.digest))).ok();
    assert_eq!(crane("catalog").arg(node.host()).ok(), "");
    says(&crane("digest").arg(node.image("crane/app:v2")).fails(), &["404"]);
}

#[test]
fn a_layer_is_appended_and_the_base_mounted() {
    let (node, room) = (Node::start(), Room::new());
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 3);
    node.push("crane/base", "v1", &layout, &stored);
    let more = room.context(41).join("root.tar");
    let append = room.tool("crane").words("append --base").arg(node.image("crane/base:v1"));
    append.arg("--new_layer").arg(more).arg("--new_tag").arg(node.image("crane/more:v1")).ok();
    let (_, total) = node.holds_pushed("crane/more", "v1");
    assert!(total > stored.total() - stored.size);
}
