//! What an engine is given of an image: all that the ledger has below its tag.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use dockless_meta::view::View;
use dockless_meta::{Ledger, ManifestRecord};
use dockless_oci::descriptor::Descriptor;
use dockless_oci::manifest::ReferenceKind;
use dockless_oci::{Digest, RepositoryName, Tag, media_type};
use dockless_registry::{Asked, Manifest};
use dockless_remote::{Load, LoadManifest};
use dockless_store::BlobStore;
use serde::Deserialize;

/// Types of a config that an engine can run: what else is pushed (charts, signatures) is for others.
const CONFIGS: [&str; 2] = [media_type::OCI_CONFIG, media_type::DOCKER_CONFIG];

/// The most manifests of one image that are loaded, and their bytes: the largest real indexes have some dozens of a few
/// KiB, and all of them are in memory at once.
const MANIFESTS_MAX: usize = 512;
const MANIFESTS_BYTES_MAX: usize = 64 << 20;

/// An image manifest, as far as it is looked at.
#[derive(Deserialize)]
struct Image {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// An index, as far as it is looked at.
#[derive(Deserialize)]
struct Index {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: Digest,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

/// Why an image is not loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// Another push has moved the tag, or removed it: what is there now has its own turn.
    #[error("the tag points elsewhere by now")]
    Superseded,
    /// Not an image for this machine's engine.
    #[error("it is no image for this machine")]
    Other,
    /// The node does not hold all of it.
    #[error("{0} is not here")]
    Missing(Digest),
    /// It lists more than fits.
    #[error("it has more than {MANIFESTS_MAX} manifests, or more than {MANIFESTS_BYTES_MAX} bytes of them")]
    TooLarge,
    #[error("{0}")]
    Broken(String),
}

/// The image that a tag points to, if that is `digest`, with all that the repository has of it.
///
/// # Errors
/// [`Failed`].
pub(super) fn image(
    ledger: &dyn Ledger,
    blobs: &Arc<dyn BlobStore>,
    repository: &RepositoryName,
    tag: &Tag,
    digest: &Digest,
) -> Result<Load, Failed> {
    let view = ledger.view().map_err(broken)?;
    if view.tag(repository, tag).map_err(broken)?.as_ref() != Some(digest) {
        return Err(Failed::Superseded);
    }
    let (target, listed) = manifests(&view, repository, digest)?;
    let image = image_in(&target, &listed)?;
    if !CONFIGS.contains(&image.config.media_type.as_str()) {
        return Err(Failed::Other);
    }
    Ok(Load {
        asked: Asked::by_owner(repository),
        tag: tag.clone(),
        target,
        listed,
        config: image.config.digest,
        layers: image.layers.into_iter().map(|layer| layer.digest).collect(),
        blobs: blobs.clone(),
    })
}

/// The manifest of this digest, and those below it that the repository has, each once.
fn manifests(
    view: &View,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<(LoadManifest, Vec<LoadManifest>), Failed> {
    let held = |digest: &Digest| view.manifest(repository, digest).map_err(broken);
    let target = loaded(held(digest)?.ok_or_else(|| Failed::Missing(digest.clone()))?);
    let (mut listed, mut seen) = (Vec::new(), HashSet::from([digest.clone()]));
    let (mut next, mut bytes) = (VecDeque::from(children(&target)), target.manifest.bytes.len());
    while let Some(digest) = next.pop_front() {
        let Some(record) = seen.insert(digest.clone()).then(|| held(&digest)).transpose()?.flatten() else {
            continue;
        };
        let child = loaded(record);
        bytes += child.manifest.bytes.len();
        if listed.len() + 1 == MANIFESTS_MAX || bytes > MANIFESTS_BYTES_MAX {
            return Err(Failed::TooLarge);
        }
        next.extend(children(&child));
        listed.push(child);
    }
    Ok((target, listed))
}

fn loaded(record: ManifestRecord) -> LoadManifest {
    let ManifestRecord { digest, media_type, bytes, facts } = record;
    LoadManifest { manifest: Manifest { digest, media_type, bytes }, references: facts.references }
}

fn children(entry: &LoadManifest) -> Vec<Digest> {
    let manifests = entry.references.iter().filter(|reference| reference.kind == ReferenceKind::Manifest);
    manifests.map(|reference| reference.digest.clone()).collect()
}

/// The image that a tag points to, or the one for this machine that it lists.
fn image_in(target: &LoadManifest, listed: &[LoadManifest]) -> Result<Image, Failed> {
    let manifest = if media_type::is_index(&target.manifest.media_type) {
        let digest = ours(&target.manifest.bytes).ok_or(Failed::Other)?;
        let found = listed.iter().find(|entry| entry.manifest.digest == digest);
        &found.ok_or(Failed::Missing(digest))?.manifest
    } else {
        &target.manifest
    };
    serde_json::from_slice(&manifest.bytes).map_err(|_| Failed::Other)
}

/// The image of an index that an engine of this machine runs.
fn ours(index: &[u8]) -> Option<Digest> {
    let index: Index = serde_json::from_slice(index).ok()?;
    let mut entries = index.manifests.into_iter();
    entries.find(|entry| entry.platform.as_ref().is_some_and(is_ours)).map(|entry| entry.digest)
}

/// Whether an engine of this machine runs it. The words are those of Go.
fn is_ours(platform: &Platform) -> bool {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "loongarch64" => "loong64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        other => other,
    };
    platform.os == std::env::consts::OS && platform.architecture == architecture
}

fn broken(error: impl std::fmt::Display) -> Failed {
    Failed::Broken(error.to_string())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use dockless_meta::command::PutManifest;
    use dockless_meta::{Command, MemoryLedger};
    use dockless_oci::manifest::ParsedManifest;
    use dockless_runtime::Runtime;
    use dockless_store::{MemoryStore, Settings};
    use serde_json::{Value, json};

    use super::*;

    /// A ledger with one repository.
    struct Repository {
        ledger: Arc<MemoryLedger>,
        blobs: Arc<dyn BlobStore>,
        name: RepositoryName,
        tag: Tag,
    }

    impl Repository {
        fn new() -> Self {
            let blobs = MemoryStore::new(Runtime::real(), Settings::default());
            let (name, tag) = (RepositoryName::parse("team/app").unwrap(), Tag::parse("1").unwrap());
            Self { ledger: MemoryLedger::new(), blobs, name, tag }
        }

        /// Puts a manifest, and the tag on it.
        async fn put(&self, manifest: &Value) -> Digest {
            let bytes = Bytes::from(format!("{:<SIZE$}", manifest.to_string()));
            let ParsedManifest { media_type, facts } = ParsedManifest::parse(&bytes, None).unwrap();
            let digest = Digest::sha256(&bytes);
            let put = PutManifest {
                repository: self.name.clone(),
                digest: digest.clone(),
                media_type,
                bytes,
                facts,
                tags: vec![self.tag.clone()],
                only_if: None,
                immutable_tags: false,
                require_references: false,
            };
            self.ledger.submit(Command::PutManifest(put)).await.unwrap().outcome.unwrap();
            digest
        }

        fn image(&self, digest: &Digest) -> Result<Load, Failed> {
            image(&*self.ledger, &self.blobs, &self.name, &self.tag, digest)
        }
    }

    const HERE: &str = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    /// Bytes of a manifest, with blanks.
    const SIZE: usize = 1000;

    fn manifest(seed: &str) -> Value {
        let part = |name: &str, media_type: &str| json!({"mediaType": media_type, "size": 1, "digest": Digest::sha256(format!("{seed} {name}").as_bytes())});
        json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": part("config", media_type::OCI_CONFIG),
            "layers": [part("layer", media_type::OCI_LAYER), part("layer", media_type::OCI_LAYER)],
        })
    }

    fn index(entries: &[(&Digest, &str)]) -> Value {
        let entry = |(digest, architecture): &(&Digest, &str)| {
            json!({
                "mediaType": media_type::OCI_MANIFEST, "size": SIZE, "digest": digest,
                "platform": {"os": "linux", "architecture": architecture},
            })
        };
        let manifests: Vec<_> = entries.iter().map(entry).collect();
        json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": manifests})
    }

    #[tokio::test]
    async fn an_index_is_given_with_all_that_is_here_and_the_image_for_this_machine() {
        let repository = Repository::new();
        let (other, ours) =
            (repository.put(&manifest("other")).await, repository.put(&manifest("ours")).await);
        let missing = Digest::sha256(b"missing");
        let entries = [(&missing, "riscv64"), (&other, "s390x"), (&ours, HERE), (&ours, HERE)];
        let target = repository.put(&index(&entries)).await;
        let load = repository.image(&target).unwrap();
        let digests: Vec<_> = load.listed.iter().map(|entry| &entry.manifest.digest).collect();
        assert_eq!((&load.target.manifest.digest, digests), (&target, vec![&other, &ours]));
        assert_eq!(load.config, Digest::sha256(b"ours config"));
        assert_eq!(load.layers, [Digest::sha256(b"ours layer"), Digest::sha256(b"ours layer")]);
        assert!(matches!(repository.image(&ours), Err(Failed::Superseded)));
    }

    #[tokio::test]
    async fn what_is_no_image_for_this_machine_or_too_much_is_not_given() {
        let repository = Repository::new();
        let other = repository.put(&manifest("other")).await;
        let target = repository.put(&index(&[(&other, "s390x")])).await;
        assert!(matches!(repository.image(&target), Err(Failed::Other)));
        let missing = Digest::sha256(b"missing");
        let target = repository.put(&index(&[(&missing, HERE)])).await;
        assert!(matches!(repository.image(&target), Err(Failed::Missing(digest)) if digest == missing));
        let mut chart = manifest("chart");
        chart["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json".into();
        let target = repository.put(&chart).await;
        assert!(matches!(repository.image(&target), Err(Failed::Other)));
        let mut many = Vec::new();
        for number in 0..MANIFESTS_MAX {
            many.push(repository.put(&manifest(&number.to_string())).await);
        }
        let entries: Vec<_> = many.iter().map(|digest| (digest, HERE)).collect();
        let target = repository.put(&index(&entries[1..])).await;
        assert_eq!(repository.image(&target).unwrap().listed.len(), MANIFESTS_MAX - 1);
        let target = repository.put(&index(&entries)).await;
        assert!(matches!(repository.image(&target), Err(Failed::TooLarge)));
    }

    #[test]
    fn of_an_index_the_image_for_this_machine_is_taken() {
        let entry = |name: &str, os: &str, architecture: &str| {
            let digest = Digest::sha256(name.as_bytes());
            json!({ "digest": digest, "size": 1, "platform": { "os": os, "architecture": architecture } })
        };
        let plain = json!({ "digest": Digest::sha256(b"plain"), "size": 1 });
        let others = [plain, entry("elsewhere", "plan9", HERE), entry("signature", "unknown", "unknown")];
        let chosen = |entries: &[Value]| ours(json!({ "manifests": entries }).to_string().as_bytes());
        assert_eq!(chosen(&others), None);
        let all = [&others[..], &[entry("this", "linux", HERE), entry("later", "linux", HERE)]].concat();
        assert_eq!(chosen(&all), Some(Digest::sha256(b"this")));
        assert_eq!(ours(b"[]"), None);
    }
}
