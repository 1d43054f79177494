//! `dockless serve`: runs a node until it is told to stop.

use std::path::PathBuf;

use clap::Args;
use dockless_remote::EngineAddress;
use toml::{Table, Value};

use super::path_value;
use crate::config::settings::{LogFormat, LogLevel, Settings};
use crate::failure::Failure;
use crate::node::{self, Start};
use crate::notify::Notifier;
use crate::{config, telemetry};

/// `dockless serve`.
#[derive(Args)]
#[command(after_help = "\
The first line of output says where the node listens and where its data is;
logs go to standard error. SIGTERM or SIGINT lets running requests end; a
second one stops at once. SIGHUP reads the configuration and the certificates
again; of the configuration it takes over the log settings.

Examples:
  dockless serve
      for this machine only
  dockless serve --listen 0.0.0.0:5000 --htpasswd users
      for others, with TLS by the node's own authority; the user file is made
      with: htpasswd -B -c users alice
  dockless serve --engine unix:///var/run/docker.sock
      the images of this machine's docker, too: no push, no copy
  dockless serve --config /etc/dockless/dockless.toml
      everything else; see: dockless reference configuration")]
pub(crate) struct Serve {
    /// The configuration file, TOML (also DOCKLESS_CONFIG)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory that holds everything the node keeps
    ///
    /// Default: /var/lib/dockless for root, $XDG_DATA_HOME/dockless or ~/.local/share/dockless for others.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen; may be given several times
    ///
    /// Default: `127.0.0.1:5000` and `[::1]:5000`. An address that other machines reach speaks only TLS, unless
    /// --plain-http is given.
    #[arg(long, value_name = "ADDR:PORT|unix:PATH")]
    listen: Vec<String>,
    /// A file of users and bcrypt hashes; given, everybody must log in
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,
    /// Answer the images of a container engine of this machine; may be given several times
    ///
    /// The socket of docker or podman, such as unix:///var/run/docker.sock. Also DOCKLESS_ENGINE. Which of them are
    /// answered is said by `engine.share` in the configuration file.
    #[arg(long, value_name = "unix:///PATH")]
    engine: Vec<EngineAddress>,
    /// Load what is pushed into the engines too
    #[arg(long)]
    engine_load: bool,
    /// Speak plain HTTP on every address, for a proxy in front that ends TLS
    #[arg(long)]
    plain_http: bool,
    /// Refuse pushes and deletes
    #[arg(long)]
    read_only: bool,
    /// The form of log lines [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// The least important line that is still logged [default: info]
    #[arg(long, value_enum, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
    /// Print the first line of output as JSON; logs follow --log-format
    #[arg(long)]
    json: bool,
}

impl Serve {
    /// Runs the node.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let (settings, environment) = super::load(self.config.clone(), self.flags()?)?;
        let data = super::data_directory(&settings, &environment)?;
        let log = telemetry::start(&settings.log);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
        let again =
            || -> Result<Settings, Failure> { Ok(super::load(self.config.clone(), self.flags()?)?.0) };
        let start = Start {
            settings,
            data,
            log,
            notifier: Notifier::new(&environment),
            again: &again,
            json: self.json,
        };
        let ended = runtime.block_on(node::run(start));
        // Whatever still runs was given its time to end already.
        runtime.shutdown_background();
        ended
    }

    /// The keys that flags set.
    fn flags(&self) -> Result<Table, Failure> {
        let mut flags = Table::new();
        let mut set = |key: &str, value: Value| config::insert(&mut flags, key, value);
        if let Some(data) = &self.data {
            set("data", path_value(data)?);
        }
        if !self.listen.is_empty() {
            set("listen", Value::Array(self.listen.iter().cloned().map(Value::String).collect()));
        }
        if !self.engine.is_empty() {
            let addresses = self.engine.iter().map(|address| Value::String(address.to_string()));
            set("engine.addresses", Value::Array(addresses.collect()));
        }
        if self.engine_load {
            set("engine.load", Value::Boolean(true));
        }
        if let Some(htpasswd) = &self.htpasswd {
            set("access.htpasswd", path_value(htpasswd)?);
        }
        if self.plain_http {
            set("http.plain_http", Value::Boolean(true));
        }
        if self.read_only {
            set("read_only", Value::Boolean(true));
        }
        if let Some(format) = self.log_format {
            set("log.format", word(format));
        }
        if let Some(level) = self.log_level {
            set("log.level", word(level));
        }
        Ok(flags)
    }
}

/// A choice of a flag as the configuration writes it.
fn word(choice: impl clap::ValueEnum) -> Value {
    let name = choice.to_possible_value().map(|value| value.get_name().to_owned());
    Value::String(name.unwrap_or_default())
}
