//! Media types: the ones that we know by name, and the grammar of all others.

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI artifact manifest of image-spec 1.1-rc; later withdrawn, but some still push it.
pub const OCI_ARTIFACT_MANIFEST: &str = "application/vnd.oci.artifact.manifest.v1+json";
/// OCI image config.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The config of artifacts that have none: the two bytes `{}`.
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// OCI layer, plain tar.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// OCI layer, gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// OCI layer, zstd.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// OCI layer that registries should not hold, plain tar.
pub const OCI_LAYER_NONDISTRIBUTABLE: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
/// OCI layer that registries should not hold, gzip.
pub const OCI_LAYER_NONDISTRIBUTABLE_GZIP: &str =
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
/// OCI layer that registries should not hold, zstd.
pub const OCI_LAYER_NONDISTRIBUTABLE_ZSTD: &str =
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd";
/// Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker image config.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Docker layer, gzip.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// Docker layer that registries should not hold.
pub const DOCKER_LAYER_FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
/// Docker image manifest, schema 1: refused.
pub const DOCKER_SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+json";
/// Docker image manifest, schema 1 with a signature: refused.
pub const DOCKER_SCHEMA1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// Whether this is a list of manifests (OCI index or Docker list).
#[must_use]
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_LIST)
}

/// Whether this is a manifest of one image or artifact (not a list).
#[must_use]
pub fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST | OCI_ARTIFACT_MANIFEST)
}

/// Whether registries are not expected to hold blobs of this type.
#[must_use]
pub fn is_nondistributable(media_type: &str) -> bool {
    matches!(
        media_type,
        OCI_LAYER_NONDISTRIBUTABLE
            | OCI_LAYER_NONDISTRIBUTABLE_GZIP
            | OCI_LAYER_NONDISTRIBUTABLE_ZSTD
            | DOCKER_LAYER_FOREIGN
    )
}

/// The value of a `Content-Type` without parameters and surrounding space.
#[must_use]
pub fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim_matches([' ', '\t'])
}

/// Whether the text is `type/subtype` by RFC 6838, section 4.2, so that it can stand in a header: at most 127 bytes
/// each.
#[must_use]
pub fn is_valid(media_type: &str) -> bool {
    let is_name = |name: &str| {
        name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
            && name.len() <= 127
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    media_type.split_once('/').is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_essence_has_no_parameters() {
        for (content_type, expected) in [
            ("application/json", "application/json"),
            ("application/json; charset=utf-8", "application/json"),
            (" application/json ;charset=utf-8", "application/json"),
            ("application/json;", "application/json"),
            (";charset=utf-8", ""),
            ("", ""),
        ] {
            assert_eq!(essence(content_type), expected, "{content_type:?}");
        }
    }

    #[test]
    fn the_grammar_is_that_of_rfc_6838() {
        for valid in [OCI_MANIFEST, OCI_INDEX, DOCKER_LIST, OCI_EMPTY, "a/b", "application/vnd.a+b.c-d_1"] {
            assert!(is_valid(valid), "{valid}");
        }
        let long = format!("application/{}", "x".repeat(128));
        for invalid in
            ["", "/", "a", "a/", "/b", "a/b/c", "a/b c", "a/b\r\nx: y", "a/b;c=d", "a/é", ".a/b", &long]
        {
            assert!(!is_valid(invalid), "{invalid:?}");
        }
    }

    #[test]
    fn every_type_has_one_kind() {
        for (media_type, index, manifest, foreign) in [
            (OCI_INDEX, true, false, false),
            (DOCKER_LIST, true, false, false),
            (OCI_MANIFEST, false, true, false),
            (DOCKER_MANIFEST, false, true, false),
            (OCI_ARTIFACT_MANIFEST, false, true, false),
            (OCI_LAYER_NONDISTRIBUTABLE, false, false, true),
            (OCI_LAYER_NONDISTRIBUTABLE_GZIP, false, false, true),
            (OCI_LAYER_NONDISTRIBUTABLE_ZSTD, false, false, true),
            (DOCKER_LAYER_FOREIGN, false, false, true),
            (OCI_LAYER, false, false, false),
        ] {
            assert_eq!(is_index(media_type), index, "{media_type}");
            assert_eq!(is_manifest(media_type), manifest, "{media_type}");
            assert_eq!(is_nondistributable(media_type), foreign, "{media_type}");
        }
    }
}
