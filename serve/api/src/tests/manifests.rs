//! Manifests: put, pulled, tagged, deleted, and their referrers.

use dockless_oci::Digest;
use dockless_oci::digest::Algorithm;
use serde_json::json;

use super::fixture::{Node, OCI_MANIFEST, manifest};

#[test]
fn a_manifest_is_served_as_it_was_pushed() {
    let node = Node::open();
    let bytes = manifest("one");
    let digest = Digest::sha256(&bytes);
    let answer = node.push_manifest("a/b", "v1", &bytes).expect(201);
    assert_eq!(answer.header("location"), format!("/v2/a/b/manifests/{digest}"));
    assert_eq!(answer.header("docker-content-digest"), digest.as_str());
    for (reference, caching) in [("v1", "no-cache"), (digest.as_str(), "public, max-age=31536000, immutable")]
    {
        for (method, body) in [("GET", bytes.as_slice()), ("HEAD", b"".as_slice())] {
            let answer = node.ask(&format!("{method} /v2/a/b/manifests/{reference}")).expect(200);
            assert_eq!(answer.body, body);
            assert_eq!(answer.header("content-type"), OCI_MANIFEST);
            assert_eq!(answer.header("content-length"), bytes.len().to_string());
            assert_eq!(answer.header("docker-content-digest"), digest.as_str());
            assert_eq!(answer.header("etag"), format!("\"{digest}\""));
            assert_eq!(answer.header("cache-control"), caching);
        }
        let known = [("if-none-match", &*format!("\"{digest}\""))];
        node.send(&format!("GET /v2/a/b/manifests/{reference}"), &known, "").expect(304);
        node.send(&format!("HEAD /v2/a/b/manifests/{reference}"), &known, "").expect(304);
    }
}

#[test]
fn whoever_pushes_a_manifest_without_its_content_is_warned() {
    let node = Node::open();
    let layer = Digest::sha256(b"layer");
    let lacking = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": layer, "size": 5},
        "layers": [],
    });
    let lacking = lacking.to_string().into_bytes();
    let answer = node.push_manifest("a/b", "v1", &lacking).expect(201);
    assert_eq!(answer.header("warning"), "299 - \"1 of its references are not in a/b: push them too\"");
    node.push_blob("a/b", b"layer");
    assert_eq!(node.push_manifest("a/b", "v1", &lacking).expect(201).header("warning"), "");
}

#[test]
fn several_accept_lines_in_any_order_make_no_difference() {
    let node = Node::open();
    node.push_manifest("a", "v1", &manifest("one")).expect(201);
    let types =
        ["application/json", OCI_MANIFEST, "application/vnd.docker.distribution.manifest.list.v2+json"];
    for turn in 0..types.len() {
        let accept: Vec<_> = (0..types.len()).map(|n| ("accept", types[(n + turn) % types.len()])).collect();
        assert_eq!(
            node.send("GET /v2/a/manifests/v1", &accept, "").expect(200).header("content-type"),
            OCI_MANIFEST
        );
    }
}

#[test]
fn parameters_of_the_content_type_are_dropped() {
    let node = Node::open();
    let typed = format!("{OCI_MANIFEST}; charset=utf-8");
    node.send("PUT /v2/a/manifests/v1", &[("content-type", &typed)], manifest("x")).expect(201);
    assert_eq!(node.ask("HEAD /v2/a/manifests/v1").header("content-type"), OCI_MANIFEST);
}

#[test]
fn references_that_cannot_be_are_refused_by_what_is_asked() {
    let node = Node::open();
    node.push_blob("a", b"x");
    node.ask("GET /v2/a/manifests/.INVALID_MANIFEST_NAME").expect_error(404, "MANIFEST_UNKNOWN");
    node.ask("HEAD /v2/a/manifests/.INVALID_MANIFEST_NAME").expect(404);
    node.ask("GET /v2/a/manifests/absent").expect_error(404, "MANIFEST_UNKNOWN");
    node.ask("GET /v2/a/manifests/sha256:totallywrong").expect_error(400, "DIGEST_INVALID");
    node.push_manifest("a", "sha256:baddigeststring", &manifest("x")).expect_error(400, "DIGEST_INVALID");
    node.push_manifest("a", ".bad", &manifest("x")).expect_error(400, "TAG_INVALID");
    node.push_manifest("a", "v1", b"no json").expect_error(400, "MANIFEST_INVALID");
    node.push_manifest("a", "v1", b"").expect_error(400, "MANIFEST_INVALID");
}

#[test]
fn a_wrong_digest_and_a_huge_manifest_are_refused() {
    let node = Node::open();
    let (bytes, digest) = (manifest("x"), Digest::sha256(&manifest("x")));
    let mut longer = bytes.clone();
    longer.extend_from_slice(b"  ");
    node.push_manifest("a", digest.as_str(), &longer).expect_error(400, "DIGEST_INVALID");
    let huge = manifest(&"x".repeat(5 << 20));
    node.push_manifest("a", "v1", &huge).expect_error(413, "MANIFEST_INVALID");
    node.push_manifest("a", "v1", &manifest(&"x".repeat(4_000_000))).expect(201);
}

