//! Calls that go both ways.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use dockless_runtime::timeout;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::super::socket::{RequestBody, STALL_TIME_MAX};
use super::answers::Answers;
use super::frames::framed;
use super::grpc::{ANSWER_BYTES_MAX, CallError, Channel, Scope};
use super::message::Message;

/// A call in which each message is answered before the next one is sent. Dropping it gives the call up.
pub(crate) struct Exchange {
    channel: Channel,
    messages: mpsc::Sender<Bytes>,
    answers: Answers,
}

impl Channel {
    /// Begins a call with its first message; the answer to that.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn exchange(
        &self,
        scope: Scope<'_>,
        path: &'static str,
        first: &Message,
    ) -> Result<(Exchange, Bytes), CallError> {
        let (messages, waiting) = mpsc::channel(1);
        // Before the call begins: the other side says nothing until it has a message.
        let _ = messages.try_send(framed(first.as_ref()));
        let body = stream::unfold(waiting, async |mut waiting: mpsc::Receiver<Bytes>| {
            let message = waiting.recv().await?;
            Some((Ok::<_, io::Error>(Frame::data(message)), waiting))
        });
        let body = RequestBody::new(StreamBody::new(body));
        let answers = self.stream(scope, path, body, ANSWER_BYTES_MAX).await?;
        let mut exchange = Exchange { channel: self.clone(), messages, answers };
        let answer = exchange.answer(STALL_TIME_MAX).await?;
        Ok((exchange, answer))
    }
}

impl Exchange {
    /// The answer to a message, waited for at most `time_max`.
    ///
    /// # Errors
    /// [`CallError`]; the call is over then.
    pub(crate) async fn ask(&mut self, message: &Message, time_max: Duration) -> Result<Bytes, CallError> {
        let sent = self.messages.send(framed(message.as_ref()));
        match timeout(&*self.channel.runtime.clock, STALL_TIME_MAX, sent).await {
            Err(_) => Err(self.channel.hangs("took nothing for", STALL_TIME_MAX.as_secs())),
            // A call that takes nothing more has ended, and its answer says why.
            Ok(_) => self.answer(time_max).await,
        }
    }

    async fn answer(&mut self, time_max: Duration) -> Result<Bytes, CallError> {
        let answer = self.answers.next_within(time_max).await;
        answer.unwrap_or_else(|| Err(self.channel.broken("ended a call too early")))
    }

    /// Says that nothing follows, and hears how the call went.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn end(mut self) -> Result<(), CallError> {
        drop(self.messages);
        while let Some(answer) = self.answers.next().await {
            answer?;
        }
        Ok(())
    }
}
