//! The files that make docker, podman and containerd trust a host: what is to be written, and how it differs.

use std::path::{Path, PathBuf};

use dockless_oci::Digest;
use serde::Serialize;

use super::host::Host;
use super::machine::Machine;
use super::record::Record;
use crate::failure::Failure;

/// A client whose configuration can be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Client {
    /// Docker Engine
    Docker,
    /// Podman, skopeo and buildah
    Podman,
    /// containerd (nerdctl, ctr --hosts-dir, and Kubernetes nodes)
    Containerd,
}

impl Client {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Docker, Self::Podman, Self::Containerd];

    /// The directory, absolute, that this client looks in for what it should know of hosts.
    fn directory(self) -> &'static str {
        match self {
            Self::Docker => "/etc/docker/certs.d",
            Self::Podman => "/etc/containers/certs.d",
            Self::Containerd => "/etc/containerd/certs.d",
        }
    }
}

/// What happens to a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Change {
    /// It does not exist yet.
    Create,
    /// We wrote it earlier; `0` is what stands there.
    #[serde(serialize_with = "without_content")]
    Replace(String),
    /// It stands there as it should.
    Keep,
}

/// One file of a plan.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct PlannedFile {
    /// Where it goes.
    pub(super) path: PathBuf,
    /// What happens to it.
    pub(super) change: Change,
    /// What it will hold.
    #[serde(skip)]
    pub(super) content: String,
}

/// Decides what must be written so that `clients` trust `host` by the authority `pem`. Writes nothing.
///
/// # Errors
/// A file is there that says something else and that we did not write.
pub(super) fn plan(
    machine: &Machine<'_>,
    host: &Host,
    pem: &str,
    clients: &[Client],
    record: Option<&Record>,
) -> Result<Vec<PlannedFile>, Failure> {
    let mut files = Vec::new();
    for client in clients {
        let directory = format!("{}/{}", client.directory(), host.directory());
        let authority = format!("{directory}/ca.crt");
        let mut wanted = vec![(authority.clone(), pem.to_owned())];
        if *client == Client::Containerd {
            wanted.push((format!("{directory}/hosts.toml"), hosts_toml(host, &authority)));
        }
        for (path, content) in wanted {
            let path = machine.place(&path);
            let change = change(machine, &path, &content, record)?;
            files.push(PlannedFile { path, change, content });
        }
    }
    Ok(files)
}

/// What must happen to `path` so that it holds `content`.
fn change(
    machine: &Machine<'_>,
    path: &Path,
    content: &str,
    record: Option<&Record>,
) -> Result<Change, Failure> {
    match machine.text(path)? {
        None => Ok(Change::Create),
        Some(text) if text == content => Ok(Change::Keep),
        Some(text) if record.is_some_and(|record| record.wrote(path, &Digest::sha256(text.as_bytes()))) => {
            Ok(Change::Replace(text))
        }
        Some(_) => {
            let message =
                format!("`{}` exists and says something else; it is not overwritten", path.display());
            Err(Failure::failed(message)
                .hint("move it away, or leave its client out with `--only docker`, `--only podman` or `--only containerd`"))
        }
    }
}

/// What containerd reads (its documentation, `hosts.md`). Clients resolve, pull and push there and nowhere else.
fn hosts_toml(host: &Host, authority: &str) -> String {
    format!(
        "server = \"https://{host}\"\n\n[host.\"https://{host}\"]\n  capabilities = [\"pull\", \"resolve\", \
         \"push\"]\n  ca = \"{authority}\"\n"
    )
}

/// The plan as a person reads it: `+` for a line that comes, `-` for one that goes. What several files have in common,
/// the certificate, is shown once.
pub(super) fn diff(files: &[PlannedFile]) -> String {
    let mut text = String::new();
    let mut shown: Vec<(&PlannedFile, &str)> = Vec::new();
    for file in files {
        let (word, old) = match &file.change {
            Change::Keep => {
                text.push_str(&format!("  {} (already there)\n", file.path.display()));
                continue;
            }
            Change::Create => ("new", ""),
            Change::Replace(old) => ("changed", old.as_str()),
        };
        text.push_str(&format!("{} ({word})\n", file.path.display()));
        if let Some((same, _)) =
            shown.iter().find(|(same, before)| same.content == file.content && *before == old)
        {
            text.push_str(&format!("  as {}\n", same.path.display()));
            continue;
        }
        old.lines().for_each(|line| text.push_str(&format!("- {line}\n")));
        file.content.lines().for_each(|line| text.push_str(&format!("+ {line}\n")));
        shown.push((file, old));
    }
    text
}

/// Serializes `Replace` as its name alone.
fn without_content<S: serde::Serializer>(_: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_unit()
}
