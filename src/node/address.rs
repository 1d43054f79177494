//! An address to listen on, as the configuration writes it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// The port of a node that was not told another.
const PORT_DEFAULT: u16 = 5000;

/// Where a node listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Address {
    /// `ADDR:PORT`.
    Tcp(SocketAddr),
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl Address {
    /// Loopback, both versions of IP: what a node listens on that was told nothing.
    pub(crate) fn defaults() -> [Self; 2] {
        let tcp = |ip: IpAddr| Self::Tcp(SocketAddr::new(ip, PORT_DEFAULT));
        [tcp(Ipv4Addr::LOCALHOST.into()), tcp(Ipv6Addr::LOCALHOST.into())]
    }

    /// Whether only this machine reaches it.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err(format!("`{text}` names no socket"))
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            format!("`{text}` is no address to listen on; write `127.0.0.1:5000`, `[::]:5000` or `unix:/run/dockless.sock`")
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_know_who_reaches_them() {
        let table = [
            ("127.0.0.1:5000", true),
            ("127.1.2.3:1", true),
            ("[::1]:5000", true),
            ("[::ffff:127.0.0.1]:5000", true),
            ("unix:/run/x.sock", true),
            ("0.0.0.0:5000", false),
            ("[::]:5000", false),
            ("10.1.2.3:443", false),
        ];
        for (text, local) in table {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.is_local(), local, "{text}");
            assert_eq!(address.to_string(), text);
        }
        for text in ["", "5000", ":5000", "localhost:5000", "127.0.0.1", "unix:", "::1:5000x"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
