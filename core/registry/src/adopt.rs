//! Adoption: what a pushed manifest references and only a source has, the repository takes over.
//!
//! A client asks for each blob before it uploads it, and is told that those of sources exist; so it does not send
//! them. Were they not taken over, the image would be whole only as long as the source keeps them.

use dockless_meta::command::PutManifest;
use dockless_oci::manifest::{ManifestFacts, ParsedManifest, ReferenceKind};
use dockless_oci::{Digest, Reference};
use dockless_runtime::BoxFuture;
use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::error::Error;
use crate::registry::Registry;
use crate::source::Asked;

/// Most references that sources are asked for because of one pushed manifest; an image or index that is to be taken
/// over has far fewer. What is beyond is missing.
const ADOPTED_MAX: usize = 1_000;

/// Blobs of one manifest that are taken over at once: what clients upload at once by default is between three and
/// five.
const AT_ONCE: usize = 4;

/// How deep indexes within indexes are followed.
const DEPTH_MAX: usize = 3;

impl Registry {
    /// Takes over what a manifest references, the repository lacks and a source has, on behalf of the one who pushes
    /// it: from a source that answers only some as well, since who pushes a manifest means to publish what it names.
    /// What no source has stays missing.
    ///
    /// [`Error::Unavailable`] when sources that may have it do not answer: the client may have been told a moment
    /// ago that it need not send it.
    pub(crate) async fn adopt(&self, asked: &Asked, facts: &ManifestFacts) -> Result<(), Error> {
        if self.mirror.is_empty() {
            return Ok(());
        }
        self.adopt_references(asked.clone(), facts.clone(), DEPTH_MAX).await
    }

    fn adopt_references(
        &self,
        asked: Asked,
        facts: ManifestFacts,
        depth: usize,
    ) -> BoxFuture<'static, Result<(), Error>> {
        let registry = self.clone();
        async move {
            let missing = registry.missing_references(&asked.repository, &facts).await?;
            let adopting = missing.into_iter().take(ADOPTED_MAX).map(|(digest, kind)| {
                let (registry, asked) = (registry.clone(), asked.clone());
                async move {
                    let adopted = match kind {
                        ReferenceKind::Blob => registry.mirror.copy(&asked, &digest).await.map(drop),
                        ReferenceKind::Manifest if depth == 0 => return Ok(()),
                        ReferenceKind::Manifest => registry.adopt_manifest(&asked, &digest, depth - 1).await,
                    };
                    match adopted {
                        Err(Error::BlobUnknown | Error::ManifestUnknown | Error::Denied(_)) => Ok(()),
                        adopted => adopted,
                    }
                }
            });
            stream::iter(adopting).buffer_unordered(AT_ONCE).try_collect().await
        }
        .boxed()
    }

    /// Takes over a manifest within an index, after what it references.
    async fn adopt_manifest(&self, asked: &Asked, digest: &Digest, depth: usize) -> Result<(), Error> {
        let reference = Reference::Digest(digest.clone());
        let manifest = self.mirror.manifest(asked, &reference).await?.content;
        let parsed = ParsedManifest::parse(&manifest.bytes, Some(&manifest.media_type))
            .map_err(|error| Error::ManifestInvalid(error.to_string()))?;
        self.adopt_references(asked.clone(), parsed.facts.clone(), depth).await?;
        self.commit(PutManifest {
            repository: asked.repository.clone(),
            digest: manifest.digest,
            media_type: parsed.media_type,
            bytes: manifest.bytes,
            facts: parsed.facts,
            tags: Vec::new(),
            only_if: None,
            immutable_tags: false,
            require_references: false,
        })
        .await
    }
}
