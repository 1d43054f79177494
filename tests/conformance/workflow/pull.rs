//! 01: pull.

use dockless_oci::Digest;
use dockless_testkit::{Client, Content};

use super::image;
use crate::conformance::{REPO, blob_path, cases, check_blob_read, manifest_path};

cases!(
    head_nonexistent_blob,
    head_blob,
    get_nonexistent_blob,
    get_blob,
    head_nonexistent_manifest,
    head_manifest_by_digest,
    head_manifest_by_tag,
    get_nonexistent_manifest,
    get_manifest_by_digest,
    get_manifest_by_tag,
    invalid_digest,
);

const ILLEGAL_TAG: &str = ".INVALID_MANIFEST_NAME";

async fn pushed(client: &Client) -> [Content; 2] {
    let images = [image(1), image(2)];
    client.push_image(REPO, Some("tagtest0"), &images[0]).await;
    client.push_image(REPO, None, &images[1]).await;
    images.map(|image| image.manifest)
}

async fn head_nonexistent_blob(client: &Client) {
    client.head(&blob_path(REPO, Digest::sha256(b"nobody"))).send().await.expect(404);
}

async fn get_nonexistent_blob(client: &Client) {
    client.get(&blob_path(REPO, Digest::sha256(b"nobody"))).send().await.expect_error(404, "BLOB_UNKNOWN");
}

async fn head_blob(client: &Client) {
    let config = image(1).config;
    pushed(client).await;
    check_blob_read(&client.head(&blob_path(REPO, &config.digest)).send().await.expect(200), &config);
}

async fn get_blob(client: &Client) {
    let config = image(1).config;
    pushed(client).await;
    let answer = client.get(&blob_path(REPO, &config.digest)).send().await.expect(200);
    check_blob_read(&answer, &config);
    assert_eq!(answer.body, config.bytes);
}

/// Not a legal tag, and still only unknown.
async fn head_nonexistent_manifest(client: &Client) {
    client.head(&manifest_path(REPO, ILLEGAL_TAG)).send().await.expect(404);
    pushed(client).await;
    client.head(&manifest_path(REPO, ILLEGAL_TAG)).send().await.expect(404);
}

async fn get_nonexistent_manifest(client: &Client) {
    client.get(&manifest_path(REPO, ILLEGAL_TAG)).send().await.expect_error(404, "MANIFEST_UNKNOWN");
    pushed(client).await;
    client.get(&manifest_path(REPO, ILLEGAL_TAG)).send().await.expect_error(404, "MANIFEST_UNKNOWN");
}

async fn head_manifest_by_digest(client: &Client) {
    for manifest in pushed(client).await {
        let answer = client.head(&manifest_path(REPO, &manifest.digest)).send().await.expect(200);
        assert_eq!(answer.header("docker-content-digest"), Some(manifest.digest.as_str()));
        assert_eq!(answer.content_length(), Some(manifest.bytes.len() as u64));
    }
}

async fn head_manifest_by_tag(client: &Client) {
    let manifest = &pushed(client).await[0];
    let answer = client.head(&manifest_path(REPO, "tagtest0")).send().await.expect(200);
    assert_eq!(answer.header("docker-content-digest"), Some(manifest.digest.as_str()));
}

async fn get_manifest_by_digest(client: &Client) {
    for manifest in pushed(client).await {
        let answer = client.get(&manifest_path(REPO, &manifest.digest)).send().await.expect(200);
        assert_eq!(answer.body, manifest.bytes, "unknown members and data survive");
    }
}

async fn get_manifest_by_tag(client: &Client) {
    let manifest = &pushed(client).await[0];
    let answer = client.get(&manifest_path(REPO, "tagtest0")).send().await.expect(200);
    assert_eq!(answer.body, manifest.bytes);
}

/// The suite sends a body with this GET.
async fn invalid_digest(client: &Client) {
    let asked =
        client.get(&manifest_path(REPO, "sha256:totallywrong")).header("content-type", "application/json");
    asked.body(image(1).manifest.bytes).send().await.expect_error(400, "DIGEST_INVALID");
}
