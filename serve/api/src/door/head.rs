//! Refuses what is wrong with a request before anyone looks at what it wants.

use dockless_oci::ErrorCode;
use http::request::Parts;
use http::{HeaderValue, StatusCode, Version, header};

use crate::error::ApiError;
use crate::proxy::{Outside, sane_host};
use crate::query::QueryError;

/// The longest request target: holds as many tags of full length as one PUT may set. (Proxies in front often take
/// half of that.)
const TARGET_BYTES_MAX: usize = 16 << 10;

/// All header names and values together. The longest token has 7.5 KiB.
const HEADERS_BYTES_MAX: usize = 32 << 10;

/// Refuses heads beyond the limits, and those that do not say which host they mean.
pub(super) fn check(parts: &Parts) -> Result<(), ApiError> {
    check_limits(parts)?;
    check_host(parts)
}

/// RFC 9112, section 3.2: one `Host` in HTTP/1.1, never two, and nothing in it that is no host. It may be empty.
fn check_host(parts: &Parts) -> Result<(), ApiError> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let wrong = |message: &str| Err(ApiError::bad(ErrorCode::Unsupported, message));
    match (hosts.next(), hosts.next()) {
        (None, _) if parts.version == Version::HTTP_11 => wrong("the header Host is missing"),
        (Some(_), Some(_)) => wrong("there is more than one header Host"),
        (Some(host), None) if !host.is_empty() && host.to_str().ok().and_then(sane_host).is_none() => {
            wrong("the header Host is no host")
        }
        _ => Ok(()),
    }
}

fn check_limits(parts: &Parts) -> Result<(), ApiError> {
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > TARGET_BYTES_MAX {
        let message = format!("the request target is longer than {TARGET_BYTES_MAX} bytes");
        return Err(ApiError::new(StatusCode::URI_TOO_LONG, ErrorCode::Unsupported, message));
    }
    let headers: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers > HEADERS_BYTES_MAX {
        let message = format!("the request headers are longer than {HEADERS_BYTES_MAX} bytes");
        return Err(ApiError::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            ErrorCode::Unsupported,
            message,
        ));
    }
    Ok(())
}

/// Refuses a query that cannot be read.
pub(super) fn unreadable_query(error: QueryError) -> ApiError {
    ApiError::bad(
        ErrorCode::Unsupported,
        match error {
            QueryError::TooMany => "too many query parameters",
            QueryError::NotText => "the query is not UTF-8",
        },
    )
}

/// What a client that speaks plain HTTP to a TLS address gets.
pub(super) fn plain_refused(outside: &Outside) -> ApiError {
    let at = outside.host.as_ref().map(|host| format!(": use https://{host}")).unwrap_or_default();
    ApiError::bad(ErrorCode::Unsupported, format!("this address speaks HTTPS only{at}"))
}

/// A namespace (`?ns=docker.io`) that may be repeated in a header: the bytes of a host and its port.
pub(super) fn namespace(text: &str) -> Option<HeaderValue> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]/".contains(&byte);
    let sane = !text.is_empty() && text.len() <= 255 && text.bytes().all(allowed);
    sane.then(|| HeaderValue::from_str(text).ok()).flatten()
}
