//! Several ranges in one answer: `multipart/byteranges` (RFC 9110, section 14.6).

use std::collections::VecDeque;

use bytes::Bytes;
use dockless_oci::range::Range;
use dockless_runtime::Entropy;
use dockless_runtime::entropy::hex_id;
use http::{HeaderValue, Response, StatusCode, header};

use crate::outbound::{Outbound, Part};
use crate::reply;

/// Random bytes in a boundary: nobody can put one into a blob beforehand. Written in hex, which is inside what
/// containers/image takes for a boundary (`[A-Za-z-0-9:]+`).
const BOUNDARY_BYTES: usize = 16;

/// `206` with every range of something of type `content_type` and `size` bytes as a part of its own.
pub(super) fn response(
    entropy: &dyn Entropy,
    ranges: &[Range],
    content_type: &str,
    size: u64,
    piece: impl Fn(&Range) -> Part,
) -> Response<Outbound> {
    let boundary = hex_id(entropy, BOUNDARY_BYTES);
    let mut parts = VecDeque::with_capacity(ranges.len() * 2 + 1);
    let mut line_end = "";
    for range in ranges {
        let head = format!(
            "{line_end}--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: bytes {}-{}/{size}\r\n\r\n",
            range.first, range.last
        );
        parts.push_back(Part::Memory(Bytes::from(head)));
        parts.push_back(piece(range));
        line_end = "\r\n";
    }
    parts.push_back(Part::Memory(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
    let body = Outbound::several(parts);
    let length = body.remaining();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    reply::set(headers, header::CONTENT_TYPE, &format!("multipart/byteranges; boundary={boundary}"));
    response
}
