//! What a source offers in one repository.

use std::collections::BTreeMap;

use bytes::Bytes;
use dockless_oci::media_type::{OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST};
use dockless_oci::{Digest, RepositoryName, Tag};
use serde_json::{Value, json};

use crate::content::Manifest;

/// A repository with its tags, its manifests and the blobs that they need.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its name.
    pub repository: RepositoryName,
    /// What each tag points to.
    pub tags: BTreeMap<Tag, Digest>,
    /// The manifests, tagged or not.
    pub manifests: BTreeMap<Digest, Manifest>,
    /// Their configs and layers.
    pub blobs: BTreeMap<Digest, Bytes>,
}

impl Offer {
    /// A repository without anything.
    ///
    /// # Panics
    /// When `repository` is no name.
    #[must_use]
    pub fn new(repository: &str) -> Self {
        let repository = RepositoryName::parse(repository).expect("the name of a repository");
        Self { repository, tags: BTreeMap::new(), manifests: BTreeMap::new(), blobs: BTreeMap::new() }
    }

    /// With an image of these layers under a tag. Images of the same layers under other tags have other configs.
    ///
    /// # Panics
    /// When `tag` is no tag.
    #[must_use]
    pub fn image(mut self, tag: &str, layers: &[Bytes]) -> Self {
        let digest = self.add_image(tag, layers);
        self.tags.insert(Tag::parse(tag).expect("a tag"), digest);
        self
    }

    /// With an index under a tag, of one image without a tag for each list of layers.
    ///
    /// # Panics
    /// When `tag` is no tag.
    #[must_use]
    pub fn index(mut self, tag: &str, images: &[&[Bytes]]) -> Self {
        let mut list = Vec::new();
        for (number, layers) in images.iter().enumerate() {
            let digest = self.add_image(&format!("{tag}-{number}"), layers);
            let size = self.manifests[&digest].bytes.len();
            list.push(json!({"mediaType": OCI_MANIFEST, "digest": digest.as_str(), "size": size}));
        }
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list});
        let digest = self.add_manifest(OCI_INDEX, &index);
        self.tags.insert(Tag::parse(tag).expect("a tag"), digest);
        self
    }

    fn add_image(&mut self, name: &str, layers: &[Bytes]) -> Digest {
        let config = json!({"os": "linux", "created_by": name}).to_string();
        let config = self.add_blob(OCI_CONFIG, config.into());
        let layers: Vec<Value> = layers.iter().map(|layer| self.add_blob(OCI_LAYER, layer.clone())).collect();
        let image =
            json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers});
        self.add_manifest(OCI_MANIFEST, &image)
    }

    /// The descriptor of a blob that is there from now on.
    fn add_blob(&mut self, media_type: &str, bytes: Bytes) -> Value {
        let digest = Digest::sha256(&bytes);
        let descriptor = json!({"mediaType": media_type, "digest": digest.as_str(), "size": bytes.len()});
        self.blobs.insert(digest, bytes);
        descriptor
    }

    fn add_manifest(&mut self, media_type: &str, manifest: &Value) -> Digest {
        let bytes = Bytes::from(manifest.to_string());
        let digest = Digest::sha256(&bytes);
        let manifest = Manifest { digest: digest.clone(), media_type: media_type.to_owned(), bytes };
        self.manifests.insert(digest.clone(), manifest);
        digest
    }
}
