//! Pushes of manifests: the bytes, what they reference and the tags move together or not at all.

use bytes::Bytes;
use dockless_meta::command::{Command, PutManifest, TagCondition};
use dockless_meta::view::View;
use dockless_oci::digest::Algorithm;
use dockless_oci::manifest::{MANIFEST_BYTES_MAX, ManifestError, ManifestFacts, ParsedManifest};
use dockless_oci::{Digest, Reference, RepositoryName, Tag};

use crate::error::Error;
use crate::registry::Registry;
use crate::source::Asked;
use crate::statistics::Content;

/// Most tags of one request. The specification asks for ten at least; a hundred of the longest still fit into a
/// request line of 16 KiB.
pub const TAGS_PER_PUT_MAX: usize = 100;

/// From this size on a manifest is hashed and read apart from the threads that serve connections: below, it
/// costs less than the way there.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// Missing references that one line of the log names.
const MISSING_LOGGED_MAX: usize = 5;

/// A manifest to be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutRequest {
    /// What the path says: a tag to point at it, or its digest.
    pub reference: Reference,
    /// More tags to point at it (`?tag=`); all or none, at most [`TAGS_PER_PUT_MAX`].
    pub tags: Vec<Tag>,
    /// `Content-Type`, as sent.
    pub content_type: Option<String>,
    /// The body.
    pub bytes: Bytes,
    /// `If-Match` or `If-None-Match`; without tags it is about the manifest itself.
    pub if_match: Option<TagCondition>,
}

/// A manifest that was put, durably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutDone {
    /// Its digest, in the algorithm of the request; SHA-256 when it was put by tag.
    pub digest: Digest,
    /// The tags that point to it now because of the request, the one of the path first.
    pub tags: Vec<Tag>,
    /// What it refers to: answered as `OCI-Subject`.
    pub subject: Option<Digest>,
    /// References to content that the repository does not hold: a pull of the whole will fail until it is pushed. 0
    /// where the settings require all of it.
    pub missing: usize,
}

/// What was found out about the bytes.
struct Prepared {
    digest: Digest,
    parsed: ParsedManifest,
}

impl Registry {
    /// Puts a manifest and its tags. The bytes are kept as they are. References to content that the repository
    /// lacks are accepted, logged and counted, unless the settings require them; what a source has of them is taken
    /// over first. Putting what is there already is no error.
    pub async fn put_manifest(&self, asked: &Asked, request: PutRequest) -> Result<PutDone, Error> {
        let repository = &asked.repository;
        self.inner.writable()?;
        let tags = wanted_tags(&request)?;
        if request.bytes.len() > self.settings().manifest_bytes_max.min(MANIFEST_BYTES_MAX) {
            return Err(Error::ManifestTooLarge);
        }
        let Prepared { digest, parsed } = self.prepare(&request).await?;
        self.adopt(asked, &parsed.facts).await?;
        let missing = self.count_missing(repository, &digest, &parsed.facts).await?;
        let subject = parsed.facts.subject.clone();
        let put = PutManifest {
            repository: repository.clone(),
            digest: digest.clone(),
            media_type: parsed.media_type,
            bytes: request.bytes,
            facts: parsed.facts,
            tags: tags.clone(),
            only_if: request.if_match,
            immutable_tags: tags.iter().all(|tag| self.settings().is_immutable(repository, tag)),
            require_references: self.settings().require_blobs,
        };
        self.commit(put).await?;
        for _ in &tags {
            self.inner.statistics.push(Content::Tag);
        }
        self.inner.statistics.push(Content::Manifest);
        Ok(PutDone { digest, tags, subject, missing })
    }

    /// Submits a put. Untagged ones are looked at as well where tags are immutable: the same bytes under another media
    /// type are another manifest to whoever pulls the tag.
    pub(crate) async fn commit(&self, put: PutManifest) -> Result<(), Error> {
        if self.settings().has_immutable(&put.repository) {
            return self.put_where_tags_are_immutable(put).await;
        }
        self.inner.submit(Command::PutManifest(put)).await??;
        Ok(())
    }

