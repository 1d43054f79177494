//! Manifests and indexes: a reader of foreign bytes that takes what the registry must know and keeps nothing else.
//!
//! The bytes themselves are stored and served as they came; nothing is ever written back from here. Only known
//! members are looked at, each at most once (a repeated member is refused: two readers could see two manifests).
//! Unknown members are skipped without being built, so a hostile body costs no more than its own length.

mod shape;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, DigestError};
use crate::media_type;

/// The largest manifest in bytes. The distribution-spec asks for at least 4 MB; clients read no more than 4 MiB.
pub const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// The most references of one manifest. A descriptor takes at least 110 bytes, so 4 MiB hold about 38,000; the
/// largest real indexes (build caches) have some thousands. Each costs a row in the ledger.
pub const REFERENCES_MAX: usize = 16_384;

/// What something refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReferenceKind {
    /// A blob: config, layer, or an index entry that is no manifest (build caches list layers there).
    Blob,
    /// A manifest or index.
    Manifest,
}

/// One reference of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceFact {
    /// What is referred to.
    pub digest: Digest,
    /// Where it lives.
    pub kind: ReferenceKind,
    /// The size that the descriptor states, in bytes.
    pub size: u64,
    /// Whether others hold it: its type is non-distributable or its descriptor has `urls`.
    pub foreign: bool,
}

/// What the registry must know of a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFacts {
    /// What it refers to, in its order, each once. The subject is not among them.
    pub references: Vec<ReferenceFact>,
    /// The manifest that this one is about.
    pub subject: Option<Digest>,
    /// Its own `artifactType`, else its config's media type; an index has only its own.
    pub artifact_type: Option<String>,
    /// Its annotations, kept only when it has a subject, because only the referrers list shows them.
    pub annotations: BTreeMap<String, String>,
}

/// Why a body is no manifest that we take. Each has a sentence for the one who pushed it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ManifestError {
    /// More than `MANIFEST_BYTES_MAX` bytes.
    #[error("the manifest has {0} bytes, more than {MANIFEST_BYTES_MAX}")]
    TooLarge(usize),
    /// Not a JSON object, or a member repeated.
    #[error("the manifest is not a JSON object that can be read: {0}")]
    NotJson(String),
    /// Neither body nor `Content-Type` says what it is, and the shape does not either.
    #[error("the manifest has no media type, neither in its body nor as Content-Type")]
    MediaTypeMissing,
    /// Not of the form `type/subtype`.
    #[error("{0:?} is not a media type")]
    MediaTypeInvalid(String),
    /// Body and `Content-Type` differ.
    #[error("the body says mediaType {body}, the Content-Type says {header}")]
    MediaTypeDiffers {
        /// `mediaType` of the body.
        body: String,
        /// `Content-Type` without parameters.
        header: String,
    },
    /// Docker's schema 1.
    #[error("Docker schema 1 is not supported: push with Docker 1.10 or newer")]
    Schema1,
    /// `schemaVersion` is missing or not 2.
    #[error("schemaVersion must be 2")]
    SchemaVersion,
    /// It could be read as an index and as an image.
    #[error("the manifest has members of an index and of an image: {0}")]
    Confused(&'static str),
    /// A member that its type requires is missing.
    #[error("member {0} is missing")]
    Missing(&'static str),
    /// A member has the wrong form.
    #[error("member {member} cannot be read: {reason}")]
    Member {
        /// Its name.
        member: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A descriptor has a digest that we cannot use.
    #[error("member {member} has the digest {digest:?}: {error}")]
    Digest {
        /// The member that holds the descriptor.
        member: &'static str,
        /// The digest as it stands, cut to a readable length.
        digest: String,
        /// What is wrong.
        error: DigestError,
    },
    /// More than `REFERENCES_MAX` references.
    #[error("the manifest has more than {REFERENCES_MAX} references")]
    TooManyReferences,
}

/// A manifest as far as the registry reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedManifest {
    /// The media type to serve it with: that of the body, else the `Content-Type`, else by its shape.
    pub media_type: String,
    /// What the registry must know.
    pub facts: ManifestFacts,
}

impl ParsedManifest {
    /// Reads a manifest that came with `content_type` (parameters are dropped, an empty one counts as none).
    ///
    /// OCI manifests and indexes, Docker manifests and lists are read strictly as far as we use them. A JSON
    /// object of any other media type is accepted; what of it has the form of descriptors counts as references.
    ///
    /// # Errors
    /// `ManifestError` says what is wrong, for the one who pushed it.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| ManifestError::NotJson(error.to_string()))?;
        let shape = shape::Shape::read(text)?;
        let header = content_type.map(media_type::essence).filter(|header| !header.is_empty());
        shape.refuse_schema1(header)?;
        let media_type = decide_media_type(&shape, header)?;
        shape.refuse_confusion(&media_type)?;
        let facts = match media_type.as_str() {
            known if media_type::is_index(known) => shape.index_facts()?,
            media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => shape.image_facts()?,
            _ => shape.unknown_facts()?,
        };
        Ok(Self { media_type, facts })
    }
}

/// Types that clients send without meaning them: what `curl` and generic HTTP libraries put there by themselves.
const UNMEANT_TYPES: [&str; 4] =
    ["application/json", "application/octet-stream", "application/x-www-form-urlencoded", "text/plain"];

fn decide_media_type(shape: &shape::Shape<'_>, header: Option<&str>) -> Result<String, ManifestError> {
    let decided = match (shape.media_type(), header) {
        (Some(body), Some(header)) if !body.eq_ignore_ascii_case(header) => {
            let (body, header) = (shape::cut(body), shape::cut(header));
            return Err(ManifestError::MediaTypeDiffers { body, header });
        }
        (Some(body), _) => body.to_owned(),
        (None, Some(header)) if !UNMEANT_TYPES.contains(&header.to_ascii_lowercase().as_str()) => {
            header.to_ascii_lowercase()
        }
        (None, _) => shape.type_by_shape().ok_or(ManifestError::MediaTypeMissing)?.to_owned(),
    };
    if !media_type::is_valid(&decided) {
        return Err(ManifestError::MediaTypeInvalid(shape::cut(&decided)));
    }
    Ok(decided)
}
