//! The members of a manifest that we look at, unread until its media type says how strictly.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{ManifestError, ManifestFacts, REFERENCES_MAX, ReferenceFact, ReferenceKind};
use crate::digest::Digest;
use crate::media_type;

/// The longest foreign text that an error message repeats, in bytes.
const REPEATED_BYTES_MAX: usize = 160;

/// Cuts foreign text to a length that a message can carry.
pub(super) fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(REPEATED_BYTES_MAX);
    text[..end].to_owned()
}

/// A member as it stands in the text; `null` counts as absent, because Go writes it for empty lists.
type Member<'a> = Option<&'a RawValue>;

/// The known members of the top-level object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shape<'a> {
    #[serde(borrow, default)]
    schema_version: Member<'a>,
    #[serde(borrow, default, rename = "mediaType", deserialize_with = "optional_text")]
    media_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    config: Member<'a>,
    #[serde(borrow, default)]
    layers: Member<'a>,
    #[serde(borrow, default)]
    blobs: Member<'a>,
    /// Told apart from an absent one, because an index without the member is no index.
    #[serde(borrow, default, deserialize_with = "present")]
    manifests: Member<'a>,
    #[serde(borrow, default)]
    fs_layers: Member<'a>,
    #[serde(borrow, default)]
    subject: Member<'a>,
    #[serde(borrow, default)]
    artifact_type: Member<'a>,
    #[serde(borrow, default)]
    annotations: Member<'a>,
}

fn optional_text<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    Ok(Option::<Text<'de>>::deserialize(deserializer)?.map(|text| text.0))
}

fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Member<'a>, D::Error> {
    <&'de RawValue>::deserialize(deserializer).map(Some)
}

/// The members of a descriptor that we look at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescriptorShape {
    #[serde(default)]
    media_type: Option<String>,
    digest: String,
    size: i64,
    #[serde(default)]
    urls: Option<Vec<serde::de::IgnoredAny>>,
}

impl DescriptorShape {
    fn to_digest(&self, member: &'static str) -> Result<Digest, ManifestError> {
        Digest::parse(&self.digest).map_err(|error| ManifestError::Digest {
            member,
            digest: cut(&self.digest),
            error,
        })
    }

    fn to_fact(&self, member: &'static str, kind: ReferenceKind) -> Result<ReferenceFact, ManifestError> {
        let size = u64::try_from(self.size).map_err(|_| ManifestError::Member {
            member,
            reason: format!("the size {} is negative", self.size),
        })?;
        let foreign = self.urls.as_ref().is_some_and(|urls| !urls.is_empty())
            || self.media_type.as_deref().is_some_and(media_type::is_nondistributable);
        Ok(ReferenceFact { digest: self.to_digest(member)?, kind, size, foreign })
    }

    fn child_kind(&self) -> ReferenceKind {
        let media_type = self.media_type.as_deref().unwrap_or_default();
        if media_type::is_manifest(media_type) || media_type::is_index(media_type) {
            ReferenceKind::Manifest
        } else {
            ReferenceKind::Blob
        }
    }
}

