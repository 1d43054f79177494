//! The command line: the verbs, what they share, and how they end.

mod admin_client;
mod completion;
mod du;
mod engines;
mod healthcheck;
mod inspect;
mod ls;
mod pulls;
mod reference;
mod rm;
mod serve;
mod status;
mod tag;
mod tags;
mod target;
mod trust;
mod version;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use dockless_runtime::disk::RealDisk;

use crate::config::{self, Settings, Sources};
use crate::failure::Failure;
use crate::output;

/// What `--help` says after the verbs.
const AFTER_HELP: &str = "\
Start a node and use it:
  dockless serve                         a registry on 127.0.0.1:5000
  docker push 127.0.0.1:5000/you/app:1   push to it
  dockless ls                            what it holds
  dockless serve --engine unix:///var/run/docker.sock
                                         the images of this machine's docker, too

Reach it from other machines:
  dockless serve --listen 0.0.0.0:5000 --htpasswd FILE
  dockless trust HOST:5000               on each of them, as root

Exit codes:
  0  done
  1  failed
  2  the command line or the configuration is wrong
  3  the repository, tag, manifest or blob does not exist
  4  no node answers";

/// A container registry without a dock: one binary, every machine that runs it is the registry.
#[derive(Parser)]
#[command(name = "dockless", version, after_help = AFTER_HELP, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

/// Everything `dockless` can be asked to do.
#[derive(Subcommand)]
enum Verb {
    /// Run a node: a complete registry, until it is stopped
    Serve(serve::Serve),
    /// List the repositories
    Ls(ls::Ls),
    /// List the tags of a repository
    Tags(tags::Tags),
    /// Show a manifest: its type, its size, what it refers to and what refers to it
    Inspect(inspect::Inspect),
    /// Give a manifest another tag
    Tag(tag::Tag),
    /// Remove tags, manifests or blobs
    Rm(rm::Rm),
    /// Show how much the repositories hold
    Du(du::Du),
    /// List the container engines whose images the node answers
    Engines(engines::Engines),
    /// Show where the bytes of the latest pulls came from
    Pulls(pulls::Pulls),
    /// Show how the node is
    Status(status::Status),
    /// Let docker, podman and containerd on this machine accept a node's certificate
    Trust(trust::Trust),
    /// Exit with 0 when the node on this machine works
    Healthcheck(healthcheck::Healthcheck),
    /// Print the completion script of a shell
    Completion(completion::Completion),
    /// Print the reference pages of this version
    Reference(reference::Reference),
    /// Print the version
    Version(version::Version),
}

/// Which node a verb speaks to, and how it answers.
#[derive(Args)]
pub(crate) struct NodeArgs {
    /// The data directory of the node
    ///
    /// Its socket there is how this verb reaches it. Also DOCKLESS_DATA, or `data` in the configuration file.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The configuration file of the node (also DOCKLESS_CONFIG)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl NodeArgs {
    /// The data directory of the node that is meant.
    fn data(&self) -> Result<PathBuf, Failure> {
        let mut flags = toml::Table::new();
        if let Some(data) = &self.data {
            config::insert(&mut flags, "data", path_value(data)?);
        }
        let (settings, environment) = load(self.config.clone(), flags)?;
        data_directory(&settings, &environment)
    }
}

/// The environment, name and value.
type Environment = Vec<(String, String)>;

/// Reads the settings from the named file (or the one that `DOCKLESS_CONFIG` names), the environment and `flags`.
fn load(file: Option<PathBuf>, flags: toml::Table) -> Result<(Settings, Environment), Failure> {
    let environment = config::environment()?;
    let named = || {
        let (_, path) = environment.iter().find(|(name, _)| name == config::CONFIG_VARIABLE)?;
        (!path.is_empty()).then(|| PathBuf::from(path))
    };
    let file = file.or_else(named);
    let sources = Sources { file: file.as_deref(), environment: &environment, flags };
    let settings = Settings::load(&RealDisk, sources)?;
    Ok((settings, environment))
}

/// The data directory that the settings name, or the default of this user.
fn data_directory(settings: &Settings, environment: &[(String, String)]) -> Result<PathBuf, Failure> {
    match &settings.data {
        Some(data) => Ok(data.clone()),
        None => Ok(config::default_data(environment, rustix::process::geteuid().is_root())?),
    }
}

/// A path as a value of the configuration.
fn path_value(path: &std::path::Path) -> Result<toml::Value, Failure> {
    let text = path.to_str().ok_or_else(|| Failure::usage(format!("`{}` is not UTF-8", path.display())))?;
    Ok(toml::Value::String(text.to_owned()))
}

/// Runs the verb on the command line.
pub(crate) fn run() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Serve(serve) => serve.run(),
        Verb::Ls(ls) => block_on(ls.run()),
        Verb::Tags(tags) => block_on(tags.run()),
        Verb::Inspect(inspect) => block_on(inspect.run()),
        Verb::Tag(tag) => block_on(tag.run()),
        Verb::Rm(rm) => block_on(rm.run()),
        Verb::Du(du) => block_on(du.run()),
        Verb::Engines(engines) => block_on(engines.run()),
        Verb::Pulls(pulls) => block_on(pulls.run()),
        Verb::Status(status) => block_on(status.run()),
        Verb::Trust(trust) => block_on(trust.run()),
        Verb::Healthcheck(healthcheck) => block_on(healthcheck.run()),
        Verb::Completion(completion) => completion.run(),
        Verb::Reference(reference) => reference.run(),
        Verb::Version(version) => version.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure);
            failure.code()
        }
    }
}

/// Runs a verb that speaks to a node, on this thread.
fn block_on(verb: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?.block_on(verb)
}

/// The command line as clap sees it, for completion and the reference page.
fn command() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn the_reference_page_names_the_flags_there_are() {
        let command = command();
        let serve = command.find_subcommand("serve").unwrap();
        for (key, flag) in config::reference::FLAGS {
            let found = serve.get_arguments().any(|arg| arg.get_long() == flag.strip_prefix("--"));
            assert!(found, "`{key}` says it is set by `{flag}`");
        }
    }
}
