//! The list of every key there is, read from the types, and the nearest key to a mistaken one.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::engine::ADDRESSES_VARIABLE;
use super::settings::Settings;

/// How alike two keys must be (Jaro-Winkler, 0 to 1) for one to be suggested for the other; below, a suggestion misleads.
pub(super) const LIKENESS_MIN: f64 = 0.75;

/// What a key's value is, as far as an environment variable must know to read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A string, or anything written as one.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Switch,
    /// A list of strings.
    List,
    /// A list of tables.
    Tables,
}

/// One key of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// The dotted name, such as `http.public_url`; keys of a table in a list follow `[]`, as `access.rules[].users`.
    pub(super) name: String,
    /// What its value is.
    pub(super) kind: Kind,
    /// The documentation of its field.
    pub(super) text: String,
    /// The values it may have, when they are few.
    pub(super) choices: Vec<String>,
    /// A word for what a text means: `size`, `length of time`.
    pub(super) format: Option<String>,
}

/// A section of the configuration: a table and what it is for.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// The name of the table; empty for the top.
    pub(super) name: String,
    /// The documentation of its field.
    pub(super) text: String,
    /// Its keys, in alphabetical order.
    pub(super) keys: Vec<Key>,
}

impl Key {
    /// The environment variable that sets this key.
    pub(super) fn variable(&self) -> String {
        match ADDRESSES_VARIABLE {
            (key, variable) if key == self.name => variable.to_owned(),
            _ => self.variable_by_rule(),
        }
    }

    /// What the variable of a key is called that has no shorter name.
    pub(super) fn variable_by_rule(&self) -> String {
        format!("DOCKLESS_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// Whether the key stands for itself in the file, and is not a part of a table in a list.
    pub(super) fn is_whole(&self) -> bool {
        !self.name.contains("[]")
    }
}

/// Every section with its keys, the top first.
pub(super) fn sections() -> Vec<Section> {
    let generator = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true).into_generator();
    let schema = generator.into_root_schema_for::<Settings>().to_value();
    let mut sections = vec![Section { name: String::new(), text: describe(&schema), keys: Vec::new() }];
    for (name, property) in properties(&schema) {
        if property.get("properties").is_none() {
            sections[0].keys.extend(keys_of(name, property));
            continue;
        }
        let keys =
            properties(property).flat_map(|(key, value)| keys_of(&format!("{name}.{key}"), value)).collect();
        sections.push(Section { name: name.clone(), text: describe(property), keys });
    }
    sections
}

/// Every key there is.
pub(super) fn keys() -> Vec<Key> {
    sections().into_iter().flat_map(|section| section.keys).collect()
}

/// The candidate most like `mistaken`, when any is like it at all.
pub(super) fn nearest<'a>(mistaken: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    candidates
        .map(|candidate| {
            let whole = strsim::jaro_winkler(mistaken, candidate);
            // A key in the wrong section is alike by its last word; it counts a little less than the whole.
            let tail = strsim::jaro_winkler(&last(mistaken), &last(candidate)) * 0.95;
            (whole.max(tail), candidate)
        })
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// The key at `name`, followed by the keys of its tables when it is a list of tables.
fn keys_of(name: &str, schema: &Value) -> Vec<Key> {
    let kind = kind(schema);
    let mut keys = vec![Key {
        name: name.to_owned(),
        kind,
        text: describe(schema),
        choices: choices(schema),
        format: schema.get("format").and_then(Value::as_str).map(str::to_owned),
    }];
    if kind == Kind::Tables {
        let items = &schema["items"];
        keys.extend(properties(items).flat_map(|(key, value)| keys_of(&format!("{name}[].{key}"), value)));
    }
    keys
}

/// What a value of `schema` is. An optional value has the kind of what it may hold.
fn kind(schema: &Value) -> Kind {
    let named = |name: &str| match &schema["type"] {
        Value::String(one) => one == name,
        Value::Array(any) => any.iter().any(|one| one == name),
        _ => false,
    };
    if named("array") {
        if schema["items"].get("properties").is_some() { Kind::Tables } else { Kind::List }
    } else if named("boolean") {
        Kind::Switch
    } else if named("integer") {
        Kind::Number
    } else {
        Kind::Text
    }
}

/// The values that an enumeration, or a list of one, allows.
fn choices(schema: &Value) -> Vec<String> {
    let of = |schema: &Value| -> Vec<String> {
        let listed = schema["enum"].as_array().into_iter().flatten();
        let one_of = schema["oneOf"].as_array().into_iter().flatten().map(|choice| &choice["const"]);
        listed.chain(one_of).filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let own = of(schema);
    if own.is_empty() { of(&schema["items"]) } else { own }
}

/// The properties of an object's schema, in alphabetical order.
fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

/// The documentation that a schema carries, each paragraph on one line.
fn describe(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_documented() {
        for key in keys() {
            assert!(key.text.len() > 10, "`{}` needs a sentence", key.name);
        }
    }

    #[test]
    fn every_key_has_a_variable_of_its_own() {
        let mut variables: Vec<_> = keys().iter().filter(|key| key.is_whole()).map(Key::variable).collect();
        variables.sort();
        let count = variables.len();
        variables.dedup();
        assert_eq!(variables.len(), count);
        assert!(!variables.contains(&"DOCKLESS_CONFIG".to_owned()));
    }

    #[test]
    fn kinds_come_from_the_types() {
        let keys = keys();
        let kind = |name: &str| keys.iter().find(|key| key.name == name).map(|key| key.kind);
        let table = [
            ("data", Kind::Text),
            ("listen", Kind::List),
            ("read_only", Kind::Switch),
            ("log.level", Kind::Text),
            ("uploads.bytes_max", Kind::Text),
            ("uploads.open_max", Kind::Number),
            ("limits.connections_max", Kind::Number),
            ("access.token_key", Kind::Text),
            ("access.rules", Kind::Tables),
            ("access.rules[].users", Kind::List),
        ];
        for (name, expected) in table {
            assert_eq!(kind(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn every_secret_has_a_file_twin() {
        let names: Vec<_> = keys().into_iter().map(|key| key.name).collect();
        assert!(names.contains(&"access.token_key".to_owned()));
        assert!(names.contains(&"access.token_key_file".to_owned()));
    }

    #[test]
    fn the_nearest_key_is_found_also_in_another_section() {
        let names = ["http.public_url", "http.plain_http", "tls.key", "listen", "uploads.bytes_max"];
        let table = [
            ("http.publik_url", Some("http.public_url")),
            ("public_url", Some("http.public_url")),
            ("lisen", Some("listen")),
            ("upload.bytes_mx", Some("uploads.bytes_max")),
            ("zzz", None),
        ];
        for (mistaken, expected) in table {
            assert_eq!(nearest(mistaken, names.into_iter()), expected, "{mistaken}");
        }
    }
}