    /// That some of its tags are immutable and others are not is nothing that one command can say: they are looked
    /// at first, and whoever would change them waits.
    async fn put_where_tags_are_immutable(&self, put: PutManifest) -> Result<(), Error> {
        let (repository, digest, tags) = (put.repository.clone(), put.digest.clone(), put.tags.clone());
        let media_type = put.media_type.clone();
        let look = move |this: &Self, view: &View| {
            let held = view.manifest_head(&repository, &digest)?;
            if held.is_some_and(|held| held.media_type != media_type)
                && this.has_immutable_tag(view, &repository, &digest)?
            {
                return Err(Error::TagImmutable);
            }
            for tag in tags.iter().filter(|tag| this.settings().is_immutable(&repository, tag)) {
                if view.tag(&repository, tag)?.is_some_and(|current| current != digest) {
                    return Err(Error::TagImmutable);
                }
            }
            Ok(())
        };
        let repository = put.repository.clone();
        self.submit_after_look("manifest put", repository, Command::PutManifest(put), look).await
    }

    /// Submits a command if `look` finds nothing against it. Nobody else who does so changes the repository in
    /// between; done to its end though the caller goes away.
    pub(crate) async fn submit_after_look(
        &self,
        name: &'static str,
        repository: RepositoryName,
        command: Command,
        look: impl FnOnce(&Self, &View) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let this = self.clone();
        self.inner
            .to_its_end(name, async move {
                let _changing = this.inner.lock_repository(&repository).await;
                look(&this, &this.inner.view()?)?;
                this.inner.submit(command).await??;
                Ok(())
            })
            .await
    }

    async fn prepare(&self, request: &PutRequest) -> Result<Prepared, Error> {
        if request.bytes.len() <= INLINE_BYTES_MAX {
            return prepare(&request.bytes, request.content_type.as_deref(), &request.reference);
        }
        let request = request.clone();
        let work = move || prepare(&request.bytes, request.content_type.as_deref(), &request.reference);
        self.inner.runtime.blocking("manifest read", work).await?
    }

    /// Counts and logs references that the repository does not hold; how many there are. Where they are required the
    /// ledger looks, for only it knows what is held when the manifest comes.
    async fn count_missing(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        facts: &ManifestFacts,
    ) -> Result<usize, Error> {
        if self.settings().require_blobs {
            return Ok(0);
        }
        let missing = self.missing_references(repository, facts).await?;
        if missing.is_empty() {
            return Ok(0);
        }
        self.inner.statistics.references_missing.inc_by(missing.len() as u64);
        let first: Vec<&str> =
            missing.iter().take(MISSING_LOGGED_MAX).map(|(digest, _)| digest.as_str()).collect();
        tracing::info!(%repository, %digest, count = missing.len(), ?first, "a manifest references missing content");
        Ok(missing.len())
    }
}

/// The tags of a request, the one of the path first, each once.
fn wanted_tags(request: &PutRequest) -> Result<Vec<Tag>, Error> {
    if request.tags.len() > TAGS_PER_PUT_MAX {
        return Err(Error::TooManyTags { limit: TAGS_PER_PUT_MAX });
    }
    let mut tags: Vec<Tag> = Vec::with_capacity(request.tags.len() + 1);
    if let Reference::Tag(tag) = &request.reference {
        tags.push(tag.clone());
    }
    for tag in &request.tags {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    Ok(tags)
}

/// Hashes and reads a manifest.
fn prepare(bytes: &Bytes, content_type: Option<&str>, reference: &Reference) -> Result<Prepared, Error> {
    let digest = match reference {
        Reference::Tag(_) => Digest::of(Algorithm::Sha256, bytes),
        Reference::Digest(digest) => {
            let computed = Digest::of(digest.algorithm(), bytes);
            if computed != *digest {
                return Err(Error::DigestInvalid(format!(
                    "the manifest has the digest {computed}, not {digest}"
                )));
            }
            computed
        }
    };
    let parsed = ParsedManifest::parse(bytes, content_type).map_err(|error| match error {
        ManifestError::TooLarge(_) => Error::ManifestTooLarge,
        other => Error::ManifestInvalid(other.to_string()),
    })?;
    Ok(Prepared { digest, parsed })
}