#[test]
fn a_put_by_digest_sets_all_its_tags_or_none() {
    let node = Node::open();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let bytes = manifest(algorithm.as_str());
        let digest = Digest::of(algorithm, &bytes);
        let answer = node.push_manifest("a", &format!("{digest}?tag=x&tag=y.1&tag=x"), &bytes).expect(201);
        let tags: Vec<_> =
            answer.headers.get_all("oci-tag").iter().map(|tag| tag.to_str().unwrap()).collect();
        assert_eq!(tags, ["x", "y.1"]);
        for tag in tags {
            let answer = node.ask(&format!("HEAD /v2/a/manifests/{tag}")).expect(200);
            assert_eq!(answer.header("docker-content-digest"), digest.as_str());
        }
        node.push_manifest("a", &format!("{digest}?tag=new&tag=.bad"), &bytes)
            .expect_error(400, "TAG_INVALID");
        node.ask("HEAD /v2/a/manifests/new").expect(404);
        let many: String = (0..101).map(|n| format!("tag=t{n}&")).collect();
        node.push_manifest("a", &format!("{digest}?{many}"), &bytes).expect(414);
    }
}

#[test]
fn a_tag_is_put_on_conditions() {
    let node = Node::open();
    let put = |note: &str, name: &str, value: &str| {
        let headers = [("content-type", OCI_MANIFEST), (name, value)];
        node.send("PUT /v2/a/manifests/v1", &headers, manifest(note))
    };
    let tag = |note: &str| format!("\"{}\"", Digest::sha256(&manifest(note)));
    put("one", "if-match", &tag("one")).expect_error(412, "TAG_CHANGED");
    put("one", "if-none-match", "*").expect(201);
    put("two", "if-none-match", "*").expect_error(412, "TAG_CHANGED");
    put("two", "if-match", &tag("other")).expect_error(412, "TAG_CHANGED");
    put("two", "if-match", &tag("one")).expect(201);
    put("three", "if-match", &format!("{}, {}", tag("one"), tag("two"))).expect(201);
    put("four", "if-match", "*").expect(201);
    put("five", "if-match", &format!("W/{}", tag("four"))).expect_error(412, "TAG_CHANGED");
    put("five", "if-none-match", "\"x\"").expect_error(400, "MANIFEST_INVALID");
    for unreadable in ["", " , "] {
        put("five", "if-match", unreadable).expect_error(412, "TAG_CHANGED");
        put("five", "if-none-match", unreadable).expect_error(400, "MANIFEST_INVALID");
    }
    let digest = Digest::sha256(&manifest("four"));
    assert_eq!(node.ask("HEAD /v2/a/manifests/v1").header("docker-content-digest"), digest.as_str());
}

#[test]
fn deleting_a_manifest_takes_its_tags_and_deleting_a_tag_nothing_else() {
    let node = Node::open();
    let digest = Digest::sha256(&manifest("m"));
    for tag in ["one", "two"] {
        node.push_manifest("a", tag, &manifest("m")).expect(201);
    }
    node.ask("DELETE /v2/a/manifests/one").expect(202);
    node.ask("DELETE /v2/a/manifests/one").expect_error(404, "MANIFEST_UNKNOWN");
    node.ask(&format!("HEAD /v2/a/manifests/{digest}")).expect(200);
    node.ask(&format!("DELETE /v2/a/manifests/{digest}")).expect(202);
    node.ask("HEAD /v2/a/manifests/two").expect(404);
    node.ask(&format!("DELETE /v2/a/manifests/{digest}")).expect_error(404, "MANIFEST_UNKNOWN");
}

/// Pushes an artifact that refers to `subject`; its digest.
fn refer(node: &Node, subject: &Digest, artifact_type: &str) -> Digest {
    let bytes = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::sha256(b"{}"), "size": 2 },
        "layers": [],
        "subject": { "mediaType": OCI_MANIFEST, "digest": subject, "size": 3 },
        "annotations": { "kind": artifact_type },
    });
    let bytes = bytes.to_string().into_bytes();
    let digest = Digest::sha256(&bytes);
    let answer = node.push_manifest("a", digest.as_str(), &bytes).expect(201);
    assert_eq!(answer.header("oci-subject"), subject.as_str());
    digest
}

#[test]
fn referrers_are_listed_and_filtered_and_never_missing() {
    let node = Node::open();
    let subject = Digest::sha256(b"never pushed");
    let path = format!("GET /v2/a/referrers/{subject}");
    let list = |line: &str| {
        let answer = node.ask(line).expect(200);
        assert_eq!(answer.header("content-type"), "application/vnd.oci.image.index.v1+json");
        let body = answer.json();
        assert_eq!(
            (&body["schemaVersion"], &body["mediaType"]),
            (&json!(2), &json!(answer.header("content-type")))
        );
        (body["manifests"].clone(), answer.header("oci-filters-applied").to_owned())
    };
    assert_eq!(list(&path), (json!([]), String::new()));
    let (sbom, signature) =
        (refer(&node, &subject, "test/sbom+json"), refer(&node, &subject, "test/signature"));
    assert_eq!(list(&path).0.as_array().unwrap().len(), 2);
    for query in ["test/sbom%2Bjson", "test/sbom+json"] {
        let (found, filters) = list(&format!("{path}?artifactType={query}"));
        assert_eq!(found.as_array().unwrap().len(), 1);
        assert_eq!(found[0]["digest"], sbom.as_str());
        assert_eq!(found[0]["annotations"]["kind"], "test/sbom+json");
        assert_eq!(filters, "artifactType");
    }
    node.ask(&format!("DELETE /v2/a/manifests/{sbom}")).expect(202);
    assert_eq!(list(&path).0[0]["digest"], signature.as_str());
    node.ask("GET /v2/a/referrers/nothing").expect_error(400, "DIGEST_INVALID");
}
