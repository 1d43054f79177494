//! Engines and pulls as the owner is shown them, how ready a node is whose engines fail, and what no delete reaches.

use std::time::Duration;

use bytes::Bytes;
use dockless_registry::conformance::{Bring, Lie, LyingSource, MemorySource, Offer};
use dockless_runtime::Clock as _;
use serde_json::{Value, json};

use super::fixture::{Node, manifest};
use crate::Settings;
use crate::connection::{Connection, Peer, Scheme};

/// `alice:secret`
const ALICE: &str = "Basic YWxpY2U6c2VjcmV0";

/// A node with an engine that works, one that is down, and one that takes half a minute to say anything.
fn node() -> Node {
    Node::guarded_with_sources(Settings::default(), |runtime| {
        let offers = || vec![Offer::new("team/app").image("v1", &[Bytes::from_static(b"layer")])];
        let engine = |label: &str| MemorySource::new(runtime.clone(), label, Bring::InPlace, offers());
        let lying = |label: &str, lie| LyingSource::new(engine(label), runtime.clone(), move || lie);
        let well = engine("engine well");
        vec![well, lying("engine down", Lie::Unreachable), lying("engine silent", Lie::Silence)]
    })
}

impl Node {
    /// The same node as its owner reaches it.
    fn owned(mut self) -> Self {
        self.connection = Connection::new(Peer::Unix, Scheme::Http, true);
        self
    }
}

#[test]
fn each_engine_is_listed_with_how_it_is_within_a_bounded_time() {
    let node = node().owned();
    let clock = node.simulation.clock();
    let began = clock.monotonic();
    let listed = node.ask("GET /admin/v1/engines").expect(200).json();
    assert!(clock.monotonic() - began < Duration::from_secs(11));
    let rows: Vec<_> = listed["engines"].as_array().unwrap().iter().collect();
    let of = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<Value>>();
    assert_eq!(of("label"), ["engine well", "engine down", "engine silent"].map(Value::from));
    assert_eq!(of("answers"), [true, false, false].map(Value::from));
    assert_eq!(rows[0]["images"], 1);
    assert!(
        rows[1]["problem"].is_string() && rows[2]["problem"].as_str().unwrap().contains("10s"),
        "{listed}"
    );
    node.ask("POST /admin/v1/engines").expect_error(405, "UNSUPPORTED");
}

#[test]
fn an_engine_that_fails_is_a_warning_and_no_reason_to_go_elsewhere() {
    let node = node().owned();
    let clock = node.simulation.clock();
    let began = clock.monotonic();
    let ready = node.ask("GET /readyz").expect(200).json();
    assert!(clock.monotonic() - began < Duration::from_secs(1), "a probe waits for a second");
    assert_eq!((&ready["ready"], &ready["reasons"]), (&json!(true), &json!([])));
    let warnings = ready["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 2, "{ready}");
    for (warning, label) in warnings.iter().zip(["engine down: ", "engine silent: "]) {
        assert_eq!(warning["code"], "source");
        assert!(warning["message"].as_str().unwrap().starts_with(label), "{ready}");
    }
    let status = node.ask("GET /admin/v1/status").expect(200).json();
    assert_eq!((&status["ready"], status["warnings"].as_array().unwrap().len()), (&json!(true), 2));
}

#[test]
fn pulls_are_listed_with_where_the_bytes_came_from() {
    let node = node();
    let digest = node
        .ask_as(ALICE, "GET /v2/team/app/manifests/v1")
        .expect(200)
        .header("docker-content-digest")
        .to_owned();
    node.ask_as(ALICE, &format!("HEAD /v2/team/app/manifests/{digest}")).expect(200);
    let layer = dockless_oci::Digest::sha256(b"layer");
    node.ask_as(ALICE, &format!("GET /v2/team/app/blobs/{layer}")).expect(200);
    let node = node.owned();
    let listed = node.ask("GET /admin/v1/pulls").expect(200).json();
    let rows = listed["pulls"].as_array().unwrap();
    let words = |row: &Value| {
        ["kind", "repository", "tag", "digest", "from", "user"]
            .map(|name| row[name].as_str().unwrap_or("").to_owned())
    };
    assert_eq!(rows.len(), 2, "a HEAD is no pull: {listed}");
    assert_eq!(words(&rows[0]), ["blob", "team/app", "", layer.as_str(), "engine well", "alice"]);
    assert_eq!(words(&rows[1]), ["manifest", "team/app", "v1", &digest, "engine well", "alice"]);
    assert_eq!((&rows[0]["bytes"], rows[0]["took_ms"].is_number()), (&json!(5), true));
    let newest = node.ask("GET /admin/v1/pulls?n=1").expect(200).json();
    assert_eq!(newest["pulls"], json!([rows[0]]));
    node.ask("GET /admin/v1/pulls?n=x").expect_error(400, "PAGINATION_NUMBER_INVALID");
}

#[test]
fn what_only_an_engine_holds_cannot_be_deleted_here_and_is_still_there() {
    let node = node();
    let digest = node
        .ask_as(ALICE, "GET /v2/team/app/manifests/v1")
        .expect(200)
        .header("docker-content-digest")
        .to_owned();
    for reference in ["v1", &digest] {
        let refused = node.ask_as(ALICE, &format!("DELETE /v2/team/app/manifests/{reference}"));
        assert_eq!(refused.header("allow"), "GET, HEAD, PUT");
        let message = refused.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("engine well holds this") && message.contains("docker rmi"), "{message}");
        refused.expect_error(405, "UNSUPPORTED");
        node.ask_as(ALICE, &format!("GET /v2/team/app/manifests/{reference}")).expect(200);
    }
    let nowhere = node.ask_as(ALICE, "DELETE /v2/team/app/manifests/v2");
    nowhere.expect_error(404, "MANIFEST_UNKNOWN");
    let own = manifest("own");
    let headers = [("authorization", ALICE), ("content-type", super::fixture::OCI_MANIFEST)];
    node.send("PUT /v2/team/app/manifests/v1", &headers, own.clone()).expect(201);
    assert_eq!(node.ask_as(ALICE, "GET /v2/team/app/manifests/v1").expect(200).body, own.as_slice());
    node.ask_as(ALICE, "DELETE /v2/team/app/manifests/v1").expect(202);
    let again = node.ask_as(ALICE, "GET /v2/team/app/manifests/v1").expect(200);
    assert_eq!(again.header("docker-content-digest"), digest, "what the engine holds is seen again");
    let node = node.owned();
    node.ask("DELETE /admin/v1/repositories/team/app/tags/v1").expect_error(405, "UNSUPPORTED");
}
