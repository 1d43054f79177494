//! Finds out who answers a request, and asks them.

use std::sync::atomic::Ordering;

use dockless_oci::ErrorCode;
use dockless_oci::endpoint::Endpoint;
use dockless_registry::access::Caller;
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::{Door, head};
use crate::admin;
use crate::call::Call;
use crate::challenge::{self, Wanted};
use crate::connection::Connection;
use crate::credentials::credentials;
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::health;
use crate::inbound::Inbound;
use crate::outbound::Outbound;
use crate::proxy::Outside;
use crate::query::{Query, percent_decode};
use crate::reply;
use crate::token::{self, TokenRequest};
use crate::v2;

impl Door {
    /// Refuses what is too large or unclear, then finds out who answers.
    pub(super) async fn answer(
        &self,
        parts: &Parts,
        body: &mut Inbound,
        connection: &Connection,
        outside: &Outside,
        exchange: &mut Exchange,
    ) -> Result<Response<Outbound>, ApiError> {
        head::check(parts)?;
        if connection.refuse_plain {
            return Err(head::plain_refused(outside));
        }
        let query = Query::parse(parts.uri.query().unwrap_or_default()).map_err(head::unreadable_query)?;
        let path = percent_decode(parts.uri.path(), false).ok_or_else(ApiError::no_such_endpoint)?;
        match path.as_str() {
            path if path == "/v2" || path.starts_with("/v2/") => {
                self.answer_v2(path, query, parts, body, outside, exchange).await
            }
            "/token" => self.answer_token(query, parts, body, outside, exchange).await,
            "/healthz" | "/readyz" | "/metrics" => self.answer_health(&path, &parts.method, exchange).await,
            path if path.starts_with("/admin/v1/") => {
                exchange.route = "admin";
                exchange.subject = "administrator".to_owned();
                let node = self.node();
                admin::answer(&node, &parts.method, path, &query, body, connection).await
            }
            // docker and podman search and ping here; a 404 of JSON is what sends them on to /v2.
            path if path.starts_with("/v1/") => Err(ApiError::new(
                StatusCode::NOT_FOUND,
                ErrorCode::Unsupported,
                "this registry speaks only /v2",
            )),
            _ => Err(ApiError::no_such_endpoint()),
        }
    }

    async fn answer_v2(
        &self,
        path: &str,
        query: Query,
        parts: &Parts,
        body: &mut Inbound,
        outside: &Outside,
        exchange: &mut Exchange,
    ) -> Result<Response<Outbound>, ApiError> {
        let endpoint = v2::endpoint(path)?;
        exchange.route = v2::route(&endpoint);
        let realm = self.realm(outside);
        let wanted = v2::wanted(&endpoint, &parts.method, &query);
        let caller = self.caller(&endpoint, parts, &realm, &wanted).await?;
        exchange.subject = caller.subject().to_owned();
        let namespace = query.get("ns").and_then(head::namespace);
        let mut call = Call {
            registry: &self.registry,
            access: &self.access,
            runtime: &self.runtime,
            method: &parts.method,
            headers: &parts.headers,
            query,
            caller,
            wanted,
            realm,
            body,
        };
        let mut response = v2::answer(&mut call, &endpoint).await?;
        if let Some(namespace) = namespace {
            response.headers_mut().insert(reply::OCI_NAMESPACE, namespace);
        }
        Ok(response)
    }

    /// Who asks, or a challenge.
    async fn caller(
        &self,
        endpoint: &Endpoint,
        parts: &Parts,
        realm: &str,
        wanted: &[Wanted],
    ) -> Result<Caller, ApiError> {
        let service = self.access.service();
        let shown = credentials(&parts.headers)
            .map_err(|_| challenge::unauthorized(realm, service, wanted, challenge::Why::Invalid))?;
        let caller = if matches!(endpoint, Endpoint::Upload { .. }) {
            self.access.authenticate_upload(shown).await
        } else {
            self.access.authenticate(shown).await
        };
        caller.map_err(|refusal| token::refused(refusal, realm, service, wanted))
    }

    async fn answer_token(
        &self,
        query: Query,
        parts: &Parts,
        body: &mut Inbound,
        outside: &Outside,
        exchange: &mut Exchange,
    ) -> Result<Response<Outbound>, ApiError> {
        exchange.route = "token";
        let request = TokenRequest {
            access: &self.access,
            method: &parts.method,
            headers: &parts.headers,
            query,
            realm: self.realm(outside),
            now_ms: self.runtime.clock.unix_ms(),
            body,
        };
        request.answer(&mut exchange.subject).await
    }

    async fn answer_health(
        &self,
        path: &str,
        method: &Method,
        exchange: &mut Exchange,
    ) -> Result<Response<Outbound>, ApiError> {
        exchange.route = if path == "/metrics" { "metrics" } else { "health" };
        if *method != Method::GET && *method != Method::HEAD {
            return Err(ApiError::wrong_method("GET, HEAD"));
        }
        match path {
            "/healthz" => Ok(health::healthz()),
            "/metrics" => Ok(health::metrics(&self.registered)),
            _ => {
                let draining = self.draining.load(Ordering::Relaxed);
                health::readyz(&self.registry, &self.runtime, draining, self.access.problem()).await
            }
        }
    }

    /// What the owner may ask about.
    fn node(&self) -> admin::Node<'_> {
        admin::Node {
            registry: &self.registry,
            access: &self.access,
            runtime: &self.runtime,
            tls: self.tls.as_deref(),
            facts: &self.facts,
            uptime: self.runtime.clock.monotonic().saturating_sub(self.began),
            draining: self.draining.load(Ordering::Relaxed),
            connections: self.metrics.connections.get(),
        }
    }

    fn realm(&self, outside: &Outside) -> String {
        challenge::realm(self.settings.public_url.as_deref(), outside)
    }
}
