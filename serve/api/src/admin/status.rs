//! The node itself: how it is, and what to trust.

use std::sync::atomic::Ordering;

use dockless_oci::ErrorCode;
use http::{Response, StatusCode};
use serde_json::json;

use super::json;
use crate::door::Door;
use crate::error::ApiError;
use crate::health;
use crate::outbound::Outbound;

/// `GET status`
pub(super) async fn status(door: &Door) -> Result<Response<Outbound>, ApiError> {
    let registry = door.registry.clone();
    // It asks the disk, which may hang.
    let reasons = door.runtime.blocking("readiness", move || registry.readiness()).await;
    let reasons = reasons.map_err(|lost| ApiError::internal(&lost.to_string()))?;
    let mut reasons: Vec<String> = reasons.into_iter().map(|reason| reason.message).collect();
    if door.draining.load(Ordering::Relaxed) {
        reasons.push("the node is stopping".to_owned());
    }
    let warnings = health::warnings(&door.registry, door.access.problem()).await;
    let warnings: Vec<String> = warnings.into_iter().map(|(_, message)| message).collect();
    let uptime = door.runtime.clock.monotonic().saturating_sub(door.began);
    json(&json!({
        "version": door.facts.version,
        "data": door.facts.data,
        "listeners": door.facts.listeners,
        "uptime_ms": u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "warnings": warnings,
        "login": door.access.required(),
        "read_only": door.registry.settings().read_only,
        "connections": door.metrics.connections.get(),
    }))
}

/// `GET trust`
pub(super) fn trust(door: &Door) -> Result<Response<Outbound>, ApiError> {
    match &door.tls {
        Some(tls) => json(&tls.trust()),
        None => Err(ApiError::new(StatusCode::NOT_FOUND, ErrorCode::Unsupported, "this node speaks no TLS")),
    }
}
