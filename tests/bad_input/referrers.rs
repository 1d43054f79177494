//! Referrers lists.

use super::cells;
use super::every::{bodies, heads, names, queries};
use super::row::row;

const LINE: &str = "GET /v2/<repo>/referrers/<image>";

cells!(
    path => [names(LINE), [
        "x", "v1", "sha256:", "sha256:abc", "sha256:<A*64>", "sha512:<a*64>", "md5:<a*32>", "sha256:<a*63>%00",
    ].map(|digest| row(format!("GET /v2/<repo>/referrers/{digest}"), "", "400 DIGEST_INVALID")).to_vec(), vec![
        row("GET /v2/<repo>/referrers/", "", "404 UNSUPPORTED"),
        row("PUT /v2/<repo>/referrers/<image>", "", "405 UNSUPPORTED"),
    ]].concat(),
    query => [queries(LINE, "200"), vec![
        row(format!("{LINE}?artifactType="), "", "200"),
        row(format!("{LINE}?artifactType=%00"), "", "200"),
        row(format!("{LINE}?artifactType=<x*5000>"), "", "200"),
        row(format!("{LINE}?artifactType=a&artifactType=b"), "", "200"),
        row(format!("{LINE}?last=x"), "", "400 DIGEST_INVALID"),
        row(format!("{LINE}?last="), "", "400 DIGEST_INVALID"),
        row(format!("{LINE}?last=md5:<a*32>"), "", "400 DIGEST_INVALID"),
        row(format!("{LINE}?last=<absent>"), "", "200"),
        row(format!("{LINE}?n=x"), "", "200"),
    ]].concat(),
    header => heads(LINE, "200"),
    body => bodies(LINE, "200"),
    order => [
        "/v2/<repo>/referrers/<absent>",
        "/v2/<repo>/referrers/<absent512>",
        "/v2/<repo>/referrers/<deleted>",
        "/v2/<repo>/referrers/<elsewhere>",
        "/v2/<repo>/referrers/<blob>",
        "/v2/<repo>/referrers/<second>",
        "/v2/<nobody>/referrers/<image>",
        "/v2/<nobody>/referrers/<absent>",
    ].map(|target| row(format!("GET {target}"), "", "200")).to_vec(),
);
