//! Who a request says it is: the `Authorization` header (RFC 7617, RFC 6750).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use dockless_registry::Credentials;
use http::{HeaderMap, header};

/// A header that names a scheme we do not speak, or is not written as its scheme wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads the one `Authorization` header; two of them are malformed, none is nobody.
pub(crate) fn credentials(headers: &HeaderMap) -> Result<Credentials, Malformed> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(Credentials::None) };
    if values.next().is_some() {
        return Err(Malformed);
    }
    let value = std::str::from_utf8(value.as_bytes()).map_err(|_| Malformed)?.trim();
    let (scheme, rest) = value.split_once(' ').ok_or(Malformed)?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return if rest.is_empty() { Err(Malformed) } else { Ok(Credentials::Bearer(rest.to_owned())) };
    }
    if scheme.eq_ignore_ascii_case("basic") {
        return basic(rest).ok_or(Malformed);
    }
    Err(Malformed)
}

/// `user:password` in base64; the padding may be missing.
fn basic(encoded: &str) -> Option<Credentials> {
    let decoded = STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded)).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    // Docker and podman send `Basic Og==` (nothing, nothing) when their configuration names a host without a login.
    if user.is_empty() && password.is_empty() {
        return Some(Credentials::None);
    }
    Some(Credentials::Basic { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn check(value: &str, expected: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        let seen = match credentials(&headers) {
            Ok(Credentials::None) => "none".to_owned(),
            Ok(Credentials::Basic { user, password }) => format!("basic {user} {password}"),
            Ok(Credentials::Bearer(token)) => format!("bearer {token}"),
            Err(Malformed) => "malformed".to_owned(),
        };
        assert_eq!(seen, expected, "{value}");
    }

    #[test]
    fn both_schemes_are_read_whatever_their_case() {
        check("Basic YWxpY2U6c2VjcmV0OnBhcnQ=", "basic alice secret:part");
        check("basic YWxpY2U6cw", "basic alice s");
        check("Basic Og==", "none");
        check("BEARER abc.def", "bearer abc.def");
    }

    #[test]
    fn anything_else_is_malformed() {
        for value in ["Basic", "Basic !!!", "Basic YWxpY2U=", "Bearer ", "Negotiate abc", "Digest username=x"]
        {
            check(value, "malformed");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_panic(value in proptest::collection::vec(32u8..=255, 0..100)) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert(header::AUTHORIZATION, value);
            }
            let _ = credentials(&headers);
        }
    }
}
