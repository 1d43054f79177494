//! `dockless trust`: makes docker, podman and containerd on this machine accept a node's own authority.

mod certificate;
mod files;
mod host;
mod machine;
mod record;
mod served;

#[cfg(test)]
mod tests;

use std::io::{BufRead as _, IsTerminal as _, Write};
use std::path::PathBuf;

use clap::Args;
use dockless_runtime::Runtime;
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::output;
use certificate::Authority;
use files::{Change, Client, PlannedFile};
use host::Host;
use machine::Machine;
use record::{Record, Removal};

/// Longest answer read from the terminal; it is a word.
const ANSWER_BYTES_MAX: u64 = 64;

/// `dockless trust HOST[:PORT]`.
#[derive(Args)]
#[command(after_help = "\
Compare the fingerprint with what `dockless status` prints on the node itself.
Then these files are written, and recorded in /etc/dockless/trust, so that
--undo removes exactly them:
  /etc/docker/certs.d/HOST:PORT/ca.crt
      for Docker Engine, which needs no restart
  /etc/containers/certs.d/HOST:PORT/ca.crt
      for podman, skopeo and buildah
  /etc/containerd/certs.d/HOST:PORT/ca.crt and hosts.toml
      for nerdctl, `ctr --hosts-dir /etc/containerd/certs.d`, and Kubernetes
      nodes whose containerd has that directory as its config_path")]
pub(crate) struct Trust {
    /// The node, as image names begin with it; without a port 5000 is meant
    #[arg(value_name = "HOST[:PORT]")]
    host: Host,
    /// Remove what an earlier `dockless trust` wrote for this host
    #[arg(long, conflicts_with_all = ["fingerprint", "only"])]
    undo: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Trust only an authority with this SHA-256 fingerprint, and do not ask
    #[arg(long, value_name = "SHA256")]
    fingerprint: Option<String>,
    /// Write only the files of this client; may be given several times
    #[arg(long, value_enum, value_name = "CLIENT")]
    only: Vec<Client>,
    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write below this directory instead of `/`, for example into the file system of an image
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    host: String,
    authority: &'a Authority,
    files: &'a [PlannedFile],
    written: bool,
}

/// What `--undo --json` prints.
#[derive(Serialize)]
struct UndoAnswer {
    host: String,
    files: Vec<RemovedFile>,
    removed: bool,
}

/// One file of an undo.
#[derive(Serialize)]
struct RemovedFile {
    path: PathBuf,
    change: Removal,
}

