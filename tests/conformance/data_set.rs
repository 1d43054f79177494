//! A data set: what is pushed together, and what the registry must then say of it.

use dockless_oci::Digest;
use dockless_testkit::{Content, Image};
use serde_json::{Value, json};

/// One manifest of a set, in the order of pushing.
pub(super) struct Entry {
    pub(super) manifest: Content,
    pub(super) tags: Vec<String>,
}

/// Blobs, manifests and tags that belong together.
#[derive(Default)]
pub(super) struct DataSet {
    pub(super) blobs: Vec<Content>,
    pub(super) entries: Vec<Entry>,
    /// Whether tags come as `tag=` parameters of the PUT by digest.
    pub(super) tags_by_parameter: bool,
}

impl DataSet {
    pub(super) fn blob(&mut self, blob: &Content) {
        if !self.blobs.contains(blob) {
            self.blobs.push(blob.clone());
        }
    }

    pub(super) fn manifest(&mut self, manifest: Content, tags: &[&str]) {
        self.entries.push(Entry { manifest, tags: tags.iter().map(|&tag| tag.to_owned()).collect() });
    }

    pub(super) fn image(&mut self, image: Image, tags: &[&str]) {
        image.blobs().for_each(|blob| self.blob(blob));
        self.manifest(image.manifest, tags);
    }

    /// All tags, in byte order.
    pub(super) fn tags(&self) -> Vec<String> {
        let mut tags: Vec<String> = self.entries.iter().flat_map(|entry| entry.tags.clone()).collect();
        tags.sort();
        tags
    }

    /// Every subject with what refers to it, as descriptors of a referrers list.
    pub(super) fn referrers(&self) -> Vec<(Digest, Vec<Value>)> {
        let mut all: Vec<(Digest, Vec<Value>)> = Vec::new();
        for entry in &self.entries {
            let value = json_of(&entry.manifest);
            let Some(subject) = subject_of(&entry.manifest) else { continue };
            let mut descriptor = entry.manifest.descriptor();
            let config_type = &value["config"]["mediaType"];
            for artifact_type in [config_type, &value["artifactType"]] {
                if artifact_type.is_string() {
                    descriptor["artifactType"] = artifact_type.clone();
                }
            }
            if value["annotations"].is_object() {
                descriptor["annotations"] = value["annotations"].clone();
            }
            match all.iter_mut().find(|(known, _)| *known == subject) {
                Some((_, list)) => list.push(descriptor),
                None => all.push((subject, vec![descriptor])),
            }
        }
        all
    }
}

fn json_of(manifest: &Content) -> Value {
    serde_json::from_slice(&manifest.bytes).unwrap_or_else(|_| json!({}))
}

/// The digest of a manifest's subject.
pub(super) fn subject_of(manifest: &Content) -> Option<Digest> {
    json_of(manifest)["subject"]["digest"].as_str().map(|digest| digest.parse().unwrap())
}
