//! Repositories, tags and usage, listed and changed.

use dockless_meta::{Usage, View};
use dockless_oci::{Digest, ErrorCode, RepositoryName, Tag};
use dockless_registry::{Asked, Error, Registry};
use http::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Item, json, page};
use crate::error::ApiError;
use crate::inbound::Inbound;
use crate::outbound::Outbound;
use crate::query::Query;

/// A body here is a few words.
const BODY_BYTES_MAX: usize = 64 << 10;

/// One repository.
#[derive(Serialize)]
struct RepositoryRow<'a> {
    name: &'a str,
    /// Whether this node holds anything of it. If not, a source offers it, and the numbers are 0.
    held: bool,
    manifests: u64,
    tags: u64,
    blobs: u64,
    bytes: u64,
}

impl<'a> RepositoryRow<'a> {
    fn new(name: &'a RepositoryName, view: &View) -> Result<Self, Error> {
        let held = view.repository_exists(name)?;
        let Usage { manifests, tags, blobs, bytes } = view.usage(name)?;
        Ok(Self { name: name.as_str(), held, manifests, tags, blobs, bytes })
    }
}

/// One tag of a list.
#[derive(Serialize)]
struct TagRow<'a> {
    tag: &'a str,
    /// Absent for the tag of a source: to tell it may cost an export.
    digest: Option<Digest>,
}

/// What `POST` of a tag says: `from` is a tag that points where the new one is to point.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTag {
    tag: Tag,
    digest: Option<Digest>,
    from: Option<Tag>,
}

/// `GET repositories?n=&after=`
pub(super) async fn list(registry: &Registry, query: &Query) -> Result<Response<Outbound>, ApiError> {
    let (n, after) = page(query)?;
    let names = registry.repositories(n, after).await?.items;
    let view = registry.snapshot()?;
    let rows: Vec<_> = names.iter().map(|name| RepositoryRow::new(name, &view)).collect::<Result<_, _>>()?;
    json(&json!({ "repositories": rows }))
}

/// `GET repositories/<name>/tags?n=&after=`
pub(super) async fn tags(
    registry: &Registry,
    repository: &RepositoryName,
    query: &Query,
) -> Result<Response<Outbound>, ApiError> {
    let (n, after) = page(query)?;
    let tags = registry.tags(&Asked::by_owner(repository), Some(n), after).await?.items;
    let view = registry.snapshot()?;
    let mut rows = Vec::with_capacity(tags.len());
    for tag in &tags {
        rows.push(TagRow { tag: tag.as_str(), digest: view.tag(repository, tag).map_err(Error::from)? });
    }
    json(&json!({ "repository": repository, "tags": rows }))
}

/// `POST repositories/<name>/tags`
pub(super) async fn set_tag(
    registry: &Registry,
    repository: &RepositoryName,
    body: &mut Inbound,
) -> Result<Response<Outbound>, ApiError> {
    let bytes = body.collect(BODY_BYTES_MAX).await?;
    let wrong = |message: String| ApiError::bad(ErrorCode::ManifestInvalid, message);
    let new: NewTag = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let digest = match (new.digest, new.from) {
        (Some(digest), None) => digest,
        (None, Some(from)) => {
            let found = registry.snapshot()?.tag(repository, &from).map_err(Error::from)?;
            found.ok_or(Error::ManifestUnknown)?
        }
        _ => return Err(wrong("one of digest and from says where the tag is to point".to_owned())),
    };
    registry.set_tag(repository, &new.tag, &digest).await?;
    json(&json!({ "repository": repository, "tag": new.tag, "digest": digest }))
}

/// `DELETE repositories/<name>/{manifests,tags,blobs}/<x>`
pub(super) async fn remove(
    registry: &Registry,
    repository: &RepositoryName,
    item: Item,
) -> Result<Response<Outbound>, ApiError> {
    match &item {
        Item::Named(reference) => registry.delete(&Asked::by_owner(repository), reference).await?,
        Item::Blob(digest) => registry.delete_blob(repository, digest).await?,
    }
    json(&json!({ "repository": repository, "removed": true }))
}

/// `GET usage[?repository=]`
pub(super) fn usage(registry: &Registry, query: &Query) -> Result<Response<Outbound>, ApiError> {
    let view = registry.snapshot()?;
    if let Some(name) = query.get("repository") {
        let repository = super::repository(name)?;
        if !view.repository_exists(&repository).map_err(Error::from)? {
            return Err(Error::NameUnknown.into());
        }
        return json(&RepositoryRow::new(&repository, &view)?);
    }
    let totals = view.totals().map_err(Error::from)?;
    json(&json!({
        "repositories": totals.repositories,
        "manifests": totals.manifests,
        "tags": totals.tags,
        "blobs": totals.blobs,
        "bytes": totals.bytes,
        "doomed": totals.doomed,
    }))
}
