//! One request on its way through the handlers.

use dockless_oci::{ErrorCode, RepositoryName};
use dockless_registry::access::{Access, Action, Caller};
use dockless_registry::{Asked, Registry};
use dockless_runtime::Runtime;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::challenge::{self, Wanted, Why};
use crate::error::ApiError;
use crate::inbound::Inbound;
use crate::query::Query;

/// The longest name of a registry, with its port; nobody means a longer one.
const NAMESPACE_BYTES_MAX: usize = 253 + 6;

/// A request that was read, from a caller who is known.
pub(crate) struct Call<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) access: &'a Access,
    pub(crate) runtime: &'a Runtime,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Query,
    pub(crate) caller: Caller,
    /// What a challenge asks for.
    pub(crate) wanted: Vec<Wanted>,
    /// Where this client gets tokens.
    pub(crate) realm: String,
    pub(crate) body: &'a mut Inbound,
}

impl Call<'_> {
    /// Whether content is for this client alone.
    pub(crate) fn is_private(&self) -> bool {
        self.access.required()
    }

    /// The question of this request about a repository, as a source gets it.
    pub(crate) fn asked(&self, repository: &RepositoryName) -> Asked {
        let namespace = self.query.get("ns").filter(|name| (1..=NAMESPACE_BYTES_MAX).contains(&name.len()));
        Asked {
            repository: repository.clone(),
            namespace: namespace.map(Into::into),
            principal: self.caller.principal(),
        }
    }

    /// The one value of a header, when it is text.
    pub(crate) fn header(&self, name: impl Into<HeaderName>) -> Option<&str> {
        self.headers.get(name.into())?.to_str().ok()
    }

    /// Lets the caller go on if it may do `action` in `repository`. A user whom the rules refuse is told so; anyone
    /// else is asked for better credentials: a token that lacks a scope is no reason to give up.
    pub(crate) fn require(&self, repository: &RepositoryName, action: Action) -> Result<(), ApiError> {
        if self.caller.may(repository, action) {
            return Ok(());
        }
        if self.caller.user().is_some() && !self.caller.is_entitled(repository, action) {
            let message = format!("{} may not {} here", self.caller.subject(), action.as_str());
            return Err(ApiError::about(
                StatusCode::FORBIDDEN,
                ErrorCode::Denied,
                message,
                repository.as_str(),
            ));
        }
        Err(self.challenge())
    }

    /// `401` that asks for what the request needs.
    pub(crate) fn challenge(&self) -> ApiError {
        let why = if self.caller.is_expired() {
            Why::Invalid
        } else if self.headers.contains_key(http::header::AUTHORIZATION) {
            Why::Insufficient
        } else {
            Why::Missing
        };
        challenge::unauthorized(&self.realm, self.access.service(), &self.wanted, why)
    }

    /// The entity tags of a condition header as they stand there, without quotes; `*` stands for itself.
    pub(crate) fn entity_tags(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        let values = self.headers.get_all(name).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
        let tags = values.flat_map(|value| value.split(',')).map(str::trim).filter(|tag| !tag.is_empty());
        tags.map(|tag| tag.trim_matches('"'))
    }
}
