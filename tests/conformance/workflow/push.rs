//! 02: push.

use dockless_oci::Digest;
use dockless_testkit::push::with_parameter;
use dockless_testkit::{Client, Content, ImageBuilder};

use super::image;
use crate::conformance::{
    OTHER_REPO, REPO, blob_path, cases, check_blob_created, manifest_path, uploads_path,
};

cases!(
    blob_upload_streamed,
    get_nonexistent_blob,
    post_with_digest_and_body,
    blob_is_there_after_post,
    post_then_put_config,
    post_then_put_layer,
    chunk_out_of_order,
    chunks_in_order,
    chunk_again_on_stale_location,
    stale_location_tells_the_range,
    cross_mount_unknown_blob,
    cross_mount_from,
    cross_mount_automatic,
    get_nonexistent_manifest,
    manifests_by_tag,
    manifest_without_layers,
    get_manifest_after_push,
    delete_manifest_then_blobs,
    delete_blobs_before_manifest,
);

async fn begin(client: &Client) -> String {
    client.post(&uploads_path(REPO)).send().await.expect(202).location()
}

fn closing(location: &str, blob: &Content) -> String {
    with_parameter(location, &format!("digest={}", blob.digest))
}

async fn blob_upload_streamed(client: &Client) {
    let blob = Content::random(1, 42);
    let location = begin(client).await;
    let asked = client.patch(&location).header("content-type", "application/octet-stream");
    let held = asked.stream(vec![blob.bytes.clone()]).send().await.expect(202);
    let pushed = client.put(&closing(&held.location(), &blob)).send().await;
    check_blob_created(client, pushed, &blob).await;
}

async fn get_nonexistent_blob(client: &Client) {
    client.get(&blob_path(REPO, Digest::sha256(b"nobody"))).send().await.expect_error(404, "BLOB_UNKNOWN");
}

async fn post_with_digest_and_body(client: &Client) {
    let blob = image(1).config;
    let target = with_parameter(&uploads_path(REPO), &format!("digest={}", blob.digest));
    let pushed = client.post(&target).body(blob.bytes.clone()).send().await;
    check_blob_created(client, pushed, &blob).await;
}

async fn blob_is_there_after_post(client: &Client) {
    let blob = image(1).config;
    let target = with_parameter(&uploads_path(REPO), &format!("digest={}", blob.digest));
    client.post(&target).body(blob.bytes.clone()).send().await.expect(201);
    assert_eq!(client.get(&blob_path(REPO, &blob.digest)).send().await.expect(200).body, blob.bytes);
}

async fn post_then_put_config(client: &Client) {
    let blob = image(1).config;
    let pushed = client.put(&closing(&begin(client).await, &blob)).body(blob.bytes.clone()).send().await;
    check_blob_created(client, pushed, &blob).await;
}

async fn post_then_put_layer(client: &Client) {
    let blob = image(1).layers[0].clone();
    let pushed = client.put(&closing(&begin(client).await, &blob)).body(blob.bytes.clone()).send().await;
    check_blob_created(client, pushed, &blob).await;
}

/// The blob of the chunked cases: 42 bytes in chunks of three and the rest.
fn chunked() -> (Content, [(usize, bytes::Bytes); 2]) {
    let blob = Content::random(2, 42);
    let chunks = [(0, blob.bytes.slice(..3)), (3, blob.bytes.slice(3..))];
    (blob, chunks)
}

async fn patch(
    client: &Client,
    location: &str,
    (first, bytes): &(usize, bytes::Bytes),
) -> dockless_testkit::Answer {
    let range = format!("{first}-{}", first + bytes.len() - 1);
    client.patch(location).header("content-range", range).body(bytes.clone()).send().await
}

async fn chunk_out_of_order(client: &Client) {
    let (_, chunks) = chunked();
    patch(client, &begin(client).await, &chunks[1]).await.expect_error(416, "RANGE_INVALID");
}

async fn chunks_in_order(client: &Client) {
    let (blob, chunks) = chunked();
    let held = patch(client, &begin(client).await, &chunks[0]).await.expect(202);
    assert_eq!(held.header("range"), Some("0-2"), "exactly what was sent");
    let held = patch(client, &held.location(), &chunks[1]).await.expect(202);
    assert_eq!(held.header("range"), Some("0-41"));
    let pushed = client.put(&closing(&held.location(), &blob)).send().await;
    check_blob_created(client, pushed, &blob).await;
}

