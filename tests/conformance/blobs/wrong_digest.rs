//! Bodies that are longer than their digest says: 400 by every way, and the blob is not there afterwards.

use dockless_oci::Algorithm;
use dockless_testkit::push::with_parameter;
use dockless_testkit::{Answer, Client, Content};

use super::{OCTETS, assert_absent, begin, blob, blob_cases, chunk, closing};
use crate::conformance::{REPO, uploads_path};

blob_cases!(
    bad_digest_post_only,
    bad_digest_post_put,
    bad_digest_chunked,
    bad_digest_chunked_and_put_chunk,
    bad_digest_stream,
);

const LENGTH: usize = 2048;

/// The digest of one blob on the bytes of a longer one.
fn wrong(algorithm: Algorithm) -> Content {
    let right = blob(algorithm, LENGTH);
    let bytes = [&right.bytes[..], b"more"].concat();
    Content { bytes: bytes.into(), ..right }
}

async fn check(client: &Client, refused: Answer, wrong: &Content) {
    refused.expect_error(400, "DIGEST_INVALID");
    assert_absent(client, wrong).await;
    let real = Content::new(wrong.digest.algorithm(), OCTETS, wrong.bytes.clone());
    assert_absent(client, &real).await;
}

async fn bad_digest_post_only(client: &Client, algorithm: Algorithm) {
    let wrong = wrong(algorithm);
    let target = with_parameter(&uploads_path(REPO), &format!("digest={}", wrong.digest));
    let refused = client.post(&target).body(wrong.bytes.clone()).send().await;
    check(client, refused, &wrong).await;
}

async fn bad_digest_post_put(client: &Client, algorithm: Algorithm) {
    let wrong = wrong(algorithm);
    let refused = client.put(&closing(&begin(client).await, &wrong)).body(wrong.bytes.clone()).send().await;
    check(client, refused, &wrong).await;
}

async fn bad_digest_chunked(client: &Client, algorithm: Algorithm) {
    let wrong = wrong(algorithm);
    let held = chunk(client, "PATCH", &begin(client).await, 0, wrong.bytes.slice(..LENGTH)).await.expect(202);
    let held =
        chunk(client, "PATCH", &held.location(), LENGTH, wrong.bytes.slice(LENGTH..)).await.expect(202);
    let refused = client.put(&closing(&held.location(), &wrong)).body("").send().await;
    check(client, refused, &wrong).await;
}

async fn bad_digest_chunked_and_put_chunk(client: &Client, algorithm: Algorithm) {
    let wrong = wrong(algorithm);
    let held = chunk(client, "PATCH", &begin(client).await, 0, wrong.bytes.slice(..LENGTH)).await.expect(202);
    let target = closing(&held.location(), &wrong);
    let refused = chunk(client, "PUT", &target, LENGTH, wrong.bytes.slice(LENGTH..)).await;
    check(client, refused, &wrong).await;
}

async fn bad_digest_stream(client: &Client, algorithm: Algorithm) {
    let wrong = wrong(algorithm);
    let pieces = wrong.bytes.chunks(1000).map(|piece| wrong.bytes.slice_ref(piece)).collect();
    let held = client.patch(&begin(client).await).stream(pieces).send().await.expect(202);
    let refused = client.put(&closing(&held.location(), &wrong)).body("").send().await;
    check(client, refused, &wrong).await;
}
