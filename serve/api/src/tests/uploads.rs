//! Uploads in every form, and everything that can be wrong with them.

use dockless_oci::Digest;
use dockless_oci::digest::Algorithm;

use super::fixture::{Answer, Node};

fn begin(node: &Node, repository: &str) -> String {
    let answer = node.ask(&format!("POST /v2/{repository}/blobs/uploads/")).expect(202);
    assert_eq!(answer.header("range"), "0-0");
    assert_eq!(answer.header("content-length"), "0");
    let location = answer.header("location").to_owned();
    let id = answer.header("docker-upload-uuid").to_owned();
    assert_eq!(location, format!("/v2/{repository}/blobs/uploads/{id}?offset=0"));
    location
}

fn patch(node: &Node, location: &str, range: &str, bytes: &[u8]) -> Answer {
    node.send(&format!("PATCH {location}"), &[("content-range", range)], bytes.to_vec())
}

fn finish(node: &Node, location: &str, digest: &Digest, bytes: &[u8]) -> Answer {
    node.send(&format!("PUT {location}&digest={digest}"), &[], bytes.to_vec())
}

fn check_created(node: &Node, answer: &Answer, repository: &str, digest: &Digest, bytes: &[u8]) {
    let location = format!("/v2/{repository}/blobs/{digest}");
    assert_eq!(answer.header("location"), location);
    assert_eq!(answer.header("docker-content-digest"), digest.as_str());
    assert_eq!(node.ask(&format!("GET {location}")).expect(200).body, bytes);
}

#[test]
fn a_blob_comes_in_one_post_or_in_post_and_put() {
    let node = Node::open();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Blake3] {
        for bytes in [b"".as_slice(), b"some bytes"] {
            let digest = Digest::of(algorithm, bytes);
            let answer =
                node.send(&format!("POST /v2/a/blobs/uploads/?digest={digest}"), &[], bytes.to_vec());
            check_created(&node, &answer.expect(201), "a", &digest, bytes);
            let answer = finish(&node, &begin(&node, "b"), &digest, bytes).expect(201);
            check_created(&node, &answer, "b", &digest, bytes);
        }
    }
}

#[test]
fn chunks_must_come_in_order_and_old_locations_still_answer() {
    let node = Node::open();
    let digest = Digest::sha256(b"abcdef");
    let first = begin(&node, "a");
    let refused = patch(&node, &first, "3-5", b"def").expect_error(416, "RANGE_INVALID");
    assert_eq!((refused.header("location"), refused.header("range")), (first.as_str(), "0-0"));
    let answer = patch(&node, &first, "0-2", b"abc").expect(202);
    assert_eq!(answer.header("range"), "0-2");
    let second = answer.header("location").to_owned();
    let refused = patch(&node, &first, "0-2", b"abc").expect_error(416, "RANGE_INVALID");
    assert_eq!((refused.header("location"), refused.header("range")), (second.as_str(), "0-2"));
    let status = node.ask(&format!("GET {first}")).expect(204);
    assert_eq!((status.header("location"), status.header("range")), (second.as_str(), "0-2"));
    let wrong = format!("PUT {second}&digest={digest}");
    node.send(&wrong, &[("content-range", "0-2")], "abc").expect_error(416, "RANGE_INVALID");
    let status = node.ask(&format!("GET {second}&digest={digest}")).expect(204);
    assert_eq!(status.header("range"), "0-2");
    let answer = node.send(&wrong, &[("content-range", "3-5")], "def").expect(201);
    check_created(&node, &answer, "a", &digest, b"abcdef");
    node.ask(&format!("GET {second}")).expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn a_stream_goes_on_where_its_location_says_and_nowhere_else() {
    let node = Node::open();
    let digest = Digest::sha256(b"onetwo");
    let first = begin(&node, "a");
    let answer = node.send(&format!("PATCH {first}"), &[], "one").expect(202);
    let second = answer.header("location").to_owned();
    node.send(&format!("PATCH {first}"), &[], "one").expect_error(416, "RANGE_INVALID");
    node.send(&format!("PATCH {second}"), &[], "two").expect(202);
    // An empty PUT appends nothing, so that it may come by any location of the upload.
    let answer = finish(&node, &first, &digest, b"").expect(201);
    check_created(&node, &answer, "a", &digest, b"onetwo");
}

#[test]
fn wrong_bytes_are_refused_and_nothing_is_kept() {
    let node = Node::open();
    let digest = Digest::sha256(b"right");
    let line = format!("POST /v2/a/blobs/uploads/?digest={digest}");
    node.send(&line, &[], "right and more").expect_error(400, "DIGEST_INVALID");
    let location = begin(&node, "a");
    finish(&node, &location, &digest, b"wrong").expect_error(400, "DIGEST_INVALID");
    node.ask(&format!("GET {location}")).expect(404);
    node.ask(&format!("HEAD /v2/a/blobs/{digest}")).expect(404);
    for bad in ["", "?digest=", "?digest=sha256:x", "?digest=md5:0123"] {
        let location = begin(&node, "a");
        let path = location.split('?').next().unwrap();
        node.ask(&format!("PUT {path}{bad}")).expect_error(400, "DIGEST_INVALID");
    }
}

#[test]
fn a_chunk_must_be_as_long_as_it_says() {
    let node = Node::open();
    let location = begin(&node, "a");
    patch(&node, &location, "0-9", b"abc").expect_error(400, "SIZE_INVALID");
    for bad in ["abc", "2-1", "0-", "bytes=0-2", "0--2"] {
        patch(&node, &location, bad, b"abc").expect_error(400, "BLOB_UPLOAD_INVALID");
    }
    assert_eq!(node.ask(&format!("GET {location}")).expect(204).header("range"), "0-0");
}

#[test]
fn the_algorithm_to_come_may_be_named() {
    let node = Node::open();
    for name in ["sha256", "sha512", "blake3"] {
        node.ask(&format!("POST /v2/a/blobs/uploads/?digest-algorithm={name}")).expect(202);
    }
    node.ask("POST /v2/a/blobs/uploads/?digest-algorithm=md5").expect_error(400, "DIGEST_INVALID");
}

#[test]
fn an_upload_can_be_cancelled_once() {
    let node = Node::open();
    let location = begin(&node, "a");
    node.ask(&format!("DELETE {location}")).expect(204);
    node.ask(&format!("DELETE {location}")).expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    let other = begin(&node, "a").replace("/v2/a/", "/v2/b/");
    node.ask(&format!("GET {other}")).expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    node.ask("PATCH /v2/a/blobs/uploads/no-id").expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn a_mount_is_made_when_it_can_be_and_an_upload_begun_when_not() {
    let node = Node::open();
    let digest = node.push_blob("source", b"shared");
    for (target, from) in [("named", "&from=source"), ("anonymous", "")] {
        let answer = node.ask(&format!("POST /v2/{target}/blobs/uploads/?mount={digest}{from}")).expect(201);
        check_created(&node, &answer, target, &digest, b"shared");
    }
    let absent = Digest::sha256(b"absent");
    for query in [
        format!("mount={digest}&from=empty"),
        format!("mount={digest}&from=NO%20NAME"),
        format!("mount={absent}"),
        format!("mount={absent}&from=source"),
    ] {
        let answer = node.ask(&format!("POST /v2/target/blobs/uploads/?{query}")).expect(202);
        assert!(answer.header("location").starts_with("/v2/target/blobs/uploads/"), "{query}");
    }
    node.ask("POST /v2/target/blobs/uploads/?mount=sha256:x").expect_error(400, "DIGEST_INVALID");
}
