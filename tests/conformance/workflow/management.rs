//! 04: content management.

use dockless_testkit::Client;

use super::image;
use crate::conformance::{REPO, blob_path, cases, manifest_path};

cases!(
    delete_by_tag,
    delete_by_digest,
    get_deleted_manifest,
    tags_are_one_less,
    tags_go_with_their_manifest,
    delete_blob,
    get_deleted_blob,
);

async fn pushed(client: &Client) -> dockless_testkit::Image {
    let images = [image(1), image(2)];
    client.push_image(REPO, Some("tagtest0"), &images[0]).await;
    client.push_image(REPO, Some("other"), &images[1]).await;
    let [image, _] = images;
    image
}

async fn tags(client: &Client) -> serde_json::Value {
    client.get(&format!("/v2/{REPO}/tags/list")).send().await.expect(200).json()["tags"].clone()
}

async fn delete_by_tag(client: &Client) {
    let image = pushed(client).await;
    client.delete(&manifest_path(REPO, "tagtest0")).send().await.expect(202);
    client.get(&manifest_path(REPO, "tagtest0")).send().await.expect_error(404, "MANIFEST_UNKNOWN");
    client.get(&manifest_path(REPO, &image.manifest.digest)).send().await.expect(200);
}

async fn delete_by_digest(client: &Client) {
    let image = pushed(client).await;
    client.delete(&manifest_path(REPO, &image.manifest.digest)).send().await.expect(202);
    let again = client.delete(&manifest_path(REPO, &image.manifest.digest)).send().await;
    again.expect_error(404, "MANIFEST_UNKNOWN");
}

async fn get_deleted_manifest(client: &Client) {
    let image = pushed(client).await;
    client.delete(&manifest_path(REPO, &image.manifest.digest)).send().await.expect(202);
    let read = client.get(&manifest_path(REPO, &image.manifest.digest)).send().await;
    read.expect_error(404, "MANIFEST_UNKNOWN");
}

async fn tags_are_one_less(client: &Client) {
    pushed(client).await;
    assert_eq!(tags(client).await, serde_json::json!(["other", "tagtest0"]));
    client.delete(&manifest_path(REPO, "tagtest0")).send().await.expect(202);
    assert_eq!(tags(client).await, serde_json::json!(["other"]));
}

async fn tags_go_with_their_manifest(client: &Client) {
    let image = pushed(client).await;
    client.push_manifest(REPO, "tagtest1", &image.manifest).await;
    client.delete(&manifest_path(REPO, &image.manifest.digest)).send().await.expect(202);
    assert_eq!(tags(client).await, serde_json::json!(["other"]));
    client.get(&manifest_path(REPO, "tagtest1")).send().await.expect_error(404, "MANIFEST_UNKNOWN");
}

async fn delete_blob(client: &Client) {
    let image = pushed(client).await;
    client.delete(&manifest_path(REPO, &image.manifest.digest)).send().await.expect(202);
    for blob in image.blobs() {
        client.delete(&blob_path(REPO, &blob.digest)).send().await.expect(202);
    }
}

async fn get_deleted_blob(client: &Client) {
    let image = pushed(client).await;
    client.delete(&manifest_path(REPO, &image.manifest.digest)).send().await.expect(202);
    for blob in image.blobs() {
        client.delete(&blob_path(REPO, &blob.digest)).send().await.expect(202);
        client.get(&blob_path(REPO, &blob.digest)).send().await.expect_error(404, "BLOB_UNKNOWN");
    }
}
