//! What a user can tell the HTTP door.

use std::time::Duration;

/// The settings of the door. The binary documents the keys; every value here has a working default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The address clients reach this node by, such as `https://registry.example.org`. Absent: each request's own
    /// `Host`, or what a trusted proxy says.
    pub public_url: Option<String>,
    /// Addresses or networks (`10.0.0.0/8`) whose `Forwarded` and `X-Forwarded-*` headers are believed; `unix` stands
    /// for every peer on a unix socket.
    pub trusted_proxies: Vec<String>,
    /// From the first byte of a request head to its last, and for a whole TLS handshake.
    pub header_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub keep_alive_timeout: Duration,
    /// How long a body may stand still, in or out. There is no limit on the whole.
    pub idle_timeout: Duration,
    /// How long requests may go on after the node was asked to stop.
    pub drain_timeout: Duration,
    /// Connections held at once. Absent: 95 % of the open files allowed to the process.
    pub connections_max: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_url: None,
            trusted_proxies: Vec::new(),
            header_timeout: Duration::from_secs(30),
            // Clients of Go's net/http keep idle connections for 90 s: closing after them avoids their retries.
            keep_alive_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(120),
            drain_timeout: Duration::from_secs(30),
            connections_max: None,
        }
    }
}

/// A setting cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct SettingsError {
    /// The name of the key as the user writes it.
    pub key: &'static str,
    /// What is wrong, with the value.
    pub reason: String,
}

impl Settings {
    /// Looks for what cannot be used and is not looked at elsewhere.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        check_public_url(self.public_url.as_deref())
    }
}

/// An address that can stand before `/token`.
fn check_public_url(url: Option<&str>) -> Result<(), SettingsError> {
    let Some(url) = url else { return Ok(()) };
    let wrong = |reason: &str| {
        Err(SettingsError {
            key: "http.public_url",
            reason: format!("{url:?} {reason}, such as https://registry.example.org"),
        })
    };
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match rest {
        None => wrong("does not begin with https:// or http://"),
        Some("") => wrong("has no host"),
        Some(rest) if rest.contains(['"', '\\', '?', '#', ' ']) || rest.chars().any(char::is_control) => {
            wrong("is not a plain address")
        }
        Some(_) => Ok(()),
    }
}
