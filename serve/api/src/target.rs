//! The target of a request as it may be logged: no secret, no control character, no end of line.

use http::Uri;

/// Longer targets are cut in the log.
const LOGGED_CHARS_MAX: usize = 512;

/// Names of query parameters whose values are nobody's business.
const SECRETS: [&str; 6] = ["password", "token", "access_token", "refresh_token", "secret", "authorization"];

/// Path and query for the log, and for nothing else.
pub(crate) fn logged(uri: &Uri) -> String {
    let mut text: String = uri.path().chars().take(LOGGED_CHARS_MAX).map(visible).collect();
    let Some(query) = uri.query() else { return text };
    let mut separator = '?';
    for pair in query.split('&') {
        if text.len() > LOGGED_CHARS_MAX {
            text.push_str("...");
            break;
        }
        text.push(separator);
        separator = '&';
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        text.extend(name.chars().take(LOGGED_CHARS_MAX).map(visible));
        if SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
            text.push_str("=[redacted]");
        } else if pair.contains('=') {
            text.push('=');
            text.extend(value.chars().take(LOGGED_CHARS_MAX).map(visible));
        }
    }
    text
}

/// Text from a header for the log.
pub(crate) fn logged_text(text: &str) -> String {
    text.chars().take(LOGGED_CHARS_MAX).map(visible).collect()
}

fn visible(char: char) -> char {
    if char.is_control() { '?' } else { char }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_and_the_rest_is_kept() {
        let check = |uri: &'static str, expected: &str| assert_eq!(logged(&Uri::from_static(uri)), expected);
        check("/v2/a/tags/list?n=2&last=b", "/v2/a/tags/list?n=2&last=b");
        check(
            "/token?account=x&Password=hunter2&service=y",
            "/token?account=x&Password=[redacted]&service=y",
        );
        check("/token?refresh_token=abc", "/token?refresh_token=[redacted]");
    }

    #[test]
    fn a_long_target_is_cut() {
        let uri: Uri =
            format!("/{}?a={}&b={}", "x".repeat(900), "y".repeat(900), "z".repeat(900)).parse().unwrap();
        assert!(logged(&uri).len() < 4 * LOGGED_CHARS_MAX);
    }
}
