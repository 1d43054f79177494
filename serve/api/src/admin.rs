//! The owner's API, `/admin/v1`: JSON over the unix socket that only the owner can open.

mod inspect;
mod repositories;
mod sources;
mod status;

use std::path::PathBuf;
use std::time::Duration;

use dockless_oci::{Digest, ErrorCode, Reference, RepositoryName, Tag};
use dockless_registry::Registry;
use dockless_registry::access::Access;
use dockless_runtime::Runtime;
use http::{Method, Response, StatusCode, header};
use serde::Serialize;

use crate::connection::Connection;
use crate::error::ApiError;
use crate::inbound::Inbound;
use crate::outbound::Outbound;
use crate::query::Query;
use crate::reply;
use crate::tls::Certificates;

/// Items of one page, unless `n` says less.
const PAGE_MAX: usize = 1000;

/// What the node says of itself to its owner.
#[derive(Clone, Debug, Default)]
pub struct NodeFacts {
    /// The version of the program.
    pub version: String,
    /// The data directory.
    pub data: PathBuf,
    /// Where it listens, as the user would write it.
    pub listeners: Vec<String>,
}

/// What the owner may ask about.
pub(crate) struct Node<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) access: &'a Access,
    pub(crate) runtime: &'a Runtime,
    /// Absent when the node speaks no TLS.
    pub(crate) tls: Option<&'a Certificates>,
    pub(crate) facts: &'a NodeFacts,
    pub(crate) uptime: Duration,
    /// Whether the node was asked to stop.
    pub(crate) draining: bool,
    /// Connections open now.
    pub(crate) connections: i64,
}

/// What a path below `/admin/v1/` names.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Repositories,
    Tags(RepositoryName),
    Inspect(RepositoryName, Reference),
    Item(RepositoryName, Item),
    Usage,
    Status,
    Trust,
    Engines,
    Pulls,
}

/// Something in a repository that can be removed.
#[derive(Debug, PartialEq, Eq)]
enum Item {
    /// A tag, or a manifest by its digest.
    Named(Reference),
    Blob(Digest),
}

/// Answers one request to a decoded path that begins with `/admin/v1/`.
pub(crate) async fn answer(
    node: &Node<'_>,
    method: &Method,
    path: &str,
    query: &Query,
    body: &mut Inbound,
    connection: &Connection,
) -> Result<Response<Outbound>, ApiError> {
    if !connection.admin {
        let message = "the admin API is answered only on the socket in the node's data directory";
        return Err(ApiError::new(StatusCode::FORBIDDEN, ErrorCode::Denied, message));
    }
    let registry = node.registry;
    let place = place(path.strip_prefix("/admin/v1/").unwrap_or_default())?;
    let reading = *method == Method::GET || *method == Method::HEAD;
    match (place, method) {
        (Place::Repositories, _) if reading => repositories::list(registry, query).await,
        (Place::Tags(repository), _) if reading => repositories::tags(registry, &repository, query).await,
        (Place::Tags(repository), &Method::POST) => repositories::set_tag(registry, &repository, body).await,
        (Place::Tags(_), _) => Err(ApiError::wrong_method("GET, HEAD, POST")),
        (Place::Inspect(repository, reference), _) if reading => {
            inspect::answer(registry, &repository, &reference).await
        }
        (Place::Item(repository, item), &Method::DELETE) => {
            repositories::remove(registry, &repository, item).await
        }
        (Place::Item(..), _) => Err(ApiError::wrong_method("DELETE")),
        (Place::Usage, _) if reading => repositories::usage(registry, query),
        (Place::Status, _) if reading => status::status(node).await,
        (Place::Trust, _) if reading => status::trust(node.tls),
        (Place::Engines, _) if reading => sources::engines(registry).await,
        (Place::Pulls, _) if reading => sources::pulls(registry, query),
        _ => Err(ApiError::wrong_method("GET, HEAD")),
    }
}