impl Trust {
    /// Shows, asks, writes.
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let runtime = Runtime::real();
        let root = std::path::absolute(&self.root);
        let root = root.map_err(|error| Failure::usage(format!("`{}`: {error}", self.root.display())))?;
        let machine = Machine { disk: &*runtime.disk, root: &root };
        let mut out = std::io::stdout();
        if self.undo {
            self.take_back(&machine, &mut out)
        } else {
            self.trust(&runtime, &machine, &mut out).await
        }
    }

    /// Trusts the host.
    async fn trust(
        &self,
        runtime: &Runtime,
        machine: &Machine<'_>,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let chain = served::certificates(runtime, &self.host).await?;
        let certificate = certificate::authority(&chain)?;
        let authority = certificate::describe(certificate)?;
        self.check_fingerprint(&authority)?;
        served::would_be_accepted(runtime, &self.host, &chain, certificate)?;
        self.establish(machine, &authority, out)
    }

    /// Shows the authority and what will be written, asks, and writes.
    fn establish(
        &self,
        machine: &Machine<'_>,
        authority: &Authority,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let record = Record::read(machine, &self.host)?;
        let clients = if self.only.is_empty() { &Client::ALL[..] } else { &self.only };
        let files = files::plan(machine, &self.host, &authority.pem, clients, record.as_ref())?;
        let changed = files.iter().filter(|file| file.change != Change::Keep);
        let changed: Vec<_> = changed.map(|file| (&*file.path, &*file.content)).collect();
        let needed = !changed.is_empty();
        if !self.json {
            say(out, &shown(&self.host, authority, &files));
        }
        let written = needed && !self.dry_run;
        if written {
            self.consent("Write these files?")?;
            record.unwrap_or_default().write(machine, &self.host, &changed)?;
        }
        if self.json {
            let answer = Answer { host: self.host.to_string(), authority, files: &files, written };
            say(out, &output::json_text(&answer)?);
            return Ok(());
        }
        say(
            out,
            &match (needed, written) {
                (false, _) => "Nothing to do.\n".to_owned(),
                (true, false) => "Nothing was written.\n".to_owned(),
                (true, true) => format!("Done. `dockless trust --undo {}` takes it back.\n", self.host),
            },
        );
        Ok(())
    }

    /// Takes back what was written for the host.
    fn take_back(&self, machine: &Machine<'_>, out: &mut dyn Write) -> Result<(), Failure> {
        let Some(record) = Record::read(machine, &self.host)? else {
            let message = format!("nothing was written for {}", self.host);
            return Err(Failure { exit: Exit::NotFound, message, hint: None });
        };
        let removals = record.removals(machine)?;
        if !self.json {
            for (path, removal) in &removals {
                let line = match removal {
                    Removal::Removed => format!("- {}\n", path.display()),
                    Removal::Changed => format!("  {} (changed since; it stays)\n", path.display()),
                    Removal::Missing => format!("  {} (gone already)\n", path.display()),
                };
                say(out, &line);
            }
        }
        if !self.dry_run {
            self.consent("Remove these files?")?;
            record.undo(machine, &self.host)?;
        }
        if self.json {
            let files = removals.into_iter().map(|(path, change)| RemovedFile { path, change }).collect();
            let answer = UndoAnswer { host: self.host.to_string(), files, removed: !self.dry_run };
            say(out, &output::json_text(&answer)?);
            return Ok(());
        }
        say(out, if self.dry_run { "Nothing was removed.\n" } else { "Done.\n" });
        Ok(())
    }

    /// Refuses an authority that is not the one the caller expects.
    fn check_fingerprint(&self, authority: &Authority) -> Result<(), Failure> {
        match &self.fingerprint {
            Some(given) if !certificate::same_fingerprint(given, &authority.fingerprint) => {
                let message = format!("{} presents another authority: {}", self.host, authority.fingerprint);
                Err(Failure::failed(message)
                    .hint("`dockless status` on the node prints the fingerprint to expect"))
            }
            _ => Ok(()),
        }
    }

    /// Asks on the terminal, unless the command line has answered already.
    fn consent(&self, question: &str) -> Result<(), Failure> {
        if self.yes || self.fingerprint.is_some() {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage("nobody can be asked here, as standard input is not a terminal")
                .hint("give `--yes`, or better `--fingerprint SHA256`"));
        }
        let mut terminal = std::io::stderr().lock();
        let _ = write!(terminal, "{question} [y/N] ").and_then(|()| terminal.flush());
        let mut answer = String::new();
        let read = std::io::Read::take(std::io::stdin().lock(), ANSWER_BYTES_MAX).read_line(&mut answer);
        match (read, answer.trim().to_ascii_lowercase().as_str()) {
            (Ok(_), "y" | "yes") => Ok(()),
            _ => Err(Failure::failed("nothing was changed")),
        }
    }
}

/// Writes text; a reader that went away is not an error.
fn say(out: &mut dyn Write, text: &str) {
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// What a person sees before being asked.
fn shown(host: &Host, authority: &Authority, files: &[PlannedFile]) -> String {
    format!(
        "{host} presents this authority:\n  subject      {}\n  valid        {} to {}\n  fingerprint  {}\n\n{}\n",
        output::visible(&authority.subject),
        authority.not_before,
        authority.not_after,
        authority.fingerprint,
        files::diff(files)
    )
}
