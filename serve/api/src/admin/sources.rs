//! Who else has content, and where the bytes of the latest pulls came from.

use std::time::Duration;

use dockless_registry::{Principal, Pull, PulledContent, Registry, SourceKind, SourceReport};
use http::Response;
use serde::Serialize;
use serde_json::json;

use super::{json, page};
use crate::error::ApiError;
use crate::outbound::Outbound;
use crate::query::Query;

/// One engine.
#[derive(Serialize)]
struct EngineRow<'a> {
    label: &'a str,
    description: &'a str,
    /// Whether it answers, and is asked at present.
    answers: bool,
    images: Option<u64>,
    problem: Option<&'a str>,
    note: Option<&'a str>,
    /// Failures in a row.
    failures: u32,
    last_problem: Option<&'a str>,
    /// Whether it is left alone for a moment, because it failed again and again.
    rests: bool,
    /// The time within which 19 of 20 of its latest answers came.
    answers_within_ms: Option<f64>,
}

/// One pull.
#[derive(Serialize)]
struct PullRow<'a> {
    at_ms: u64,
    repository: &'a str,
    kind: &'static str,
    tag: Option<&'a str>,
    digest: &'a str,
    bytes: u64,
    from: &'a str,
    user: Option<&'a str>,
    took_ms: f64,
}

/// `GET engines`: asks each of them, and waits for some seconds at most.
pub(super) async fn engines(registry: &Registry) -> Result<Response<Outbound>, ApiError> {
    let reports = registry.sources().await;
    let engines = reports.iter().filter(|report| report.traits.kind == SourceKind::Engine);
    json(&json!({ "engines": engines.map(engine_row).collect::<Vec<_>>() }))
}

/// `GET pulls?n=`: the newest first.
pub(super) fn pulls(registry: &Registry, query: &Query) -> Result<Response<Outbound>, ApiError> {
    let (n, _) = page(query)?;
    let pulls = registry.pulls();
    json(&json!({ "pulls": pulls.iter().take(n).map(pull_row).collect::<Vec<_>>() }))
}

fn engine_row(report: &SourceReport) -> EngineRow<'_> {
    EngineRow {
        label: &report.traits.label,
        description: &report.status.description,
        answers: report.status.problem.is_none() && !report.rests,
        images: report.status.images,
        problem: report.status.problem.as_deref(),
        note: report.status.note.as_deref(),
        failures: report.failures,
        last_problem: report.last_problem.as_deref(),
        rests: report.rests,
        answers_within_ms: report.answers_within.map(milliseconds),
    }
}

fn pull_row(pull: &Pull) -> PullRow<'_> {
    let (kind, tag) = match &pull.content {
        PulledContent::Manifest(tag) => ("manifest", tag.as_ref().map(dockless_oci::Tag::as_str)),
        PulledContent::Blob => ("blob", None),
    };
    PullRow {
        at_ms: pull.at_ms,
        repository: pull.repository.as_str(),
        kind,
        tag,
        digest: pull.digest.as_str(),
        bytes: pull.bytes,
        from: &pull.from,
        user: match &pull.principal {
            Principal::User(name) => Some(name),
            Principal::Anonymous | Principal::Owner => None,
        },
        took_ms: milliseconds(pull.took),
    }
}

/// A time in milliseconds, in steps of microseconds.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
