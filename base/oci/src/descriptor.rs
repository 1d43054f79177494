//! Descriptors: media type, digest and size of content that lives elsewhere (image-spec, descriptor.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// What we say and keep about content that something refers to. Unknown members are ignored when read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type of the content.
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes.
    pub size: u64,
    /// The type of the artifact when the content is a manifest of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The annotations of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// A descriptor with the three members that each must have.
    #[must_use]
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self { media_type: media_type.into(), digest, size, artifact_type: None, annotations: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_members_are_not_written_and_unknown_ones_not_read() {
        let descriptor = Descriptor::new("a/b", Digest::sha256(b""), 3);
        let json = serde_json::to_value(&descriptor).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"mediaType": "a/b", "digest": Digest::sha256(b"").as_str(), "size": 3})
        );
        let mut foreign = json;
        foreign["urls"] = serde_json::json!(["http://example.com/"]);
        assert_eq!(serde_json::from_value::<Descriptor>(foreign).unwrap(), descriptor);
    }

    #[test]
    fn all_members_survive() {
        let mut descriptor = Descriptor::new("a/b", Digest::sha256(b"x"), u64::MAX);
        descriptor.artifact_type = Some("c/d".to_owned());
        descriptor.annotations = Some(BTreeMap::from([("k".to_owned(), "v".to_owned())]));
        let bytes = serde_json::to_vec(&descriptor).unwrap();
        assert_eq!(serde_json::from_slice::<Descriptor>(&bytes).unwrap(), descriptor);
    }
}
