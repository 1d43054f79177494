//! The owner's API.

use dockless_oci::Digest;
use serde_json::json;

use super::fixture::{Node, manifest};
use crate::connection::{Connection, Peer, Scheme};

fn node() -> Node {
    let mut node = Node::open();
    node.push_blob("a/b", b"{}");
    node.push_manifest("a/b", "v1", &manifest("m")).expect(201);
    node.push_manifest("c", "v1", &manifest("m")).expect(201);
    node.connection = Connection::new(Peer::Unix, Scheme::Http, true);
    node
}

#[test]
fn repositories_tags_and_usage_are_listed() {
    let node = node();
    let size = manifest("m").len() + 2;
    let first = json!({ "name": "a/b", "held": true, "manifests": 1, "tags": 1, "blobs": 1, "bytes": size });
    let list = node.ask("GET /admin/v1/repositories?n=1").expect(200).json();
    assert_eq!(list, json!({ "repositories": [first] }));
    let rest = node.ask("GET /admin/v1/repositories?after=a/b").expect(200).json();
    assert_eq!(rest["repositories"][0]["name"], "c");
    let digest = Digest::sha256(&manifest("m"));
    let tags = node.ask("GET /admin/v1/repositories/a/b/tags").expect(200).json();
    assert_eq!(tags, json!({ "repository": "a/b", "tags": [{ "tag": "v1", "digest": digest }] }));
    assert_eq!(node.ask("GET /admin/v1/usage?repository=a/b").expect(200).json(), first);
    assert_eq!(node.ask("GET /admin/v1/usage").expect(200).json()["tags"], 2);
    node.ask("GET /admin/v1/usage?repository=none").expect_error(404, "NAME_UNKNOWN");
    node.ask("GET /admin/v1/repositories/none/tags").expect_error(404, "NAME_UNKNOWN");
}

#[test]
fn a_manifest_is_shown_with_all_around_it() {
    let node = node();
    let answer = node.ask("GET /admin/v1/repositories/a/b/inspect/v1").expect(200).json();
    assert_eq!(answer["digest"], Digest::sha256(&manifest("m")).as_str());
    assert_eq!(answer["tags"], json!(["v1"]));
    assert_eq!(answer["annotations"]["note"], "m");
    assert_eq!(answer["references"][0]["held"], true);
    let elsewhere = node.ask("GET /admin/v1/repositories/c/inspect/v1").expect(200).json();
    assert_eq!(elsewhere["references"][0]["held"], false);
    node.ask("GET /admin/v1/repositories/a/b/inspect/none").expect_error(404, "MANIFEST_UNKNOWN");
}

#[test]
fn tags_are_set_and_things_removed() {
    let node = node();
    let digest = Digest::sha256(&manifest("m"));
    let post =
        |body: serde_json::Value| node.send("POST /admin/v1/repositories/a/b/tags", &[], body.to_string());
    assert_eq!(post(json!({ "tag": "v2", "from": "v1" })).expect(200).json()["digest"], digest.as_str());
    post(json!({ "tag": "v3", "digest": digest })).expect(200);
    for bad in [json!({}), json!({ "tag": "x" }), json!({ "tag": ".x", "from": "v1" }), json!([])] {
        post(bad).expect_error(400, "MANIFEST_INVALID");
    }
    post(json!({ "tag": "x", "from": "none" })).expect_error(404, "MANIFEST_UNKNOWN");
    node.ask("DELETE /admin/v1/repositories/a/b/tags/v1").expect(200);
    node.ask(&format!("DELETE /admin/v1/repositories/a/b/manifests/{digest}")).expect(200);
    node.ask("HEAD /v2/a/b/manifests/v3").expect(404);
    node.ask(&format!("DELETE /admin/v1/repositories/a/b/blobs/{}", Digest::sha256(b"{}"))).expect(200);
    node.ask("PUT /admin/v1/repositories/a/b/tags/v1").expect_error(405, "UNSUPPORTED");
    node.ask("GET /admin/v1/nothing").expect_error(404, "UNSUPPORTED");
}

#[test]
fn the_status_says_how_the_node_is() {
    let status = node().ask("GET /admin/v1/status").expect(200).json();
    assert_eq!(
        (&status["version"], &status["ready"], &status["login"]),
        (&json!("1.2.3"), &json!(true), &json!(false))
    );
    node().ask("GET /admin/v1/trust").expect_error(404, "UNSUPPORTED");
}
