//! What makes up an image whose manifests lie among its blobs, and whether all of that is there.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use dockless_oci::manifest::{ParsedManifest, ReferenceFact, ReferenceKind};
use dockless_oci::{Digest, media_type};
use dockless_registry::{Manifest, SourceError};
use serde::Deserialize;

use super::super::recent::Recent;
use super::content::Content;

/// The most manifests of one image that are looked at; the largest real indexes have some dozens.
const MANIFESTS_MAX: usize = 512;
/// A manifest with more references is read anew each time, so that what is remembered stays small.
const REMEMBERED_REFERENCES_MAX: usize = 256;
/// How BuildKit marks an entry of an index that says how an image was made, and is none.
const ATTESTATION_KEY: &str = "vnd.docker.reference.type";

/// What a manifest says; it never changes.
#[derive(Debug)]
pub(crate) struct Facts {
    media_type: String,
    references: Vec<ReferenceFact>,
    /// Those of the references that are about an image of the index.
    attestations: BTreeSet<Digest>,
}

/// The manifests that were read, by digest.
pub(crate) type Remembered = Recent<Digest, Arc<Facts>>;

/// Looks at the images of one engine.
pub(crate) struct Walk<'a> {
    pub(crate) content: &'a dyn Content,
    pub(crate) remembered: &'a Remembered,
}

/// An index, as far as it is looked at.
#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: Digest,
    #[serde(default)]
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

impl Walk<'_> {
    /// The manifest or index of this digest, if all blobs of it are there: for an index, all of one image in it.
    ///
    /// # Errors
    /// [`SourceError`] of the engine.
    pub(crate) async fn complete(&self, digest: &Digest) -> Result<Option<Manifest>, SourceError> {
        let Some(bytes) = self.content.manifest(digest).await? else { return Ok(None) };
        let Some(facts) = self.learn(digest, &bytes) else { return Ok(None) };
        if !self.is_complete(digest.clone()).await? {
            return Ok(None);
        }
        Ok(Some(Manifest { digest: digest.clone(), media_type: facts.media_type.clone(), bytes }))
    }

    /// Whether a manifest is there with all of its blobs, or an index with one image of it.
    async fn is_complete(&self, target: Digest) -> Result<bool, SourceError> {
        let mut manifests = Manifests::below(target);
        while let Some(digest) = manifests.next() {
            // What is remembered of it says nothing of whether it is there.
            let facts = match self.content.size(&digest).await? {
                Some(_) => self.facts(&digest).await?,
                None => None,
            };
            let Some(facts) = facts else {
                tracing::debug!(%digest, "a manifest of an image is not in the engine");
                continue;
            };
            if !media_type::is_index(&facts.media_type) {
                match self.missing(&facts).await? {
                    None => return Ok(true),
                    Some(missing) => {
                        tracing::debug!(%digest, %missing, "an image is not whole in the engine")
                    }
                }
            }
            manifests.add(&facts, |digest| !facts.attestations.contains(digest));
        }
        Ok(false)
    }

    /// A blob that a manifest needs and the engine does not have.
    async fn missing(&self, facts: &Facts) -> Result<Option<Digest>, SourceError> {
        let needed = |fact: &&ReferenceFact| fact.kind == ReferenceKind::Blob && !fact.foreign;
        for fact in facts.references.iter().filter(needed) {
            if self.content.size(&fact.digest).await? != Some(fact.size) {
                return Ok(Some(fact.digest.clone()));
            }
        }
        Ok(None)
    }

    /// The manifest of this digest, if it is the image's own or one within its index, and complete.
    ///
    /// # Errors
    /// [`SourceError`] of the engine.
    pub(crate) async fn child(
        &self,
        image: &Digest,
        digest: &Digest,
    ) -> Result<Option<Manifest>, SourceError> {
        if image != digest && self.find(image, digest, ReferenceKind::Manifest).await?.is_none() {
            return Ok(None);
        }
        self.complete(digest).await
    }

    /// The size of a blob that is part of the image, as its manifest states it; `None` when it is none.
    ///
    /// # Errors
    /// [`SourceError`] of the engine.
    pub(crate) async fn blob_size(
        &self,
        image: &Digest,
        digest: &Digest,
    ) -> Result<Option<u64>, SourceError> {
        self.find(image, digest, ReferenceKind::Blob).await
    }

    async fn find(
        &self,
        image: &Digest,
        digest: &Digest,
        kind: ReferenceKind,
    ) -> Result<Option<u64>, SourceError> {
        let mut manifests = Manifests::below(image.clone());
        while let Some(manifest) = manifests.next() {
            let Some(facts) = self.facts(&manifest).await? else { continue };
            let found = facts.references.iter().find(|fact| fact.digest == *digest && fact.kind == kind);
            if let Some(found) = found {
                return Ok(Some(found.size));
            }
            manifests.add(&facts, |_| true);
        }
        Ok(None)
    }

    /// What the manifest of this digest says; `None` when it is not there, or none that we read.
    async fn facts(&self, digest: &Digest) -> Result<Option<Arc<Facts>>, SourceError> {
        if let Some(known) = self.remembered.get(digest) {
            return Ok(Some(known));
        }
        let Some(bytes) = self.content.manifest(digest).await? else { return Ok(None) };
        Ok(self.learn(digest, &bytes))
    }

    fn learn(&self, digest: &Digest, bytes: &Bytes) -> Option<Arc<Facts>> {
        if let Some(known) = self.remembered.get(digest) {
            return Some(known);
        }
        let facts = match Facts::read(bytes) {
            Ok(facts) => Arc::new(facts),
            Err(reason) => {
                tracing::debug!(%digest, reason, "an image of an engine has a manifest that is not answered");
                return None;
            }
        };
        if facts.references.len() <= REMEMBERED_REFERENCES_MAX {
            self.remembered.insert(digest.clone(), facts.clone());
        }
        Some(facts)
    }
}

impl Facts {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let ParsedManifest { media_type, facts } =
            ParsedManifest::parse(bytes, None).map_err(|error| error.to_string())?;
        let mut attestations = BTreeSet::new();
        if media_type::is_index(&media_type) {
            let index: Index = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
            let marked = |entry: &Entry| {
                entry
                    .annotations
                    .as_ref()
                    .is_some_and(|annotations| annotations.contains_key(ATTESTATION_KEY))
            };
            attestations = index.manifests.into_iter().filter(marked).map(|entry| entry.digest).collect();
        }
        Ok(Self { media_type, references: facts.references, attestations })
    }
}

/// The manifests of an image, each once, those above first.
struct Manifests {
    next: VecDeque<Digest>,
    seen: HashSet<Digest>,
}

impl Manifests {
    fn below(target: Digest) -> Self {
        Self { next: VecDeque::from([target.clone()]), seen: HashSet::from([target]) }
    }

    fn next(&mut self) -> Option<Digest> {
        self.next.pop_front()
    }

    fn add(&mut self, facts: &Facts, wanted: impl Fn(&Digest) -> bool) {
        let manifests = facts.references.iter().filter(|fact| fact.kind == ReferenceKind::Manifest);
        for fact in manifests.filter(|fact| wanted(&fact.digest)) {
            if self.seen.len() < MANIFESTS_MAX && self.seen.insert(fact.digest.clone()) {
                self.next.push_back(fact.digest.clone());
            }
        }
    }
}
