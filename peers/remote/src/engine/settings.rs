//! What an operator says about a container engine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use dockless_registry::access::Pattern;

/// One engine.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Where it listens.
    pub address: EngineAddress,
    /// Which of its repositories are answered.
    pub share: Share,
    /// A directory of this engine's own for layers that had to be exported. It is a cache: it may be removed while the
    /// node stands still. Made when it is first needed.
    pub spool: PathBuf,
    /// The most bytes in it. An image that does not fit is not answered.
    pub spool_bytes_max: u64,
}

/// The socket of an engine: `unix:///run/docker.sock`, or `unix:/run/docker.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EngineAddress {
    path: PathBuf,
}

/// Why a text is no [`EngineAddress`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineAddressError {
    /// Another scheme, or none.
    #[error("an engine is named by its socket, such as unix:///var/run/docker.sock, not {0:?}")]
    Scheme(String),
    /// A relative path would mean another file in each working directory.
    #[error("the socket of an engine is an absolute path, such as unix:///var/run/docker.sock, not {0:?}")]
    Relative(String),
}

impl EngineAddress {
    /// The socket's path; absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl FromStr for EngineAddress {
    type Err = EngineAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_prefix("unix:").ok_or_else(|| EngineAddressError::Scheme(text.to_owned()))?;
        let path = path.strip_prefix("//").unwrap_or(path);
        if !path.starts_with('/') || path.ends_with('/') {
            return Err(EngineAddressError::Relative(text.to_owned()));
        }
        Ok(Self { path: path.into() })
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "unix://{}", self.path.display())
    }
}

/// Which repositories of an engine are answered. What is not shared is unknown to clients, like what does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// All of them.
    All,
    /// None: the engine is asked for its state only.
    None,
    /// Those whose name, as `_catalog` lists it, matches one of the patterns.
    Patterns(Vec<Pattern>),
}

impl Share {
    /// Whether the repository of this name, as `_catalog` lists it, is answered.
    #[must_use]
    pub fn allows(&self, repository: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Patterns(patterns) => patterns.iter().any(|pattern| pattern.matches(repository)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_named_by_the_absolute_path_of_its_socket() {
        for text in ["unix:///run/docker.sock", "unix:/run/docker.sock"] {
            let address: EngineAddress = text.parse().unwrap();
            assert_eq!(address.path(), Path::new("/run/docker.sock"));
            assert_eq!(address.to_string(), "unix:///run/docker.sock");
        }
        for text in ["tcp://127.0.0.1:2375", "/run/docker.sock", "docker", ""] {
            assert!(matches!(text.parse::<EngineAddress>(), Err(EngineAddressError::Scheme(_))), "{text}");
        }
        for text in ["unix:", "unix://", "unix://run/docker.sock", "unix:docker.sock", "unix:///run/"] {
            assert!(matches!(text.parse::<EngineAddress>(), Err(EngineAddressError::Relative(_))), "{text}");
        }
    }

    #[test]
    fn patterns_decide_by_the_listed_name() {
        let patterns = ["team/**", "app"].map(|text| Pattern::parse(text).unwrap());
        let share = Share::Patterns(patterns.into());
        for (repository, allowed) in
            [("app", true), ("team/a/b", true), ("other", false), ("library/app", false)]
        {
            assert_eq!(share.allows(repository), allowed, "{repository}");
        }
        assert!(Share::All.allows("x") && !Share::None.allows("x"));
    }
}
