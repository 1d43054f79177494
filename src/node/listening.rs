//! Where a node listens, as people are told: the first line of output, and what it exposes.

use std::path::{Path, PathBuf};

use dockless_api::tls::Certificates;
use dockless_runtime::Runtime;
use dockless_store::DataDirectory;
use serde::Serialize;

use super::address::Address;
use super::bind::Bound;
use crate::config::Settings;
use crate::output;

/// Where the node listens, as people are told.
pub(super) struct Listening {
    /// A URL for each address.
    pub(super) urls: Vec<String>,
    /// Those that other machines reach.
    wide: Vec<String>,
    /// The engines whose images are answered.
    engines: Vec<String>,
    /// The paths of unix sockets.
    sockets: Vec<PathBuf>,
}

impl Listening {
    /// Looks at what was bound.
    pub(super) fn new(bound: &[Bound], settings: &Settings) -> Self {
        let engines = settings.engine.addresses.iter().map(ToString::to_string).collect();
        let mut listening = Self { urls: Vec::new(), wide: Vec::new(), engines, sockets: Vec::new() };
        for bound in bound {
            match bound {
                Bound::Unix(_, path) => {
                    listening.urls.push(format!("unix:{}", path.display()));
                    listening.sockets.push(path.clone());
                }
                Bound::Tcp(_, address) => {
                    let local = Address::Tcp(*address).is_local();
                    let scheme = if local || settings.http.plain_http { "http" } else { "https" };
                    listening.urls.push(format!("{scheme}://{address}"));
                    if !local {
                        listening.wide.push(address.to_string());
                    }
                }
            }
        }
        listening
    }

    /// Removes the sockets that a closed listener leaves behind.
    pub(super) fn remove_sockets(&self, runtime: &Runtime, directory: &DataDirectory) {
        for path in self.sockets.iter().chain([&directory.admin_socket()]) {
            // One that stays is removed by the next start.
            let _ = runtime.disk.remove(path);
        }
    }

    /// Says what a node that other machines reach exposes.
    pub(super) fn warn(&self, settings: &Settings, login: bool, tls: Option<&Certificates>) {
        if self.wide.is_empty() {
            return;
        }
        let addresses = self.wide.join(", ");
        if let Some(trust) = tls.map(Certificates::trust).filter(|trust| trust.own) {
            let fingerprint = trust.fingerprint;
            tracing::info!(
                fingerprint,
                "other machines accept this node after `dockless trust HOST:PORT` there"
            );
        }
        if !login {
            tracing::warn!(
                "everybody who reaches {addresses} may pull, push and delete everything on this node; \
                 give `--htpasswd FILE` to make them log in"
            );
            if !self.engines.is_empty() && !settings.engine.share.is_empty() {
                tracing::warn!(
                    "that includes the images of {}, with whatever secrets are in them: everybody who reaches \
                     {addresses} may pull those that `engine.share` names",
                    self.engines.join(", ")
                );
            }
        } else if settings.http.plain_http {
            tracing::warn!(
                "passwords cross the network in the open on {addresses}; leave out `--plain-http`, \
                 or put a proxy that speaks TLS in front"
            );
        }
    }

    /// Writes the first line of output; as `json` one object with the same content.
    pub(super) fn announce(&self, data: &Path, json: bool) {
        let version = env!("CARGO_PKG_VERSION");
        let urls = self.urls.join(" ");
        let written = if json {
            let (listeners, engines) = (&self.urls, &self.engines);
            output::json_line(&Announcement { version, listeners, engines, data })
        } else {
            let mut line = format!("dockless {version} listens on {urls}, its data is in {}", data.display());
            if !self.engines.is_empty() {
                line.push_str(&format!(", it answers the images of {}", self.engines.join(" ")));
            }
            output::line(&line)
        };
        // A node that nobody hears still serves.
        if let Err(failure) = written {
            tracing::warn!("{}", failure.message);
        }
    }
}

/// The first line of output for machines.
#[derive(Serialize)]
struct Announcement<'a> {
    version: &'a str,
    listeners: &'a [String],
    engines: &'a [String],
    data: &'a Path,
}
