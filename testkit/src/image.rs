//! Images, indexes and artifacts out of a seed: the same bytes on every run and every machine.

use bytes::Bytes;
use dockless_oci::digest::{Algorithm, Digest};
use dockless_oci::media_type;
use serde_json::{Value, json};

/// Bytes that look random and do not compress; the same for the same seed.
#[must_use]
pub fn random_bytes(seed: u64, length: usize) -> Bytes {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    Bytes::from(bytes)
}

/// A blob or a manifest: bytes with their type and digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The media type that descriptors state.
    pub media_type: String,
    /// The bytes.
    pub bytes: Bytes,
    /// Their digest.
    pub digest: Digest,
}

impl Content {
    /// Content with its digest by `algorithm`.
    #[must_use]
    pub fn new(algorithm: Algorithm, media_type: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let digest = Digest::of(algorithm, &bytes);
        Self { media_type: media_type.to_owned(), bytes, digest }
    }

    /// A blob of random bytes by SHA-256.
    #[must_use]
    pub fn random(seed: u64, length: usize) -> Self {
        Self::new(Algorithm::Sha256, media_type::OCI_LAYER_GZIP, random_bytes(seed, length))
    }

    /// JSON content, pretty-printed, so that whoever writes it anew changes its digest.
    #[must_use]
    pub fn json(algorithm: Algorithm, media_type: &str, value: &Value) -> Self {
        Self::new(algorithm, media_type, format!("{value:#}"))
    }

    /// The descriptor of this content.
    #[must_use]
    pub fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest.as_str(), "size": self.bytes.len()})
    }
}

/// A manifest with all it refers to.
#[derive(Clone, Debug)]
pub struct Image {
    /// The config.
    pub config: Content,
    /// The layers, in order.
    pub layers: Vec<Content>,
    /// The manifest.
    pub manifest: Content,
}

impl Image {
    /// Config and layers.
    pub fn blobs(&self) -> impl Iterator<Item = &Content> {
        std::iter::once(&self.config).chain(&self.layers)
    }
}

/// Builds images; every part has a sensible start.
#[derive(Clone, Debug)]
pub struct ImageBuilder {
    seed: u64,
    algorithm: Algorithm,
    layers: Vec<Content>,
    config: Option<Content>,
    members: Value,
}

impl ImageBuilder {
    /// An image of one random layer of 1 KiB by SHA-256.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let members = json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST});
        Self { seed, algorithm: Algorithm::Sha256, layers: Vec::new(), config: None, members }.layers(1, 1024)
    }

    /// Digests of all parts by `algorithm`; to be called first.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        let (count, length) = (self.layers.len(), self.layers.first().map_or(0, |layer| layer.bytes.len()));
        self.layers(count, length)
    }

    /// `count` random layers of `length` bytes each.
    #[must_use]
    pub fn layers(mut self, count: usize, length: usize) -> Self {
        let layer = |number: usize| {
            let bytes = random_bytes(self.seed.wrapping_mul(1000).wrapping_add(number as u64), length);
            Content::new(self.algorithm, media_type::OCI_LAYER_GZIP, bytes)
        };
        self.layers = (0..count).map(layer).collect();
        self
    }

    /// The given layers.
    #[must_use]
    pub fn with_layers(mut self, layers: Vec<Content>) -> Self {
        self.layers = layers;
        self
    }

    /// The empty config of artifacts and an `artifactType`.
    #[must_use]
    pub fn artifact(mut self, artifact_type: &str) -> Self {
        self.config = Some(Content::new(self.algorithm, media_type::OCI_EMPTY, "{}"));
        self.member("artifactType", artifact_type.into())
    }

    /// What the image is about.
    #[must_use]
    pub fn subject(self, subject: &Content) -> Self {
        self.member("subject", subject.descriptor())
    }

    /// Any member of the manifest.
    #[must_use]
    pub fn member(mut self, name: &str, value: Value) -> Self {
        self.members[name] = value;
        self
    }

    /// The given config.
    #[must_use]
    pub fn with_config(mut self, config: Content) -> Self {
        self.config = Some(config);
        self
    }

    /// Puts the image together.
    #[must_use]
    pub fn build(self) -> Image {
        let config = self.config.unwrap_or_else(|| {
            let value = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []},
                               "comment": format!("image {}", self.seed)});
            Content::json(self.algorithm, media_type::OCI_CONFIG, &value)
        });
        let mut members = self.members;
        if members.get("config").is_none() {
            members["config"] = config.descriptor();
        }
        if members.get("layers").is_none() {
            members["layers"] = self.layers.iter().map(Content::descriptor).collect();
        }
        let media_type = members["mediaType"].as_str().unwrap_or(media_type::OCI_MANIFEST).to_owned();
        let manifest = Content::json(self.algorithm, &media_type, &members);
        Image { config, layers: self.layers, manifest }
    }
}

/// An OCI index of `manifests` with further `members`.
#[must_use]
pub fn index(algorithm: Algorithm, manifests: &[&Content], members: &Value) -> Content {
    let mut value = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX});
    value["manifests"] = manifests.iter().map(|manifest| manifest.descriptor()).collect();
    for (name, member) in members.as_object().into_iter().flatten() {
        value[name] = member.clone();
    }
    Content::json(algorithm, media_type::OCI_INDEX, &value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_the_same_on_every_run_and_differ_by_seed() {
        let image = |seed| ImageBuilder::new(seed).layers(2, 100).build().manifest;
        assert_eq!(image(1), image(1));
        assert_ne!(image(1).digest, image(2).digest);
        let expected = "sha256:d494e9469cafb22dee549c0292ca68b0c7c0c20842801fa66529582052c046aa";
        assert_eq!(Content::random(7, 1000).digest.as_str(), expected, "the bytes of a seed are a promise");
    }

    #[test]
    fn every_part_has_the_chosen_algorithm_and_is_read_as_what_it_is() {
        let image = ImageBuilder::new(1).algorithm(Algorithm::Sha512).layers(3, 10).artifact("a/b").build();
        assert!(image.blobs().all(|blob| blob.digest.algorithm() == Algorithm::Sha512));
        let parsed = dockless_oci::manifest::ParsedManifest::parse(&image.manifest.bytes, None).unwrap();
        assert_eq!(parsed.facts.references.len(), 4);
        assert_eq!(parsed.facts.artifact_type.as_deref(), Some("a/b"));
        let index =
            index(Algorithm::Sha512, &[&image.manifest], &json!({"subject": image.manifest.descriptor()}));
        let parsed = dockless_oci::manifest::ParsedManifest::parse(&index.bytes, None).unwrap();
        assert_eq!(parsed.facts.references[0].digest, image.manifest.digest);
        assert_eq!(parsed.facts.subject, Some(image.manifest.digest));
    }
}
