//! What a node is told: one TOML file, over it the environment, over it the flags.

pub(crate) mod engine;
mod environment;
mod file;
mod keys;
mod parts;
pub(crate) mod reference;
mod secret;
pub(crate) mod settings;
pub(crate) mod units;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use dockless_oci::manifest::MANIFEST_BYTES_MAX;
use dockless_runtime::disk::{self, Disk};
use toml::{Table, Value};

pub(crate) use environment::CONFIG_VARIABLE;
pub(crate) use settings::Settings;
use units::Size;

/// Why a configuration was refused. Each says where the mistake stands and what would be right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file `{}`: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// The file of a secret cannot be read.
    #[error("cannot read the secret in `{}`: {source}", path.display())]
    UnreadableSecret { path: PathBuf, source: std::io::Error },
    /// The file is not TOML, or a value does not fit its key.
    #[error("invalid configuration in `{}`\n{message}", path.display())]
    File { path: PathBuf, message: String },
    /// The file has a key that does not exist.
    #[error("unknown key `{key}` in `{}` on line {line}", path.display())]
    UnknownKey { path: PathBuf, line: usize, key: String, nearest: Option<String> },
    /// A variable of the environment has a value that does not fit its key.
    #[error("invalid value in the environment variable `{variable}`: {message}")]
    Variable { variable: String, message: String },
    /// A variable of the environment sets nothing.
    #[error("unknown environment variable `{variable}`")]
    UnknownVariable { variable: String, nearest: Option<String> },
    /// A setting that no node could work with, or that contradicts another one or the machine.
    #[error("{0}")]
    Contradiction(String),
}

impl ConfigError {
    /// What to write instead.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKey { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
            Self::UnknownKey { .. } => Some("`dockless reference configuration` lists every key".to_owned()),
            Self::UnknownVariable { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
            Self::UnknownVariable { .. } => Some(
                "variables that begin with `DOCKLESS_` set a key; `dockless reference configuration` lists them"
                    .to_owned(),
            ),
            Self::Unreadable { .. } => {
                Some("name a file that this user may read with `--config`, or leave it out".to_owned())
            }
            Self::UnreadableSecret { .. } => Some("name a file that this user may read".to_owned()),
            Self::File { .. } | Self::Variable { .. } | Self::Contradiction(_) => None,
        }
    }
}

/// The three places settings come from.
pub(crate) struct Sources<'a> {
    /// The configuration file, when one was named.
    pub(crate) file: Option<&'a Path>,
    /// The environment, name and value.
    pub(crate) environment: &'a [(String, String)],
    /// Keys that flags set.
    pub(crate) flags: Table,
}

impl Settings {
    /// Reads the settings: file < environment < flags. A list replaces a list; nothing is appended.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub(crate) fn load(disk: &dyn Disk, sources: Sources<'_>) -> Result<Self, ConfigError> {
        let mut merged = match sources.file {
            None => Table::new(),
            Some(path) => {
                let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
                let bytes = disk::read_file(disk, path, file::FILE_BYTES_MAX).map_err(unreadable)?;
                let text = String::from_utf8(bytes).map_err(|_| ConfigError::File {
                    path: path.to_owned(),
                    message: "not UTF-8 text".to_owned(),
                })?;
                file::parse(path, &text)?
            }
        };
        merge(&mut merged, environment::parse(sources.environment)?);
        merge(&mut merged, sources.flags);
        let settings: Self = merged
            .try_into()
            .map_err(|error: toml::de::Error| ConfigError::Contradiction(error.to_string()))?;
        settings.check()?;
        Ok(settings)
    }

    /// Whether `other` differs in nothing but the logs, which change while a node runs.
    pub(crate) fn same_but_logs(&self, other: &Self) -> bool {
        let mut other = other.clone();
        other.log = self.log.clone();
        *self == other
    }

    /// Refuses settings that no node could work with.
    fn check(&self) -> Result<(), ConfigError> {
        self.check_limits()?;
        self.check_pairs()
    }

    fn check_limits(&self) -> Result<(), ConfigError> {
        let contradiction = |text: String| Err(ConfigError::Contradiction(text));
        let periods = [
            ("http.header_timeout", self.http.header_timeout),
            ("http.keep_alive_timeout", self.http.keep_alive_timeout),
            ("http.idle_timeout", self.http.idle_timeout),
            ("access.token_lifetime", self.access.token_lifetime),
            ("uploads.expire_after", self.uploads.expire_after),
        ];
        if let Some((key, _)) = periods.iter().find(|(_, period)| period.0.is_zero()) {
            return contradiction(format!("`{key}` is 0; write a length of time such as `30s`"));
        }
        if self.limits.connections_max == Some(0) {
            return contradiction("`limits.connections_max` is 0, so nobody could connect".to_owned());
        }
        let most = Size(MANIFEST_BYTES_MAX as u64);
        if self.manifests.bytes_max > most {
            return contradiction(format!("`manifests.bytes_max` is at most `{most}`"));
        }
        Ok(())
    }

    fn check_pairs(&self) -> Result<(), ConfigError> {
        let contradiction = |text: &str| Err(ConfigError::Contradiction(text.to_owned()));
        match (&self.tls.certificate, &self.tls.key) {
            (Some(_), None) => return contradiction("`tls.certificate` is set but `tls.key` is not"),
            (None, Some(_)) => return contradiction("`tls.key` is set but `tls.certificate` is not"),
            _ => {}
        }
        if self.access.token_key.is_some() && self.access.token_key_file.is_some() {
            return contradiction(
                "`access.token_key` and `access.token_key_file` are both set; one is enough",
            );
        }
        if !self.access.rules.is_empty() && self.access.htpasswd.is_none() {
            return contradiction(
                "`access.rules` is set but `access.htpasswd` is not, so nobody could log in",
            );
        }
        self.engine.check()
    }
}

/// The environment variables of this process.
///
/// # Errors
/// One of ours is not UTF-8; any other such is left out.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is read, once, and handed on")]
pub(crate) fn environment() -> Result<Vec<(String, String)>, ConfigError> {
    texts(std::env::vars_os())
}

fn texts(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut texts = Vec::new();
    for (name, value) in variables {
        let Ok(variable) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => texts.push((variable, value)),
            Err(_) if variable.starts_with(environment::PREFIX) => {
                return Err(ConfigError::Variable { variable, message: "not UTF-8 text".to_owned() });
            }
            Err(_) => {}
        }
    }
    Ok(texts)
}

/// The directory that is used when none was named.
pub(crate) fn default_data(environment: &[(String, String)], root: bool) -> Result<PathBuf, ConfigError> {
    let variable = |name: &str| {
        environment
            .iter()
            .find(|(variable, value)| variable == name && !value.is_empty())
            .map(|(_, value)| value)
    };
    if root {
        return Ok(PathBuf::from("/var/lib/dockless"));
    }
    // The XDG base directory specification says to ignore a relative path.
    if let Some(base) = variable("XDG_DATA_HOME").filter(|base| Path::new(base).is_absolute()) {
        return Ok(Path::new(base).join("dockless"));
    }
    match variable("HOME") {
        Some(home) => Ok(Path::new(home).join(".local/share/dockless")),
        None => Err(ConfigError::Contradiction(
            "neither XDG_DATA_HOME nor HOME is set, so there is no place for the data; give one with `--data DIR`"
                .to_owned(),
        )),
    }
}

/// Sets the dotted `key` of `table`, making the tables on the way.
pub(crate) fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// Lays `over` over `table`: tables merge, everything else is replaced.
fn merge(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => merge(under, over),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}
