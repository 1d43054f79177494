//! One request and what must come of it.

use dockless_testkit::Answer;
use dockless_testkit::raw;

use super::scene::Scene;

/// One row of a cell. In the text, `<name>` stands for something of the scene, and `<x*300>` for 300 times `x`.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Method and target.
    line: String,
    /// Further header lines, separated by `\n`; `host`, `connection` and `content-length` are added unless they
    /// are given here. `-host` leaves it out; `HTTP/x.y` replaces the version.
    headers: String,
    body: Vec<u8>,
    /// `400 CODE`, a status alone for answers without an error body, or `none` for a closed connection; followed by
    /// `changes` when the request is to succeed.
    expected: &'static str,
    cut: bool,
}

/// A row without a body.
pub(super) fn row(line: impl Into<String>, headers: impl Into<String>, expected: &'static str) -> Row {
    with_body(line, headers, "", expected)
}

/// A row with a body.
pub(super) fn with_body(
    line: impl Into<String>,
    headers: impl Into<String>,
    body: impl Into<Vec<u8>>,
    expected: &'static str,
) -> Row {
    Row { line: line.into(), headers: headers.into(), body: body.into(), expected, cut: false }
}

impl Row {
    /// The client closes its side behind the last byte.
    pub(super) fn cut(mut self) -> Self {
        self.cut = true;
        self
    }

    /// Whether the request is to succeed in changing something.
    pub(super) fn changes(&self) -> bool {
        self.expected.ends_with(" changes")
    }

    /// Whether the row gives this header.
    pub(super) fn has(&self, header: &str) -> bool {
        self.headers.contains(header)
    }

    /// What is wrong with the answer, if anything.
    pub(super) async fn check(&self, scene: &Scene) -> Option<String> {
        let before = scene.state().await;
        let answer = raw::exchange(scene.address(), &self.bytes(scene), self.cut).await;
        let after = scene.state().await;
        let seen = seen(answer.as_ref(), &self.line);
        let expected = self.expected.trim_end_matches(" changes");
        let title = format!("{} [{}]", shorten(&self.line), shorten(&self.headers));
        if seen != expected {
            let body = answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
            return Some(format!(
                "  {title}: expected {expected}, got {seen} {}",
                shorten(&body.unwrap_or_default())
            ));
        }
        match (before == after, self.changes()) {
            (true, true) => Some(format!("  {title}: {seen}, and nothing changed")),
            (false, false) => Some(format!("  {title}: {seen}, and the state changed:\n{before}\n{after}")),
            _ => None,
        }
    }

    fn bytes(&self, scene: &Scene) -> Vec<u8> {
        let headers = expand(&self.headers, scene);
        let body = match std::str::from_utf8(&self.body) {
            Ok(text) => expand(text, scene).into_bytes(),
            Err(_) => self.body.clone(),
        };
        let mut version = "HTTP/1.1".to_owned();
        let mut lines = Vec::new();
        for line in headers.split('\n').filter(|line| !line.is_empty()) {
            match line.strip_prefix("HTTP/") {
                Some(_) => line.clone_into(&mut version),
                None if line == "-host" => {}
                None => lines.push(line.to_owned()),
            }
        }
        let has = |name: &str| headers.to_lowercase().split('\n').any(|line| line.starts_with(name));
        for (name, line) in [
            ("host", format!("Host: {}", scene.address())),
            ("connection:", "Connection: close".to_owned()),
            ("content-length", format!("Content-Length: {}", body.len())),
        ] {
            let is_needed = name != "content-length" || (!body.is_empty() && !has("transfer-encoding"));
            if is_needed && !has(name) && !(name == "host" && has("-host")) {
                lines.push(line);
            }
        }
        let line = expand(&self.line, scene);
        let mut bytes = format!("{line} {version}\r\n{}\r\n\r\n", lines.join("\r\n")).into_bytes();
        bytes.extend_from_slice(&body);
        bytes
    }
}

/// Status and code of an answer.
fn seen(answer: Option<&Answer>, line: &str) -> String {
    let Some(answer) = answer else { return "none".to_owned() };
    if answer.status < 400 || line.starts_with("HEAD ") {
        return answer.status.to_string();
    }
    let is_json = answer.header("content-type") == Some("application/json");
    let body: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let code = body.as_ref().and_then(|body| body["errors"][0]["code"].as_str());
    match code {
        Some(code) if is_json => format!("{} {code}", answer.status),
        _ => format!("{} without an error body", answer.status),
    }
}

fn shorten(text: &str) -> String {
    let shown: String = text.chars().take(160).collect();
    shown.escape_debug().to_string()
}

/// Replaces every `<name>` and `<x*300>`; anything else in angle brackets stays.
fn expand(text: &str, scene: &Scene) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        expanded.push_str(&rest[..open]);
        let Some(close) = rest[open..].find('>') else { break };
        let name = &rest[open + 1..open + close];
        let repeated = name.split_once('*').and_then(|(text, count)| Some(text.repeat(count.parse().ok()?)));
        match repeated.or_else(|| scene.value(name)) {
            Some(value) => expanded.push_str(&value),
            None => panic!("the scene has no {name}"),
        }
        rest = &rest[open + close + 1..];
    }
    expanded.push_str(rest);
    expanded
}
