//! Content of sources over HTTP: as any other, by the same rights.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use dockless_oci::{Digest, Reference, RepositoryName, Tag};
use dockless_registry::conformance::{Bring, Lie, LyingSource, MemorySource, Offer};
use dockless_registry::{
    Asked, Manifest, Principal, Source, SourceBlob, SourceError, SourceStatus, SourceTraits,
};
use serde_json::json;

use super::fixture::Node;
use crate::Settings;

/// `alice:secret`
const ALICE: &str = "Basic YWxpY2U6c2VjcmV0";
/// `bob:hunter2`
const BOB: &str = "Basic Ym9iOmh1bnRlcjI=";

fn layer() -> Bytes {
    (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn offers() -> Vec<Offer> {
    ["public/app", "team/app", "other/app"].map(|name| Offer::new(name).image("v1", &[layer()])).into()
}

/// A source that notes on whose behalf it is asked.
struct Noting {
    source: Arc<MemorySource>,
    asked: Mutex<Vec<Asked>>,
}

#[async_trait]
impl Source for Noting {
    fn traits(&self) -> &SourceTraits {
        self.source.traits()
    }

    async fn manifest(&self, asked: &Asked, reference: &Reference) -> Result<Option<Manifest>, SourceError> {
        self.asked.lock().unwrap().push(asked.clone());
        self.source.manifest(asked, reference).await
    }

    async fn blob(&self, asked: &Asked, digest: &Digest) -> Result<Option<SourceBlob>, SourceError> {
        self.asked.lock().unwrap().push(asked.clone());
        self.source.blob(asked, digest).await
    }

    async fn tags(&self, asked: &Asked) -> Result<Option<Vec<Tag>>, SourceError> {
        self.asked.lock().unwrap().push(asked.clone());
        self.source.tags(asked).await
    }

    async fn repositories(&self, principal: &Principal) -> Result<Vec<RepositoryName>, SourceError> {
        self.source.repositories(principal).await
    }

    async fn status(&self) -> SourceStatus {
        self.source.status().await
    }
}

fn node(bring: Bring) -> (Node, Arc<Noting>) {
    let mut noting = None;
    let node = Node::guarded_with_sources(Settings::default(), |runtime| {
        let source = MemorySource::new(runtime.clone(), "memory", bring, offers());
        let made = Arc::new(Noting { source, asked: Mutex::default() });
        noting = Some(made.clone());
        vec![made]
    });
    (node, noting.unwrap())
}

#[test]
fn an_image_of_a_source_is_pulled_as_any_other() {
    let digest = Digest::sha256(&layer());
    for bring in [Bring::InPlace, Bring::Foreign] {
        let (node, _) = node(bring);
        let path = "/v2/team/app/manifests/v1";
        let head = node.ask_as(ALICE, &format!("HEAD {path}")).expect(200);
        let manifest = node.ask_as(ALICE, &format!("GET {path}")).expect(200);
        for name in ["content-length", "content-type", "docker-content-digest", "etag"] {
            assert_eq!(head.header(name), manifest.header(name), "{name}");
        }
        assert_eq!(head.header("docker-content-digest"), Digest::sha256(&manifest.body).as_str());
        let path = format!("/v2/team/app/blobs/{digest}");
        let head = node.ask_as(ALICE, &format!("HEAD {path}")).expect(200);
        assert_eq!(head.header("content-length"), "400000");
        assert_eq!(node.ask_as(ALICE, &format!("GET {path}")).expect(200).body, layer());
        let range = [("authorization", ALICE), ("range", "bytes=399990-")];
        let part = node.send(&format!("GET {path}"), &range, "").expect(206);
        assert_eq!(
            (part.header("content-range"), &part.body),
            ("bytes 399990-399999/400000", &layer().slice(399_990..))
        );
        node.ask_as(ALICE, "GET /v2/team/app/manifests/v2").expect_error(404, "MANIFEST_UNKNOWN");
        node.ask_as(ALICE, &format!("DELETE /v2/team/none/blobs/{digest}")).expect_error(404, "BLOB_UNKNOWN");
        node.ask_as(ALICE, "DELETE /v2/team/app/manifests/v1").expect_error(405, "UNSUPPORTED");
    }
}

#[test]
fn who_may_not_pull_from_a_repository_gets_nothing_of_a_source_there() {
    let (node, noting) = node(Bring::InPlace);
    let digest = Digest::sha256(&layer());
    for path in ["manifests/v1".to_owned(), format!("blobs/{digest}"), "tags/list".to_owned()] {
        node.ask(&format!("GET /v2/team/app/{path}")).expect(401);
        node.ask_as(BOB, &format!("GET /v2/other/app/{path}")).expect(403);
        assert_eq!(*noting.asked.lock().unwrap(), [], "{path}: the source is not even asked");
    }
    node.ask(&format!("GET /v2/public/app/blobs/{digest}")).expect(200);
    let listed = node.ask_as(ALICE, "GET /v2/_catalog").expect(200).json();
    assert_eq!(listed, json!({ "repositories": ["other/app", "public/app", "team/app"] }));
    node.ask_as(BOB, "GET /v2/_catalog").expect(403);
}

#[test]
fn a_source_is_told_who_asks_and_which_registry_is_meant() {
    let (node, noting) = node(Bring::InPlace);
    let asked = |line: &str, authorization: &str| {
        let headers: &[(&str, &str)] = &[("authorization", authorization)];
        node.send(line, if authorization.is_empty() { &[] } else { headers }, "").expect(200);
        let asked = std::mem::take(&mut *noting.asked.lock().unwrap());
        let seen = asked
            .last()
            .map(|asked| (asked.namespace.as_deref().map(str::to_owned), asked.principal.clone()));
        seen.expect("the source was asked")
    };
    let alice = Principal::User("alice".into());
    let digest = Digest::sha256(&layer());
    let docker = Some("docker.io".to_owned());
    for part in ["manifests/v1", &format!("blobs/{digest}"), "tags/list"] {
        assert_eq!(asked(&format!("GET /v2/team/app/{part}"), ALICE), (None, alice.clone()), "{part}");
        assert_eq!(
            asked(&format!("GET /v2/team/app/{part}?ns=docker.io"), ALICE),
            (docker.clone(), alice.clone())
        );
    }
    let open = (docker, Principal::Anonymous);
    assert_eq!(asked("HEAD /v2/public/app/manifests/v1?ns=docker.io", ""), open);
    assert_eq!(asked(&format!("HEAD /v2/public/app/blobs/{digest}?ns=docker.io"), ""), open);
    for nobody in [String::new(), "x".repeat(300)] {
        assert_eq!(asked(&format!("GET /v2/public/app/tags/list?ns={nobody}"), "").0, None);
    }
}

#[test]
fn a_push_of_what_a_source_has_needs_no_blob() {
    let (node, noting) = node(Bring::InPlace);
    let offer = offers().remove(1);
    let manifest = offer.manifests.values().next().unwrap();
    for digest in offer.blobs.keys() {
        node.ask_as(ALICE, &format!("HEAD /v2/team/app/blobs/{digest}")).expect(200);
    }
    let headers = [("authorization", ALICE), ("content-type", manifest.media_type.as_str())];
    let put = node.send("PUT /v2/team/app/manifests/mine", &headers, manifest.bytes.clone()).expect(201);
    assert_eq!(put.header("warning"), "", "nothing is missing");
    noting.source.offer(Vec::new());
    for (digest, bytes) in &offer.blobs {
        assert_eq!(node.ask_as(BOB, &format!("GET /v2/team/app/blobs/{digest}")).expect(200).body, *bytes);
    }
}

#[test]
fn a_source_that_does_not_answer_is_named() {
    let node = Node::guarded_with_sources(Settings::default(), |runtime| {
        let source = MemorySource::new(runtime.clone(), "engine one", Bring::InPlace, offers());
        vec![LyingSource::new(source, runtime.clone(), || Lie::Unreachable)]
    });
    let refused = node.ask("GET /v2/public/app/manifests/v1").expect_error(503, "UNAVAILABLE");
    let message = refused.json()["errors"][0]["message"].to_string();
    assert!(message.contains("engine one: connection refused"), "{message}");
    let digest = Digest::sha256(&layer());
    node.ask(&format!("GET /v2/public/app/blobs/{digest}")).expect(503);
    node.ask(&format!("HEAD /v2/public/app/blobs/{digest}")).expect(404);
}
