//! Words for the errors that hyper answers by itself: a head that is no HTTP, or too large, never reaches the door.
//!
//! hyper writes a status line, `connection: close` and `content-length: 0`. Clients that parse error bodies as JSON
//! then print a parse error, so the same status is sent with the JSON body that every other error has. Answers of
//! the door are told apart by the `x-request-id` that all of them carry.

use dockless_oci::error_code::{ErrorBody, ErrorCode};

/// Longer heads are not hyper's own: those have four lines.
const BARE_BYTES_MAX: usize = 256;

/// A whole answer in place of `head`, if that is one of hyper's own errors.
pub(crate) fn words(head: &[u8]) -> Option<Vec<u8>> {
    let refused = head.starts_with(b"HTTP/1.1 4") || head.starts_with(b"HTTP/1.0 4");
    if !refused || head.len() > BARE_BYTES_MAX {
        return None;
    }
    let text = std::str::from_utf8(head).ok()?;
    if !text.ends_with("\r\n\r\n") || text.contains("x-request-id") || !text.contains("content-length: 0\r\n")
    {
        return None;
    }
    let status = text.lines().next()?.split_once(' ')?.1;
    let message = match status.get(..3)? {
        "414" => "the request line is too long",
        "431" => "the request head is too large",
        _ => "the request is not valid HTTP",
    };
    Some(answer(status, message))
}

/// A complete HTTP/1.1 answer that closes the connection.
pub(crate) fn answer(status: &str, message: &str) -> Vec<u8> {
    let body = ErrorBody::one(ErrorCode::Unsupported, message).to_json();
    let mut answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         docker-distribution-api-version: registry/2.0\r\nx-content-type-options: nosniff\r\n\
         connection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_error_is_given_words() {
        let bare =
            b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let words = String::from_utf8(words(bare).unwrap()).unwrap();
        assert!(words.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{words}");
        assert!(words.contains("the request head is too large"), "{words}");
        for ours in [
            &b"HTTP/1.1 404 Not Found\r\nx-request-id: 1\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
            b"{}",
            b"HTTP/1.1 4",
        ] {
            assert!(super::words(ours).is_none(), "{}", String::from_utf8_lossy(ours));
        }
    }
}
