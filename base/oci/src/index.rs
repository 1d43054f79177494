//! The index that answers a referrers request (distribution-spec, "Listing Referrers").

use serde::Serialize;

use crate::descriptor::Descriptor;
use crate::media_type::OCI_INDEX;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u32,
    media_type: &'static str,
    manifests: &'a [Descriptor],
}

/// The JSON of an OCI image index that lists `descriptors`; an empty list is `[]`, never `null`.
#[must_use]
pub fn referrers_index(descriptors: &[Descriptor]) -> Vec<u8> {
    let index = Index { schema_version: 2, media_type: OCI_INDEX, manifests: descriptors };
    serde_json::to_vec(&index).expect("strings and integers always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn an_empty_index_has_an_empty_list() {
        let expected = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[]}}"#);
        assert_eq!(referrers_index(&[]), expected.as_bytes());
    }

    #[test]
    fn descriptors_stand_in_the_given_order() {
        let first = Descriptor::new("a/b", Digest::sha256(b"1"), 1);
        let second = Descriptor::new("a/b", Digest::sha256(b"2"), 2);
        let index: serde_json::Value =
            serde_json::from_slice(&referrers_index(&[first.clone(), second.clone()])).unwrap();
        assert_eq!(index["manifests"][0]["digest"], first.digest.as_str());
        assert_eq!(index["manifests"][1]["digest"], second.digest.as_str());
        assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
    }
}
