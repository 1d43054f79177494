//! The settings of a node: every key of the configuration, documented by its type.

use std::path::PathBuf;

use dockless_registry::access::Pattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::secret::Secret;
use super::units::{Period, Size};

/// Everything a node can be told. Without any of it a node listens on loopback, port 5000, for anyone on this machine.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The directory that holds everything the node keeps: blobs, ledger, keys, and the socket that the other verbs
    /// speak to. When not given: `/var/lib/dockless` for root, `$XDG_DATA_HOME/dockless` (or `~/.local/share/dockless`)
    /// for others.
    pub(crate) data: Option<PathBuf>,
    /// Where the node listens: `ADDR:PORT` or `unix:PATH`. When empty: `127.0.0.1:5000` and `[::1]:5000`. A loopback
    /// address speaks plain HTTP and TLS on one port, another address only TLS (unless `http.plain_http` is set), a
    /// unix socket only plain HTTP; who may connect to that one is decided by the umask.
    pub(crate) listen: Vec<String>,
    /// Refuse every push and delete; pulls go on.
    pub(crate) read_only: bool,
    /// Logs.
    pub(crate) log: Log,
    /// The HTTP door.
    pub(crate) http: Http,
    /// Certificates. Without them the node makes its own authority at first start (see `dockless trust`).
    pub(crate) tls: Tls,
    /// Who may do what. Without `access.htpasswd` everybody who reaches the node may pull, push and delete.
    pub(crate) access: Access,
    /// Blobs on their way in.
    pub(crate) uploads: Uploads,
    /// Manifests.
    pub(crate) manifests: Manifests,
    /// Tags.
    pub(crate) tags: Tags,
    /// Bounds on connections, memory and disk.
    pub(crate) limits: Limits,
    /// Container engines of this machine, whose images the node answers as if they had been pushed to it.
    pub(crate) engine: Engine,
}

/// Logs, written to standard error.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// `text` for people, `json` for machines (one object a line).
    pub(crate) format: LogFormat,
    /// The least important line that is still logged.
    pub(crate) level: LogLevel,
    /// Write a line (of level `info`) for each request: method, path, status, bytes, time, request id and who asked.
    pub(crate) access: bool,
}

/// The form of a log line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// One line of words.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The least important line that is still logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// Only what failed.
    Error,
    /// And what will need attention.
    Warn,
    /// And what happened.
    #[default]
    Info,
    /// And how.
    Debug,
    /// And every step.
    Trace,
}

/// The HTTP door.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    /// The address clients reach this node by, such as `https://registry.example.org`: it is where they are sent for a
    /// token. When not given it is made from each request's own `Host` (or from a trusted proxy's headers).
    pub(crate) public_url: Option<String>,
    /// Addresses or networks (`10.0.0.0/8`) of the proxies in front, whose `Forwarded` and `X-Forwarded-*` headers are
    /// believed; `unix` stands for every peer on a unix socket. `Forwarded` counts before the others, so a proxy that
    /// does not write it must remove what a client sent.
    pub(crate) trusted_proxies: Vec<String>,
    /// Speak plain HTTP, and no TLS, on every address, also those that other machines reach. For a node behind a proxy
    /// that ends TLS.
    pub(crate) plain_http: bool,
    /// How long a client may take for a TLS handshake, and to send the head of a request.
    pub(crate) header_timeout: Period,
    /// How long a connection may wait for its next request.
    pub(crate) keep_alive_timeout: Period,
    /// How long a body, in or out, may stand still before the connection is closed.
    pub(crate) idle_timeout: Period,
    /// How long running requests may go on after the node was asked to stop.
    pub(crate) drain_timeout: Period,
}

/// Certificates.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    /// A PEM file with the certificate and its chain. It is read again when it changes. Needs `tls.key`.
    pub(crate) certificate: Option<PathBuf>,
    /// A PEM file with the private key of `tls.certificate`.
    pub(crate) key: Option<PathBuf>,
    /// More names and addresses for the certificate that the node makes itself: those it has besides the machine's host
    /// name and the addresses of its interfaces.
    pub(crate) names: Vec<String>,
}

