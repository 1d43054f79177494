//! The reference page of the configuration, written from the types.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::keys::{self, Key, Kind, Section};
use super::settings::Settings;

/// Which flag of `dockless serve` sets which key; a test holds it against the flags themselves.
pub(crate) const FLAGS: [(&str, &str); 9] = [
    ("access.htpasswd", "--htpasswd"),
    ("data", "--data"),
    ("engine.addresses", "--engine"),
    ("engine.load", "--engine-load"),
    ("http.plain_http", "--plain-http"),
    ("listen", "--listen"),
    ("log.format", "--log-format"),
    ("log.level", "--log-level"),
    ("read_only", "--read-only"),
];

/// What stands before the keys.
const INTRODUCTION: &str = "\
# Configuration

<!-- Written by `dockless reference configuration`. Change the documentation of the types in src/config/settings.rs. -->

A node needs no configuration. What differs from the defaults comes from, each over the one before:

1. one TOML file, named by `--config FILE` or `DOCKLESS_CONFIG`;
2. the environment: `DOCKLESS_` and the key in capitals, dots as underscores (lists separated by commas);
3. flags of `dockless serve`.

An unknown key, or an unknown variable that begins with `DOCKLESS_`, is an error. Sizes are written `512MiB` or as a
number of bytes, lengths of time `250ms`, `30s`, `15m`, `24h` or `7d`. A key that ends in `_file` names a file that holds
the value of its twin, for secrets that should not stand in the configuration.

```toml
# A node for a team, behind its own name.
listen = [\"0.0.0.0:5000\"]

[http]
public_url = \"https://registry.example.org:5000\"

[access]
htpasswd = \"/etc/dockless/htpasswd\"

[[access.rules]]
users = [\"*\"]
repositories = [\"**\"]
actions = [\"pull\", \"catalog\"]

[[access.rules]]
users = [\"ci\"]
repositories = [\"team/**\"]
actions = [\"pull\", \"push\"]
```
";

/// The whole page, in Markdown.
pub(crate) fn page() -> String {
    let defaults = Table::try_from(Settings::default()).unwrap_or_default();
    let mut page = INTRODUCTION.to_owned();
    for section in keys::sections() {
        write_section(&mut page, &section, &defaults);
    }
    page
}

/// One section and its keys.
fn write_section(page: &mut String, section: &Section, defaults: &Table) {
    if section.name.is_empty() {
        page.push_str("\n## At the top\n");
    } else {
        let _ = write!(page, "\n## `[{}]`\n\n{}\n", section.name, section.text);
    }
    for key in &section.keys {
        write_key(page, key, defaults);
    }
}

/// One key: what it does, its type, default, variable and flag.
fn write_key(page: &mut String, key: &Key, defaults: &Table) {
    let _ = write!(page, "\n### `{}`\n\n{}\n\n- type: {}\n", key.name, key.text, type_of(key));
    if !key.is_whole() {
        return;
    }
    let _ = writeln!(page, "- default: {}", default_of(&key.name, defaults));
    let _ = writeln!(page, "- environment: `{}`", key.variable());
    if let Some((_, flag)) = FLAGS.iter().find(|(name, _)| *name == key.name) {
        let _ = writeln!(page, "- flag: `{flag}`");
    }
}

/// A type in words.
fn type_of(key: &Key) -> String {
    let choices: Vec<_> = key.choices.iter().map(|choice| format!("`\"{choice}\"`")).collect();
    match (key.kind, choices.is_empty()) {
        (Kind::Switch, _) => "`true` or `false`".to_owned(),
        (Kind::Number, _) => "whole number".to_owned(),
        (Kind::Tables, _) => "list of tables".to_owned(),
        (Kind::List, true) => "list of strings".to_owned(),
        (Kind::List, false) => format!("list of {}", choices.join(", ")),
        (Kind::Text, false) => choices.join(", "),
        (Kind::Text, true) => key.format.clone().unwrap_or_else(|| "string".to_owned()),
    }
}

/// The default of the key `name`, as TOML.
fn default_of(name: &str, defaults: &Table) -> String {
    let mut parts = name.split('.');
    let first = parts.next().and_then(|part| defaults.get(part));
    match parts.fold(first, |value, part| value.and_then(|value| value.get(part))) {
        None => "not set".to_owned(),
        Some(Value::Array(items)) if items.is_empty() => "`[]`".to_owned(),
        Some(value) => format!("`{value}`"),
    }
}
