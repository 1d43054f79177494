//! The words of the command line: `key=value`, each with a default where one makes sense.

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Connections that one run may open; one process here has 20,000 descriptors.
const CONNECTIONS_MAX: u64 = 19_900;
/// Operations that one run may do, so that every run ends.
const COUNT_MAX: u64 = 10_000_000;

/// Parsed `key=value` words.
pub(crate) struct Options(BTreeMap<String, String>);

impl Options {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut map = BTreeMap::new();
        for word in words {
            let (key, value) = word.split_once('=').ok_or(format!("{word:?} is not key=value"))?;
            map.insert(key.to_owned(), value.to_owned());
        }
        Ok(Self(map))
    }

    /// The server's address: `to=IP:PORT`.
    pub(crate) fn to(&self) -> Result<SocketAddr, String> {
        let text = self.text("to", "127.0.0.1:5000");
        text.parse().map_err(|_| format!("to={text} is not an address and port"))
    }

    pub(crate) fn text<'a>(&'a self, key: &str, default: &'a str) -> &'a str {
        self.0.get(key).map_or(default, String::as_str)
    }

    pub(crate) fn number(&self, key: &str, default: u64) -> Result<u64, String> {
        match self.0.get(key) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("{key}={text} is not a number")),
        }
    }

    pub(crate) fn connections(&self) -> Result<u64, String> {
        Ok(self.number("connections", 8)?.clamp(1, CONNECTIONS_MAX))
    }

    pub(crate) fn count(&self, default: u64) -> Result<u64, String> {
        Ok(self.number("count", default)?.min(COUNT_MAX))
    }
}
