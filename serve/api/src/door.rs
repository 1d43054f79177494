//! One request in, one answer out: what every exchange has, whatever is asked.

mod answer;
mod head;
mod leave;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dockless_registry::Registry;
use dockless_registry::access::Access;
use dockless_runtime::entropy::hex_id;
use dockless_runtime::{MetricRegistry, Runtime};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, Version, header};
use http_body::Body;

use crate::admin::NodeFacts;
use crate::connection::Connection;
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::inbound::{BoxError, Inbound};
use crate::metrics::DoorMetrics;
use crate::outbound::Outbound;
use crate::proxy::{Outside, TrustedProxies};
use crate::reply;
use crate::settings::{Settings, SettingsError};
use crate::target;
use crate::tls::Certificates;

/// The longest request id taken from a client: that of a UUID, twice.
const REQUEST_ID_BYTES_MAX: usize = 72;

/// What a door is made of.
pub struct DoorParts {
    /// What is behind the door.
    pub registry: Registry,
    /// Who may go through.
    pub access: Arc<Access>,
    /// Time, tasks, disk.
    pub runtime: Runtime,
    /// What the user set.
    pub settings: Settings,
    /// Where to count, and what `/metrics` shows.
    pub metrics: Arc<MetricRegistry>,
    /// The certificates of TLS listeners; without them a TLS client gets an answer in plain HTTP that says so.
    pub tls: Option<Arc<Certificates>>,
    /// What `status` says of the node.
    pub facts: NodeFacts,
}

/// Answers requests.
pub struct Door {
    pub(crate) registry: Registry,
    pub(crate) access: Arc<Access>,
    pub(crate) runtime: Runtime,
    pub(crate) settings: Settings,
    pub(crate) registered: Arc<MetricRegistry>,
    pub(crate) metrics: Arc<DoorMetrics>,
    pub(crate) tls: Option<Arc<Certificates>>,
    facts: NodeFacts,
    began: Duration,
    pub(crate) draining: AtomicBool,
    proxies: TrustedProxies,
    request_prefix: String,
    request_count: AtomicU64,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Door {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`SettingsError`] for a setting that cannot be used.
    pub fn new(parts: DoorParts) -> Result<Arc<Self>, SettingsError> {
        let proxies = TrustedProxies::parse(&parts.settings.trusted_proxies)?;
        parts.settings.check()?;
        let metrics = Arc::new(DoorMetrics::register(&parts.metrics));
        Ok(Arc::new(Self {
            registry: parts.registry,
            access: parts.access,
            began: parts.runtime.clock.monotonic(),
            // Ids of one node never repeat, those of two nodes or two runs do not either.
            request_prefix: hex_id(&*parts.runtime.entropy, 6),
            request_count: AtomicU64::new(0),
            runtime: parts.runtime,
            settings: parts.settings,
            registered: parts.metrics,
            metrics,
            tls: parts.tls,
            facts: parts.facts,
            draining: AtomicBool::new(false),
            proxies,
        }))
    }

    /// Answers one request.
    pub(crate) async fn handle<B>(&self, request: Request<B>, connection: &Connection) -> Response<Outbound>
    where
        B: Body<Data = Bytes> + Send + Sync + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let outside = self.proxies.outside(connection, &parts.uri, &parts.headers);
        let mut exchange = self.exchange(&parts, connection, &outside);
        let clock = &self.runtime.clock;
        // The streams of HTTP/2 share a socket and have windows of their own: no frame of one is behind the others.
        let flow = connection.flow.clone().filter(|_| parts.version < Version::HTTP_2);
        let idle = self.settings.idle_timeout;
        let mut body = Inbound::new(body, &parts.headers, flow.clone(), clock, idle, &self.metrics);
        let answered = self.answer(&parts, &mut body, connection, &outside, &mut exchange).await;
        let mut response = answered.unwrap_or_else(ApiError::into_response);
        self.dress(&mut response, &parts, &exchange);
        if parts.version < Version::HTTP_2 {
            leave::leave(&mut response, &parts, &mut body, connection, &*self.runtime.clock).await;
        }
        exchange.received = body.received();
        if parts.method == Method::HEAD {
            *response.body_mut() = Outbound::empty();
        }
        exchange.answer_began(response.status(), response.body().remaining());
        response.body_mut().attach(flow, exchange);
        response
    }

    /// Opens the record of an exchange.
    fn exchange(&self, parts: &Parts, connection: &Connection, outside: &Outside) -> Box<Exchange> {
        let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let logged = Exchange::is_logged();
        let peer = || outside.client.map_or_else(|| connection.peer.to_string(), |client| client.to_string());
        self.metrics.began();
        Box::new(Exchange {
            clock: self.runtime.clock.clone(),
            metrics: self.metrics.clone(),
            began: self.runtime.clock.monotonic(),
            method: parts.method.clone(),
            version: parts.version,
            target: if logged { target::logged(&parts.uri) } else { String::new() },
            request_id: self.request_id(parts),
            peer: if logged { peer() } else { String::new() },
            user_agent: user_agent.filter(|_| logged).map(target::logged_text).unwrap_or_default(),
            route: "other",
            subject: "-".to_owned(),
            status: None,
            received: 0,
            sent: 0,
            remaining: 0,
            active: connection.flow.as_ref().map(|flow| flow.head_read()),
        })
    }

    /// The client's `X-Request-Id` if it is sane, or a new one.
    fn request_id(&self, parts: &Parts) -> Arc<str> {
        let sane = |id: &&str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && id.bytes().all(allowed)
        };
        let given = parts.headers.get(reply::REQUEST_ID).and_then(|value| value.to_str().ok()).filter(sane);
        match given {
            Some(id) => id.into(),
            None => {
                let count = self.request_count.fetch_add(1, Ordering::Relaxed);
                format!("{}-{count:x}", self.request_prefix).into()
            }
        }
    }

    /// The headers that every answer has.
    fn dress(&self, response: &mut Response<Outbound>, parts: &Parts, exchange: &Exchange) {
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        reply::set(headers, reply::REQUEST_ID, &exchange.request_id);
        if parts.uri.path().starts_with("/v2") {
            headers.insert(reply::DOCKER_API_VERSION, HeaderValue::from_static("registry/2.0"));
        }
    }
}
