//! HTTP/1.1 alone: a connection that waits for its next request gives hyper's state and buffers back.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use dockless_runtime::timeout;
use hyper::body::Incoming;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::http::Server;
use super::limit::Limit;
use super::stream::Stream;
use crate::flow::Flow;
use crate::outbound::Outbound;

/// A connection that has waited for so long after an answer is parked: 15 KiB less, for one more read when the next
/// request comes. A client that has more to ask at once does so within a round trip, 0.3 s around the world.
pub(super) const PARK_AFTER: Duration = Duration::from_millis(500);

impl Server {
    /// Serves what speaks HTTP/1.1 to its end.
    pub(super) async fn http1<S, H>(
        &self,
        mut stream: Stream<S>,
        flow: &Flow,
        mut service: H,
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        H: HttpService<Incoming, ResBody = Outbound>,
        H::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        loop {
            let heads = flow.heads();
            // In a box, which a parked connection does not have.
            let mut serving = Box::new(self.http1.serve_connection(TokioIo::new(stream), service));
            let rested = tokio::select! {
                biased;
                ended = &mut serving => return ended.map_err(io::Error::other),
                () = self.draining.requested() => false,
                // After hyper, which has then just looked for bytes.
                () = self.rested(flow, heads) => true,
            };
            if !rested {
                Pin::new(&mut *serving).graceful_shutdown();
                return self.unless_forced(serving).await?.map_err(io::Error::other);
            }
            let parts = serving.into_parts();
            (stream, service) = (parts.io.into_inner(), parts.service);
            stream.put_back(parts.read_buf);
            if !self.parked(&mut stream).await? {
                return self.unless_forced(stream.shutdown()).await?;
            }
        }
    }

    /// Ready once hyper has waited for [`PARK_AFTER`] since the end of an exchange beyond the first `heads`.
    async fn rested(&self, flow: &Flow, heads: u64) {
        let clock = &self.door.runtime.clock;
        let mut rest = None;
        poll_fn(|context| {
            if !flow.rests() || flow.heads() == heads {
                return Poll::Pending;
            }
            let pulse = flow.pulse();
            let (limit, began) = rest.get_or_insert_with(|| (Limit::new(clock, PARK_AFTER), pulse));
            if *began != pulse {
                limit.restart(clock, PARK_AFTER);
                *began = pulse;
            }
            limit.poll(clock, context)
        })
        .await;
    }

    /// Waits for a byte of the next request; `false` if none is to come, or too late.
    async fn parked<S: AsyncRead + Unpin>(&self, stream: &mut Stream<S>) -> io::Result<bool> {
        let limit = self.limits.keep_alive_timeout.saturating_sub(PARK_AFTER);
        tokio::select! {
            biased;
            more = timeout(&*self.door.runtime.clock, limit, stream.readable()) => more.unwrap_or(Ok(false)),
            () = self.draining.requested() => Ok(false),
        }
    }
}
