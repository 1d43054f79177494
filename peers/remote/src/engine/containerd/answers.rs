//! What comes back from a call.

use std::time::Duration;

use bytes::Bytes;
use dockless_runtime::timeout;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::super::socket::{STALL_TIME_MAX, causes};
use super::frames::{FrameError, Frames};
use super::grpc::{CallError, Channel};

/// The messages that answer a call, still to come. Dropping it gives the call up.
pub(crate) struct Answers {
    channel: Channel,
    incoming: Incoming,
    frames: Frames,
    ended: bool,
}

impl Answers {
    pub(crate) fn new(channel: Channel, incoming: Incoming, message_bytes_max: usize) -> Self {
        Self { channel, incoming, frames: Frames::new(message_bytes_max), ended: false }
    }

    /// The next message; `None` after the last one of a call that went well.
    ///
    /// # Errors
    /// [`CallError`], also when nothing came for [`STALL_TIME_MAX`]. It is the last answer then.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, CallError>> {
        self.next_within(STALL_TIME_MAX).await
    }

    /// As [`Answers::next`], with another limit.
    pub(crate) async fn next_within(&mut self, time_max: Duration) -> Option<Result<Bytes, CallError>> {
        if self.ended {
            return None;
        }
        let next = self.message(time_max).await.transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }

    async fn message(&mut self, time_max: Duration) -> Result<Option<Bytes>, CallError> {
        loop {
            if let Some(message) = self.frames.next().map_err(|error| self.odd(error))? {
                return Ok(Some(message));
            }
            let frame = timeout(&*self.channel.runtime.clock, time_max, self.incoming.frame()).await;
            let frame = frame.map_err(|_| self.channel.hangs("sent nothing for", time_max.as_secs()))?;
            let Some(frame) = frame else {
                return Err(self.channel.broken("ended an answer without a word"));
            };
            let frame =
                frame.map_err(|error| self.channel.broken(&format!("broke off: {}", causes(&error))))?;
            match frame.into_data() {
                Ok(data) => self.frames.push(&data),
                Err(frame) => {
                    self.channel.judge(&frame.into_trailers().unwrap_or_default())?;
                    self.frames.finish().map_err(|error| self.odd(error))?;
                    return Ok(None);
                }
            }
        }
    }

    fn odd(&self, error: FrameError) -> CallError {
        self.channel.broken(&format!("said what cannot be read: {error}"))
    }
}
