//! Entry points for fuzzing: one total function for each parser of foreign bytes, with its invariants inside.
//!
//! `tests/corpus.rs` replays the committed corpus and mutations of it; a fuzzer can be linked to the same list.

use dockless_registry::Credentials;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use crate::connection::{Connection, Peer, Scheme};
use crate::proxy::TrustedProxies;
use crate::query::{PAIRS_MAX, Query};
use crate::{admin, credentials, server, target};

/// A function that takes any bytes and panics only when an invariant of ours is broken.
pub type Target = fn(&[u8]);

/// All targets with the names of their corpus folders.
pub const TARGETS: [(&str, Target); 7] = [
    ("query", query),
    ("authorization", authorization),
    ("forwarded", forwarded),
    ("forwarded_for", forwarded_for),
    ("logged_target", logged_target),
    ("admin_path", admin_path),
    ("bare_error", bare_error),
];

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// What a query says survives being written for the next page.
pub fn query(bytes: &[u8]) {
    if let Ok(query) = Query::parse(text(bytes)) {
        let again = Query::parse(&query.with(&[]));
        assert_eq!(again.as_ref(), Ok(&query));
        assert!(query.all("a").count() <= PAIRS_MAX);
    }
}

/// Credentials that are read are not empty.
pub fn authorization(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    headers.insert(header::AUTHORIZATION, value);
    match credentials::credentials(&headers) {
        Ok(Credentials::Bearer(token)) => assert!(!token.is_empty()),
        Ok(Credentials::Basic { user, password }) => assert!(!user.is_empty() || !password.is_empty()),
        Ok(Credentials::None) | Err(_) => {}
    }
}

/// Whatever a trusted proxy writes, the host can stand in a URL and in a header.
pub fn forwarded(bytes: &[u8]) {
    proxied(header::FORWARDED, bytes);
}

/// As [`forwarded`], for the older headers.
pub fn forwarded_for(bytes: &[u8]) {
    for name in ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"] {
        proxied(HeaderName::from_static(name), bytes);
    }
}

fn proxied(name: HeaderName, bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(name, value);
    let proxies = TrustedProxies::parse(&["unix".to_owned(), "10.0.0.0/8".to_owned()]);
    let connection = Connection::new(Peer::Unix, Scheme::Http, false);
    let proxies = proxies.expect("the entries are a keyword and a network");
    let outside = proxies.outside(&connection, &Uri::from_static("/"), &headers);
    assert!(outside.host.is_none_or(|host| !host.contains(['"', '/', '?', ' ', '\\'])));
}

/// A logged target has no control character and a bounded length.
pub fn logged_target(bytes: &[u8]) {
    if let Ok(uri) = text(bytes).parse::<Uri>() {
        let logged = target::logged(&uri);
        assert!(logged.len() < 8192 && !logged.chars().any(char::is_control));
    }
}

/// A path is a place or an error.
pub fn admin_path(bytes: &[u8]) {
    admin::read(text(bytes));
}

/// What is put in place of a bare error is an error of the same status.
pub fn bare_error(bytes: &[u8]) {
    if let Some(words) = server::bare_error::words(bytes) {
        assert!(words.starts_with(b"HTTP/1.1 4") && words[9..12] == bytes[9..12]);
    }
}
