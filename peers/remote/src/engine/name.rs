//! Names: how clients of the registry spell what a container engine calls otherwise.
//!
//! | asked as `HOST/...` | image of the engine |
//! |---|---|
//! | `app:1` | `docker.io/library/app:1`; else `localhost/app:1` (podman) |
//! | `library/app:1`, `docker.io/library/app:1` | the same as `app:1` |
//! | `team/app:1` | `docker.io/team/app:1`; else `localhost/team/app:1` (podman) |
//! | `ghcr.io/x/y:1` | `ghcr.io/x/y:1` |
//! | `localhost_5000/app:1` | `localhost:5000/app:1`; else `docker.io/localhost_5000/app:1` |
//! | any, with `?ns=ghcr.io` | `ghcr.io/<path>` |
//!
//! Lists use the shortest spelling of the first column that leads back to the image, and not to that of another
//! repository first. A host with upper case letters has none.

#[cfg(test)]
mod tests;

use std::fmt;

use dockless_oci::{Digest, RepositoryName, Tag};
use dockless_registry::Asked;

/// The host of names without one.
const DOCKER_HOST: &str = "docker.io";
/// Other hosts that mean [`DOCKER_HOST`]: the first stands in old names, the second is where mirrors send requests.
const DOCKER_HOST_ALIASES: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];
/// Where docker.io keeps repositories of one component.
const DOCKER_LIBRARY: &str = "library/";
/// Where podman keeps what was built without a host.
const LOCAL_HOST: &str = "localhost";
/// Names that containerd's users give to what has none.
const NAMELESS: [&str; 2] = ["sha256:", "moby-dangling@"];
/// The longest repository that an engine takes for one, its host included, in bytes.
const REPOSITORY_BYTES_MAX: usize = 255;
/// The longest host with its port, in bytes: a DNS name has at most 253, a port five digits and a colon.
const HOST_BYTES_MAX: usize = 259;

/// What an engine calls an image, taken apart and completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EngineName {
    /// Host and path: `docker.io/library/app`.
    pub(crate) repository: String,
    /// What follows.
    pub(crate) version: Version,
}

/// What stands behind the repository in an engine's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// `:1`; `latest` when nothing is said.
    Tag(Tag),
    /// `@sha256:...`
    Digest(Digest),
}

impl EngineName {
    /// Reads a name as engines spell them, short or complete. `None` for what names nothing, such as `<none>:<none>`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (text, digest) = match text.split_once('@') {
            Some((text, digest)) => (text, Some(Digest::parse(digest).ok()?)),
            None => (text, None),
        };
        // A colon before a slash belongs to a port.
        let (repository, tag) = match text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
            Some((repository, tag)) => (repository, tag),
            None => (text, "latest"),
        };
        let tag = Tag::parse(tag).ok()?;
        let version = digest.map_or(Version::Tag(tag), Version::Digest);
        Some(Self { repository: complete(repository)?, version })
    }
}

/// Whether this is what engines call an image that has no name.
pub(crate) fn is_nameless(name: &str) -> bool {
    NAMELESS.iter().any(|nameless| name.starts_with(nameless))
}

impl fmt::Display for EngineName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Tag(tag) => write!(formatter, "{}:{tag}", self.repository),
            Version::Digest(digest) => write!(formatter, "{}@{digest}", self.repository),
        }
    }
}

/// The repositories of an engine that may be meant, completed, in the order in which they count. `local` is whether
/// the engine puts names without a host under `localhost/`.
pub(crate) fn candidates(asked: &Asked, local: bool) -> Vec<String> {
    let path = asked.repository.as_str();
    let mut meant = match &asked.namespace {
        Some(host) if is_docker_host(host) => vec![docker(path)],
        Some(host) if is_host(host) => vec![format!("{host}/{path}")],
        Some(_) => Vec::new(),
        None => spelled(path, local),
    };
    meant.retain(|repository| fits(repository));
    meant
}

/// What a completed repository of an engine is called here; `None` when no spelling leads to it.
pub(crate) fn listed(repository: &str, local: bool) -> Option<RepositoryName> {
    listed_among(repository, local, |_| false)
}

/// As [`listed`], in an engine that has other repositories too: the short spelling may lead to one of those.
pub(crate) fn listed_among(
    repository: &str,
    local: bool,
    is_there: impl Fn(&str) -> bool,
) -> Option<RepositoryName> {
    let (host, path) = repository.split_once('/')?;
    let complete = format!("{}/{path}", host.replacen(':', "_", 1));
    let short = match host {
        DOCKER_HOST => path.strip_prefix(DOCKER_LIBRARY).filter(|path| !path.contains('/')).unwrap_or(path),
        LOCAL_HOST if local => path,
        _ => &complete,
    };
    [short, &complete]
        .into_iter()
        .find(|spelling| {
            let meant = spelled(spelling, local);
            meant
                .iter()
                .find(|meant| *meant == repository || is_there(meant))
                .is_some_and(|meant| meant == repository)
        })
        .and_then(|spelling| RepositoryName::parse(spelling).ok())
}

/// What a repository without `ns` may mean.
fn spelled(path: &str, local: bool) -> Vec<String> {
    if let Some((first, rest)) = path.split_once('/') {
        if is_docker_host(first) {
            return vec![docker(rest)];
        }
        if let Some((host, port)) = first.rsplit_once('_') {
            let host = format!("{host}:{port}");
            if is_host(&host) {
                return vec![format!("{host}/{rest}"), docker(path)];
            }
        } else if first.contains('.') || first == LOCAL_HOST {
            return vec![path.to_owned()];
        }
    }
    let mut meant = vec![docker(path)];
    if local {
        meant.extend(path.strip_prefix(DOCKER_LIBRARY).map(|path| format!("{LOCAL_HOST}/{path}")));
        meant.push(format!("{LOCAL_HOST}/{path}"));
    }
    meant
}

/// A path of docker.io, completed.
fn docker(path: &str) -> String {
    let library = if path.contains('/') { "" } else { DOCKER_LIBRARY };
    format!("{DOCKER_HOST}/{library}{path}")
}

/// An engine's repository, completed as docker does it; `None` for what is none.
fn complete(text: &str) -> Option<String> {
    // The first component is a host when it cannot be one of a path, or is `localhost`.
    let is_marked = |first: &str| {
        first.contains(['.', ':'])
            || first == LOCAL_HOST
            || first.bytes().any(|byte| byte.is_ascii_uppercase())
    };
    let (host, path) = match text.split_once('/').filter(|(first, _)| is_marked(first)) {
        Some((host, path)) => (host, path),
        None => (DOCKER_HOST, text),
    };
    RepositoryName::parse(path).ok()?;
    if is_docker_host(host) {
        return Some(docker(path)).filter(|repository| fits(repository));
    }
    is_host(host).then(|| format!("{host}/{path}")).filter(|repository| fits(repository))
}

/// Whether an engine takes a completed repository for one.
fn fits(repository: &str) -> bool {
    repository.len() <= REPOSITORY_BYTES_MAX
}

fn is_docker_host(host: &str) -> bool {
    host == DOCKER_HOST || DOCKER_HOST_ALIASES.contains(&host)
}

/// Whether this is a DNS name or an IPv4 address, with or without a port.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= HOST_BYTES_MAX && name.split('.').all(is_label) && port.is_none_or(is_port)
}

/// Digits alone: numbers in Rust may have a sign.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}
