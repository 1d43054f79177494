//! `dockless status`: how the node is.

use clap::Args;
use serde_json::Value;

use super::NodeArgs;
use super::admin_client::AdminClient;
use crate::failure::Failure;
use crate::output;

/// `dockless status`.
#[derive(Args)]
pub(crate) struct Status {
    #[command(flatten)]
    node: NodeArgs,
}

impl Status {
    /// Prints version, addresses, readiness and the fingerprint that `dockless trust` shows elsewhere.
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        let mut client = AdminClient::connect(&self.node.data()?).await?;
        let mut answer: Value = client.get("status").await?;
        // A node that speaks no TLS has nothing to trust.
        if let Ok(trust) = client.get::<Value>("trust").await {
            answer["trust"] = trust;
        }
        if self.node.json {
            return output::json(&answer);
        }
        output::text(&shown(&answer))
    }
}

/// The answer for people.
fn shown(answer: &Value) -> String {
    let word = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let words = |name: &str| {
        let items = answer[name].as_array().into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let holds = |name: &str| answer[name] == Value::Bool(true);
    let mut lines = vec![
        ("version", word("version")),
        ("data", word("data")),
        ("listens on", words("listeners").join(" ")),
        ("since", output::elapsed(answer["uptime_ms"].as_u64().unwrap_or_default() / 1000)),
        ("ready", if holds("ready") { "yes" } else { "no" }.to_owned()),
    ];
    lines.extend(words("reasons").into_iter().map(|reason| ("", reason)));
    lines.extend(words("warnings").into_iter().map(|warning| ("warning", warning)));
    lines.push(("login", if holds("login") { "needed" } else { "not needed" }.to_owned()));
    if holds("read_only") {
        lines.push(("read only", "yes".to_owned()));
    }
    if let Some(connections) = answer["connections"].as_u64() {
        lines.push(("connections", connections.to_string()));
    }
    if let Some(fingerprint) = answer["trust"]["fingerprint"].as_str() {
        lines.push(("fingerprint", fingerprint.to_owned()));
    }
    lines.iter().map(|(name, value)| format!("{name:<13}{value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_warnings_are_shown_to_people() {
        let answer = serde_json::json!({
            "version": "1", "data": "/d", "listeners": ["http://a", "unix:/b"], "uptime_ms": 61_000, "ready": false,
            "reasons": ["the disk is full"], "warnings": ["no users"], "login": true, "read_only": true,
            "connections": 2, "trust": { "fingerprint": "AA:BB" },
        });
        let expected = "version      1\ndata         /d\nlistens on   http://a unix:/b\nsince        1 m 1 s\n\
                        ready        no\n             the disk is full\nwarning      no users\nlogin        needed\n\
                        read only    yes\nconnections  2\nfingerprint  AA:BB\n";
        assert_eq!(shown(&answer), expected);
    }
}
