//! PATCH of an upload and the closing PUT. The upload holds the ten digits `0123456789`.

use super::cells;
use super::every::heads;
use super::row::{Row, row, with_body};

const PATCH: &str = "PATCH /v2/<repo>/blobs/uploads/<upload>";
const PUT: &str = "PUT /v2/<repo>/blobs/uploads/<upload>?digest=<abc>";

/// Ids that no upload has.
pub(super) fn ids(method: &str, query: &str, body: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = [
        "x",
        "<0*32>",
        "<0*31>",
        "<0*33>",
        "<A*32>",
        "..",
        "%2e%2e",
        "<upload>x",
        "%00",
        "<x*5000>",
        "<finished>",
        "<cancelled>",
        "<foreign>",
    ]
    .map(|id| {
        let line = format!("{method} /v2/<repo>/blobs/uploads/{id}{query}");
        with_body(line, "", body, "404 BLOB_UPLOAD_UNKNOWN")
    })
    .to_vec();
    for (name, expected) in [
        ("UPPER", "400 NAME_INVALID"),
        ("<nobody>", "404 BLOB_UPLOAD_UNKNOWN"),
        ("<other>", "404 BLOB_UPLOAD_UNKNOWN"),
    ] {
        rows.push(with_body(
            format!("{method} /v2/{name}/blobs/uploads/<upload>{query}"),
            "",
            body,
            expected,
        ));
    }
    rows
}

/// `Content-Range` that cannot be, or is not where the upload stands.
fn ranges(line: &str) -> Vec<Row> {
    let with = |range: &str, expected: &'static str| {
        with_body(line, format!("content-range: {range}"), "abc", expected)
    };
    vec![
        with("x", "400 BLOB_UPLOAD_INVALID"),
        with("10", "400 BLOB_UPLOAD_INVALID"),
        with("10-", "400 BLOB_UPLOAD_INVALID"),
        with("-12", "400 BLOB_UPLOAD_INVALID"),
        with("12-10", "400 BLOB_UPLOAD_INVALID"),
        with("bytes=10-12", "400 BLOB_UPLOAD_INVALID"),
        with("10-99999999999999999999999", "400 BLOB_UPLOAD_INVALID"),
        with("10-12,13-14", "400 BLOB_UPLOAD_INVALID"),
        with("10-11", "400 SIZE_INVALID"),
        with("10-13", "400 SIZE_INVALID"),
        with("0-2", "416 RANGE_INVALID"),
        with("9-11", "416 RANGE_INVALID"),
        with("11-13", "416 RANGE_INVALID"),
        with("18446744073709551611-18446744073709551613", "416 RANGE_INVALID"),
    ]
}

fn patch_query_rows() -> Vec<Row> {
    let ask =
        |query: &str, expected: &'static str| with_body(format!("{PATCH}?{query}"), "", "abc", expected);
    vec![
        ask("offset=0", "416 RANGE_INVALID"),
        ask("offset=9", "416 RANGE_INVALID"),
        ask("offset=11", "416 RANGE_INVALID"),
        ask("offset=18446744073709551615", "416 RANGE_INVALID"),
        ask("x=%ff", "400 UNSUPPORTED"),
        ask("<x=1&*201>", "400 UNSUPPORTED"),
        ask("<x*17000>", "414 UNSUPPORTED"),
        ask("offset=x", "202 changes"),
        ask("offset=10", "202 changes"),
        ask("digest=x", "202 changes"),
        ask("unknown=1", "202 changes"),
    ]
}

fn patch_body_rows() -> Vec<Row> {
    vec![
        with_body(PATCH, "content-length: -1", "abc", "400 UNSUPPORTED"),
        with_body(PATCH, "content-length: abc", "abc", "400 UNSUPPORTED"),
        with_body(PATCH, "content-length: 3\ncontent-length: 4", "abc", "400 UNSUPPORTED"),
        with_body(PATCH, "transfer-encoding: gzip", "abc", "400 UNSUPPORTED"),
        with_body(PATCH, "transfer-encoding: chunked", "zz\r\nabc", "400 BLOB_UPLOAD_INVALID"),
        with_body(PATCH, "transfer-encoding: chunked", "fffffffffffffffff\r\nabc", "400 BLOB_UPLOAD_INVALID"),
        with_body(PATCH, "transfer-encoding: chunked", "3\r\nabcX", "400 BLOB_UPLOAD_INVALID changes"),
        with_body(PATCH, "content-length: 99", "abc", "400 BLOB_UPLOAD_INVALID changes").cut(),
        with_body(PATCH, "", "", "202"),
        with_body(PATCH, "transfer-encoding: chunked", "0\r\n\r\n", "202"),
    ]
}

