//! What can be wrong with a request to any endpoint: names, queries that mean nothing, heads, and framing.

use super::row::{Row, row, with_body};
use super::{cells, few};

/// Names that are no repositories, in `line` instead of `<repo>`: all 400.
pub(super) fn names(line: &str) -> Vec<Row> {
    let bad = [
        "UPPER",
        "bad/Input",
        "a..b",
        "-a",
        "a-",
        "_a",
        "a//b",
        "%C3%A9",
        "a%00b",
        "a%20b",
        "a%0Ab",
        "..%2F..%2Fetc",
        "a%2F..%2Fb",
        "<a*256>",
        "a:b",
        "a@b",
    ];
    bad.map(|name| row(line.replace("<repo>", name), "", "400 NAME_INVALID")).to_vec()
}

/// Queries that mean nothing here: `usual` comes, unless the query cannot be read at all.
pub(super) fn queries(line: &str, usual: &'static str) -> Vec<Row> {
    let join = |query: &str| {
        let separator = if line.contains('?') { '&' } else { '?' };
        format!("{line}{separator}{query}")
    };
    vec![
        row(join("unknown=1"), "", usual),
        row(join("&&&=&="), "", usual),
        row(join("%zz=%"), "", usual),
        row(join("ns=docker.io"), "", usual),
        row(join("ns=%0d%0aSet-Cookie:x"), "", usual),
        row(join("x=%ff"), "", "400 UNSUPPORTED"),
        row(join("<x=1&*201>"), "", "400 UNSUPPORTED"),
        row(join("<x*17000>"), "", "414 UNSUPPORTED"),
    ]
}

/// Heads that are wrong whatever is asked.
pub(super) fn heads(line: &str, usual: &'static str) -> Vec<Row> {
    vec![
        row(line, "bad name: x", "400 UNSUPPORTED"),
        row(line, "no colon", "400 UNSUPPORTED"),
        row(line, "x: a\0b", "400 UNSUPPORTED"),
        row(line, "<x: 1\n*200>", "431 UNSUPPORTED"),
        row(line, "x: <a*33000>", "431 UNSUPPORTED"),
        row(line, "authorization: nonsense", "401 UNAUTHORIZED"),
        row(line, "HTTP/3.7", "400 UNSUPPORTED"),
        row(line, "accept: <é*10>", usual),
        row(line, "-host", "400 UNSUPPORTED"),
        row(line, "host: a\nhost: a", "400 UNSUPPORTED"),
        row(line, "host: a/b", "400 UNSUPPORTED"),
        row(line, "host: é", "400 UNSUPPORTED"),
        row(line, "host: user@a", "400 UNSUPPORTED"),
        row(line, "host:", usual),
        row(line, "-host\nHTTP/1.0", usual),
    ]
}

/// Bodies whose length or framing is wrong, and bodies where none is looked for (`usual`).
pub(super) fn bodies(line: &str, usual: &'static str) -> Vec<Row> {
    vec![
        row(line, "content-length: -1", "400 UNSUPPORTED"),
        row(line, "content-length: abc", "400 UNSUPPORTED"),
        row(line, "content-length: 99999999999999999999999", "400 UNSUPPORTED"),
        with_body(line, "content-length: 3\ncontent-length: 4", "abcd", "400 UNSUPPORTED"),
        row(line, "transfer-encoding: gzip", "400 UNSUPPORTED"),
        with_body(line, "", "abc", usual),
        with_body(line, "transfer-encoding: chunked", "3\r\nabc\r\n0\r\n\r\n", usual),
        with_body(line, "content-type: application/json", "{\"not\": \"asked for\"", usual),
        with_body(line, "", "<x*100000>", usual),
    ]
}

cells!(
    base_path => vec![
        row("GET /v2//", "", "404 UNSUPPORTED"),
        row("GET /v2/a", "", "404 UNSUPPORTED"),
        row("GET /V2/", "", "404 UNSUPPORTED"),
        row("GET /v2x", "", "404 UNSUPPORTED"),
        row("GET /v2/../v2/", "", "404 UNSUPPORTED"),
        row("GET /v2/%00", "", "404 UNSUPPORTED"),
        row("GET /v2/%ff", "", "404 UNSUPPORTED"),
        row("GET /", "", "404 UNSUPPORTED"),
        row("GET /v1/_ping", "", "404 UNSUPPORTED"),
        row("GET /admin/v1/status", "", "403 DENIED"),
        row("GET v2/", "", "400 UNSUPPORTED"),
        row("GET /v2/ x", "", "400 UNSUPPORTED"),
        row("GET /v2/<x*17000>", "", "414 UNSUPPORTED"),
        row("PUT /v2/", "", "405 UNSUPPORTED"),
        row("DELETE /v2/", "", "405 UNSUPPORTED"),
        row("TRACE /v2/", "", "405 UNSUPPORTED"),
        row("OPTIONS *", "", "404 UNSUPPORTED"),
        row("B@D /v2/", "", "400 UNSUPPORTED"),
        row("CONNECT example.com:443", "", "404 UNSUPPORTED"),
    ],
    base_query => queries("GET /v2/", "200"),
    base_header => heads("GET /v2/", "200"),
    base_body => bodies("GET /v2/", "200"),
    base_order => few("nothing can come before or after a ping", vec![row("GET /v2/", "", "200")]),
);
