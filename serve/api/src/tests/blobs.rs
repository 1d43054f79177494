//! Pulls of blobs: whole, in ranges, on conditions; and their deletion.

use dockless_oci::Digest;

use super::fixture::{Node, OCI_MANIFEST, manifest};

/// Long enough to be read from the store and not from the cache.
fn long() -> Vec<u8> {
    (0..200_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

#[test]
fn get_and_head_tell_all_there_is_to_tell() {
    let node = Node::open();
    for content in [b"".to_vec(), b"{}".to_vec(), long()] {
        let digest = node.push_blob("a/b", &content);
        let path = format!("/v2/a/b/blobs/{digest}");
        for (method, body) in [("GET", content.as_slice()), ("HEAD", b"".as_slice())] {
            let answer = node.ask(&format!("{method} {path}")).expect(200);
            assert_eq!(answer.body, body);
            assert_eq!(answer.header("content-length"), content.len().to_string());
            assert_eq!(answer.header("content-type"), "application/octet-stream");
            assert_eq!(answer.header("docker-content-digest"), digest.as_str());
            assert_eq!(answer.header("etag"), format!("\"{digest}\""));
            assert_eq!(answer.header("accept-ranges"), "bytes");
            assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
            assert_eq!(answer.header("content-encoding"), "");
        }
    }
}

#[test]
fn a_range_is_answered_exactly() {
    let node = Node::open();
    for content in [long()[..2048].to_vec(), long()] {
        let (digest, size) = (node.push_blob("a", &content), content.len());
        let check = |range: &str, first: usize, last: usize| {
            let line = format!("GET /v2/a/blobs/{digest}");
            let answer = node.send(&line, &[("range", range)], "").expect(206);
            assert_eq!(answer.body, content[first..=last], "{range}");
            assert_eq!(answer.header("content-range"), format!("bytes {first}-{last}/{size}"));
            assert_eq!(answer.header("content-length"), (last - first + 1).to_string());
        };
        check("bytes=500-1499", 500, 1499);
        check("bytes=500-", 500, size - 1);
        check("bytes=-500", size - 500, size - 1);
        check("bytes=2000-500000", 2000, size - 1);
        for bad in ["bytes=500-0", "bytes=500000-600000"] {
            let line = format!("GET /v2/a/blobs/{digest}");
            let answer = node.send(&line, &[("range", bad)], "").expect_error(416, "RANGE_INVALID");
            assert_eq!(answer.header("content-range"), format!("bytes */{size}"));
        }
        for ignored in ["bytes=x", "lines=1-2", ""] {
            node.send(&format!("GET /v2/a/blobs/{digest}"), &[("range", ignored)], "").expect(200);
        }
    }
}

#[test]
fn several_ranges_are_parts_of_one_answer() {
    let node = Node::open();
    let content = long();
    let digest = node.push_blob("a", &content);
    let answer =
        node.send(&format!("GET /v2/a/blobs/{digest}"), &[("range", "bytes=0-1,70000-170000,-3")], "");
    let answer = answer.expect(206);
    let boundary =
        answer.header("content-type").strip_prefix("multipart/byteranges; boundary=").unwrap().to_owned();
    assert!(boundary.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let mut expected = Vec::new();
    for (first, last) in [(0, 1), (70_000, 170_000), (199_997, 199_999)] {
        let line_end = if first == 0 { "" } else { "\r\n" };
        let head = format!(
            "{line_end}--{boundary}\r\nContent-Type: application/octet-stream\r\n\
             Content-Range: bytes {first}-{last}/200000\r\n\r\n"
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&content[first..=last]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert_eq!(answer.body, expected);
    assert_eq!(answer.header("content-length"), expected.len().to_string());
}

#[test]
fn conditions_are_kept() {
    let node = Node::open();
    let digest = node.push_blob("a", b"0123456789");
    let line = format!("GET /v2/a/blobs/{digest}");
    let tag = format!("\"{digest}\"");
    for known in [tag.as_str(), "*", &format!("\"x\", W/{tag}")] {
        let answer = node.send(&line, &[("if-none-match", known)], "").expect(304);
        assert_eq!((answer.header("etag"), answer.body.len()), (tag.as_str(), 0));
    }
    node.send(&line, &[("if-none-match", "\"other\"")], "").expect(200);
    node.send(&line, &[("range", "bytes=1-2"), ("if-range", &tag)], "").expect(206);
    node.send(&line, &[("range", "bytes=1-2"), ("if-range", "\"other\"")], "").expect(200);
    node.send(&line, &[("range", "bytes=1-2"), ("if-range", "Sat, 21 Nov 2026 00:00:00 GMT")], "")
        .expect(200);
}

#[test]
fn what_is_no_blob_of_the_repository_is_unknown() {
    let node = Node::open();
    let digest = node.push_blob("a", b"x");
    node.ask(&format!("GET /v2/b/blobs/{digest}")).expect_error(404, "BLOB_UNKNOWN");
    node.ask(&format!("HEAD /v2/b/blobs/{digest}")).expect(404);
    let bytes = manifest("m");
    node.push_manifest("a", "v1", &bytes).expect(201);
    node.ask(&format!("HEAD /v2/a/blobs/{}", Digest::sha256(&bytes))).expect(404);
    for bad in ["sha256:short", "sha256:", "md5:0123", "nothing"] {
        node.ask(&format!("GET /v2/a/blobs/{bad}")).expect_error(400, "DIGEST_INVALID");
    }
}

#[test]
fn a_blob_is_deleted_in_its_repository_alone_and_not_while_it_is_needed() {
    let node = Node::open();
    let config = node.push_blob("a", b"{}");
    node.push_blob("b", b"{}");
    let bytes = manifest("m");
    node.send("PUT /v2/a/manifests/v1", &[("content-type", OCI_MANIFEST)], bytes.clone()).expect(201);
    let refused = node.ask(&format!("DELETE /v2/a/blobs/{config}")).expect_error(405, "UNSUPPORTED");
    let needed_by = Digest::sha256(&bytes);
    assert_eq!(refused.json()["errors"][0]["detail"], needed_by.as_str());
    node.ask(&format!("DELETE /v2/a/manifests/{needed_by}")).expect(202);
    node.ask(&format!("DELETE /v2/a/blobs/{config}")).expect(202);
    node.ask(&format!("HEAD /v2/a/blobs/{config}")).expect(404);
    node.ask(&format!("DELETE /v2/a/blobs/{config}")).expect_error(404, "BLOB_UNKNOWN");
    node.ask(&format!("HEAD /v2/b/blobs/{config}")).expect(200);
}
