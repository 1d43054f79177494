//! GET, HEAD and DELETE of blobs.

use super::cells;
use super::every::{bodies, heads, names, queries};
use super::row::{Row, row};

fn digests(method: &str, unknown: &'static str, invalid: &'static str) -> Vec<Row> {
    let line = |digest: &str| format!("{method} /v2/<repo>/blobs/{digest}");
    let mut rows: Vec<Row> = [
        "x",
        "latest",
        "sha256:",
        "sha256:abc",
        "sha256:<A*64>",
        "sha256:<a*65>",
        "sha256:<g*64>",
        "sha512:<a*64>",
        "md5:<a*32>",
        "sha384:<a*96>",
        ":<a*64>",
        "SHA256:<a*64>",
        "sha256%3A",
        "sha256:<a*62>%00%00",
        "<x*5000>",
    ]
    .map(|digest| row(line(digest), "", invalid))
    .to_vec();
    rows.push(row(line("sha256:<a*64>"), "", unknown));
    rows
}

/// What is not there, or not as a blob of this repository.
fn absent(method: &str, unknown: &'static str) -> Vec<Row> {
    [
        "/v2/<repo>/blobs/<absent>",
        "/v2/<repo>/blobs/<absent512>",
        "/v2/<repo>/blobs/<blob_deleted>",
        "/v2/<repo>/blobs/<blob_elsewhere>",
        "/v2/<nobody>/blobs/<blob>",
        "/v2/<repo>/blobs/<free_alias>",
        "/v2/<repo>/blobs/<image>",
        "/v2/<repo>/blobs/<held>",
    ]
    .map(|target| row(format!("{method} {target}"), "", unknown))
    .to_vec()
}

fn ranges() -> Vec<Row> {
    let line = "GET /v2/<repo>/blobs/<free>";
    let mut rows = heads(line, "200");
    for (range, expected) in [
        ("bytes=2048-", "416 RANGE_INVALID"),
        ("bytes=9-1", "416 RANGE_INVALID"),
        ("bytes=-0", "416 RANGE_INVALID"),
        ("bytes=99999999999999999999999-", "416 RANGE_INVALID"),
        ("bytes=0-99999999999999999999999", "206"),
        ("bytes", "200"),
        ("bytes=", "200"),
        ("bytes=a-b", "200"),
        ("lines=1-2", "200"),
        ("bytes=0-2047,0-2047", "200"),
        ("bytes=<0-0,*1025>", "200"),
        ("bytes=0-0\nif-range: \"other\"", "200"),
        ("bytes=0-0\nif-none-match: *", "304"),
    ] {
        rows.push(row(line, format!("range: {range}"), expected));
    }
    rows
}

fn deleting() -> Vec<Row> {
    let mut rows = absent("DELETE", "404 BLOB_UNKNOWN");
    rows.push(row("DELETE /v2/<repo>/blobs/<blob>", "", "405 UNSUPPORTED"));
    rows.push(row("DELETE /v2/<repo>/blobs/<config>", "", "405 UNSUPPORTED"));
    rows
}

fn together(parts: [Vec<Row>; 2]) -> Vec<Row> {
    parts.concat()
}

cells!(
    get_path => together([names("GET /v2/<repo>/blobs/<blob>"), digests("GET", "404 BLOB_UNKNOWN", "400 DIGEST_INVALID")]),
    get_query => queries("GET /v2/<repo>/blobs/<blob>", "200"),
    get_header => ranges(),
    get_body => bodies("GET /v2/<repo>/blobs/<blob>", "200"),
    get_order => absent("GET", "404 BLOB_UNKNOWN"),
    head_path => digests("HEAD", "404", "400"),
    head_query => queries("HEAD /v2/<repo>/blobs/<blob>", "200").into_iter().take(5).chain([
        row("HEAD /v2/<repo>/blobs/<blob>?x=%ff", "", "400"),
        row("HEAD /v2/<repo>/blobs/<blob>?<x=1&*201>", "", "400"),
        row("HEAD /v2/<repo>/blobs/<blob>?<x*17000>", "", "414"),
    ]).collect::<Vec<_>>(),
    head_header => [
        ("range: bytes=9999-", "200"), ("range: x", "200"), ("if-none-match: *", "304"), ("if-none-match: \"<blob>\"", "304"),
        ("if-none-match: \"x\"", "200"), ("accept: nothing/real", "200"), ("authorization: nonsense", "401"),
        ("x: <a*33000>", "431"),
    ].map(|(header, expected)| row("HEAD /v2/<repo>/blobs/<blob>", header, expected)).to_vec(),
    head_body => bodies("HEAD /v2/<repo>/blobs/<blob>", "200").into_iter().skip(5).chain(
        ["content-length: -1", "content-length: abc", "content-length: 3\ncontent-length: 4", "transfer-encoding: gzip"]
            .map(|header| row("HEAD /v2/<repo>/blobs/<blob>", header, "400"))
    ).collect::<Vec<_>>(),
    head_order => absent("HEAD", "404"),
    delete_path => together([
        names("DELETE /v2/<repo>/blobs/<free>"),
        digests("DELETE", "404 BLOB_UNKNOWN", "400 DIGEST_INVALID"),
    ]),
    delete_query => queries("DELETE /v2/<repo>/blobs/<free>", "202 changes"),
    delete_header => heads("DELETE /v2/<repo>/blobs/<free>", "202 changes"),
    delete_body => bodies("DELETE /v2/<repo>/blobs/<free>", "202 changes"),
    delete_order => deleting(),
);
