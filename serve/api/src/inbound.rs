//! The body of a request: read frame by frame, never waited for without end, counted, and drained when refused.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dockless_runtime::{Clock, timeout};
use futures_util::FutureExt;
use http::{HeaderMap, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;

use crate::flow::Flow;
use crate::metrics::DoorMetrics;

/// Any error of a body below.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a body ended before its end.
#[derive(Debug)]
pub(crate) enum InboundError {
    /// It stood still for too long.
    Idle,
    /// It is longer than allowed: the limit in bytes.
    TooLarge(usize),
    /// The connection broke, or the framing is wrong.
    Broken(String),
}

/// The body of one request.
pub(crate) struct Inbound {
    body: Option<BoxBody<Bytes, BoxError>>,
    flow: Option<Arc<Flow>>,
    clock: Arc<dyn Clock>,
    idle_timeout: Duration,
    metrics: Arc<DoorMetrics>,
    length: Option<u64>,
    received: u64,
}

impl Inbound {
    /// Takes the body of a request with `headers`; `flow` learns when it waits for bytes.
    pub(crate) fn new<B>(
        body: B,
        headers: &HeaderMap,
        flow: Option<Arc<Flow>>,
        clock: &Arc<dyn Clock>,
        idle_timeout: Duration,
        metrics: &Arc<DoorMetrics>,
    ) -> Self
    where
        B: Body<Data = Bytes> + Send + Sync + 'static,
        B::Error: Into<BoxError>,
    {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = (!body.is_end_stream()).then(|| body.map_err(Into::into).boxed());
        Self { body, flow, clock: clock.clone(), idle_timeout, metrics: metrics.clone(), length, received: 0 }
    }

    /// The length the client announced.
    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Whether nothing (more) can come.
    pub(crate) fn is_finished(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    /// The next bytes; `None` at the end. Cancellation safe.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, InboundError>> {
        loop {
            let body = self.body.as_mut()?;
            // Bytes that are here need no timer.
            let frame = match body.frame().now_or_never() {
                Some(frame) => frame,
                None => {
                    match timeout(&*self.clock, self.idle_timeout, wanted(body, self.flow.as_deref())).await {
                        Ok(frame) => frame,
                        Err(_) => return Some(Err(InboundError::Idle)),
                    }
                }
            };
            match frame {
                None => {
                    self.body = None;
                    return None;
                }
                Some(Err(error)) => {
                    self.body = None;
                    return Some(Err(InboundError::Broken(error.to_string())));
                }
                Some(Ok(frame)) => {
                    // Trailers carry nothing that we know.
                    if let Ok(bytes) = frame.into_data()
                        && !bytes.is_empty()
                    {
                        self.received += bytes.len() as u64;
                        self.metrics.received(bytes.len());
                        return Some(Ok(bytes));
                    }
                }
            }
        }
    }

    /// The whole body, of at most `bytes_max`.
    pub(crate) async fn collect(&mut self, bytes_max: usize) -> Result<Bytes, InboundError> {
        if self.length.is_some_and(|length| length > bytes_max as u64) {
            return Err(InboundError::TooLarge(bytes_max));
        }
        let mut whole = BytesMut::new();
        while let Some(bytes) = self.next().await.transpose()? {
            if whole.len() + bytes.len() > bytes_max {
                return Err(InboundError::TooLarge(bytes_max));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }

    /// Bytes received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }
}

/// The next frame; `flow` learns each time that it is not here.
async fn wanted(
    body: &mut BoxBody<Bytes, BoxError>,
    flow: Option<&Flow>,
) -> Option<Result<Frame<Bytes>, BoxError>> {
    poll_fn(|context| {
        let frame = Pin::new(&mut *body).poll_frame(context);
        if frame.is_pending()
            && let Some(flow) = flow
        {
            flow.want_body();
        }
        frame
    })
    .await
}
