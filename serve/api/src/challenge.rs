//! `WWW-Authenticate`: what a client must bring (RFC 6750 section 3, Docker's token specification).

use std::fmt::Write as _;

use dockless_oci::{ErrorCode, RepositoryName};
use dockless_registry::access::Action;
use http::{StatusCode, header};

use crate::error::ApiError;
use crate::proxy::Outside;

/// Why the client is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It brought nothing.
    Missing,
    /// What it brought is wrong, or no longer good.
    Invalid,
    /// Its token is good for other things.
    Insufficient,
}

/// Something to do in a repository, or with the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// `None` is the catalog.
    pub(crate) repository: Option<RepositoryName>,
    /// What for; never empty.
    pub(crate) actions: Vec<Action>,
}

impl Wanted {
    /// As a scope of the token endpoint.
    fn write(&self, text: &mut String) {
        let Some(repository) = &self.repository else {
            text.push_str("registry:catalog:*");
            return;
        };
        let mut separator = ':';
        write!(text, "repository:{repository}").expect("writing to a String cannot fail");
        for action in &self.actions {
            text.push(separator);
            text.push_str(action.as_str());
            separator = ',';
        }
    }
}

/// The URL of the token endpoint as this client reaches it: the public one, or where the request itself went.
pub(crate) fn realm(public_url: Option<&str>, outside: &Outside) -> String {
    match (public_url, &outside.host) {
        (Some(url), _) => format!("{}/token", url.trim_end_matches('/')),
        (None, Some(host)) => format!("{}://{host}/token", outside.scheme.as_str()),
        // Only HTTP/1.0 has no host; a relative realm is what is left.
        (None, None) => "/token".to_owned(),
    }
}

/// `401` with the challenge.
pub(crate) fn unauthorized(realm: &str, service: &str, wanted: &[Wanted], why: Why) -> ApiError {
    let mut value = format!("Bearer realm=\"{realm}\",service=\"{service}\"");
    if !wanted.is_empty() {
        value.push_str(",scope=\"");
        for (position, wanted) in wanted.iter().enumerate() {
            if position > 0 {
                value.push(' ');
            }
            wanted.write(&mut value);
        }
        value.push('"');
    }
    let message = match why {
        Why::Missing => "authentication required",
        Why::Invalid => {
            value.push_str(",error=\"invalid_token\"");
            "the credentials are wrong or no longer good"
        }
        Why::Insufficient => {
            value.push_str(",error=\"insufficient_scope\"");
            "authentication required: the token does not grant this"
        }
    };
    ApiError::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message)
        .with(header::WWW_AUTHENTICATE, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Scheme;

    fn outside(scheme: Scheme, host: Option<&str>) -> Outside {
        Outside { scheme, host: host.map(str::to_owned), client: None }
    }

    #[test]
    fn the_realm_is_absolute_and_follows_the_client() {
        let here = outside(Scheme::Https, Some("a.example:5000"));
        assert_eq!(realm(None, &here), "https://a.example:5000/token");
        assert_eq!(realm(Some("https://b.example/"), &here), "https://b.example/token");
        assert_eq!(realm(None, &outside(Scheme::Http, None)), "/token");
    }

    #[test]
    fn every_value_is_quoted_and_scopes_are_joined_by_a_space() {
        let name = |text| Some(RepositoryName::parse(text).unwrap());
        let wanted = [
            Wanted { repository: name("a/b"), actions: vec![Action::Pull, Action::Push] },
            Wanted { repository: name("c"), actions: vec![Action::Pull] },
            Wanted { repository: None, actions: vec![Action::Catalog] },
        ];
        let error = unauthorized("http://h/token", "dockless", &wanted, Why::Insufficient);
        assert_eq!(error.status, StatusCode::UNAUTHORIZED);
        assert_eq!(
            error.headers[0].1,
            "Bearer realm=\"http://h/token\",service=\"dockless\",\
             scope=\"repository:a/b:pull,push repository:c:pull registry:catalog:*\",error=\"insufficient_scope\""
        );
        let bare = unauthorized("/token", "s", &[], Why::Missing);
        assert_eq!(bare.headers[0].1, "Bearer realm=\"/token\",service=\"s\"");
    }
}
