//! Tag lists and the catalog.

use super::cells;
use super::every::{bodies, heads, names, queries};
use super::few;
use super::row::{Row, row};

fn paging(line: &str) -> Vec<Row> {
    let mut rows = queries(line, "200");
    for (query, expected) in [
        ("n=x", "400 PAGINATION_NUMBER_INVALID"),
        ("n=", "400 PAGINATION_NUMBER_INVALID"),
        ("n=-1", "400 PAGINATION_NUMBER_INVALID"),
        ("n=1.5", "400 PAGINATION_NUMBER_INVALID"),
        ("n=0x10", "400 PAGINATION_NUMBER_INVALID"),
        ("n=%20", "400 PAGINATION_NUMBER_INVALID"),
        ("n=99999999999999999999999", "200"),
        ("n=0", "200"),
        ("n=1&n=x", "200"),
        ("last=%00", "200"),
        ("last=<x*5000>", "200"),
        ("last=../..", "200"),
        ("last=", "200"),
    ] {
        rows.push(row(format!("{line}?{query}"), "", expected));
    }
    rows
}

cells!(
    tags_path => [names("GET /v2/<repo>/tags/list"), vec![
        row("GET /v2/<repo>/tags", "", "404 UNSUPPORTED"),
        row("GET /v2/<repo>/tags/", "", "404 UNSUPPORTED"),
        row("GET /v2/<repo>/tags/list/", "", "404 UNSUPPORTED"),
        row("GET /v2/<repo>/tags/other", "", "404 UNSUPPORTED"),
        row("GET /v2/tags/list", "", "404 UNSUPPORTED"),
        row("POST /v2/<repo>/tags/list", "", "405 UNSUPPORTED"),
        row("DELETE /v2/<repo>/tags/list", "", "405 UNSUPPORTED"),
    ]].concat(),
    tags_query => paging("GET /v2/<repo>/tags/list"),
    tags_header => heads("GET /v2/<repo>/tags/list", "200"),
    tags_body => bodies("GET /v2/<repo>/tags/list", "200"),
    tags_order => few("a list has no order of calls but that the repository is there, or is not", vec![
        row("GET /v2/<nobody>/tags/list", "", "404 NAME_UNKNOWN"),
        row("GET /v2/<repo>/tags/list?last=gone", "", "200"),
        row("GET /v2/<repo>/tags/list?last=zzz", "", "200"),
    ]),
    catalog_path => vec![
        row("GET /v2/_catalog/", "", "404 UNSUPPORTED"),
        row("GET /v2/_Catalog", "", "404 UNSUPPORTED"),
        row("GET /v2/catalog", "", "404 UNSUPPORTED"),
        row("GET /v2/_catalog/x", "", "404 UNSUPPORTED"),
        row("GET /v2//_catalog", "", "404 UNSUPPORTED"),
        row("GET /_catalog", "", "404 UNSUPPORTED"),
        row("PUT /v2/_catalog", "", "405 UNSUPPORTED"),
        row("DELETE /v2/_catalog", "", "405 UNSUPPORTED"),
    ],
    catalog_query => paging("GET /v2/_catalog"),
    catalog_header => heads("GET /v2/_catalog", "200"),
    catalog_body => bodies("GET /v2/_catalog", "200"),
    catalog_order => few("the catalog asks for nothing to be there, not even a last name that is", vec![
        row("GET /v2/_catalog?last=bad/nobody", "", "200"),
        row("GET /v2/_catalog?last=zzz", "", "200"),
    ]),
);
