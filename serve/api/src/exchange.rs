//! The record of one request and its answer: the access log line and the metrics, written when it is over.

use std::sync::Arc;
use std::time::Duration;

use dockless_runtime::Clock;
use http::{Method, StatusCode, Version};

use crate::flow::Active;
use crate::metrics::DoorMetrics;

/// One request and its answer. Dropping it writes it down: an answer that never came is written as aborted.
pub(crate) struct Exchange {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<DoorMetrics>,
    pub(crate) began: Duration,
    pub(crate) method: Method,
    pub(crate) version: Version,
    /// Path and query as logged: secrets are taken out.
    pub(crate) target: String,
    pub(crate) request_id: Arc<str>,
    pub(crate) peer: String,
    pub(crate) user_agent: String,
    pub(crate) route: &'static str,
    pub(crate) subject: String,
    pub(crate) status: Option<StatusCode>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) remaining: u64,
    /// Tells the connection how this request goes on.
    pub(crate) active: Option<Active>,
}

impl Exchange {
    /// Whether anyone reads the access log: if not, its words need not be made.
    pub(crate) fn is_logged() -> bool {
        tracing::enabled!(target: "access", tracing::Level::INFO)
    }

    /// The answer begins with `status`; `remaining` bytes of it are to come.
    pub(crate) fn answer_began(&mut self, status: StatusCode, remaining: u64) {
        self.status = Some(status);
        self.remaining = remaining;
        if let Some(active) = &mut self.active {
            active.answer_began();
        }
    }

    /// Bytes of the answer were handed over, and `remaining` are to come.
    pub(crate) fn sent(&mut self, bytes: usize, remaining: u64) {
        self.sent += bytes as u64;
        self.remaining = remaining;
        self.metrics.sent(bytes);
        if let Some(active) = &self.active {
            active.beat();
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let took = self.clock.monotonic().saturating_sub(self.began);
        let whole = self.status.is_some() && self.remaining == 0;
        // 499 is what nginx logs for a client that left before the answer; it is never sent.
        let status = self.status.or(StatusCode::from_u16(499).ok()).unwrap_or(StatusCode::BAD_REQUEST);
        self.metrics.ended(&self.method, self.route, status, took, whole);
        tracing::info!(
            target: "access",
            method = %self.method,
            path = %self.target,
            status = status.as_u16(),
            sent = self.sent,
            received = self.received,
            took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            peer = %self.peer,
            subject = %self.subject,
            request_id = %self.request_id,
            user_agent = %self.user_agent,
            version = ?self.version,
            whole,
        );
    }
}
