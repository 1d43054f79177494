//! The node itself: how it is, and what to trust.

use dockless_oci::ErrorCode;
use http::{Response, StatusCode};
use serde_json::json;

use super::{Node, json};
use crate::error::ApiError;
use crate::health;
use crate::outbound::Outbound;
use crate::tls::Certificates;

/// `GET status`
pub(super) async fn status(node: &Node<'_>) -> Result<Response<Outbound>, ApiError> {
    let reasons = health::reasons(node.registry, node.runtime, node.draining).await?;
    let reasons: Vec<String> = reasons.into_iter().map(|reason| reason.message).collect();
    let warnings = health::warnings(node.registry, node.access.problem()).await;
    let warnings: Vec<String> = warnings.into_iter().map(|(_, message)| message).collect();
    json(&json!({
        "version": node.facts.version,
        "data": node.facts.data,
        "listeners": node.facts.listeners,
        "uptime_ms": u64::try_from(node.uptime.as_millis()).unwrap_or(u64::MAX),
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "warnings": warnings,
        "login": node.access.required(),
        "read_only": node.registry.settings().read_only,
        "connections": node.connections,
    }))
}

/// `GET trust`
pub(super) fn trust(tls: Option<&Certificates>) -> Result<Response<Outbound>, ApiError> {
    match tls {
        Some(tls) => json(&tls.trust()),
        None => Err(ApiError::new(StatusCode::NOT_FOUND, ErrorCode::Unsupported, "this node speaks no TLS")),
    }
}
