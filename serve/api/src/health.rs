//! Whether the node lives, whether it should get requests, and what it counts.

use std::time::Duration;

use dockless_registry::{Reason, Registry};
use dockless_runtime::{MetricRegistry, Runtime};
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::error::ApiError;
use crate::outbound::Outbound;
use crate::reply;

/// What `MetricRegistry::encode` writes.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The code of the one reason that the door and the registry both know.
const STOPPING: &str = "stopping";
/// How long sources are waited for: those who ask whether a node is ready mostly wait for a second, and a source that
/// hangs is no reason for them to go elsewhere.
const SOURCES_MAX: Duration = Duration::from_millis(700);

/// `GET /healthz`: that this is answered is the answer.
pub(crate) fn healthz() -> Response<Outbound> {
    uncached(reply::json(StatusCode::OK, json!({ "status": "ok" }).to_string().into_bytes()))
}

/// Why the node should get no requests; nothing when it should.
pub(crate) async fn reasons(
    registry: &Registry,
    runtime: &Runtime,
    draining: bool,
) -> Result<Vec<Reason>, ApiError> {
    let asked = registry.clone();
    // It asks the disk, which may hang.
    let reasons = runtime.blocking("readiness", move || asked.readiness()).await;
    let mut reasons = reasons.map_err(|lost| ApiError::internal(&lost.to_string()))?;
    if draining && reasons.iter().all(|reason| reason.code != STOPPING) {
        reasons.push(Reason { code: STOPPING, message: "the node is stopping".to_owned() });
    }
    Ok(reasons)
}

/// `GET /readyz`: `503` with the reasons while requests should go elsewhere.
pub(crate) async fn readyz(
    registry: &Registry,
    runtime: &Runtime,
    draining: bool,
    problem: Option<String>,
) -> Result<Response<Outbound>, ApiError> {
    let reasons = reasons(registry, runtime, draining).await?;
    let ready = reasons.is_empty();
    let reasons: Vec<_> =
        reasons.iter().map(|reason| json!({ "code": reason.code, "message": reason.message })).collect();
    let warnings = warnings(registry, problem).await;
    let warnings: Vec<_> =
        warnings.iter().map(|(code, message)| json!({ "code": code, "message": message })).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "ready": ready, "reasons": reasons, "warnings": warnings });
    Ok(uncached(reply::json(status, body.to_string().into_bytes())))
}

/// What an operator should mend, but clients need not go elsewhere for: a word for programs, and a sentence. `problem`
/// is that of access.
pub(crate) async fn warnings(registry: &Registry, problem: Option<String>) -> Vec<(&'static str, String)> {
    let sources = registry.sources_within(SOURCES_MAX).await;
    let failing = sources.into_iter().filter_map(|source| {
        let (problem, label) = (source.status.problem?, source.traits.label);
        // Mostly it says itself who it is, if in other words.
        let name = label.rsplit(' ').next().unwrap_or_default();
        let named = if problem.contains(name) { problem } else { format!("{label}: {problem}") };
        Some(("source", named))
    });
    problem.map(|problem| ("access", problem)).into_iter().chain(failing).collect()
}

/// `GET /metrics`
pub(crate) fn metrics(metrics: &MetricRegistry) -> Response<Outbound> {
    uncached(reply::content(StatusCode::OK, METRICS_TYPE, metrics.encode().into()))
}

fn uncached(mut response: Response<Outbound>) -> Response<Outbound> {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
