//! Before anything is there, and what is never there (new suite: ping, empty, missing-manifest, invalid digests).

use dockless_oci::Digest;
use dockless_oci::media_type::OCI_INDEX;
use dockless_testkit::{Client, ImageBuilder};

use super::{REPO, cases, manifest_path};

cases!(
    ping,
    empty_tag_list,
    empty_referrers,
    missing_manifest_by_digest,
    missing_manifest_by_tag,
    invalid_digest_format_put,
    invalid_digest_format_get,
);

async fn ping(client: &Client) {
    let answer = client.get("/v2/").send().await.expect(200);
    assert_eq!(answer.header("docker-distribution-api-version"), Some("registry/2.0"));
    let head = client.head("/v2/").send().await.expect(200);
    assert!(head.body.is_empty());
}

async fn empty_tag_list(client: &Client) {
    let answer = client.get(&format!("/v2/{REPO}/tags/list")).send().await;
    answer.expect_error(404, "NAME_UNKNOWN");
}

async fn empty_referrers(client: &Client) {
    let target = format!("/v2/{REPO}/referrers/{}", Digest::sha256(b"nobody"));
    let answer = client.get(&target).send().await.expect(200);
    assert_eq!(answer.header("content-type"), Some(OCI_INDEX));
    let expected = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []});
    assert_eq!(answer.json(), expected);
}

async fn missing_manifest_by_digest(client: &Client) {
    let target = manifest_path(REPO, Digest::sha256(b"nobody"));
    client.get(&target).send().await.expect_error(404, "MANIFEST_UNKNOWN");
    assert!(client.head(&target).send().await.expect(404).body.is_empty());
}

async fn missing_manifest_by_tag(client: &Client) {
    let target = manifest_path(REPO, "missing-tag");
    client.get(&target).send().await.expect_error(404, "MANIFEST_UNKNOWN");
    assert!(client.head(&target).send().await.expect(404).body.is_empty());
}

async fn invalid_digest_format_put(client: &Client) {
    let image = ImageBuilder::new(1).build();
    client.push_image(REPO, None, &image).await;
    let refused = client.put_manifest(REPO, "sha256:baddigeststring", &image.manifest).await;
    refused.expect_error(400, "DIGEST_INVALID");
}

async fn invalid_digest_format_get(client: &Client) {
    let target = manifest_path(REPO, "sha256:baddigeststring");
    client.get(&target).send().await.expect_error(400, "DIGEST_INVALID");
}
