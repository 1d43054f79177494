//! What changes in docker is seen by the next request: nothing is remembered of names.

use std::collections::BTreeSet;
use std::fs;

use super::scene::{Machine, Shown, repositories, serve, tags};
use crate::inside::Node;
use crate::inside::tool::says;

#[track_caller]
fn is_gone(node: &Node, repository: &str, reference: &str) {
    node.get(&format!("/v2/{repository}/manifests/{reference}")).expect_error(404, "MANIFEST_UNKNOWN");
}

#[test]
fn rebuilt_retagged_loaded_and_removed_images_are_seen_by_the_next_pull() {
    let (one, other) = (Machine::new(), Machine::new());
    let node = serve(&[one.engine.host()], &[]);
    let image = node.image("app:1");
    is_gone(&node, "app", "1");
    says(&other.docker("pull").arg(&image).fails(), &["manifest unknown"]);
    let pulled = || {
        other.docker("pull").arg(&image).ok();
        assert_eq!(other.id(&image), one.id("app:1"));
        Shown::of(&node, "app", "1")
    };
    one.build("app:1", 3);
    let first = pulled();
    one.build("app:1", 4);
    let rebuilt = pulled();
    assert_ne!(rebuilt.digest, first.digest);
    is_gone(&node, "app", first.digest.as_str());
    node.get(&format!("/v2/app/blobs/{}", first.config.0)).expect_error(404, "BLOB_UNKNOWN");

    one.build("else:1", 3);
    one.docker("tag else:1 app:1").ok();
    let retagged = pulled();
    assert_eq!(retagged.layers, first.layers, "the same files");
    one.docker("tag app:1 app:two").ok();
    assert_eq!(tags(&node, "app"), ["1", "two"]);
    assert_eq!(Shown::of(&node, "app", "two"), retagged);

    let archive = one.room.path("app.tar");
    one.docker("save app:1 --output").arg(&archive).ok();
    one.docker("rmi app:1").ok();
    is_gone(&node, "app", "1");
    says(&other.docker("pull").arg(&image).fails(), &["manifest unknown"]);
    assert_eq!(tags(&node, "app"), ["two"]);
    // The image has other names.
    let _ = node.get(&format!("/v2/app/manifests/{}", retagged.digest)).expect(200);
    one.docker("rmi app:two else:1").ok();
    is_gone(&node, "app", retagged.digest.as_str());
    node.get("/v2/app/tags/list").expect_error(404, "NAME_UNKNOWN");
    one.docker("load --input").arg(&archive).ok();
    assert_eq!(pulled(), retagged);
    assert_eq!(fs::read_dir(node.data().join("engines")).map_or(0, Iterator::count), 0, "nothing was copied");
}

#[test]
fn lists_are_what_docker_lists() {
    let one = Machine::new();
    let node = serve(&[one.engine.host()], &[]);
    assert_eq!(repositories(&node), [""; 0]);
    one.build("app:1", 3);
    let names = ["app:2", "app", "team/web:v1", "team/web/deep:v1", "ghcr.io/x/y:1", "localhost:5000/own:1"];
    for name in names {
        one.docker("tag app:1").arg(name).ok();
    }
    one.build("app:2", 4);
    let nameless = one.build_in(&one.room.context(5), "FROM scratch\nADD root.tar /\n", "");
    let check = |count: usize| {
        let expected = one.listed();
        let listed = repositories(&node);
        let pairs =
            listed.iter().flat_map(|name| tags(&node, name).into_iter().map(|tag| (name.clone(), tag)));
        assert_eq!(pairs.collect::<BTreeSet<_>>(), expected);
        assert_eq!(expected.len(), count);
        for (repository, tag) in &expected {
            let _ = Shown::of(&node, repository, tag);
        }
    };
    check(7);
    node.get(&format!("/v2/app/blobs/{nameless}")).expect_error(404, "BLOB_UNKNOWN");
    one.docker("rmi team/web:v1 app:2").ok();
    check(5);
}