impl<'a> Shape<'a> {
    /// Reads the top-level object; nothing inside its members is looked at.
    pub(super) fn read(text: &'a str) -> Result<Self, ManifestError> {
        // An array would fill the members by position.
        if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
            return Err(ManifestError::NotJson("expected an object".to_owned()));
        }
        serde_json::from_str(text).map_err(|error| ManifestError::NotJson(cut(&error.to_string())))
    }

    pub(super) fn media_type(&self) -> Option<&str> {
        self.media_type.as_deref().filter(|media_type| !media_type.is_empty())
    }

    /// The OCI type that the members belong to, when only one fits.
    pub(super) fn type_by_shape(&self) -> Option<&'static str> {
        match (self.has_manifests(), self.config.is_some()) {
            (true, false) => Some(media_type::OCI_INDEX),
            (false, true) => Some(media_type::OCI_MANIFEST),
            _ => None,
        }
    }

    pub(super) fn refuse_schema1(&self, header: Option<&str>) -> Result<(), ManifestError> {
        let is_schema1 =
            |name: &str| matches!(name, media_type::DOCKER_SCHEMA1 | media_type::DOCKER_SCHEMA1_SIGNED);
        let by_type = [self.media_type(), header].into_iter().flatten().any(is_schema1);
        let by_version = self.schema_version.is_some_and(|version| version.get() == "1");
        if by_type || by_version || self.fs_layers.is_some() { Err(ManifestError::Schema1) } else { Ok(()) }
    }

    /// A body that one reader takes for an index and another for an image could pass for either.
    pub(super) fn refuse_confusion(&self, media_type: &str) -> Result<(), ManifestError> {
        let is_image_like = self.config.is_some() || self.layers.is_some();
        match () {
            () if self.has_manifests() && is_image_like => {
                Err(ManifestError::Confused("manifests besides config or layers"))
            }
            () if media_type::is_index(media_type) && is_image_like => {
                Err(ManifestError::Confused("an index with config or layers"))
            }
            () if media_type::is_manifest(media_type) && self.has_manifests() => {
                Err(ManifestError::Confused("an image with manifests"))
            }
            () => Ok(()),
        }
    }

    pub(super) fn index_facts(&self) -> Result<ManifestFacts, ManifestError> {
        self.require_schema2()?;
        let manifests = self.manifests.ok_or(ManifestError::Missing("manifests"))?;
        let mut references = References::default();
        for child in read::<Option<Vec<DescriptorShape>>>(manifests, "manifests")?.unwrap_or_default() {
            references.add(child.to_fact("manifests", child.child_kind())?)?;
        }
        self.facts(references, None)
    }

    pub(super) fn image_facts(&self) -> Result<ManifestFacts, ManifestError> {
        self.require_schema2()?;
        let config: DescriptorShape = read(self.config.ok_or(ManifestError::Missing("config"))?, "config")?;
        let mut references = References::default();
        references.add(config.to_fact("config", ReferenceKind::Blob)?)?;
        for layer in read_optional::<Vec<DescriptorShape>>(self.layers, "layers")?.unwrap_or_default() {
            references.add(layer.to_fact("layers", ReferenceKind::Blob)?)?;
        }
        self.facts(references, config.media_type)
    }

    /// What of an unknown type has the form of descriptors; all else is not ours to judge.
    pub(super) fn unknown_facts(&self) -> Result<ManifestFacts, ManifestError> {
        let mut references = References::default();
        let config = read_optional::<DescriptorShape>(self.config, "config").unwrap_or_default();
        if let Some(config) = &config {
            references.add_if_read(config.to_fact("config", ReferenceKind::Blob))?;
        }
        for (name, member) in [("layers", self.layers), ("blobs", self.blobs), ("manifests", self.manifests)]
        {
            let list = read_optional::<Vec<DescriptorShape>>(member, name).unwrap_or_default();
            for entry in list.unwrap_or_default() {
                let kind = if name == "manifests" { entry.child_kind() } else { ReferenceKind::Blob };
                references.add_if_read(entry.to_fact(name, kind))?;
            }
        }
        let subject = read_optional::<DescriptorShape>(self.subject, "subject").unwrap_or_default();
        let subject = subject.and_then(|subject| subject.to_digest("subject").ok());
        let annotations = match subject {
            Some(_) => read_optional(self.annotations, "annotations").unwrap_or_default(),
            None => None,
        };
        let own = read_optional::<String>(self.artifact_type, "artifactType").unwrap_or_default();
        let artifact_type =
            own.filter(|own| !own.is_empty()).or_else(|| config.and_then(|config| config.media_type));
        Ok(ManifestFacts {
            references: references.list,
            subject,
            artifact_type,
            annotations: annotations.unwrap_or_default(),
        })
    }

    fn facts(
        &self,
        references: References,
        config_type: Option<String>,
    ) -> Result<ManifestFacts, ManifestError> {
        let own: Option<String> = read_optional(self.artifact_type, "artifactType")?;
        // Clients read annotations as strings, so others would make the manifest unreadable for them.
        let annotations: Option<BTreeMap<String, String>> = read_optional(self.annotations, "annotations")?;
        let subject = match read_optional::<DescriptorShape>(self.subject, "subject")? {
            Some(subject) => Some(subject.to_digest("subject")?),
            None => None,
        };
        let annotations = if subject.is_some() { annotations.unwrap_or_default() } else { BTreeMap::new() };
        Ok(ManifestFacts {
            references: references.list,
            subject,
            artifact_type: own.filter(|own| !own.is_empty()).or(config_type),
            annotations,
        })
    }

    fn require_schema2(&self) -> Result<(), ManifestError> {
        match self.schema_version {
            Some(version) if version.get() == "2" => Ok(()),
            _ => Err(ManifestError::SchemaVersion),
        }
    }

    fn has_manifests(&self) -> bool {
        self.manifests.is_some_and(|manifests| manifests.get() != "null")
    }
}

/// References, each once; an image may have one layer many times.
#[derive(Default)]
struct References {
    list: Vec<ReferenceFact>,
    seen: HashSet<(Digest, ReferenceKind, u64)>,
}

impl References {
    fn add(&mut self, fact: ReferenceFact) -> Result<(), ManifestError> {
        if self.seen.insert((fact.digest.clone(), fact.kind, fact.size)) {
            if self.list.len() == REFERENCES_MAX {
                return Err(ManifestError::TooManyReferences);
            }
            self.list.push(fact);
        }
        Ok(())
    }

    fn add_if_read(&mut self, fact: Result<ReferenceFact, ManifestError>) -> Result<(), ManifestError> {
        match fact {
            Ok(fact) => self.add(fact),
            Err(_) => Ok(()),
        }
    }
}

fn read<T: DeserializeOwned>(raw: &RawValue, member: &'static str) -> Result<T, ManifestError> {
    serde_json::from_str(raw.get())
        .map_err(|error| ManifestError::Member { member, reason: cut(&error.to_string()) })
}

fn read_optional<T: DeserializeOwned>(
    raw: Member<'_>,
    member: &'static str,
) -> Result<Option<T>, ManifestError> {
    match raw {
        Some(raw) => read(raw, member),
        None => Ok(None),
    }
}
