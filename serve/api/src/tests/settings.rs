//! What the settings of the door and of the registry change.

use super::fixture::{Node, manifest};
use crate::{Door, DoorParts, NodeFacts, Settings};

fn proxied(settings: Settings, headers: &[(&str, &str)]) -> String {
    let node = Node::guarded_with(settings);
    let answer = node.send("GET /v2/", headers, "").expect(401);
    let challenge = answer.header("www-authenticate");
    challenge.strip_prefix("Bearer realm=\"").unwrap().split('"').next().unwrap().to_owned()
}

#[test]
fn the_realm_is_where_the_client_can_reach_it() {
    let headers = [("x-forwarded-proto", "https"), ("x-forwarded-host", "registry.example.org")];
    assert_eq!(proxied(Settings::default(), &headers), "http://node.example:5000/token");
    let trusting = Settings { trusted_proxies: vec!["192.0.2.0/24".to_owned()], ..Settings::default() };
    assert_eq!(proxied(trusting, &headers), "https://registry.example.org/token");
    let public = Settings { public_url: Some("https://p.example/r/".to_owned()), ..Settings::default() };
    assert_eq!(proxied(public, &headers), "https://p.example/r/token");
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let check = |settings: Settings, key: &str| {
        let node = Node::open();
        let parts = DoorParts {
            registry: node.door.registry.clone(),
            access: node.door.access.clone(),
            runtime: node.simulation.runtime(),
            settings,
            metrics: node.door.registered.clone(),
            tls: None,
            facts: NodeFacts::default(),
        };
        assert_eq!(Door::new(parts).unwrap_err().key, key);
    };
    for url in ["registry.example.org", "https://", "ftp://x", "https://x\"y", "https://x?y"] {
        check(Settings { public_url: Some(url.to_owned()), ..Settings::default() }, "http.public_url");
    }
    for entry in ["proxy.example.org", "10.0.0.0/40", ""] {
        check(
            Settings { trusted_proxies: vec![entry.to_owned()], ..Settings::default() },
            "http.trusted_proxies",
        );
    }
}

#[test]
fn a_read_only_registry_is_pulled_from_and_nothing_else() {
    let node = Node::with(dockless_registry::Settings { read_only: true, ..Default::default() });
    node.push_manifest("a", "v1", &manifest("m")).expect_error(405, "UNSUPPORTED");
    node.ask("POST /v2/a/blobs/uploads/").expect_error(405, "UNSUPPORTED");
    node.ask("DELETE /v2/a/manifests/v1").expect_error(405, "UNSUPPORTED");
    node.ask("GET /v2/_catalog").expect(200);
    assert_eq!(node.ask("GET /readyz").expect(200).json()["ready"], true);
}

#[test]
fn blobs_may_be_required_and_every_missing_one_is_named() {
    let node = Node::with(dockless_registry::Settings { require_blobs: true, ..Default::default() });
    let refused = node.push_manifest("a", "v1", &manifest("m")).expect_error(400, "MANIFEST_BLOB_UNKNOWN");
    let config = dockless_oci::Digest::sha256(b"{}");
    assert_eq!(refused.json()["errors"][0]["detail"]["digest"], config.as_str());
    node.push_blob("a", b"{}");
    node.push_manifest("a", "v1", &manifest("m")).expect(201);
}
