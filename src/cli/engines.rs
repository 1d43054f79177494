//! `dockless engines`: the container engines whose images the node answers.

use clap::Args;
use serde_json::Value;

use super::admin_client::AdminClient;
use super::output::{self, Table};
use super::{Failure, NodeArgs};

/// `dockless engines`.
#[derive(Args)]
#[command(after_help = "An engine is served with: dockless serve --engine unix:///var/run/docker.sock\n\
                  One that does not answer does not keep the node from answering what it has itself.")]
pub(crate) struct Engines {
    #[command(flatten)]
    node: NodeArgs,
}

impl Engines {
    /// Prints the list.
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let mut client = AdminClient::connect(&self.node.data()?).await?;
        let answer: Value = client.get("engines").await?;
        if self.node.json {
            return output::json(&answer);
        }
        let engines = answer["engines"].as_array().map(Vec::as_slice).unwrap_or_default();
        if engines.is_empty() {
            output::note(
                "no engines; serve the images of one with `dockless serve --engine unix:///var/run/docker.sock`",
            );
            return Ok(());
        }
        output::text(&shown(engines))
    }
}

/// The list for people: a line each, and below what else is to be known of some.
fn shown(engines: &[Value]) -> String {
    let word = |engine: &Value, name: &str| engine[name].as_str().unwrap_or_default().to_owned();
    let mut table = Table::new(&["ENGINE", "STATE", ">IMAGES", "WHAT"]);
    let mut notes = String::new();
    for engine in engines {
        let label = word(engine, "label");
        let name = label.strip_prefix("engine ").unwrap_or(&label);
        let state = match (&engine["answers"], &engine["rests"]) {
            (Value::Bool(true), _) => "answers",
            (_, Value::Bool(true)) => "rests",
            _ => "down",
        };
        let images = engine["images"].as_u64().map_or_else(|| "-".to_owned(), |images| images.to_string());
        // What an engine is that does not answer is known by its name alone.
        let what = Some(word(engine, "description")).filter(|what| *what != label);
        table.row(vec![name.to_owned(), state.to_owned(), images, what.unwrap_or_else(|| "-".to_owned())]);
        for said in ["problem", "note", "last_problem"] {
            let known = said == "last_problem" && engine[said] == engine["problem"];
            if let Some(text) = engine[said].as_str().filter(|_| !known) {
                let before = if said == "last_problem" { "the latest failure: " } else { "" };
                let named = if text.contains(name) { String::new() } else { format!("{name}: ") };
                notes.push_str(&format!("{named}{before}{text}\n"));
            }
        }
    }
    if notes.is_empty() { table.render() } else { format!("{}\n{notes}", table.render()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_engine_has_a_line_and_what_is_amiss_stands_below() {
        let engines = [
            json!({ "label": "engine unix:///a", "description": "docker 20, overlay2", "answers": true, "images": 2,
                    "problem": null, "note": null, "rests": false, "last_problem": null }),
            json!({ "label": "engine unix:///long/b", "description": "docker 26, btrfs", "answers": true, "images": 0,
                    "problem": null, "note": "layers are exported", "rests": false, "last_problem": "broke off" }),
            json!({ "label": "engine unix:///c", "description": "engine unix:///c", "answers": false, "images": null,
                    "problem": "it hangs", "note": null, "rests": true, "last_problem": "it hangs" }),
        ];
        let expected = "ENGINE         STATE    IMAGES  WHAT\n\
                        unix:///a      answers       2  docker 20, overlay2\n\
                        unix:///long/b answers       0  docker 26, btrfs\n";
        let shown = shown(&engines);
        let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        let table: Vec<Vec<&str>> = expected.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[..3], table);
        assert_eq!(lines[3], ["unix:///c", "rests", "-", "-"]);
        let notes = "\nunix:///long/b: layers are exported\nunix:///long/b: the latest failure: broke off\n\
                     unix:///c: it hangs\n";
        assert!(shown.ends_with(notes), "{shown}");
    }
}
