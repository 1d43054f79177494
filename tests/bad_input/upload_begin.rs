//! POST of uploads: begun, whole, or as a mount.

use super::cells;
use super::every::{heads, names};
use super::row::{Row, row, with_body};

const POST: &str = "POST /v2/<repo>/blobs/uploads/";

fn query_rows() -> Vec<Row> {
    let ask = |query: &str, expected: &'static str| row(format!("{POST}?{query}"), "", expected);
    vec![
        ask("mount=x", "400 DIGEST_INVALID"),
        ask("mount=sha256:abc&from=<other>", "400 DIGEST_INVALID"),
        ask("mount=md5:<a*32>&from=<other>", "400 DIGEST_INVALID"),
        ask("mount=<blob_elsewhere>&from=UPPER", "202 changes"),
        ask("mount=<absent>&from=<other>", "202 changes"),
        ask("mount=<blob_elsewhere>&from=<nobody>", "202 changes"),
        ask("mount=", "202 changes"),
        ask("from=<other>", "202 changes"),
        ask("digest=x", "400 DIGEST_INVALID"),
        ask("digest=sha256:<A*64>", "400 DIGEST_INVALID"),
        ask("digest=sha384:<a*96>", "400 DIGEST_INVALID"),
        ask("digest-algorithm=md5", "400 DIGEST_INVALID"),
        ask("digest-algorithm=", "400 DIGEST_INVALID"),
        ask("digest-algorithm=SHA256", "400 DIGEST_INVALID"),
        ask("x=%ff", "400 UNSUPPORTED"),
        ask("<x=1&*201>", "400 UNSUPPORTED"),
        ask("<x*17000>", "414 UNSUPPORTED"),
        ask("unknown=1", "202 changes"),
    ]
}

fn path_rows() -> Vec<Row> {
    let mut rows = names(POST);
    rows.extend([
        row("POST /v2/blobs/uploads/", "", "404 UNSUPPORTED"),
        row("POST /v2/<repo>/blobs/upload/", "", "404 UNSUPPORTED"),
        row("POST /v2/<repo>/blobs/uploads//", "", "404 UNSUPPORTED"),
        row("GET /v2/<repo>/blobs/uploads/", "", "405 UNSUPPORTED"),
        row("PUT /v2/<repo>/blobs/uploads/", "", "405 UNSUPPORTED"),
        row("PATCH /v2/<repo>/blobs/uploads/", "", "405 UNSUPPORTED"),
        row("DELETE /v2/<repo>/blobs/uploads/", "", "405 UNSUPPORTED"),
        row("POST /v2/<repo>/blobs/uploads/<upload>", "", "405 UNSUPPORTED"),
    ]);
    rows
}

/// A POST with everything in it; a body without `?digest=` is not looked at.
fn body_rows() -> Vec<Row> {
    let whole = format!("{POST}?digest=<absent>");
    vec![
        with_body(&whole, "", "not absent", "400 DIGEST_INVALID"),
        with_body(&whole, "", "", "400 DIGEST_INVALID"),
        with_body(&whole, "", "absent ", "400 DIGEST_INVALID"),
        with_body(&whole, "content-length: -1", "absent", "400 UNSUPPORTED"),
        with_body(&whole, "content-length: 3", "absent", "400 DIGEST_INVALID"),
        with_body(&whole, "content-length: 99999", "absent", "400 BLOB_UPLOAD_INVALID").cut(),
        with_body(&whole, "transfer-encoding: chunked", "zz\r\nabsent", "400 BLOB_UPLOAD_INVALID"),
        with_body(&whole, "transfer-encoding: chunked", "6\r\nabse", "400 BLOB_UPLOAD_INVALID").cut(),
        with_body(&whole, "transfer-encoding: gzip", "", "400 UNSUPPORTED"),
        with_body(&whole, "", "absent", "201 changes"),
        with_body(POST, "", "not looked at", "202 changes"),
    ]
}

fn order_rows() -> Vec<Row> {
    vec![
        with_body(format!("{POST}?digest=<absent>"), "", "too early", "400 DIGEST_INVALID"),
        with_body(format!("{POST}?digest=<absent>&mount=x"), "", "absent", "400 DIGEST_INVALID"),
        with_body(format!("{POST}?mount=<absent>&digest=x"), "", "absent", "400 DIGEST_INVALID"),
        with_body(format!("{POST}?mount=<absent>&digest=<absent>"), "", "absent", "201 changes"),
        row(format!("{POST}?mount=<free>&from=<repo>"), "", "201"),
        row(format!("{POST}?mount=<blob_deleted>&from=<repo>"), "", "202 changes"),
        row(format!("{POST}?mount=<image>&from=<repo>"), "", "202 changes"),
        row(format!("{POST}?mount=<held>&from=<repo>"), "", "202 changes"),
        row("POST /v2/<nobody>/blobs/uploads/", "", "202 changes"),
    ]
}

cells!(
    path => path_rows(),
    query => query_rows(),
    header => [heads(POST, "202 changes"), vec![
        with_body(format!("{POST}?digest=<absent>"), "content-type: nonsense", "absent", "201 changes"),
        with_body(format!("{POST}?digest=<absent>"), "content-range: 5-10", "absent", "201 changes"),
    ]].concat(),
    body => body_rows(),
    order => order_rows(),
);
