//! Names: every spelling of docker's images that clients may use.

use super::scene::{Machine, Shown, serve};
use crate::inside::Flavour;
use crate::inside::tool::says;

#[test]
fn every_spelling_of_a_name_leads_to_its_image() {
    let one = Machine::new();
    let node = serve(&[one.engine.host()], &[]);
    let named = [
        ("image:1", &["image", "library/image", "docker.io/image", "docker.io/library/image"][..]),
        ("team/image:1", &["team/image", "docker.io/team/image"]),
        ("ghcr.io/x/y:1", &["ghcr.io/x/y"]),
        ("localhost:5000/app:1", &["localhost_5000/app"]),
        ("localhost/app:1", &["localhost/app"]),
    ];
    let mut shown = Vec::new();
    for (seed, (name, spellings)) in named.into_iter().enumerate() {
        one.build(name, 10 + seed as u64);
        let first = Shown::of(&node, spellings[0], "1");
        assert_eq!(first.config.0, one.id(name), "{name}");
        for spelling in spellings {
            assert_eq!(Shown::of(&node, spelling, "1"), first, "{spelling}");
            assert_eq!(Shown::of(&node, spelling, first.digest.as_str()), first, "{spelling}");
        }
        shown.push(first);
    }
    let answer = |target: &str| node.get(target).status;
    // The registry that a mirror's client means decides, whatever stands in the path.
    for (target, status) in [
        ("/v2/library/image/manifests/1?ns=docker.io", 200),
        ("/v2/x/y/manifests/1?ns=ghcr.io", 200),
        ("/v2/app/manifests/1?ns=localhost:5000", 200),
        ("/v2/image/manifests/1?ns=ghcr.io", 404),
        ("/v2/x/y/manifests/1?ns=docker.io", 404),
        ("/v2/x/y/manifests/1", 404),
        ("/v2/y/manifests/1", 404),
        ("/v2/app/manifests/1", 404),
        ("/v2/image/manifests/latest", 404),
    ] {
        assert_eq!(answer(target), status, "{target}");
    }
    let by_namespace = format!("/v2/x/y/blobs/{}?ns=ghcr.io", shown[2].layers[0].0);
    assert_eq!(answer(&by_namespace), 200);
    // What another repository has is no matter of this one.
    for (repository, status) in [("image", 200), ("team/image", 404), ("ghcr.io/x/y", 404)] {
        assert_eq!(
            answer(&format!("/v2/{repository}/manifests/{}", shown[0].digest)),
            status,
            "{repository}"
        );
        assert_eq!(answer(&format!("/v2/{repository}/blobs/{}", shown[0].config.0)), status, "{repository}");
    }
}

#[test]
fn as_a_mirror_of_docker_what_it_has_is_given_and_the_rest_is_left_to_the_upstream() {
    let one = Machine::new();
    let node = serve(&[one.engine.host()], &[]);
    one.build("hello:1", 3);
    one.build("team/web:1", 4);
    let mirror = format!("http://{}", node.host());
    // An upstream that cannot be reached, so that docker says when it goes there.
    let other = Machine::with(&crate::inside::DockerdOptions {
        arguments: &["--registry-mirror", &mirror],
        environment: &[("HTTPS_PROXY", "http://127.0.0.1:9"), ("NO_PROXY", "127.0.0.1")],
        ..Default::default()
    });
    for name in ["hello:1", "team/web:1"] {
        let total = Shown::of(&node, name.split(':').next().unwrap(), "1").total();
        node.sends(total, || other.docker("pull").arg(name).ok());
        assert_eq!(other.id(name), one.id(name));
        other.runs(name);
    }
    says(&other.docker("pull nobody/has:1").fails(), &["registry-1.docker.io", "127.0.0.1:9"]);
    // What is pushed to the node is given too: it is a registry like any other.
    let mut layout = crate::inside::Layout::new(one.room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Docker, 1);
    node.push("library/pushed", "v1", &layout, &stored);
    other.docker("pull pushed:v1").ok();
}
