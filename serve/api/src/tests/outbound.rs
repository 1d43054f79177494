//! Bodies of answers: how much they hold while the client is slow.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use dockless_store::{Blob, BlobRead, READ_BYTES_FIRST, StoreError};
use http_body::Body as _;

use super::fixture::Node;
use crate::flow::Flow;
use crate::outbound::{BlobPart, Outbound};

/// A blob of zeros that is always in memory.
struct Zeros;

#[async_trait]
impl BlobRead for Zeros {
    fn try_read(&self, _offset: u64, max: usize) -> Option<Result<Bytes, StoreError>> {
        Some(Ok(Bytes::from(vec![0; max])))
    }

    async fn read(&self, _offset: u64, max: usize) -> Result<Bytes, StoreError> {
        Ok(Bytes::from(vec![0; max]))
    }
}

/// The length of the next frame; `None` while the body waits for the socket.
fn next(body: &mut Outbound) -> Option<usize> {
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => None,
        Poll::Ready(frame) => Some(frame.unwrap().unwrap().into_data().unwrap().len()),
    }
}

#[test]
fn one_frame_waits_at_a_time_and_grows_only_for_a_fast_reader() {
    let node = Node::open();
    let size = 64 << 20;
    let part = BlobPart::new(node.door.registry.clone(), Blob::new(size, Arc::new(Zeros)), 0, size);
    let mut body = Outbound::blob(part);
    let flow = Arc::new(Flow::default());
    body.pace(flow.clone());
    assert_eq!(next(&mut body), Some(READ_BYTES_FIRST));
    assert_eq!(next(&mut body), None, "the first frame is not in the socket yet");
    let mut sent = READ_BYTES_FIRST;
    while sent < 8 << 20 {
        flow.flushed();
        assert_eq!(next(&mut body), Some(READ_BYTES_FIRST));
        sent += READ_BYTES_FIRST;
    }
    flow.flushed();
    assert_eq!(next(&mut body), Some(256 << 10));
    flow.mark_slow();
    flow.flushed();
    assert_eq!(next(&mut body), Some(READ_BYTES_FIRST), "it stood still");
}
