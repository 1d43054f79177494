//! Bytes as they are to stand on the wire, for requests that no client library would send.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use dockless_runtime::clock::real::RealClock;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::answer::Answer;

/// The longest that an answer may take before the test is said to hang.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Sends `request` on a fresh connection and reads until the server closes. `Connection: close` is the caller's to
/// send. With `cut` our side is closed after the last byte, as by a client that dies. `None` when the server closes
/// without an answer.
///
/// # Panics
/// When the connection cannot be made, or nothing ends it for 30 s, or what comes is not HTTP.
pub async fn exchange(address: SocketAddr, request: &[u8], cut: bool) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.expect("the node under test accepts connections");
    let clock = RealClock::new();
    let received = dockless_runtime::timeout(&clock, ANSWER_LIMIT, async {
        // A server that answers early may close before it has read all; its answer is what counts.
        let _ = stream.write_all(request).await;
        if cut {
            let _ = stream.shutdown().await;
        }
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received).await;
        received
    });
    parse(&received.await.expect("the server closes the connection after its answer"))
}

/// Reads an answer as text; a chunked body is put together.
fn parse(received: &[u8]) -> Option<Answer> {
    if received.is_empty() {
        return None;
    }
    let end = received.windows(4).position(|window| window == b"\r\n\r\n").expect("a complete head");
    let head = std::str::from_utf8(&received[..end]).expect("a head of text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').expect("a header has a colon");
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a legal header name");
        headers.append(name, HeaderValue::from_str(value.trim()).expect("a legal header value"));
    }
    let body = &received[end + 4..];
    let chunked = headers.get("transfer-encoding").is_some_and(|value| value == "chunked");
    let body = if chunked { join_chunks(body) } else { body.to_vec() };
    Some(Answer { status: status.expect("a status line"), headers, body: Bytes::from(body) })
}

fn join_chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|window| window == b"\r\n") {
        let length =
            std::str::from_utf8(&rest[..line]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let Some(length) = length.filter(|&length| length > 0) else { break };
        body.extend_from_slice(&rest[line + 2..line + 2 + length]);
        rest = &rest[line + 2 + length + 2..];
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_or_chunked() {
        let whole = parse(b"HTTP/1.1 404 Not Found\r\nX-A: b\r\n\r\nbody").unwrap();
        assert_eq!((whole.status, whole.header("x-a"), &whole.body[..]), (404, Some("b"), &b"body"[..]));
        let chunked = parse(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n",
        );
        assert_eq!(&chunked.unwrap().body[..], b"abc0123456789");
        assert!(parse(b"").is_none());
    }
}
