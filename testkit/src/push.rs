//! Pushes in the plainest way, for tests that need content to be there.

use crate::answer::Answer;
use crate::client::Client;
use crate::image::{Content, Image};

/// A URL with one more query parameter, as clients do with the `Location` of an upload.
#[must_use]
pub fn with_parameter(target: &str, parameter: &str) -> String {
    let separator = if target.contains('?') { '&' } else { '?' };
    format!("{target}{separator}{parameter}")
}

impl Client {
    /// Pushes a blob by POST and PUT.
    ///
    /// # Panics
    /// When the registry does not take it.
    pub async fn push_blob(&self, repository: &str, blob: &Content) {
        let begun = self.post(&format!("/v2/{repository}/blobs/uploads/")).send().await.expect(202);
        let target = with_parameter(&begun.location(), &format!("digest={}", blob.digest));
        self.put(&target).body(blob.bytes.clone()).send().await.expect(201);
    }

    /// Sends a manifest under a tag or digest.
    pub async fn put_manifest(&self, repository: &str, reference: &str, manifest: &Content) -> Answer {
        self.put(&format!("/v2/{repository}/manifests/{reference}"))
            .header("content-type", &manifest.media_type)
            .body(manifest.bytes.clone())
            .send()
            .await
    }

    /// Pushes a manifest under a tag or digest.
    ///
    /// # Panics
    /// When the registry does not take it.
    pub async fn push_manifest(&self, repository: &str, reference: &str, manifest: &Content) -> Answer {
        self.put_manifest(repository, reference, manifest).await.expect(201)
    }

    /// Pushes an image with its blobs, under a tag or (without one) its digest.
    ///
    /// # Panics
    /// When the registry does not take it.
    pub async fn push_image(&self, repository: &str, tag: Option<&str>, image: &Image) {
        for blob in image.blobs() {
            self.push_blob(repository, blob).await;
        }
        let reference = tag.unwrap_or(image.manifest.digest.as_str());
        self.push_manifest(repository, reference, &image.manifest).await;
    }
}
