//! `dockless pulls`: where the bytes of the latest pulls came from.

use clap::Args;
use dockless_runtime::Runtime;
use serde_json::Value;

use super::admin_client::AdminClient;
use super::output::{self, Table};
use super::{Failure, NodeArgs};

/// Hexadecimal digits of a digest that people are shown, as docker shows them.
const DIGITS_SHOWN: usize = 12;

/// `dockless pulls [-n N]`.
#[derive(Args)]
#[command(after_help = "\
FROM is `memory` or `store` for what the node holds itself, or the engine that had it.
The node remembers the latest 1000 until it stops; --json prints whole digests.")]
pub(crate) struct Pulls {
    /// How many, the newest first
    #[arg(short, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    n: u16,
    #[command(flatten)]
    node: NodeArgs,
}

impl Pulls {
    /// Prints the list.
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let mut client = AdminClient::connect(&self.node.data()?).await?;
        let answer: Value = client.get(&format!("pulls?n={}", self.n)).await?;
        if self.node.json {
            return output::json(&answer);
        }
        let pulls = answer["pulls"].as_array().map(Vec::as_slice).unwrap_or_default();
        if pulls.is_empty() {
            output::note("no pulls since the node was started");
            return Ok(());
        }
        output::text(&shown(pulls, Runtime::real().clock.unix_ms()))
    }
}

/// The list for people, at the time `now_ms`.
fn shown(pulls: &[Value], now_ms: u64) -> String {
    let word = |pull: &Value, name: &str| pull[name].as_str().unwrap_or_default().to_owned();
    let mut table = Table::new(&[">AGO", "WHAT", ">SIZE", ">TOOK", "FROM", "USER"]);
    for pull in pulls {
        let ago = now_ms.saturating_sub(pull["at_ms"].as_u64().unwrap_or_default()) / 1000;
        let took = pull["took_ms"].as_f64().unwrap_or_default();
        table.row(vec![
            output::elapsed(ago),
            what(pull),
            output::size(pull["bytes"].as_u64().unwrap_or_default()),
            format!("{took:.1} ms"),
            word(pull, "from"),
            pull["user"].as_str().unwrap_or("-").to_owned(),
        ]);
    }
    table.render()
}

/// A manifest by its tag, or else anything by the beginning of its digest.
fn what(pull: &Value) -> String {
    let repository = pull["repository"].as_str().unwrap_or_default();
    if let Some(tag) = pull["tag"].as_str() {
        return format!("{repository}:{tag}");
    }
    let digest = pull["digest"].as_str().unwrap_or_default();
    let (algorithm, digits) = digest.split_once(':').unwrap_or_default();
    let kind = if pull["kind"] == "blob" { "blob " } else { "" };
    format!("{kind}{repository}@{algorithm}:{}", digits.get(..DIGITS_SHOWN).unwrap_or(digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pulls_are_shown_with_where_they_came_from() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let pulls = [
            json!({ "at_ms": 61_000, "repository": "a/b", "kind": "manifest", "tag": "1", "digest": digest,
                    "bytes": 2048, "from": "memory", "user": "alice", "took_ms": 0.123 }),
            json!({ "at_ms": 1_000, "repository": "a/b", "kind": "blob", "tag": null, "digest": digest,
                    "bytes": 10, "from": "engine unix:///a", "user": null, "took_ms": 12.5 }),
        ];
        let expected = [
            "AGO      WHAT                          SIZE     TOOK     FROM              USER",
            "2 s      a/b:1                         2.00 KiB 0.1 ms   memory            alice",
            "1 m 2 s  blob a/b@sha256:abababababab  10 B     12.5 ms  engine unix:///a  -",
        ];
        let shown = shown(&pulls, 63_000);
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(shown.lines().map(words).collect::<Vec<_>>(), expected.map(words));
    }
}
