//! Blobs sent in one piece, and what can be done with a blob that is there.

use dockless_oci::Algorithm;
use dockless_testkit::Client;
use dockless_testkit::push::with_parameter;

use super::{OCTETS, assert_absent, begin, blob, blob_cases, closing};
use crate::conformance::{REPO, blob_path, check_blob_created, check_blob_read, uploads_path};

blob_cases!(
    get_missing,
    post_only,
    post_put,
    post_put_with_hint,
    stream,
    blob_head,
    blob_get,
    blob_delete,
    pushed_again_after_delete,
);

async fn get_missing(client: &Client, algorithm: Algorithm) {
    assert_absent(client, &blob(algorithm, 512)).await;
}

async fn post_only(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 512);
    let target = with_parameter(&uploads_path(REPO), &format!("digest={}", blob.digest));
    let pushed = client.post(&target).header("content-type", OCTETS).body(blob.bytes.clone()).send().await;
    check_blob_created(client, pushed, &blob).await;
}

async fn post_put(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 512);
    let target = closing(&begin(client).await, &blob);
    let pushed = client.put(&target).header("content-type", OCTETS).body(blob.bytes.clone()).send().await;
    check_blob_created(client, pushed, &blob).await;
}

async fn post_put_with_hint(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 512);
    let target = with_parameter(&uploads_path(REPO), &format!("digest-algorithm={algorithm}"));
    let begun = client.post(&target).send().await.expect(202);
    let pushed = client.put(&closing(&begun.location(), &blob)).body(blob.bytes.clone()).send().await;
    check_blob_created(client, pushed, &blob).await;
}

async fn stream(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 3 * 1024 - 5);
    let location = begin(client).await;
    let pieces = blob.bytes.chunks(700).map(|piece| blob.bytes.slice_ref(piece)).collect();
    let held = client.patch(&location).header("content-type", OCTETS).stream(pieces).send().await.expect(202);
    assert_eq!(held.header("range"), Some("0-3066"), "{held:?}");
    let pushed = client.put(&closing(&held.location(), &blob)).body("").send().await;
    check_blob_created(client, pushed, &blob).await;
}

async fn blob_head(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 700);
    client.push_blob(REPO, &blob).await;
    let answer = client.head(&blob_path(REPO, &blob.digest)).send().await.expect(200);
    check_blob_read(&answer, &blob);
    assert!(answer.body.is_empty());
}

async fn blob_get(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 700_000);
    client.push_blob(REPO, &blob).await;
    let answer = client.get(&blob_path(REPO, &blob.digest)).send().await.expect(200);
    check_blob_read(&answer, &blob);
    assert_eq!(answer.body, blob.bytes);
}

async fn blob_delete(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 700);
    client.push_blob(REPO, &blob).await;
    client.delete(&blob_path(REPO, &blob.digest)).send().await.expect(202);
    assert_absent(client, &blob).await;
    client.delete(&blob_path(REPO, &blob.digest)).send().await.expect_error(404, "BLOB_UNKNOWN");
}

async fn pushed_again_after_delete(client: &Client, algorithm: Algorithm) {
    let blob = blob(algorithm, 700);
    client.push_blob(REPO, &blob).await;
    client.delete(&blob_path(REPO, &blob.digest)).send().await.expect(202);
    let pushed = client.put(&closing(&begin(client).await, &blob)).body(blob.bytes.clone()).send().await;
    check_blob_created(client, pushed, &blob).await;
}
