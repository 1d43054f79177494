//! One manifest: what it is, what it refers to, what refers to it.

use dockless_meta::View;
use dockless_oci::manifest::{ReferenceFact, ReferenceKind};
use dockless_oci::{Descriptor, Digest, Reference, RepositoryName};
use dockless_registry::{Error, Registry};
use http::Response;
use serde_json::{Value, json};

use super::json;
use crate::error::ApiError;
use crate::outbound::Outbound;

/// Rows of each list in one answer: a person reads it. `..._total` says how many there are, where that is known.
const ROWS_MAX: usize = 200;

/// `GET repositories/<name>/inspect/<reference>`
pub(super) fn answer(
    registry: &Registry,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Response<Outbound>, ApiError> {
    let view = registry.snapshot()?;
    let digest = match reference {
        Reference::Digest(digest) => digest.clone(),
        Reference::Tag(tag) => {
            view.tag(repository, tag).map_err(Error::from)?.ok_or(Error::ManifestUnknown)?
        }
    };
    let record = view.manifest(repository, &digest).map_err(Error::from)?.ok_or(Error::ManifestUnknown)?;
    let tags = view.tags_of(repository, &digest, ROWS_MAX).map_err(Error::from)?;
    let referrers = view.referrers(repository, &digest, None, ROWS_MAX).map_err(Error::from)?;
    let references = record.facts.references.iter().take(ROWS_MAX);
    let references: Vec<Value> =
        references.map(|fact| reference_row(&view, repository, fact)).collect::<Result<_, _>>()?;
    let manifest: Option<Value> = serde_json::from_slice(&record.bytes).ok();
    let mut answer = json!({
        "repository": repository,
        "digest": digest,
        "media_type": record.media_type,
        "artifact_type": record.facts.artifact_type,
        "size": record.bytes.len(),
        "subject": record.facts.subject,
        "tags": tags,
        "references": references,
        "references_total": record.facts.references.len(),
        "referrers": referrers.iter().map(referrer_row).collect::<Vec<_>>(),
    });
    if let Some(manifest) = manifest {
        answer["annotations"] = manifest.get("annotations").cloned().unwrap_or(Value::Null);
        answer["manifest"] = manifest;
    }
    json(&answer)
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
