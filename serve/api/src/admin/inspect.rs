//! One manifest: what it is, what it refers to, what refers to it.

use bytes::Bytes;
use dockless_meta::View;
use dockless_oci::manifest::{ManifestFacts, ParsedManifest, ReferenceFact, ReferenceKind};
use dockless_oci::{Descriptor, Digest, Reference, RepositoryName};
use dockless_registry::{Asked, Error, Manifest, Registry};
use http::Response;
use serde_json::{Value, json};

use super::json;
use crate::error::ApiError;
use crate::outbound::Outbound;

/// Rows of each list in one answer: a person reads it. `..._total` says how many there are, where that is known.
const ROWS_MAX: usize = 200;

/// A manifest that is shown.
struct Shown<'a> {
    digest: Digest,
    media_type: String,
    bytes: Bytes,
    facts: ManifestFacts,
    /// The source that has it, where the store does not.
    source: Option<&'a str>,
}

/// `GET repositories/<name>/inspect/<reference>`
pub(super) async fn answer(
    registry: &Registry,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Response<Outbound>, ApiError> {
    let view = registry.snapshot()?;
    let shown = match held(&view, repository, reference)? {
        Some(shown) => shown,
        None => of_a_source(registry, repository, reference).await?,
    };
    let tags = view.tags_of(repository, &shown.digest, ROWS_MAX).map_err(Error::from)?;
    let referrers = view.referrers(repository, &shown.digest, None, ROWS_MAX).map_err(Error::from)?;
    let references = shown.facts.references.iter().take(ROWS_MAX);
    let references: Vec<Value> =
        references.map(|fact| reference_row(&view, repository, fact)).collect::<Result<_, _>>()?;
    let manifest: Option<Value> = serde_json::from_slice(&shown.bytes).ok();
    let mut answer = json!({
        "repository": repository,
        "digest": shown.digest,
        "source": shown.source,
        "media_type": shown.media_type,
        "artifact_type": shown.facts.artifact_type,
        "size": shown.bytes.len(),
        "subject": shown.facts.subject,
        "tags": tags,
        "references": references,
        "references_total": shown.facts.references.len(),
        "referrers": referrers.iter().map(referrer_row).collect::<Vec<_>>(),
    });
    if let Some(manifest) = manifest {
        answer["annotations"] = manifest.get("annotations").cloned().unwrap_or(Value::Null);
        answer["manifest"] = manifest;
    }
    json(&answer)
}

/// What the store has.
fn held(
    view: &View,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Option<Shown<'static>>, Error> {
    let digest = match reference {
        Reference::Digest(digest) => Some(digest.clone()),
        Reference::Tag(tag) => view.tag(repository, tag)?,
    };
    let Some(digest) = digest else { return Ok(None) };
    let record = view.manifest(repository, &digest)?;
    Ok(record.map(|record| Shown {
        digest,
        media_type: record.media_type,
        bytes: record.bytes,
        facts: record.facts,
        source: None,
    }))
}

/// What a source has.
async fn of_a_source<'a>(
    registry: &'a Registry,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Shown<'a>, Error> {
    let (manifest, source) = registry.look_up(&Asked::by_owner(repository), reference).await?;
    let parsed = ParsedManifest::parse(&manifest.bytes, Some(&manifest.media_type))
        .map_err(|error| Error::ManifestInvalid(error.to_string()))?;
    let Manifest { digest, media_type, bytes } = manifest;
    Ok(Shown { digest, media_type, bytes, facts: parsed.facts, source: Some(source) })
}

fn referrer_row(descriptor: &Descriptor) -> Value {
    json!({
        "digest": descriptor.digest,
        "size": descriptor.size,
        "media_type": descriptor.media_type,
        "artifact_type": descriptor.artifact_type,
    })
}

fn reference_row(view: &View, repository: &RepositoryName, fact: &ReferenceFact) -> Result<Value, ApiError> {
    let (kind, held) = match fact.kind {
        ReferenceKind::Blob => ("blob", view.blob(repository, &fact.digest).map_err(Error::from)?.is_some()),
        ReferenceKind::Manifest => ("manifest", has_manifest(view, repository, &fact.digest)?),
    };
    Ok(
        json!({ "digest": fact.digest, "size": fact.size, "kind": kind, "foreign": fact.foreign, "held": held }),
    )
}

fn has_manifest(view: &View, repository: &RepositoryName, digest: &Digest) -> Result<bool, ApiError> {
    Ok(view.manifest_head(repository, digest).map_err(Error::from)?.is_some())
}
