//! The blob of no bytes and the blob `{}`, by the ways of pushing that treat emptiness differently.

use dockless_oci::Algorithm;
use dockless_testkit::push::with_parameter;
use dockless_testkit::{Client, Content};

use super::{OCTETS, assert_absent, begin, blob_cases, closing};
use crate::conformance::{REPO, blob_path, check_blob_created, check_blob_read, uploads_path};

blob_cases!(
    empty_by_post_only,
    empty_by_post_put,
    empty_by_empty_patch,
    empty_by_empty_stream,
    empty_json_by_post_only,
    empty_json_by_post_put,
    empty_json_by_patch,
    empty_ignores_ranges,
);

fn small(algorithm: Algorithm, text: &'static str) -> Content {
    Content::new(algorithm, OCTETS, text)
}

/// HEAD, GET and DELETE of a blob that was just pushed.
async fn check(client: &Client, blob: &Content) {
    let target = blob_path(REPO, &blob.digest);
    let head = client.head(&target).send().await.expect(200);
    check_blob_read(&head, blob);
    let read = client.get(&target).send().await.expect(200);
    check_blob_read(&read, blob);
    assert_eq!(read.body, blob.bytes);
    client.delete(&target).send().await.expect(202);
    assert_absent(client, blob).await;
}

async fn post_only(client: &Client, blob: &Content) {
    let target = with_parameter(&uploads_path(REPO), &format!("digest={}", blob.digest));
    let pushed = client.post(&target).body(blob.bytes.clone()).send().await;
    check_blob_created(client, pushed, blob).await;
    check(client, blob).await;
}

async fn post_put(client: &Client, blob: &Content) {
    let pushed = client.put(&closing(&begin(client).await, blob)).body(blob.bytes.clone()).send().await;
    check_blob_created(client, pushed, blob).await;
    check(client, blob).await;
}

async fn patch(client: &Client, blob: &Content, streamed: bool) {
    let asked = begin(client).await;
    let asked = client.patch(&asked).header("content-type", OCTETS);
    let asked = if streamed { asked.stream(Vec::new()) } else { asked.body(blob.bytes.clone()) };
    let held = asked.send().await.expect(202);
    let pushed = client.put(&closing(&held.location(), blob)).body("").send().await;
    check_blob_created(client, pushed, blob).await;
    check(client, blob).await;
}

async fn empty_by_post_only(client: &Client, algorithm: Algorithm) {
    post_only(client, &small(algorithm, "")).await;
}

async fn empty_by_post_put(client: &Client, algorithm: Algorithm) {
    post_put(client, &small(algorithm, "")).await;
}

async fn empty_by_empty_patch(client: &Client, algorithm: Algorithm) {
    patch(client, &small(algorithm, ""), false).await;
}

async fn empty_by_empty_stream(client: &Client, algorithm: Algorithm) {
    patch(client, &small(algorithm, ""), true).await;
}

async fn empty_json_by_post_only(client: &Client, algorithm: Algorithm) {
    post_only(client, &small(algorithm, "{}")).await;
}

async fn empty_json_by_post_put(client: &Client, algorithm: Algorithm) {
    post_put(client, &small(algorithm, "{}")).await;
}

async fn empty_json_by_patch(client: &Client, algorithm: Algorithm) {
    patch(client, &small(algorithm, "{}"), false).await;
}

async fn empty_ignores_ranges(client: &Client, algorithm: Algorithm) {
    let blob = small(algorithm, "");
    client.push_blob(REPO, &blob).await;
    for range in ["bytes=0-", "bytes=-5", "bytes=0-10"] {
        let read = client.get(&blob_path(REPO, &blob.digest)).header("range", range).send().await.expect(200);
        check_blob_read(&read, &blob);
    }
}
