//! The manifest that an engine without one is given: the same bytes, hence the same digest, on every machine.

use bytes::Bytes;
use dockless_oci::{Digest, media_type};
use dockless_registry::Manifest;
use serde::Deserialize;

/// Content by digest and size in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// The manifest of an image whose layers are served as plain tar: its config as the engine keeps it, and each layer
/// under the digest that the config itself gives it, bottom first.
///
/// The bytes are a promise: another spelling would give one image two digests.
pub(crate) fn manifest(config: &Part, layers: &[Part]) -> Manifest {
    let descriptor = |media_type: &str, part: &Part| {
        format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":{}}}"#, part.digest, part.size)
    };
    let layers: Vec<_> = layers.iter().map(|layer| descriptor(media_type::OCI_LAYER, layer)).collect();
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}}"#,
        media_type::OCI_MANIFEST,
        descriptor(media_type::OCI_CONFIG, config),
        layers.join(",")
    );
    let bytes = Bytes::from(text);
    Manifest { digest: Digest::sha256(&bytes), media_type: media_type::OCI_MANIFEST.to_owned(), bytes }
}

/// A config, as far as it is looked at.
#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

/// Whether these bytes are the config of an image with these layers. An engine that keeps manifests also calls by one
/// digest what has layers, but that is none of a config.
///
/// # Errors
/// Why not, in words.
pub(crate) fn check_config(config: &[u8], diff_ids: &[Digest]) -> Result<(), String> {
    let read: Config =
        serde_json::from_slice(config).map_err(|error| format!("its config cannot be read: {error}"))?;
    if read.rootfs.diff_ids.unwrap_or_default() == diff_ids {
        Ok(())
    } else {
        Err("its config has other layers than the engine says".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use dockless_oci::manifest::ParsedManifest;

    use super::*;

    fn part(bytes: &[u8]) -> Part {
        Part { digest: Digest::sha256(bytes), size: bytes.len() as u64 }
    }

    #[test]
    fn the_bytes_never_change() {
        let made = manifest(&part(b"{}"), &[part(b"one"), part(b"two!"), part(b"one")]);
        let expected = concat!(
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
            r#""config":{"mediaType":"application/vnd.oci.image.config.v1+json","#,
            r#""digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"#,
            r#""layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","#,
            r#""digest":"sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed","size":3},"#,
            r#"{"mediaType":"application/vnd.oci.image.layer.v1.tar","#,
            r#""digest":"sha256:a97b629a5b1da759586c3353a9bc284bf673970d8eca56e11e556b715c329614","size":4},"#,
            r#"{"mediaType":"application/vnd.oci.image.layer.v1.tar","#,
            r#""digest":"sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed","size":3}]}"#,
        );
        assert_eq!(String::from_utf8_lossy(&made.bytes), expected);
        assert_eq!(
            made.digest.as_str(),
            "sha256:6fe58effb766f5b648dc4154c83b0e5554ab94d449d4089cc17b0c252edca321"
        );
        assert_eq!(
            manifest(&part(b"{}"), &[]).digest.as_str(),
            "sha256:f20c43161d73848408ef247f0ec7111b19fe58ffebc0cbcaa0d2c8bda4967268"
        );
    }

    #[test]
    fn a_config_has_the_layers_of_the_image() {
        let layers = [Digest::sha256(b"one"), Digest::sha256(b"two")];
        let config = format!(r#"{{"os":"linux","rootfs":{{"diff_ids":["{}","{}"]}}}}"#, layers[0], layers[1]);
        assert_eq!(check_config(config.as_bytes(), &layers), Ok(()));
        assert!(check_config(config.as_bytes(), &layers[..1]).is_err());
        for none in [r#"{"rootfs":{"type":"layers"}}"#, r#"{"rootfs":{"diff_ids":null}}"#] {
            assert_eq!(check_config(none.as_bytes(), &[]), Ok(()));
            assert!(check_config(none.as_bytes(), &layers).is_err(), "{none}");
        }
        let of_a_manifest = manifest(&part(b"{}"), &[part(b"one"), part(b"two")]).bytes;
        assert!(check_config(&of_a_manifest, &layers).is_err());
        assert!(check_config(b"no JSON", &[]).is_err() && check_config(b"{}", &[]).is_err());
    }

    #[test]
    fn the_registry_reads_it_as_an_image() {
        let made = manifest(&part(b"{}"), &[part(b"one"), part(b"two")]);
        let read = ParsedManifest::parse(&made.bytes, Some(&made.media_type)).unwrap();
        let digests: Vec<_> = read.facts.references.into_iter().map(|reference| reference.digest).collect();
        assert_eq!(digests, [b"{}".as_slice(), b"one", b"two"].map(Digest::sha256));
    }
}
