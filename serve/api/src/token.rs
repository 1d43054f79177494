//! The token endpoint `/token`: Docker's (GET, Basic) and OAuth2's (POST, form) way to the same token.

use dockless_oci::ErrorCode;
use dockless_registry::Credentials;
use dockless_registry::access::{Access, Caller, Refusal, Scope};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde::Serialize;

use crate::challenge::{self, Wanted, Why};
use crate::credentials::credentials;
use crate::error::ApiError;
use crate::inbound::Inbound;
use crate::outbound::Outbound;
use crate::query::Query;
use crate::reply;

/// A form holds a refresh token (some 8 KiB), a password and scopes.
const FORM_BYTES_MAX: usize = 64 << 10;

/// containers/image takes a token for at least this long, so a shorter life would only break its requests.
const EXPIRES_IN_SECONDS_MIN: u64 = 60;

/// The answer of both ways. `token` is Docker's name for what OAuth2 calls `access_token`; clients read either.
#[derive(Serialize)]
struct TokenAnswer {
    token: String,
    access_token: String,
    expires_in: u64,
    /// RFC 3339.
    issued_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// What was granted, as OAuth2 has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// A request for a token.
pub(crate) struct TokenRequest<'a> {
    pub(crate) access: &'a Access,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Query,
    pub(crate) realm: String,
    pub(crate) now_ms: u64,
    pub(crate) body: &'a mut Inbound,
}

impl TokenRequest<'_> {
    /// Answers it. `subject` becomes the name of who asked.
    pub(crate) async fn answer(mut self, subject: &mut String) -> Result<Response<Outbound>, ApiError> {
        match *self.method {
            Method::GET | Method::HEAD => self.get(subject).await,
            Method::POST => self.post(subject).await,
            _ => Err(ApiError::wrong_method("GET, HEAD, POST")),
        }
    }

    async fn get(&self, subject: &mut String) -> Result<Response<Outbound>, ApiError> {
        let shown = credentials(self.headers).map_err(|_| self.refused(Refusal::Invalid))?;
        // A token cannot be had for a token: it would never end.
        if matches!(shown, Credentials::Bearer(_)) {
            return Err(self.refused(Refusal::Invalid));
        }
        let caller = self.access.authenticate(shown).await.map_err(|refusal| self.refused(refusal))?;
        *subject = caller.subject().to_owned();
        let offline = self.query.get("offline_token").is_some_and(|value| value == "true" || value == "1");
        self.issue(&caller, &self.query, offline, false).await
    }

    async fn post(&mut self, subject: &mut String) -> Result<Response<Outbound>, ApiError> {
        let bytes = self.body.collect(FORM_BYTES_MAX).await?;
        let form = std::str::from_utf8(&bytes).ok().and_then(|text| Query::parse(text).ok());
        let form = form.ok_or_else(|| ApiError::bad(ErrorCode::Unsupported, "the body is not a form"))?;
        let caller = match form.get("grant_type") {
            Some("password") => {
                let user = form.get("username").unwrap_or_default().to_owned();
                let password = form.get("password").unwrap_or_default().to_owned();
                self.access.authenticate(Credentials::Basic { user, password }).await
            }
            Some("refresh_token") => self.access.redeem(form.get("refresh_token").unwrap_or_default()).await,
            _ => {
                let message = "grant_type is neither password nor refresh_token";
                return Err(ApiError::bad(ErrorCode::Unsupported, message));
            }
        };
        let caller = caller.map_err(|refusal| self.refused(refusal))?;
        *subject = caller.subject().to_owned();
        let offline = form.get("access_type") == Some("offline") || form.get("offline_token") == Some("true");
        self.issue(&caller, &form, offline, true).await
    }

    async fn issue(
        &self,
        caller: &Caller,
        asked: &Query,
        offline: bool,
        oauth: bool,
    ) -> Result<Response<Outbound>, ApiError> {
        if asked.get("service").is_some_and(|service| !service.is_empty() && service != self.access.service())
        {
            tracing::debug!(
                service = asked.get("service"),
                "a token was asked for under another service name"
            );
        }
        let unreadable =
            |error: &dyn std::fmt::Display| ApiError::bad(ErrorCode::Unsupported, error.to_string());
        let scopes = Scope::parse_all(asked.all("scope")).map_err(|error| unreadable(&error))?;
        let issued = self.access.issue(caller, &scopes).map_err(|error| unreadable(&error))?;
        let refresh_token = if offline { self.access.issue_refresh(caller).await } else { None };
        let issued_at_ms = if issued.issued_at_ms == 0 { self.now_ms } else { issued.issued_at_ms };
        let scope =
            oauth.then(|| issued.scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        let answer = TokenAnswer {
            access_token: issued.token.clone(),
            token: issued.token,
            expires_in: issued.expires_in.max(EXPIRES_IN_SECONDS_MIN),
            issued_at: rfc3339(issued_at_ms),
            refresh_token,
            scope,
        };
        let body = serde_json::to_vec(&answer).expect("strings and integers always serialise");
        let mut response = reply::json(StatusCode::OK, body);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// `401` that asks for a password, or `429`.
    fn refused(&self, refusal: Refusal) -> ApiError {
        match refusal {
            Refusal::TooMany => too_many(refusal),
            Refusal::Invalid | Refusal::Expired => {
                let realm = format!("Basic realm=\"{}\"", self.realm);
                let error =
                    ApiError::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, refusal.to_string());
                error.with(header::WWW_AUTHENTICATE, realm)
            }
        }
    }
}

/// What follows from credentials that were not accepted, anywhere but at the token endpoint.
pub(crate) fn refused(refusal: Refusal, realm: &str, service: &str, wanted: &[Wanted]) -> ApiError {
    match refusal {
        Refusal::TooMany => too_many(refusal),
        Refusal::Invalid | Refusal::Expired => challenge::unauthorized(realm, service, wanted, Why::Invalid),
    }
}

fn too_many(refusal: Refusal) -> ApiError {
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, refusal.to_string());
    error.again_later()
}

/// The moment in RFC 3339, UTC; the beginning of time for one that no calendar has.
fn rfc3339(unix_ms: u64) -> String {
    let at = i64::try_from(unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}
