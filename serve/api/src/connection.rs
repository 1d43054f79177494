//! What the door knows of the connection that a request came over.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::flow::Flow;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP connection from this address.
    Tcp(SocketAddr),
    /// A connection over a unix socket.
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// Whether the client's words were encrypted on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the open.
    Http,
    /// Inside TLS.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The connection of a request.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Who is at the other end.
    pub peer: Peer,
    /// Whether it is encrypted.
    pub scheme: Scheme,
    /// Whether `/admin/v1` answers: only on the socket that the node's owner alone can open.
    pub admin: bool,
    /// Whether the listener wants TLS and got plain HTTP: every request is then refused with words that say so.
    pub refuse_plain: bool,
    pub(crate) flow: Option<Arc<Flow>>,
}

impl Connection {
    /// A connection without a socket, for requests that come from within.
    #[must_use]
    pub fn new(peer: Peer, scheme: Scheme, admin: bool) -> Self {
        Self { peer, scheme, admin, refuse_plain: false, flow: None }
    }

    /// What a request from this process itself comes over.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(Peer::Unix, Scheme::Http, false)
    }
}
