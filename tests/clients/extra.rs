//! Clients that take minutes to build, run by `cargo xtask test --clients=all`: helm, cosign, notation.

use std::fs;

use crate::inside::tool::{Tool, says};
use crate::inside::{Flavour, Layout, Node, Room, Stored};

/// A node with an image to sign.
fn signable(room: &Room) -> (Node, Stored, String) {
    let node = Node::start();
    let mut layout = Layout::new(room.path("layout"));
    let stored = layout.runnable("v1", Flavour::Oci, 0);
    node.push("signed/app", "v1", &layout, &stored);
    let image = node.image(&format!("signed/app@{}", stored.digest));
    (node, stored, image)
}

#[test]
fn helm_pushes_and_pulls_a_chart() {
    let (node, room) = (Node::start(), Room::new());
    let helm = |words: &str| room.tool("helm").words(words);
    helm("create app").ok();
    helm("package app --version 1.2.3").ok();
    let remote = format!("oci://{}/charts", node.host());
    says(&helm("push --plain-http app-1.2.3.tgz").arg(&remote).run().everything(), &["Digest: sha256:"]);
    fs::create_dir(room.path("pulled")).unwrap();
    let pull = helm("pull --plain-http --version 1.2.3 --destination pulled").arg(format!("{remote}/app"));
    pull.ok();
    assert!(
        fs::read(room.path("app-1.2.3.tgz")).unwrap() == fs::read(room.path("pulled/app-1.2.3.tgz")).unwrap()
    );
    says(&helm("show chart --plain-http --version 1.2.3").arg(format!("{remote}/app")).ok(), &["name: app"]);
    says(&helm("pull --plain-http --version 9.9.9").arg(format!("{remote}/app")).fails(), &["not found"]);
}

#[test]
fn cosign_signs_attaches_and_verifies() {
    let room = Room::new();
    let (node, _, image) = signable(&room);
    let cosign = |words: &str| -> Tool { room.tool("cosign").env("COSIGN_PASSWORD", "secret").words(words) };
    cosign("generate-key-pair").ok();
    let sign =
        "sign --yes --key cosign.key --tlog-upload=false --allow-http-registry --allow-insecure-registry";
    cosign(sign).arg(&image).ok();
    let verify =
        "verify --key cosign.pub --insecure-ignore-tlog=true --allow-http-registry --allow-insecure-registry";
    let verified = cosign(verify).arg(&image).run();
    says(&verified.everything(), &["The signatures were verified against the specified public key"]);
    cosign("generate-key-pair --output-key-prefix other").ok();
    let other = verify.replace("cosign.pub", "other.pub");
    says(&cosign(&other).arg(&image).fails(), &["no matching signatures"]);
    assert_eq!(
        node.get("/v2/signed/app/tags/list").expect(200).json()["tags"].as_array().map(Vec::len),
        Some(2)
    );
}

#[test]
fn notation_signs_and_verifies() {
    let room = Room::new();
    let (node, stored, image) = signable(&room);
    let notation = |words: &str| -> Tool {
        room.tool("notation").env("XDG_CONFIG_HOME", room.path("home")).words(words)
    };
    notation("cert generate-test --default dockless.test").ok();
    notation("sign --insecure-registry").arg(&image).ok();
    let policy = "{\"version\": \"1.0\", \"trustPolicies\": [{\"name\": \"all\", \"registryScopes\": [\"*\"], \
                  \"signatureVerification\": {\"level\": \"strict\"}, \"trustStores\": [\"ca:dockless.test\"], \
                  \"trustedIdentities\": [\"*\"]}]}";
    let policy = room.write("policy.json", policy);
    notation("policy import --force").arg(policy).ok();
    says(
        &notation("verify --insecure-registry").arg(&image).run().everything(),
        &["Successfully verified signature"],
    );
    let listed = node.get(&format!("/v2/signed/app/referrers/{}", stored.digest)).expect(200).json();
    assert_eq!(listed["manifests"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(listed["manifests"][0]["artifactType"], "application/vnd.cncf.notary.signature");
}