fn put_query_rows() -> Vec<Row> {
    let line = "PUT /v2/<repo>/blobs/uploads/<upload>";
    let ask = |query: &str, expected: &'static str| with_body(format!("{line}?{query}"), "", "abc", expected);
    vec![
        with_body(line, "", "abc", "400 DIGEST_INVALID"),
        ask("digest=", "400 DIGEST_INVALID"),
        ask("digest=x", "400 DIGEST_INVALID"),
        ask("digest=sha256:abc", "400 DIGEST_INVALID"),
        ask("digest=sha256:<A*64>", "400 DIGEST_INVALID"),
        ask("digest=sha512:<a*64>", "400 DIGEST_INVALID"),
        ask("digest=md5:<a*32>", "400 DIGEST_INVALID"),
        ask("Digest=<abc>", "400 DIGEST_INVALID"),
        ask("digest=<abc>&offset=0", "416 RANGE_INVALID"),
        ask("digest=<abc>&offset=11", "416 RANGE_INVALID"),
        ask("digest=<abc>&x=%ff", "400 UNSUPPORTED"),
        ask("digest=<abc>&<x=1&*201>", "400 UNSUPPORTED"),
        ask("digest=<abc>&<x*17000>", "414 UNSUPPORTED"),
        ask("digest=<abc>&unknown=1", "201 changes"),
    ]
}

fn put_body_rows() -> Vec<Row> {
    vec![
        with_body(PUT, "content-length: -1", "abc", "400 UNSUPPORTED"),
        with_body(PUT, "content-length: 3\ncontent-length: 4", "abc", "400 UNSUPPORTED"),
        with_body(PUT, "transfer-encoding: gzip", "abc", "400 UNSUPPORTED"),
        with_body(PUT, "transfer-encoding: chunked", "zz\r\nabc", "400 BLOB_UPLOAD_INVALID"),
        with_body(PUT, "transfer-encoding: chunked", "fffffffffffffffff\r\nabc", "400 BLOB_UPLOAD_INVALID"),
        // A wrong digest ends the upload: what it holds will never be right.
        with_body(PUT, "", "abd", "400 DIGEST_INVALID changes"),
        with_body(PUT, "", "", "400 DIGEST_INVALID changes"),
        with_body(PUT, "", "0123456789abc", "400 DIGEST_INVALID changes"),
        with_body(PUT, "content-length: 99", "abc", "400 BLOB_UPLOAD_INVALID changes").cut(),
        with_body(PUT, "", "abc", "201 changes"),
    ]
}

/// Too late, too early, elsewhere.
fn order(method: &str, query: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = ["<finished>", "<cancelled>", "<foreign>"]
        .map(|id| {
            let line = format!("{method} /v2/<repo>/blobs/uploads/{id}{query}");
            with_body(line, "", "abc", "404 BLOB_UPLOAD_UNKNOWN")
        })
        .to_vec();
    let fresh = format!("{method} /v2/<repo>/blobs/uploads/<fresh>{query}");
    let held = format!("{method} /v2/<repo>/blobs/uploads/<upload>{query}");
    rows.extend([
        with_body(&fresh, "content-range: 1-3", "abc", "416 RANGE_INVALID"),
        with_body(&fresh, "content-range: 10-12", "abc", "416 RANGE_INVALID"),
        with_body(&held, "content-range: 0-2", "abc", "416 RANGE_INVALID"),
        with_body(&held, "content-range: 7-9", "abc", "416 RANGE_INVALID"),
        with_body(&held, "content-range: 11-13", "abc", "416 RANGE_INVALID"),
        with_body(
            format!("{method} /v2/<other>/blobs/uploads/<upload>{query}"),
            "",
            "abc",
            "404 BLOB_UPLOAD_UNKNOWN",
        ),
    ]);
    rows
}

cells!(
    patch_path => ids("PATCH", "", "abc"),
    patch_query => patch_query_rows(),
    patch_header => [ranges(PATCH), heads(PATCH, "202")].concat(),
    patch_body => patch_body_rows(),
    patch_order => order("PATCH", ""),
    put_path => ids("PUT", "?digest=<abc>", "abc"),
    put_query => put_query_rows(),
    put_header => [ranges(PUT), vec![
        with_body(PUT, "bad name: x", "abc", "400 UNSUPPORTED"),
        with_body(PUT, "x: <a*33000>", "abc", "431 UNSUPPORTED"),
        with_body(PUT, "authorization: nonsense", "abc", "401 UNAUTHORIZED"),
        with_body(PUT, "content-type: nonsense", "abc", "201 changes"),
        with_body(PUT, "content-range: bytes 10-12/13", "abc", "201 changes"),
    ]].concat(),
    put_body => put_body_rows(),
    put_order => [order("PUT", "?digest=<abc>"), vec![
        row("PUT /v2/<repo>/blobs/uploads/<fresh>?digest=<held>", "", "400 DIGEST_INVALID changes"),
        row("PUT /v2/<repo>/blobs/uploads/<upload>?digest=<held>", "", "201 changes"),
    ]].concat(),
);
