//! `dockless inspect`: a manifest, what it refers to and what refers to it.

use clap::Args;
use dockless_oci::Reference;
use serde_json::Value;

use super::NodeArgs;
use super::admin_client::AdminClient;
use super::target::Target;
use crate::failure::Failure;
use crate::output::{self, Table};

/// `dockless inspect REPOSITORY[:TAG|@DIGEST]`.
#[derive(Args)]
pub(crate) struct Inspect {
    /// The manifest: REPOSITORY:TAG or REPOSITORY@DIGEST; REPOSITORY alone stands for its tag `latest`
    target: Target,
    #[command(flatten)]
    node: NodeArgs,
}

impl Inspect {
    /// Prints what the node knows of it.
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let mut client = AdminClient::connect(&self.node.data()?).await?;
        let reference = self.target.reference.as_ref().map_or("latest", Reference::as_str);
        let path = format!("repositories/{}/inspect/{reference}", self.target.repository);
        let answer: Value = client.get(&path).await?;
        if self.node.json {
            return output::json(&answer);
        }
        output::text(&shown(&answer))
    }
}

/// The answer for people.
fn shown(answer: &Value) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!("{name:<14}{}\n", output::visible(&value)));
        }
    };
    let word = |name: &str| answer[name].as_str().map(str::to_owned);
    field("repository", word("repository"));
    field("digest", word("digest"));
    field("found in", word("source"));
    field("type", word("media_type"));
    field("artifact", word("artifact_type"));
    field("size", answer["size"].as_u64().map(output::size));
    field("subject", word("subject"));
    field("tags", list(&answer["tags"]));
    for annotation in answer["annotations"].as_object().into_iter().flatten() {
        field("annotation", Some(format!("{}={}", annotation.0, annotation.1.as_str().unwrap_or_default())));
    }
    for (title, name) in [("refers to", "references"), ("referred to by", "referrers")] {
        let rows = answer[name].as_array().map(Vec::as_slice).unwrap_or_default();
        if !rows.is_empty() {
            text.push_str(&format!("\n{title}\n{}", descriptors(rows)));
        }
        let total = answer[format!("{name}_total")].as_u64().unwrap_or_default();
        if let Some(more) = total.checked_sub(rows.len() as u64).filter(|more| *more > 0) {
            text.push_str(&format!("  and {more} more\n"));
        }
    }
    text
}

/// A list of words, or nothing when it is empty.
fn list(value: &Value) -> Option<String> {
    let words: Vec<_> = value.as_array()?.iter().filter_map(Value::as_str).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// Descriptors as a table.
fn descriptors(rows: &[Value]) -> String {
    let mut table = Table::new(&["  DIGEST", ">SIZE", "KIND"]);
    for row in rows {
        let kind = row["artifact_type"].as_str().or(row["media_type"].as_str()).or(row["kind"].as_str());
        let missing = if row["held"] == Value::Bool(false) { " (not held)" } else { "" };
        table.row(vec![
            format!("  {}", row["digest"].as_str().unwrap_or_default()),
            row["size"].as_u64().map(output::size).unwrap_or_default(),
            format!("{}{missing}", kind.unwrap_or_default()),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_manifest_is_shown_with_what_it_refers_to() {
        let answer = json!({
            "repository": "a/b", "digest": "sha256:1", "media_type": "m", "artifact_type": null, "size": 2048,
            "source": null, "subject": null, "tags": ["v1", "latest"], "annotations": { "k": "v\u{1b}[2J" },
            "references": [{ "digest": "sha256:2", "size": 10, "kind": "blob", "held": false }],
            "references_total": 3,
            "referrers": [{ "digest": "sha256:3", "size": 11, "media_type": "m", "artifact_type": "sig" }],
        });
        let expected = "repository    a/b\ndigest        sha256:1\ntype          m\nsize          2.00 KiB\n\
                        tags          v1, latest\nannotation    k=v\\u{1b}[2J\n\
                        \nrefers to\n  DIGEST    SIZE  KIND\n  sha256:2  10 B  blob (not held)\n  and 2 more\n\
                        \nreferred to by\n  DIGEST    SIZE  KIND\n  sha256:3  11 B  sig\n";
        assert_eq!(shown(&answer), expected);
    }
}
