//! What the door knows of the connection that a request came over.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::flow::Flow;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
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
pub(crate) enum Scheme {
    /// In the open.
    Http,
    /// Inside TLS.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The connection of a request.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// Who is at the other end.
    pub(crate) peer: Peer,
    /// Whether it is encrypted.
    pub(crate) scheme: Scheme,
    /// Whether `/admin/v1` answers: only on the socket that the node's owner alone can open.
    pub(crate) admin: bool,
    /// Whether the listener wants TLS and got plain HTTP: every request is then refused with words that say so.
    pub(crate) refuse_plain: bool,
    pub(crate) flow: Option<Arc<Flow>>,
}

impl Connection {
    /// A connection without a socket, for requests that come from within.
    pub(crate) fn new(peer: Peer, scheme: Scheme, admin: bool) -> Self {
        Self { peer, scheme, admin, refuse_plain: false, flow: None }
    }
}
