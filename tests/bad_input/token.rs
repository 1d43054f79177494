//! The token endpoint, by Docker's GET and OAuth2's POST.

use super::cells;
use super::every::{bodies, heads, queries};
use super::few;
use super::row::{Row, row, with_body};

const GET: &str = "GET /token";
const FORM: &str = "content-type: application/x-www-form-urlencoded";

fn as_owner(query: &str, expected: &'static str) -> Row {
    row(format!("GET /token?{query}"), "authorization: <owner>", expected)
}

fn scopes() -> Vec<Row> {
    vec![
        as_owner("scope=x", "400 UNSUPPORTED"),
        as_owner("scope=repository", "400 UNSUPPORTED"),
        as_owner("scope=repository:UPPER:pull", "400 UNSUPPORTED"),
        as_owner("scope=repository::pull", "400 UNSUPPORTED"),
        as_owner("scope=:::", "200"),
        as_owner("scope=repository:a:pull%00", "200"),
        as_owner("scope=repository:a:fly", "200"),
        as_owner("scope=repository:a:", "200"),
        as_owner("scope=", "200"),
        as_owner("service=other", "200"),
        as_owner("offline_token=perhaps", "200"),
        as_owner("<scope=repository:a:pull&*201>", "400 UNSUPPORTED"),
    ]
}

fn forms() -> Vec<Row> {
    let ask = |form: &str, expected: &'static str| with_body("POST /token", FORM, form, expected);
    vec![
        ask("", "400 UNSUPPORTED"),
        ask("grant_type=", "400 UNSUPPORTED"),
        ask("grant_type=client_credentials", "400 UNSUPPORTED"),
        ask("grant_type=password", "401 UNAUTHORIZED"),
        ask("grant_type=password&username=owner", "401 UNAUTHORIZED"),
        ask("grant_type=password&username=owner&password=wrong", "401 UNAUTHORIZED"),
        ask("grant_type=refresh_token", "401 UNAUTHORIZED"),
        ask("grant_type=refresh_token&refresh_token=abc", "401 UNAUTHORIZED"),
        ask("grant_type=password&username=owner&password=secret-owner&scope=x", "400 UNSUPPORTED"),
        ask("grant_type=password&username=%ff", "400 UNSUPPORTED"),
        ask("<x=1&*201>", "400 UNSUPPORTED"),
        ask("x=<x*70000>", "413 SIZE_INVALID"),
        ask("grant_type=password&username=owner&password=secret-owner", "200"),
    ]
}

cells!(locked
    path => vec![
        row("GET /token/", "", "404 UNSUPPORTED"),
        row("GET /Token", "", "404 UNSUPPORTED"),
        row("GET /token/x", "", "404 UNSUPPORTED"),
        row("GET //token", "", "404 UNSUPPORTED"),
        row("PUT /token", "", "405 UNSUPPORTED"),
        row("DELETE /token", "", "405 UNSUPPORTED"),
        row("PATCH /token", "", "405 UNSUPPORTED"),
        row("GET /v2/token", "", "404 UNSUPPORTED"),
    ],
    query => [queries(GET, "200"), scopes()].concat(),
    header => [heads(GET, "200"), [
        ("<wrong_password>", "401 UNAUTHORIZED"), ("<unknown_user>", "401 UNAUTHORIZED"), ("<token_all>", "401 UNAUTHORIZED"),
        ("<forged>", "401 UNAUTHORIZED"), ("Basic", "401 UNAUTHORIZED"), ("Basic Og==", "200"), ("Basic b3duZXI=", "401 UNAUTHORIZED"),
    ].map(|(value, expected)| row(GET, format!("authorization: {value}"), expected)).to_vec()].concat(),
    get_body => bodies(GET, "200"),
    post_body => forms(),
    order => few("a token is asked for before anything else, and nothing comes before it", vec![
        row("GET /token?scope=repository:bad/nobody:pull,push", "authorization: <owner>", "200"),
    ]),
);
