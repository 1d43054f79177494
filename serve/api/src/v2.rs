//! The registry API under `/v2` (OCI distribution specification): one file for each of its nouns.

mod blobs;
mod conditions;
mod lists;
mod manifests;
mod multipart;
mod referrers;
mod uploads;

use dockless_oci::endpoint::{Endpoint, EndpointError, parse_path};
use dockless_oci::{Digest, ErrorCode, RepositoryName};
use dockless_registry::access::Action;
use http::{Method, Response, StatusCode};

use crate::call::Call;
use crate::challenge::Wanted;
use crate::error::ApiError;
use crate::outbound::Outbound;
use crate::query::Query;
use crate::reply;

type Answer = Result<Response<Outbound>, ApiError>;

/// Finds what a decoded path under `/v2` asks for.
pub(crate) fn endpoint(path: &str) -> Result<Endpoint, ApiError> {
    parse_path(path).map_err(|error| match error {
        EndpointError::NotFound => ApiError::no_such_endpoint(),
        EndpointError::NameInvalid(name) => {
            let name: String = name.chars().take(reply::ECHO_CHARS_MAX).collect();
            let message = "invalid repository name: lower-case letters, digits and . _ - / in between";
            ApiError::about(StatusCode::BAD_REQUEST, ErrorCode::NameInvalid, message, &name)
        }
    })
}

/// The kind of route, for metrics.
pub(crate) fn route(endpoint: &Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Base => "base",
        Endpoint::Catalog => "catalog",
        Endpoint::Tags { .. } => "tags",
        Endpoint::Manifest { .. } => "manifest",
        Endpoint::Blob { .. } => "blob",
        Endpoint::Uploads { .. } | Endpoint::Upload { .. } => "upload",
        Endpoint::Referrers { .. } => "referrers",
    }
}

/// The methods of an endpoint, as `Allow` has them.
fn allow(endpoint: &Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Base | Endpoint::Catalog | Endpoint::Tags { .. } | Endpoint::Referrers { .. } => {
            "GET, HEAD"
        }
        Endpoint::Manifest { .. } => "GET, HEAD, PUT, DELETE",
        Endpoint::Blob { .. } => "GET, HEAD, DELETE",
        Endpoint::Uploads { .. } => "POST",
        Endpoint::Upload { .. } => "GET, HEAD, PATCH, PUT, DELETE",
    }
}

/// What a client must be allowed for this request, as a challenge says it. Who may change must also read: a client
/// that is told of `push` alone asks for a token that cannot pull, and then fails on its next HEAD.
pub(crate) fn wanted(endpoint: &Endpoint, method: &Method, query: &Query) -> Vec<Wanted> {
    let Some(repository) = endpoint.repository() else {
        let catalog = Wanted { repository: None, actions: vec![Action::Catalog] };
        return if *endpoint == Endpoint::Catalog { vec![catalog] } else { Vec::new() };
    };
    let is_upload = matches!(endpoint, Endpoint::Uploads { .. } | Endpoint::Upload { .. });
    let actions = match *method {
        _ if is_upload => vec![Action::Pull, Action::Push],
        Method::PUT | Method::POST | Method::PATCH => vec![Action::Pull, Action::Push],
        Method::DELETE => vec![Action::Pull, Action::Delete],
        _ => vec![Action::Pull],
    };
    let mut wanted = vec![Wanted { repository: Some(repository.clone()), actions }];
    // A mount reads from its source.
    let source = query.get("mount").and(query.get("from")).and_then(|from| RepositoryName::parse(from).ok());
    if is_upload && let Some(source) = source.filter(|source| source != repository) {
        wanted.push(Wanted { repository: Some(source), actions: vec![Action::Pull] });
    }
    wanted
}

/// Answers one request.
pub(crate) async fn answer(call: &mut Call<'_>, endpoint: &Endpoint) -> Answer {
    let reading = *call.method == Method::GET || *call.method == Method::HEAD;
    match (endpoint, call.method) {
        (Endpoint::Base, _) if reading => base(call),
        (Endpoint::Catalog, _) if reading => lists::catalog(call).await,
        (Endpoint::Tags { repository }, _) if reading => lists::tags(call, repository).await,
        (Endpoint::Referrers { repository, digest }, _) if reading => {
            referrers::list(call, repository, digest)
        }
        (Endpoint::Manifest { repository, reference }, _) if reading => {
            manifests::get(call, repository, reference).await
        }
        (Endpoint::Manifest { repository, reference }, &Method::PUT) => {
            manifests::put(call, repository, reference).await
        }
        (Endpoint::Manifest { repository, reference }, &Method::DELETE) => {
            manifests::delete(call, repository, reference).await
        }
        (Endpoint::Blob { repository, digest }, _) if reading => blobs::get(call, repository, digest).await,
        (Endpoint::Blob { repository, digest }, &Method::DELETE) => {
            blobs::delete(call, repository, digest).await
        }
        (Endpoint::Uploads { repository }, &Method::POST) => uploads::begin(call, repository).await,
        (Endpoint::Upload { repository, id }, _) if reading => uploads::status(call, repository, id).await,
        (Endpoint::Upload { repository, id }, &Method::PATCH) => uploads::append(call, repository, id).await,
        (Endpoint::Upload { repository, id }, &Method::PUT) => uploads::finish(call, repository, id).await,
        (Endpoint::Upload { repository, id }, &Method::DELETE) => uploads::cancel(call, repository, id).await,
        (endpoint, _) => Err(ApiError::wrong_method(allow(endpoint))),
    }
}

/// `GET /v2/`: whether this is a registry, and whether the credentials are good.
fn base(call: &Call<'_>) -> Answer {
    // Clients ask here first and log in only when told to, so that one must ask even where anonymous may pull.
    // An empty name with an empty password is no login either.
    let logged_in = call.caller.user().is_some() || call.caller.has_token();
    if call.access.required() && !logged_in {
        return Err(call.challenge());
    }
    Ok(reply::json(StatusCode::OK, b"{}".to_vec()))
}

/// Reads a digest of a path or a query.
fn digest(text: &str) -> Result<Digest, ApiError> {
    Digest::parse(text).map_err(|error| ApiError::digest(text, error))
}