async fn chunk_again_on_stale_location(client: &Client) {
    let (blob, chunks) = chunked();
    let stale = begin(client).await;
    let held = patch(client, &stale, &chunks[0]).await.expect(202);
    patch(client, &stale, &chunks[0]).await.expect_error(416, "RANGE_INVALID");
    let held = patch(client, &held.location(), &chunks[1]).await.expect(202);
    let pushed = client.put(&closing(&held.location(), &blob)).send().await;
    check_blob_created(client, pushed, &blob).await;
}

async fn stale_location_tells_the_range(client: &Client) {
    let (blob, chunks) = chunked();
    let stale = begin(client).await;
    patch(client, &stale, &chunks[0]).await.expect(202);
    let status = client.get(&stale).send().await.expect(204);
    assert_eq!(status.header("range"), Some("0-2"));
    let held = patch(client, &status.location(), &chunks[1]).await.expect(202);
    let pushed = client.put(&closing(&held.location(), &blob)).send().await;
    check_blob_created(client, pushed, &blob).await;
}

async fn cross_mount_unknown_blob(client: &Client) {
    let target = with_parameter(&uploads_path(REPO), &format!("mount={}", Digest::sha256(b"nobody")));
    let begun = client.post(&target).send().await.expect(202);
    assert!(begun.location().starts_with(&uploads_path(REPO)));
}

async fn cross_mount_from(client: &Client) {
    let blob = image(1).layers[0].clone();
    client.push_blob(REPO, &blob).await;
    let target = format!("{}?mount={}&from={REPO}", uploads_path(OTHER_REPO), blob.digest);
    let mounted = client.post(&target).send().await.expect(201);
    assert_eq!(mounted.location(), blob_path(OTHER_REPO, &blob.digest));
    assert_eq!(client.get(&mounted.location()).send().await.expect(200).body, blob.bytes);
}

/// OCI_AUTOMATIC_CROSSMOUNT=1.
async fn cross_mount_automatic(client: &Client) {
    let blob = image(1).layers[0].clone();
    client.push_blob(REPO, &blob).await;
    let target = format!("{}?mount={}", uploads_path(OTHER_REPO), blob.digest);
    let mounted = client.post(&target).send().await.expect(201);
    assert_eq!(mounted.location(), blob_path(OTHER_REPO, &blob.digest));
    assert_eq!(client.get(&mounted.location()).send().await.expect(200).body, blob.bytes);
}

async fn get_nonexistent_manifest(client: &Client) {
    client
        .get(&manifest_path(REPO, ".INVALID_MANIFEST_NAME"))
        .send()
        .await
        .expect_error(404, "MANIFEST_UNKNOWN");
}

async fn manifests_by_tag(client: &Client) {
    let image = image(1);
    client.push_image(REPO, None, &image).await;
    for tag in ["test0", "test1", "test2", "test3"] {
        let pushed = client.push_manifest(REPO, tag, &image.manifest).await;
        assert_eq!(client.get(&pushed.location()).send().await.expect(200).body, image.manifest.bytes);
    }
}

async fn manifest_without_layers(client: &Client) {
    let image = ImageBuilder::new(3).layers(0, 0).build();
    client.push_image(REPO, Some("emptylayer"), &image).await;
}

async fn get_manifest_after_push(client: &Client) {
    let image = image(1);
    client.push_image(REPO, Some("test0"), &image).await;
    let answer = client.get(&manifest_path(REPO, &image.manifest.digest)).send().await.expect(200);
    assert_eq!(answer.body, image.manifest.bytes);
}

/// The clean-up with OCI_DELETE_MANIFEST_BEFORE_BLOBS=1.
async fn delete_manifest_then_blobs(client: &Client) {
    let image = image(1);
    client.push_image(REPO, Some("test0"), &image).await;
    client.delete(&manifest_path(REPO, &image.manifest.digest)).send().await.expect(202);
    for blob in image.blobs() {
        client.delete(&blob_path(REPO, &blob.digest)).send().await.expect(202);
    }
}

/// The clean-up with OCI_DELETE_MANIFEST_BEFORE_BLOBS=0: a blob in use is refused, and by 405.
async fn delete_blobs_before_manifest(client: &Client) {
    let image = image(1);
    client.push_image(REPO, Some("test0"), &image).await;
    for blob in image.blobs() {
        let refused = client.delete(&blob_path(REPO, &blob.digest)).send().await;
        assert!(
            refused.body.windows(71).any(|text| text == image.manifest.digest.as_str().as_bytes()),
            "{refused:?}"
        );
        refused.expect_error(405, "UNSUPPORTED");
        client.head(&blob_path(REPO, &blob.digest)).send().await.expect(200);
    }
}