/// Reads any text as a path, for fuzzing.
pub(crate) fn read(text: &str) {
    let _ = place(text);
}

/// Reads a path. Repository names hold slashes, so it is read from its end.
fn place(path: &str) -> Result<Place, ApiError> {
    match path {
        "repositories" => return Ok(Place::Repositories),
        "usage" => return Ok(Place::Usage),
        "status" => return Ok(Place::Status),
        "trust" => return Ok(Place::Trust),
        "engines" => return Ok(Place::Engines),
        "pulls" => return Ok(Place::Pulls),
        _ => {}
    }
    let rest = path.strip_prefix("repositories/").ok_or_else(ApiError::no_such_endpoint)?;
    if let Some(name) = rest.strip_suffix("/tags") {
        return Ok(Place::Tags(repository(name)?));
    }
    let (before, last) = rest.rsplit_once('/').ok_or_else(ApiError::no_such_endpoint)?;
    let (name, kind) = before.rsplit_once('/').ok_or_else(ApiError::no_such_endpoint)?;
    let digest = |text| Digest::parse(text).map_err(|error| ApiError::digest(text, error));
    let item = match kind {
        "inspect" => {
            let reference = Reference::parse(last)
                .map_err(|error| ApiError::bad(ErrorCode::ManifestInvalid, error.to_string()))?;
            return Ok(Place::Inspect(repository(name)?, reference));
        }
        "manifests" => Item::Named(Reference::Digest(digest(last)?)),
        "blobs" => Item::Blob(digest(last)?),
        "tags" => Item::Named(Reference::Tag(tag(last)?)),
        _ => return Err(ApiError::no_such_endpoint()),
    };
    Ok(Place::Item(repository(name)?, item))
}

fn repository(text: &str) -> Result<RepositoryName, ApiError> {
    RepositoryName::parse(text).map_err(|error| ApiError::bad(ErrorCode::NameInvalid, error.to_string()))
}

fn tag(text: &str) -> Result<Tag, ApiError> {
    Tag::parse(text).map_err(|error| ApiError::bad(ErrorCode::TagInvalid, error.to_string()))
}

/// How many items a page has, and after which it begins.
fn page(query: &Query) -> Result<(usize, Option<&str>), ApiError> {
    let n = query.page_size()?.map_or(PAGE_MAX, |n| n.min(PAGE_MAX));
    Ok((n, query.get("after").filter(|after| !after.is_empty())))
}

/// An answer of JSON that nobody keeps.
fn json(answer: &impl Serialize) -> Result<Response<Outbound>, ApiError> {
    let body = serde_json::to_vec(answer).map_err(|error| ApiError::internal(&error.to_string()))?;
    let mut response = reply::json(StatusCode::OK, body);
    reply::set(response.headers_mut(), header::CACHE_CONTROL, "no-store");
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_their_end() {
        let name = |text| RepositoryName::parse(text).unwrap();
        assert_eq!(place("repositories").unwrap(), Place::Repositories);
        assert_eq!(place("repositories/a/tags/tags").unwrap(), Place::Tags(name("a/tags")));
        let tag = Item::Named(Reference::parse("v1").unwrap());
        assert_eq!(place("repositories/a/b/tags/v1").unwrap(), Place::Item(name("a/b"), tag));
        let latest = Reference::parse("latest").unwrap();
        assert_eq!(
            place("repositories/inspect/inspect/latest").unwrap(),
            Place::Inspect(name("inspect"), latest)
        );
    }

    #[test]
    fn other_paths_and_names_are_refused() {
        let status = |path| place(path).unwrap_err().status.as_u16();
        for path in
            ["", "x", "repositories/", "repositories/a", "repositories/a/other/b", "repositories/inspect/x"]
        {
            assert_eq!(status(path), 404, "{path}");
        }
        for path in ["repositories/A/tags", "repositories/a/blobs/x", "repositories/a/tags/.x"] {
            assert_eq!(status(path), 400, "{path}");
        }
    }
}
