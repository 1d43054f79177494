//! The lines of a snapshot. Version 1, frozen: a new version gets lines of its own.
//!
//! Each is a JSON object with one member, whose name says what the line is: first `snapshot`, then every `content`
//! (the bytes of a manifest, once each), `manifest`, `tag`, `blob` and `doomed`, last `end`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use dockless_oci::digest::Digest;
use dockless_oci::hex;
use dockless_oci::manifest::{ManifestFacts, ReferenceFact, ReferenceKind};
use dockless_oci::name::{RepositoryName, Tag};
use serde::{Deserialize, Serialize};

/// The version that [`Header`] names.
pub const VERSION: u32 = 1;

/// Most bytes of a line: a manifest of 4 MiB, each byte escaped in six, and what stands around it.
pub const LINE_BYTES_MAX: usize = 25 << 20;

/// Why bytes are no line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// No line of a snapshot.
    #[error("not a line of a snapshot: {0}")]
    Syntax(String),
    /// The bytes of a manifest are neither text nor hexadecimal.
    #[error("a content is neither text nor hexadecimal")]
    Content,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    Snapshot(Header),
    /// The bytes of a manifest.
    Content(Content),
    /// A manifest of a repository.
    Manifest(Manifest),
    /// A tag.
    Tag(Tagged),
    /// A blob of a repository.
    Blob(Blob),
    /// A blob without a link whose file may exist.
    Doomed(DoomedBlob),
    /// The last line.
    End(End),
}

/// What a snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// The number of the last command in it.
    pub index: u64,
    /// When it was made, in milliseconds since 1970.
    pub time_ms: u64,
}

/// The bytes of a manifest: as text where they are UTF-8 (all JSON is), else in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Their digest.
    pub digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

/// A manifest of a repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The repository.
    pub repository: RepositoryName,
    /// The manifest.
    pub digest: Digest,
    /// The media type it was pushed with.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// What was read from it.
    pub facts: Facts,
}

/// [`ManifestFacts`] as they are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    references: Vec<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reference {
    digest: Digest,
    kind: Kind,
    size: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    foreign: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Blob,
    Manifest,
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tagged {
    /// The repository.
    pub repository: RepositoryName,
    /// The tag.
    pub tag: Tag,
    /// What it points to.
    pub digest: Digest,
}

/// A blob of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// The repository.
    pub repository: RepositoryName,
    /// The blob.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// A blob without a link whose file may exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoomedBlob {
    /// The blob.
    pub digest: Digest,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// Whether an upload was about to make the file visible.
    pub expected: bool,
}

/// The end: without it the snapshot is not whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The lines before this one.
    pub lines: u64,
}

impl Line {
    /// The first line of a snapshot of the command `index`.
    #[must_use]
    pub const fn header(index: u64, time_ms: u64) -> Self {
        Self::Snapshot(Header { version: VERSION, index, time_ms })
    }

    /// The line of a manifest's bytes.
    #[must_use]
    pub fn content(digest: Digest, bytes: &[u8]) -> Self {
        Self::Content(match std::str::from_utf8(bytes) {
            Ok(text) => Content { digest, text: Some(text.to_owned()), hex: None },
            Err(_) => Content { digest, text: None, hex: Some(hex::encode(bytes)) },
        })
    }

    /// The line with its end.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("a line has string keys and no failing serializer");
        line.push(b'\n');
        line
    }

    /// Reads a line with its end; one without it was cut off.
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, LineError> {
        let line = bytes.strip_suffix(b"\n").ok_or_else(|| LineError::Syntax("no end of line".to_owned()))?;
        serde_json::from_slice(line).map_err(|error| LineError::Syntax(error.to_string()))
    }
}

impl Content {
    /// The bytes.
    ///
    /// # Errors
    /// When there are none, or in no form that we write.
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>, LineError> {
        match (&self.text, &self.hex) {
            (Some(text), None) => Ok(Cow::Borrowed(text.as_bytes())),
            (None, Some(digits)) => hex::decode(digits).map(Cow::Owned).ok_or(LineError::Content),
            _ => Err(LineError::Content),
        }
    }
}

impl From<ManifestFacts> for Facts {
    fn from(facts: ManifestFacts) -> Self {
        let references = facts.references.into_iter().map(|reference| Reference {
            digest: reference.digest,
            kind: match reference.kind {
                ReferenceKind::Blob => Kind::Blob,
                ReferenceKind::Manifest => Kind::Manifest,
            },
            size: reference.size,
            foreign: reference.foreign,
        });
        Self {
            references: references.collect(),
            subject: facts.subject,
            artifact_type: facts.artifact_type,
            annotations: facts.annotations,
        }
    }
}

impl From<Facts> for ManifestFacts {
    fn from(facts: Facts) -> Self {
        let references = facts.references.into_iter().map(|reference| ReferenceFact {
            digest: reference.digest,
            kind: match reference.kind {
                Kind::Blob => ReferenceKind::Blob,
                Kind::Manifest => ReferenceKind::Manifest,
            },
            size: reference.size,
            foreign: reference.foreign,
        });
        Self {
            references: references.collect(),
            subject: facts.subject,
            artifact_type: facts.artifact_type,
            annotations: facts.annotations,
        }
    }
}
