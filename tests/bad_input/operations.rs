//! Health, metrics, and the admin API, which does not answer here.

use super::cells;
use super::every::{bodies, heads, queries};
use super::few;
use super::row::{Row, row, with_body};

fn admin() -> Vec<Row> {
    let mut rows: Vec<Row> = [
        "GET /admin/v1/status",
        "GET /admin/v1/repositories",
        "GET /admin/v1/usage",
        "GET /admin/v1/trust",
        "GET /admin/v1/nothing",
        "DELETE /admin/v1/repositories/<repo>/manifests/<image>",
        "DELETE /admin/v1/repositories/<repo>/tags/v1",
        "DELETE /admin/v1/repositories/<repo>/blobs/<free>",
    ]
    .map(|line| row(line, "", "403 DENIED"))
    .to_vec();
    let body = r#"{"tag":"v3","from":"v1"}"#;
    rows.push(with_body(
        "POST /admin/v1/repositories/<repo>/tags",
        "content-type: application/json",
        body,
        "403 DENIED",
    ));
    rows.push(row("GET /admin/v2/status", "", "404 UNSUPPORTED"));
    rows
}

cells!(
    path => ["/healthz/", "/health", "/HEALTHZ", "/readyz/", "/ready", "/metrics/", "/metrics/x", "//metrics"]
        .map(|path| row(format!("GET {path}"), "", "404 UNSUPPORTED")).to_vec(),
    method => ["POST /healthz", "PUT /healthz", "DELETE /healthz", "POST /readyz", "DELETE /readyz", "POST /metrics",
        "PATCH /metrics", "DELETE /metrics"].map(|line| row(line, "", "405 UNSUPPORTED")).to_vec(),
    query => queries("GET /healthz", "200"),
    header => [
        "bad name: x\nhost: a", "no colon", "x: a\0b", "HTTP/3.7",
    ].map(|header| row("GET /metrics", header, "400 UNSUPPORTED")).into_iter()
        .chain(heads("GET /readyz", "200").into_iter().filter(|row| !row.has("authorization"))).collect::<Vec<_>>(),
    body => bodies("GET /healthz", "200"),
    order => few("health and metrics stand in no order to anything", vec![
        row("GET /healthz", "", "200"), row("GET /readyz", "", "200"), row("GET /metrics", "", "200"),
    ]),
    admin_is_not_answered => admin(),
);
