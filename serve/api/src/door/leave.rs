//! Sees to request bodies that nobody read.

use std::time::Duration;

use dockless_runtime::{Clock, timeout};
use http::request::Parts;
use http::{HeaderValue, Response, header};

use crate::connection::Connection;
use crate::inbound::Inbound;
use crate::outbound::Outbound;

/// A refused body this short is read to its end, so that the connection can be used again.
const SMALL_BODY_BYTES: u64 = 64 << 10;

/// How long that may take; such a body is usually here already.
const SMALL_BODY_TIME: Duration = Duration::from_secs(1);

/// The same for a body of unknown length, which may as well be a stream that a slow client goes on to make.
const UNKNOWN_BODY_TIME: Duration = Duration::from_millis(100);

/// A short body that is on its way is thrown away, and the connection lives. Otherwise the answer goes out at once, the
/// connection is closed after it, and the socket goes on to throw away what comes for a while (`server/stream.rs`):
/// clients that are still sending look for the answer only then, and a reset would take it from them.
pub(super) async fn leave(
    response: &mut Response<Outbound>,
    parts: &Parts,
    body: &mut Inbound,
    connection: &Connection,
    clock: &dyn Clock,
) {
    if body.is_finished() {
        return;
    }
    // To read a body that waits for `100 Continue` would ask for it.
    let announced = parts.headers.contains_key(header::EXPECT) && body.received() == 0;
    if !announced {
        let limit = match body.length() {
            Some(length) if length <= SMALL_BODY_BYTES => SMALL_BODY_TIME,
            Some(_) => Duration::ZERO,
            // Clients that chunk everything chunk nothing, too.
            None => UNKNOWN_BODY_TIME,
        };
        if !limit.is_zero() && timeout(clock, limit, discard(body)).await.is_ok() && body.is_finished() {
            return;
        }
    }
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    if let Some(flow) = &connection.flow {
        flow.ask_linger();
    }
}

/// Reads and throws away, up to a short body.
async fn discard(body: &mut Inbound) {
    let end = body.received() + SMALL_BODY_BYTES;
    while body.received() < end && matches!(body.next().await, Some(Ok(_))) {}
}
