//! The host to trust, as clients name it: `HOST` or `HOST:PORT`.

use std::fmt;
use std::str::FromStr;

/// The port of a node that was not told another.
const PORT_DEFAULT: u16 = 5000;

/// A host and port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Host {
    name: String,
    port: u16,
}

impl Host {
    /// The name or address alone, an IPv6 address without its brackets.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What to connect to.
    pub(super) fn address(&self) -> (&str, u16) {
        (&self.name, self.port)
    }

    /// The name with its brackets, if it needs some.
    fn bracketed(&self) -> String {
        if self.name.contains(':') { format!("[{}]", self.name) } else { self.name.clone() }
    }

    /// The directory that clients look in: what stands before the first `/` of an image name, where 443 is left out.
    pub(super) fn directory(&self) -> String {
        if self.port == 443 { self.bracketed() } else { self.to_string() }
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("`{text}` is not HOST or HOST:PORT");
        let bare = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
        let (name, port) = match bare.strip_prefix('[') {
            Some(rest) => {
                let (name, rest) = rest.split_once(']').ok_or_else(invalid)?;
                name.parse::<std::net::Ipv6Addr>().map_err(|_| invalid())?;
                (name, rest.strip_prefix(':').or(rest.is_empty().then_some("")).ok_or_else(invalid)?)
            }
            None => bare.split_once(':').unwrap_or((bare, "")),
        };
        // The name becomes the name of a directory: nothing that could lead elsewhere may be in it.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if name.is_empty() || name.starts_with(['.', '-']) || name.contains("..") || !name.chars().all(plain)
        {
            return Err(invalid());
        }
        let port = if port.is_empty() { PORT_DEFAULT } else { port.parse().map_err(|_| invalid())? };
        Ok(Self { name: name.to_owned(), port })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bracketed(), self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_clients_name_them() {
        let table = [
            ("reg.example.org", "reg.example.org:5000", "reg.example.org:5000"),
            ("reg.example.org:5443", "reg.example.org:5443", "reg.example.org:5443"),
            ("https://10.0.0.5:443/", "10.0.0.5:443", "10.0.0.5"),
            ("[::1]", "[::1]:5000", "[::1]:5000"),
            ("[fd00::1]:443", "[fd00::1]:443", "[fd00::1]"),
        ];
        for (text, shown, directory) in table {
            let host: Host = text.parse().unwrap();
            assert_eq!((host.to_string().as_str(), host.directory().as_str()), (shown, directory), "{text}");
        }
        for text in ["", ":5000", "..", "../../x", "a/b", "a:b", "a:70000", "[::1", "[x]:1", "[::1]x", "-a"] {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
    }
}
