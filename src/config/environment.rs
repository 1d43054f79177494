//! The environment as configuration: `DOCKLESS_` and the key in capitals, dots as underscores.

use toml::{Table, Value};

use super::keys::{self, Key, Kind};
use super::settings::Settings;
use super::{ConfigError, insert};

/// What every variable of ours begins with.
pub(super) const PREFIX: &str = "DOCKLESS_";

/// The variable that names the configuration file; the only one that is not a key of it.
pub(crate) const CONFIG_VARIABLE: &str = "DOCKLESS_CONFIG";

/// Reads the settings among `variables`. An empty variable counts as not set, as container engines pass those on.
///
/// # Errors
/// A variable that begins with `DOCKLESS_` and sets no key, or one whose value does not fit its key.
pub(super) fn parse(variables: &[(String, String)]) -> Result<Table, ConfigError> {
    let known = keys::keys();
    let mut table = Table::new();
    for (variable, value) in variables {
        if !variable.starts_with(PREFIX) || variable == CONFIG_VARIABLE {
            continue;
        }
        let key = known.iter().find(|key| key.is_whole() && key.variable() == *variable);
        let key = key.ok_or_else(|| unknown(variable, &known))?;
        if value.is_empty() {
            continue;
        }
        let invalid = |message: String| ConfigError::Variable { variable: variable.clone(), message };
        let value = read(key.kind, value).map_err(invalid)?;
        let mut alone = Table::new();
        insert(&mut alone, &key.name, value.clone());
        alone.try_into::<Settings>().map_err(|error| invalid(first_line(&error)))?;
        insert(&mut table, &key.name, value);
    }
    Ok(table)
}

/// Reads the text of a variable as a value of `kind`.
fn read(kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Text => Ok(Value::String(text.to_owned())),
        Kind::Number => {
            text.parse().map(Value::Integer).map_err(|_| format!("`{text}` is not a whole number"))
        }
        Kind::Switch => match text {
            "true" | "1" => Ok(Value::Boolean(true)),
            "false" | "0" => Ok(Value::Boolean(false)),
            _ => Err(format!("`{text}` is neither `true` nor `false`")),
        },
        Kind::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
        }
        Kind::Tables => format!("value = {text}")
            .parse::<Table>()
            .map_err(|_| "not a TOML list of tables, such as `[{ users = [\"ci\"], .. }]`".to_owned())
            .map(|mut table| table.remove("value").unwrap_or(Value::Array(Vec::new()))),
    }
}

/// The error for a variable that sets nothing, with the nearest that does.
fn unknown(variable: &str, known: &[Key]) -> ConfigError {
    if let Some(shorter) = known.iter().find(|key| key.variable_by_rule() == variable) {
        let nearest = Some(shorter.variable());
        return ConfigError::UnknownVariable { variable: variable.to_owned(), nearest };
    }
    let names: Vec<_> = known.iter().filter(|key| key.is_whole()).map(Key::variable).collect();
    let candidates = names.iter().map(String::as_str).chain([CONFIG_VARIABLE]);
    let nearest = candidates
        .map(|name| (strsim::jaro_winkler(&variable[PREFIX.len()..], &name[PREFIX.len()..]), name))
        .filter(|(likeness, _)| *likeness >= keys::LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.to_owned());
    ConfigError::UnknownVariable { variable: variable.to_owned(), nearest }
}

/// What is wrong, without the place, which the variable's name tells better.
fn first_line(error: &toml::de::Error) -> String {
    error.message().lines().next().unwrap_or_default().to_owned()
}
