//! Proxies in front: whose word is taken, and what address clients know this node by.

use std::net::IpAddr;
use std::str::FromStr;

use http::{HeaderMap, HeaderName, Uri, header};

use crate::connection::{Connection, Peer, Scheme};
use crate::settings::SettingsError;

/// Hops read from one `X-Forwarded-For` or `Forwarded`; nobody has more proxies in a row, and each is trusted or ends
/// the reading.
const HOPS_MAX: usize = 32;

/// The longest host that is believed: a DNS name of 253 bytes, a port, brackets.
const HOST_BYTES_MAX: usize = 262;

/// Peers whose forwarding headers are believed.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies {
    networks: Vec<Network>,
    unix: bool,
}

/// An address and the number of its leading bits that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

/// How the client reached us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outside {
    /// `https` or `http`.
    pub(crate) scheme: Scheme,
    /// Host and port as the client wrote them; absent when no header says.
    pub(crate) host: Option<String>,
    /// The client's address, as far as it can be known.
    pub(crate) client: Option<IpAddr>,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no address and no network such as 10.0.0.0/8");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(prefix) => prefix.trim().parse().ok().filter(|prefix| *prefix <= bits).ok_or_else(wrong)?,
        };
        Ok(Self { address, prefix })
    }
}

impl Network {
    fn contains(self, other: IpAddr) -> bool {
        match (self.address, canonical(other)) {
            (IpAddr::V4(network), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.prefix);
                u32::from(network).checked_shr(shift) == u32::from(other).checked_shr(shift)
            }
            (IpAddr::V6(network), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.prefix);
                u128::from(network).checked_shr(shift) == u128::from(other).checked_shr(shift)
            }
            _ => false,
        }
    }
}

/// An IPv4 address in IPv6 clothes is that IPv4 address.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl TrustedProxies {
    /// Reads the setting `http.trusted_proxies`.
    pub(crate) fn parse(entries: &[String]) -> Result<Self, SettingsError> {
        let mut proxies = Self::default();
        for entry in entries {
            if entry == "unix" {
                proxies.unix = true;
            } else {
                let network =
                    entry.parse().map_err(|reason| SettingsError { key: "http.trusted_proxies", reason })?;
                proxies.networks.push(network);
            }
        }
        Ok(proxies)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// How the client reached us, from the connection, the request's own target, and the headers of trusted proxies.
    pub(crate) fn outside(&self, connection: &Connection, uri: &Uri, headers: &HeaderMap) -> Outside {
        let own_host = uri.authority().map(|a| a.as_str()).or_else(|| text(headers, &header::HOST));
        let (trusted, peer) = match connection.peer {
            Peer::Tcp(address) => (self.trusts(address.ip()), Some(canonical(address.ip()))),
            Peer::Unix => (self.unix, None),
        };
        let mut outside =
            Outside { scheme: connection.scheme, host: own_host.and_then(sane_host), client: peer };
        if trusted {
            self.believe(&mut outside, headers);
        }
        outside
    }

    /// RFC 7239's `Forwarded` where it stands, the older `X-Forwarded-*` otherwise.
    fn believe(&self, outside: &mut Outside, headers: &HeaderMap) {
        if let Some(hops) = forwarded(headers) {
            // The last hop that is not ours to trust is the client; its own proxies' words count for nothing.
            let mut chosen = None;
            for hop in hops.iter().rev() {
                chosen = Some(hop);
                if !hop.for_address.is_some_and(|address| self.trusts(address)) {
                    break;
                }
            }
            let Some(hop) = chosen else { return };
            outside.client = hop.for_address.or(outside.client);
            outside.scheme = hop.scheme.unwrap_or(outside.scheme);
            outside.host = hop.host.clone().or_else(|| outside.host.take());
            return;
        }
        // Proxies append to the line that came or add one of their own: the last word is the nearest proxy's.
        let lines = headers.get_all("x-forwarded-for").iter().rev().map_while(|line| line.to_str().ok());
        for hop in lines.flat_map(|line| line.rsplit(',')).take(HOPS_MAX).map_while(node_address) {
            outside.client = Some(hop);
            if !self.trusts(hop) {
                break;
            }
        }
        // Of several values the first is the one that the client's own request had (each proxy appends).
        let first =
            |name| text(headers, &HeaderName::from_static(name)).and_then(|list| list.split(',').next());
        if let Some(scheme) = first("x-forwarded-proto").and_then(scheme) {
            outside.scheme = scheme;
        }
        if let Some(host) = first("x-forwarded-host").and_then(sane_host) {
            outside.host = Some(host);
        }
    }
}

/// One element of `Forwarded`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Hop {
    for_address: Option<IpAddr>,
    scheme: Option<Scheme>,
    host: Option<String>,
}

/// The elements of all `Forwarded` headers, nearest to the client first; `None` without any.
fn forwarded(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    for value in headers.get_all(header::FORWARDED) {
        let value = value.to_str().ok()?;
        for element in split_unquoted(value, ',') {
            hops.push(read_hop(element));
        }
    }
    if hops.len() > HOPS_MAX {
        hops.drain(..hops.len() - HOPS_MAX);
    }
    (!hops.is_empty()).then_some(hops)
}

fn read_hop(element: &str) -> Hop {
    let mut hop = Hop::default();
    for pair in split_unquoted(element, ';') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let value = unquote(value.trim());
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.for_address = node_address(&value),
            "proto" => hop.scheme = scheme(&value),
            "host" => hop.host = sane_host(&value),
            _ => {}
        }
    }
    hop
}

/// The pieces of `text` between separators that stand outside quotes.
fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut pieces, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if char == separator && !quoted => {
                pieces.push(&text[start..at]);
                start = at + char.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    pieces
}

/// The inside of a quoted string (RFC 9110, section 5.6.4), or the text itself.
fn unquote(text: &str) -> String {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        None => text.to_owned(),
        Some(inside) => {
            let mut escaped = false;
            let plain = |char: &char| {
                escaped = *char == '\\' && !escaped;
                !escaped
            };
            inside.chars().filter(plain).collect()
        }
    }
}

/// `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]`, `[::1]:80`; anything else (`unknown`, `_hidden`) is no address.
fn node_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => match text.split_once(':') {
            Some((address, port)) if !port.contains(':') => address,
            _ => text,
        },
    };
    bare.parse().ok().map(canonical)
}

fn scheme(text: &str) -> Option<Scheme> {
    let text = text.trim();
    let is = |name| text.eq_ignore_ascii_case(name);
    if is("https") { Some(Scheme::Https) } else { is("http").then_some(Scheme::Http) }
}

/// A host that may be written into a URL: no byte that could end it early.
pub(crate) fn sane_host(text: &str) -> Option<String> {
    let text = text.trim();
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (!text.is_empty() && text.len() <= HOST_BYTES_MAX && text.bytes().all(sane)).then(|| text.to_owned())
}

/// The one value of a header, as text.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
