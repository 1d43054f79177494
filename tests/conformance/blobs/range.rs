//! Ranges of a blob of 2048 bytes.

use std::ops::Range;

use dockless_oci::Algorithm;
use dockless_testkit::Client;

use super::{blob, blob_cases};
use crate::conformance::{REPO, blob_path};

blob_cases!(
    first_to_last,
    first_to_end,
    suffix,
    clamped,
    reversed,
    behind_the_end,
    several_at_once,
    foreign_unit_is_ignored,
);

const LENGTH: usize = 2048;

async fn check(client: &Client, algorithm: Algorithm, asked: &str, expected: Option<Range<usize>>) {
    let blob = blob(algorithm, LENGTH);
    client.push_blob(REPO, &blob).await;
    let answer = client.get(&blob_path(REPO, &blob.digest)).header("range", asked).send().await;
    let Some(expected) = expected else {
        assert_eq!(answer.header("content-range"), Some("bytes */2048"), "{answer:?}");
        return answer.expect_error(416, "RANGE_INVALID");
    };
    let answer = answer.expect(206);
    let content_range = format!("bytes {}-{}/2048", expected.start, expected.end - 1);
    assert_eq!(answer.header("content-range"), Some(content_range.as_str()));
    assert_eq!(answer.content_length(), Some(expected.len() as u64));
    assert_eq!(answer.header("docker-content-digest"), Some(blob.digest.as_str()));
    assert_eq!(answer.body, blob.bytes.slice(expected));
}

async fn first_to_last(client: &Client, algorithm: Algorithm) {
    check(client, algorithm, "bytes=500-1499", Some(500..1500)).await;
}

async fn first_to_end(client: &Client, algorithm: Algorithm) {
    check(client, algorithm, "bytes=500-", Some(500..LENGTH)).await;
}

async fn suffix(client: &Client, algorithm: Algorithm) {
    check(client, algorithm, "bytes=-500", Some(1548..LENGTH)).await;
}

async fn clamped(client: &Client, algorithm: Algorithm) {
    check(client, algorithm, "bytes=2000-5000", Some(2000..LENGTH)).await;
}

async fn reversed(client: &Client, algorithm: Algorithm) {
    check(client, algorithm, "bytes=500-0", None).await;
}

async fn behind_the_end(client: &Client, algorithm: Algorithm) {
    check(client, algorithm, "bytes=5000-10000", None).await;
}

/// A partial pull of a zstd:chunked layer; the parts come in one multipart body.
async fn several_at_once(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, LENGTH);
    client.push_blob(REPO, &blob).await;
    let asked = client.get(&blob_path(REPO, &blob.digest)).header("range", "bytes=0-9,100-199,-5");
    let answer = asked.send().await.expect(206);
    let kind = answer.header("content-type").unwrap_or_default();
    let boundary =
        kind.strip_prefix("multipart/byteranges; boundary=").unwrap_or_else(|| panic!("{answer:?}"));
    assert_eq!(answer.content_length(), Some(answer.body.len() as u64));
    let mut rest = &answer.body[..];
    for part in [0..10, 100..200, LENGTH - 5..LENGTH] {
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(rest[..end].to_vec()).unwrap().to_lowercase();
        assert!(head.contains(&format!("--{}", boundary.to_lowercase())), "{head}");
        let range = format!("content-range: bytes {}-{}/2048", part.start, part.end - 1);
        assert!(head.contains(&range), "{range} in {head}");
        rest = &rest[end + 4..];
        assert_eq!(rest[..part.len()], blob.bytes[part.clone()]);
        rest = &rest[part.len()..];
    }
    assert_eq!(rest.trim_ascii(), format!("--{boundary}--").as_bytes());
}

async fn foreign_unit_is_ignored(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, LENGTH);
    client.push_blob(REPO, &blob).await;
    let answer =
        client.get(&blob_path(REPO, &blob.digest)).header("range", "items=0-1").send().await.expect(200);
    assert_eq!(answer.body, blob.bytes);
}
