//! What the door counts. No label grows with the content of the registry.

use std::time::Duration;

use dockless_runtime::MetricRegistry;
use dockless_runtime::metric::{Counter, Family, Gauge, Histogram, exponential_buckets};
use http::{Method, StatusCode};

/// Labels as pairs: their values come from fixed lists.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// The counters of one door.
#[derive(Clone, Debug)]
pub(crate) struct DoorMetrics {
    requests: Family<Labels<3>, Counter>,
    durations: Family<Labels<1>, Histogram, fn() -> Histogram>,
    in_progress: Gauge,
    received: Counter,
    sent: Counter,
    aborted: Counter,
    /// Connections open now.
    pub(crate) connections: Gauge,
    /// Connections accepted ever.
    pub(crate) accepted: Counter,
    /// Times that accepting paused because of a limit.
    pub(crate) pauses: Counter,
    /// TLS handshakes that failed.
    pub(crate) handshakes_failed: Counter,
}

/// 1 ms to 65 s in steps of four: the answer itself is fast, its body takes as long as the client.
fn duration_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 9))
}

impl DoorMetrics {
    /// Registers everything with the node's metrics.
    pub(crate) fn register(registry: &MetricRegistry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(duration_buckets),
            in_progress: Gauge::default(),
            received: Counter::default(),
            sent: Counter::default(),
            aborted: Counter::default(),
            connections: Gauge::default(),
            accepted: Counter::default(),
            pauses: Counter::default(),
            handshakes_failed: Counter::default(),
        };
        let m = metrics.clone();
        registry.register(
            "http_requests",
            "Requests answered, by method, kind of route and status",
            m.requests,
        );
        registry.register("http_request_duration_seconds", "From request head to end of answer", m.durations);
        registry.register("http_requests_in_progress", "Requests that are being answered", m.in_progress);
        registry.register("http_received_bytes", "Bytes of request bodies", m.received);
        registry.register("http_sent_bytes", "Bytes of answer bodies", m.sent);
        registry.register("http_answers_aborted", "Answers whose end was not sent", m.aborted);
        registry.register("http_connections", "Connections open", m.connections);
        registry.register("http_connections_accepted", "Connections accepted", m.accepted);
        registry.register("http_accept_pauses", "Times that accepting paused because of a limit", m.pauses);
        registry.register("http_tls_handshakes_failed", "TLS handshakes that failed", m.handshakes_failed);
        metrics
    }

    /// A request began.
    pub(crate) fn began(&self) {
        self.in_progress.inc();
    }

    /// Bytes of a request body arrived.
    pub(crate) fn received(&self, bytes: usize) {
        self.received.inc_by(bytes as u64);
    }

    /// Bytes of an answer's body were handed over.
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.inc_by(bytes as u64);
    }

    /// A request is over.
    pub(crate) fn ended(
        &self,
        method: &Method,
        route: &'static str,
        status: StatusCode,
        took: Duration,
        whole: bool,
    ) {
        self.in_progress.dec();
        let labels = [("method", method_label(method)), ("route", route), ("status", status_label(status))];
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&[("route", route)]).observe(took.as_secs_f64());
        if !whole {
            self.aborted.inc();
        }
    }
}

/// The method, from a fixed list.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// The status, from the list of those that we send.
fn status_label(status: StatusCode) -> &'static str {
    const KNOWN: [(u16, &str); 26] = [
        (200, "200"),
        (201, "201"),
        (202, "202"),
        (204, "204"),
        (206, "206"),
        (304, "304"),
        (400, "400"),
        (401, "401"),
        (403, "403"),
        (404, "404"),
        (405, "405"),
        (408, "408"),
        (409, "409"),
        (411, "411"),
        (412, "412"),
        (413, "413"),
        (414, "414"),
        (415, "415"),
        (416, "416"),
        (421, "421"),
        (429, "429"),
        (431, "431"),
        (500, "500"),
        (501, "501"),
        (503, "503"),
        (507, "507"),
    ];
    KNOWN.iter().find(|(code, _)| *code == status.as_u16()).map_or("other", |(_, label)| label)
}
