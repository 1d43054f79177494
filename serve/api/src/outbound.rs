//! The body of every answer: bytes from memory, ranges of a blob, or several of both.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use dockless_registry::Registry;
use dockless_runtime::BoxFuture;
use dockless_store::{Blob, READ_BYTES_FIRST, READ_BYTES_MAX};
use http_body::{Body, Frame, SizeHint};

use crate::exchange::Exchange;
use crate::flow::Flow;
use crate::source::{OutboundError, Source};
use crate::transfer::{STRETCH_BYTES_MAX, STRETCH_BYTES_MIN, Stretch, Transfers};

/// Frames to a reader that has not shown that it is fast: what a reader that stands still may hold in memory.
const FRAME_CAUTIOUS: usize = READ_BYTES_FIRST;

/// Frames to a fast reader.
const FRAME_FAST: usize = READ_BYTES_MAX;

/// Bytes after which a reader that never stood still counts as fast: more than the socket buffers of both ends hold
/// by default, so that someone must have read.
const FAST_AFTER: u64 = 8 << 20;

/// The body of an answer. Its length is always known before it is sent.
pub(crate) struct Outbound {
    parts: Parts,
    remaining: u64,
    flow: Option<Arc<Flow>>,
    /// Written when the answer is over, however it ends.
    exchange: Option<Box<Exchange>>,
}

enum Parts {
    Memory(Option<Bytes>),
    Blob(BlobPart),
    Several(VecDeque<Part>),
}

/// One piece of a body of several.
pub(crate) enum Part {
    /// From memory.
    Memory(Bytes),
    /// A range of a blob.
    Blob(BlobPart),
}

/// A range of a blob that is being read.
pub(crate) struct BlobPart {
    source: Source,
    offset: u64,
    end: u64,
    frame: usize,
    unhindered: u64,
    reading: Option<BoxFuture<'static, Result<Bytes, OutboundError>>>,
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound").field("remaining", &self.remaining).finish_non_exhaustive()
    }
}

impl Outbound {
    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self::memory(Bytes::new())
    }

    /// Bytes from memory.
    pub(crate) fn memory(bytes: Bytes) -> Self {
        let remaining = bytes.len() as u64;
        Self { parts: Parts::Memory(Some(bytes)), remaining, flow: None, exchange: None }
    }

    /// One range of a blob.
    pub(crate) fn blob(part: BlobPart) -> Self {
        let remaining = part.len();
        Self { parts: Parts::Blob(part), remaining, flow: None, exchange: None }
    }

    /// Several pieces, one after the other.
    pub(crate) fn several(parts: VecDeque<Part>) -> Self {
        let remaining = parts.iter().map(Part::len).sum();
        Self { parts: Parts::Several(parts), remaining, flow: None, exchange: None }
    }

    /// Bytes that are still to come.
    pub(crate) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Holds one frame at a time while the socket of `flow` is full.
    #[cfg(test)]
    pub(crate) fn pace(&mut self, flow: Arc<Flow>) {
        self.flow = Some(flow);
    }

    /// Ties the body to its connection and to the record of its exchange.
    pub(crate) fn attach(&mut self, flow: Option<Arc<Flow>>, exchange: Box<Exchange>) {
        self.flow = flow;
        self.exchange = Some(exchange);
    }
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Blob(part) => part.len(),
        }
    }
}

impl BlobPart {
    /// Bytes `offset..end` of `blob`.
    pub(crate) fn new(registry: Registry, blob: Blob, offset: u64, end: u64) -> Self {
        Self {
            source: Source::new(registry, blob),
            offset,
            end: end.max(offset),
            frame: FRAME_CAUTIOUS,
            unhindered: 0,
            reading: None,
        }
    }

    fn len(&self) -> u64 {
        self.end - self.offset
    }

    /// Chooses the size of the next frame by how the last ones went.
    fn adapt(&mut self, flow: &Flow) {
        if flow.take_slow() {
            self.unhindered = 0;
        }
        self.frame = if self.unhindered >= FAST_AFTER { FRAME_FAST } else { FRAME_CAUTIOUS };
    }

    /// Leaves the next stretch to the stream; its stand-in. The end of a part is always read: the answer is over for
    /// us only when all but its last frame is in the socket, and a file that changed is noticed before that.
    fn leave(&mut self, transfers: &Transfers) -> Option<Bytes> {
        let most = self.len().saturating_sub(READ_BYTES_FIRST as u64);
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(STRETCH_BYTES_MAX);
        if most < STRETCH_BYTES_MIN {
            return None;
        }
        let left = self.source.blob.sendable(self.offset, most);
        let stretch =
            Stretch { source: self.source.clone(), offset: self.offset, left, read_max: self.frame };
        let stand_in = transfers.owe(stretch)?;
        self.advance(left);
        Some(stand_in)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, OutboundError>> {
        let want = usize::try_from(self.len()).unwrap_or(usize::MAX).min(self.frame);
        let read = match &mut self.reading {
            Some(reading) => ready!(reading.as_mut().poll(context)),
            None => match self.source.blob.try_read(self.offset, want) {
                Some(read) => self.source.check(read),
                None => {
                    let (source, offset) = (self.source.clone(), self.offset);
                    let reading =
                        self.reading.insert(Box::pin(async move { source.read(offset, want).await }));
                    ready!(reading.as_mut().poll(context))
                }
            },
        };
        self.reading = None;
        let mut bytes = read?;
        bytes.truncate(want);
        self.advance(bytes.len());
        Poll::Ready(Ok(bytes))
    }

    fn advance(&mut self, bytes: usize) {
        self.offset += bytes as u64;
        self.unhindered += bytes as u64;
    }
}

impl Parts {
    /// The next frame. A part that is used up makes way for the next one.
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        flow: Option<&Arc<Flow>>,
    ) -> Poll<Option<Result<Bytes, OutboundError>>> {
        let part = match self {
            Self::Memory(bytes) => {
                return Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(Ok));
            }
            Self::Blob(part) => part,
            Self::Several(parts) => loop {
                match parts.front_mut() {
                    None => return Poll::Ready(None),
                    Some(Part::Memory(bytes)) => {
                        let bytes = std::mem::take(bytes);
                        parts.pop_front();
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                    Some(Part::Blob(part)) if part.len() == 0 => drop(parts.pop_front()),
                    Some(Part::Blob(_)) => match parts.front_mut() {
                        Some(Part::Blob(part)) => break part,
                        _ => return Poll::Ready(None),
                    },
                }
            },
        };
        if part.len() == 0 {
            return Poll::Ready(None);
        }
        if let Some(flow) = flow
            && part.reading.is_none()
        {
            ready!(flow.poll_drained(context));
            part.adapt(flow);
            if let Some(stand_in) = flow.transfers().and_then(|transfers| part.leave(transfers)) {
                return Poll::Ready(Some(Ok(stand_in)));
            }
        }
        part.poll_read(context).map(Some)
    }
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = OutboundError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, OutboundError>>> {
        let this = &mut *self;
        let next = ready!(this.parts.poll_next(context, this.flow.as_ref()));
        Poll::Ready(next.map(|bytes| {
            if let Err(error) = &bytes {
                tracing::error!(%error, "an answer was cut short");
            }
            let bytes = bytes?;
            if let Some(flow) = &this.flow {
                flow.frame_began();
            }
            this.remaining = this.remaining.saturating_sub(bytes.len() as u64);
            if let Some(exchange) = &mut this.exchange {
                exchange.sent(bytes.len(), this.remaining);
            }
            Ok(Frame::data(bytes))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
