//! On which terms an engine is served: only read unless told otherwise, and only what is shared.

use std::collections::BTreeSet;

use dockless_testkit::process::Options;

use super::scene::{Machine, Shown, options, repositories, serve, until};
use crate::inside::Node;
use crate::inside::tool::says;

#[test]
fn a_push_changes_nothing_in_docker_unless_it_is_to_be_loaded() {
    let (one, other) = (Machine::new(), Machine::new());
    let engine = [one.engine.host()];
    one.build("held:1", 3);
    let images = || {
        let listed = one.docker("images --all --no-trunc --format {{.Repository}}:{{.Tag}}={{.ID}}").ok();
        listed.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let before = images();
    let node = serve(&engine, &[]);
    let push = |node: &Node, seed: u64| {
        let image = node.image("team/pushed:1");
        other.build(&image, seed);
        other.docker("push").arg(&image).ok();
        other.id(&image)
    };
    push(&node, 4);
    node.holds_pushed("team/pushed", "1");
    assert_eq!(images(), before);

    let node = node.restarted(&options(&engine, &["--engine-load"]));
    let id = push(&node, 5);
    let loaded = || one.docker("images --no-trunc --quiet team/pushed:1").ok();
    until("what was pushed is in docker", || (loaded().trim() == id).then_some(()));
    one.runs("team/pushed:1");
    assert_eq!(one.listed().len(), 2);
    assert_eq!(repositories(&node), ["held", "team/pushed"]);
}

#[test]
fn what_is_not_shared_is_unknown() {
    let one = Machine::new();
    one.build("open/app:1", 3);
    for name in ["open/deep/app:1", "secret/app:1", "app:1", "ghcr.io/open/app:1"] {
        one.docker("tag open/app:1").arg(name).ok();
    }
    let Options { arguments, .. } = options(&[one.engine.host()], &[]);
    let shared = |patterns: &str| {
        let environment = vec![("DOCKLESS_ENGINE_SHARE".to_owned(), patterns.to_owned())];
        Node::with(&Options { arguments: arguments.clone(), environment, ..Options::default() })
    };
    let all = ["app", "ghcr.io/open/app", "open/app", "open/deep/app", "secret/app"];
    let everything = shared("**");
    let shown = Shown::of(&everything, "secret/app", "1");
    for (patterns, expected) in [
        ("**", &all[..]),
        ("open/*", &["open/app"]),
        ("open/**,app", &["app", "open/app", "open/deep/app"]),
        ("ghcr.io/**", &["ghcr.io/open/app"]),
        // An empty variable counts as not set; a list without an item is this.
        (",", &[]),
    ] {
        let node = shared(patterns);
        assert_eq!(repositories(&node), expected, "{patterns}");
        let expected: BTreeSet<&str> = expected.iter().copied().collect();
        for name in all {
            let status = if expected.contains(name) { 200 } else { 404 };
            let blob = &shown.layers[0].0;
            for target in [
                format!("/v2/{name}/manifests/1"),
                format!("/v2/{name}/manifests/{}", shown.digest),
                format!("/v2/{name}/blobs/{blob}"),
                format!("/v2/{name}/tags/list"),
            ] {
                assert_eq!(node.get(&target).status, status, "{patterns}: {target}");
            }
        }
    }
    let node = shared("open/*");
    let other = Machine::new();
    says(&other.docker("pull").arg(node.image("secret/app:1")).fails(), &["manifest unknown"]);
    other.docker("pull").arg(node.image("open/app:1")).ok();
}
