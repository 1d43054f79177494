//! The configuration file: TOML, every key known, every mistake with its line.

use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table};

use super::ConfigError;
use super::keys::{self, Key};
use super::settings::Settings;

/// Largest configuration file read. The largest sensible one is a few thousand access rules of some 100 bytes.
pub(super) const FILE_BYTES_MAX: usize = 1 << 20;

/// Reads `text`, the contents of `path` (which is only named in errors).
///
/// # Errors
/// The first mistake: bad syntax, an unknown key, or a value of the wrong type.
pub(super) fn parse(path: &Path, text: &str) -> Result<Table, ConfigError> {
    let invalid = |error: toml::de::Error| ConfigError::File {
        path: path.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    };
    let spanned = DeTable::parse(text).map_err(invalid)?;
    if let Some((key, offset)) = unknown(spanned.get_ref(), "", &keys::keys()) {
        return Err(unknown_key(path, text, key, offset));
    }
    // The whole file is read as settings once by itself, so that an error of type names its line.
    toml::from_str::<Settings>(text).map_err(invalid)?;
    text.parse().map_err(invalid)
}

/// The first key of `table` that is none of `known`, with the offset of its first byte.
fn unknown(table: &DeTable<'_>, prefix: &str, known: &[Key]) -> Option<(String, usize)> {
    table.iter().find_map(|(key, value)| {
        let name = format!("{prefix}{}", key.get_ref());
        let own = known.iter().any(|known| known.name == name);
        let has_members = |suffix: &str| {
            let members = format!("{name}{suffix}");
            known.iter().any(|known| known.name.starts_with(&members))
        };
        match value.get_ref() {
            DeValue::Table(inner) if has_members(".") => unknown(inner, &format!("{name}."), known),
            DeValue::Array(items) if has_members("[].") => items
                .iter()
                .filter_map(|item| item.get_ref().as_table())
                .find_map(|inner| unknown(inner, &format!("{name}[]."), known)),
            _ if own || has_members(".") => None,
            _ => Some((name, Spanned::span(key).start)),
        }
    })
}

/// The error for a key that does not exist, with the nearest that does.
fn unknown_key(path: &Path, text: &str, key: String, offset: usize) -> ConfigError {
    let known = keys::keys();
    let sections = keys::sections();
    let names =
        known.iter().map(|key| key.name.as_str()).chain(sections.iter().map(|section| section.name.as_str()));
    let nearest = keys::nearest(&key, names.filter(|name| !name.is_empty())).map(str::to_owned);
    let line = text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1);
    ConfigError::UnknownKey { path: path.to_owned(), line, key, nearest }
}
