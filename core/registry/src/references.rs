//! What a manifest references and its repository does not hold.

use dockless_meta::view::View;
use dockless_oci::manifest::{ManifestFacts, ReferenceKind};
use dockless_oci::{Digest, RepositoryName};

use crate::error::Error;
use crate::registry::Registry;

/// References looked up where the caller is: a thousand lookups cost about a millisecond.
const INLINE_MAX: usize = 1_000;

impl Registry {
    /// References that the repository does not hold now, in the order of the manifest, without those that others hold
    /// by design.
    pub(crate) async fn missing_references(
        &self,
        repository: &RepositoryName,
        facts: &ManifestFacts,
    ) -> Result<Vec<(Digest, ReferenceKind)>, Error> {
        let view = self.inner.view()?;
        if facts.references.len() <= INLINE_MAX {
            return missing(&view, repository, facts);
        }
        let (repository, facts) = (repository.clone(), facts.clone());
        let work = move || missing(&view, &repository, &facts);
        self.inner.runtime.blocking("references check", work).await?
    }
}

fn missing(
    view: &View,
    repository: &RepositoryName,
    facts: &ManifestFacts,
) -> Result<Vec<(Digest, ReferenceKind)>, Error> {
    let mut missing = Vec::new();
    for reference in facts.references.iter().filter(|reference| !reference.foreign) {
        let held = match reference.kind {
            ReferenceKind::Blob => view.blob(repository, &reference.digest)?.is_some(),
            ReferenceKind::Manifest => view.manifest_head(repository, &reference.digest)?.is_some(),
        };
        if !held {
            missing.push((reference.digest.clone(), reference.kind));
        }
    }
    Ok(missing)
}