/// Who may do what.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Access {
    /// A file of `user:password-hash` lines as `htpasswd -B` writes them (bcrypt only). Given, everybody must log in,
    /// but for what a rule grants to `anonymous`. The node notices by itself when the file changes.
    pub(crate) htpasswd: Option<PathBuf>,
    /// Who may do what to which repositories. Without rules every user of `access.htpasswd` may do everything; with
    /// rules only what one of them grants is allowed.
    pub(crate) rules: Vec<Rule>,
    /// The key that signs tokens: 64 hexadecimal digits. Give several nodes behind one address the same. When not given
    /// the node makes one at first start and keeps it.
    pub(crate) token_key: Option<Secret>,
    /// A file that holds `access.token_key`.
    pub(crate) token_key_file: Option<PathBuf>,
    /// How long a token is good for. Clients ask for a new one by themselves.
    pub(crate) token_lifetime: Period,
    /// How long what `docker login` keeps in place of a password is good for. It ends earlier when the password changes.
    pub(crate) refresh_lifetime: Period,
}

/// One grant.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// User names; `*` is everybody who logged in, `anonymous` everybody else as well.
    pub(crate) users: Vec<String>,
    /// Patterns of repository names: `*` stands for anything within one component, `**` for any components.
    #[schemars(with = "Vec<String>")]
    pub(crate) repositories: Vec<Pattern>,
    /// What is granted: `pull`, `push`, `delete`, `catalog` (to list the repositories).
    pub(crate) actions: Vec<GrantedAction>,
}

/// What a rule can grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GrantedAction {
    /// Read manifests and blobs, list tags.
    Pull,
    /// Upload, tag, and replace tags.
    Push,
    /// Delete tags, manifests and blobs.
    Delete,
    /// List the repositories.
    Catalog,
}

/// Blobs on their way in.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Uploads {
    /// The largest blob accepted.
    pub(crate) bytes_max: Size,
    /// How many uploads may be open at once.
    pub(crate) open_max: usize,
    /// An upload that received nothing for this long is forgotten.
    pub(crate) expire_after: Period,
}

/// Manifests.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Manifests {
    /// Refuse a manifest that names blobs which the repository does not hold. Off, sparse images are accepted.
    pub(crate) require_blobs: bool,
    /// The largest manifest accepted; 4 MiB at most.
    pub(crate) bytes_max: Size,
}

/// Tags.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tags {
    /// Tags that, once set, are neither moved nor removed. Putting the same digest again is no change.
    pub(crate) immutable: Vec<ImmutableTags>,
}

/// Tags that never change.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImmutableTags {
    /// A pattern of the repositories they are in; `**` is all.
    #[schemars(with = "String")]
    pub(crate) repositories: Pattern,
    /// A pattern of their names, such as `v*`.
    #[schemars(with = "String")]
    pub(crate) tags: Pattern,
}

/// Bounds on connections, memory and disk.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// Connections held at once; at the limit the node stops accepting until one ends. When not given: 95 % of the open
    /// files that the system allows the process.
    pub(crate) connections_max: Option<usize>,
    /// Memory for manifests and small blobs that are asked for often; 0 keeps none.
    pub(crate) cache_bytes_max: Size,
    /// Memory for the tables of names; they are larger than this on disk without harm.
    pub(crate) ledger_cache_bytes_max: Size,
    /// Uploads are refused when less than this would stay free on the disk of the data directory.
    pub(crate) disk_free_min: Size,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: LogLevel::default(), access: true }
    }
}

impl Default for Http {
    fn default() -> Self {
        let door = dockless_api::Settings::default();
        Self {
            public_url: None,
            trusted_proxies: Vec::new(),
            plain_http: false,
            header_timeout: Period(door.header_timeout),
            keep_alive_timeout: Period(door.keep_alive_timeout),
            idle_timeout: Period(door.idle_timeout),
            drain_timeout: Period(door.drain_timeout),
        }
    }
}

impl Default for Access {
    fn default() -> Self {
        let access = dockless_registry::access::Settings::default();
        Self {
            htpasswd: None,
            rules: Vec::new(),
            token_key: None,
            token_key_file: None,
            token_lifetime: Period(access.token_lifetime),
            refresh_lifetime: Period(access.refresh_lifetime),
        }
    }
}

impl Default for Uploads {
    fn default() -> Self {
        let store = dockless_store::Settings::default();
        let expire_after = dockless_registry::Settings::default().upload_expires_after;
        Self {
            bytes_max: Size(store.upload_bytes_max),
            open_max: store.uploads_max,
            expire_after: Period(expire_after),
        }
    }
}

impl Default for Manifests {
    fn default() -> Self {
        let registry = dockless_registry::Settings::default();
        Self { require_blobs: registry.require_blobs, bytes_max: Size(registry.manifest_bytes_max as u64) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: None,
            cache_bytes_max: Size(dockless_registry::Settings::default().cache_bytes_max as u64),
            ledger_cache_bytes_max: Size(dockless_meta::Settings::default().cache_bytes as u64),
            disk_free_min: Size(dockless_store::Settings::default().free_bytes_min),
        }
    }
}
