//! Calls that send one message, and what comes back from any call.

use std::time::Duration;

use bytes::Bytes;
use dockless_runtime::timeout;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::super::socket::{CALL_TIME_MAX, RequestBody, STALL_TIME_MAX, causes};
use super::frames::{FrameError, Frames};
use super::grpc::{CallError, Channel, Scope, whole};
use super::message::Message;

/// The messages that answer a call, still to come. Dropping it gives the call up.
pub(crate) struct Answers {
    channel: Channel,
    incoming: Incoming,
    frames: Frames,
    ended: bool,
}

impl Channel {
    /// Calls what answers one message, of at most `bytes_max` bytes. `path` is `/package.Service/Method`.
    ///
    /// # Errors
    /// [`CallError`], after [`CALL_TIME_MAX`] at the latest.
    pub(crate) async fn call(
        &self,
        scope: Scope<'_>,
        path: &'static str,
        request: &Message,
        bytes_max: usize,
    ) -> Result<Bytes, CallError> {
        let call = async {
            let _turn = self.socket.turn().await;
            let incoming = self.open(scope, path, whole(request)).await?;
            let mut answers = Answers::new(self.clone(), incoming, bytes_max);
            let answer = answers.next().await.unwrap_or_else(|| Err(self.broken("answered nothing")))?;
            match answers.next().await {
                None => Ok(answer),
                Some(Err(error)) => Err(error),
                Some(Ok(_)) => Err(self.broken("answered twice")),
            }
        };
        let answered = timeout(&*self.runtime.clock, CALL_TIME_MAX, call).await;
        answered.unwrap_or_else(|_| Err(self.hangs("did not answer within", CALL_TIME_MAX.as_secs())))
    }

    /// Calls what answers any number of messages, each of at most `bytes_max` bytes, and waits for the first sign.
    ///
    /// # Errors
    /// [`CallError`], after [`CALL_TIME_MAX`] at the latest.
    pub(crate) async fn stream(
        &self,
        scope: Scope<'_>,
        path: &'static str,
        body: RequestBody,
        bytes_max: usize,
    ) -> Result<Answers, CallError> {
        let opened = timeout(&*self.runtime.clock, CALL_TIME_MAX, self.open(scope, path, body)).await;
        let late = |_| Err(self.hangs("did not answer within", CALL_TIME_MAX.as_secs()));
        Ok(Answers::new(self.clone(), opened.unwrap_or_else(late)?, bytes_max))
    }
}

impl Answers {
    fn new(channel: Channel, incoming: Incoming, message_bytes_max: usize) -> Self {
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
