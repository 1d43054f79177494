//! One asking: does what its decisions say, and learns from what comes back.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use dockless_runtime::{BoxFuture, timeout};
use futures_util::FutureExt as _;
use futures_util::future::poll_fn;

use super::answer::One;
use super::decision::{Answer, Decision, Input, Outcome, Output};
use super::field::Field;
use super::member::{Member, Probe};
use super::question::{Kind, Question};
use super::reply::{Refused, Reply, Won, unanswered};
use crate::error::Error;
use crate::inner::Inner;
use crate::source::SourceError;

/// The longest time for which a source may say nothing at all. Sources end by themselves before, and this is for one
/// that does not: an engine's export waits ten minutes for its turn and a quarter of an hour for its first byte, and
/// then for as long as it brings something.
const ANSWER_MAX: Duration = Duration::from_secs(2 * 3600);

/// Asks one source, and verifies what it gives.
pub(super) type Ask<T> = Arc<dyn Fn(One) -> BoxFuture<'static, Reply<T>> + Send + Sync>;

/// An asking under way.
pub(super) struct Asking<T> {
    inner: Arc<Inner>,
    members: Arc<[Arc<Member>]>,
    question: Question,
    ask: Ask<T>,
    decision: Decision,
    /// By the number of the source.
    slots: Vec<Option<Slot<T>>>,
    problems: Vec<(String, SourceError)>,
    won: Option<T>,
    _probes: Vec<Probe>,
}

struct Slot<T> {
    asked_at: Duration,
    promised: bool,
    reply: BoxFuture<'static, Reply<T>>,
}

impl<T: Send + 'static> Asking<T> {
    /// Asks the sources that may be asked now.
    pub(super) async fn run(
        inner: Arc<Inner>,
        members: Arc<[Arc<Member>]>,
        question: Question,
        ask: Ask<T>,
    ) -> Result<Won<T>, Refused> {
        let field = Field::of(&members, &question, inner.runtime.clock.monotonic());
        let slots = members.iter().map(|_| None).collect();
        let mut asking = Self {
            decision: Decision::new(field.candidates, field.absent),
            question,
            ask,
            slots,
            problems: field.left_out,
            won: None,
            _probes: field.probes,
            inner,
            members,
        };
        asking.drive().await
    }

    async fn drive(&mut self) -> Result<Won<T>, Refused> {
        let mut input = Input::Start;
        loop {
            let mut wait_until = None;
            for output in self.decision.handle(self.now(), input) {
                match output {
                    Output::Ask(source) => self.start(source),
                    Output::Cancel(source) => self.slots[source] = None,
                    Output::WaitUntil(at) => wait_until = Some(at),
                    Output::Done(outcome) => return self.end(outcome),
                }
            }
            input = self.next_input(wait_until).await.map_err(|error| Refused { error, refused: None })?;
        }
    }

    fn start(&mut self, source: usize) {
        let member = self.members[source].clone();
        let clock = self.inner.runtime.clock.clone();
        let asked = self.question.asked.clone();
        let reply = (self.ask)(One { inner: self.inner.clone(), member, asked });
        let reply = async move {
            timeout(&*clock, ANSWER_MAX, reply).await.unwrap_or_else(|_| {
                let silence = format!("said nothing for {} seconds", ANSWER_MAX.as_secs());
                Reply::Failed(SourceError::Unavailable(silence))
            })
        };
        self.slots[source] = Some(Slot { asked_at: self.now(), promised: false, reply: Box::pin(reply) });
    }

    /// Waits for the next thing to happen; an error of ours ends the asking.
    async fn next_input(&mut self, wait_until: Option<Duration>) -> Result<Input, Error> {
        let clock = &self.inner.runtime.clock;
        let mut timer = wait_until.map(|at| clock.sleep(at.saturating_sub(clock.monotonic())));
        let slots = &mut self.slots;
        let happened = poll_fn(|context| {
            for (source, slot) in slots.iter_mut().enumerate() {
                let Some(slot) = slot else { continue };
                if let Poll::Ready(reply) = slot.reply.poll_unpin(context) {
                    return Poll::Ready(Some((source, reply)));
                }
            }
            let Some(timer) = &mut timer else { return Poll::Pending };
            timer.poll_unpin(context).map(|()| None)
        });
        match happened.await {
            Some((source, reply)) => Ok(Input::Answer(source, self.learn(source, reply)?)),
            None => Ok(Input::Time),
        }
    }

    /// Notes what a source came back with.
    fn learn(&mut self, source: usize, reply: Reply<T>) -> Result<Answer, Error> {
        let now = self.now();
        let member = self.members[source].clone();
        let slot = self.slots[source].take();
        let (took, promised) =
            slot.map_or((Duration::ZERO, false), |slot| (now.saturating_sub(slot.asked_at), slot.promised));
        match reply {
            Reply::Good(content) => {
                if promised {
                    member.kept_promise()
                } else {
                    member.answered(took, "yes")
                }
                self.won = Some(content);
                Ok(Answer::Good)
            }
            Reply::Promise(reply) => {
                member.answered(took, "yes");
                self.slots[source] = Some(Slot { asked_at: now, promised: true, reply });
                Ok(Answer::Promise)
            }
            Reply::No => {
                member.lacks(&self.question, now, took);
                Ok(Answer::No)
            }
            Reply::Failed(error) => {
                member.failed(&self.question, now, took, &error);
                self.problems.push((member.traits.label.clone(), error));
                Ok(Answer::Nothing)
            }
            Reply::Broken(error) => Err(error),
        }
    }

    fn end(&mut self, outcome: Outcome) -> Result<Won<T>, Refused> {
        let denied = self.problems.iter().any(|(_, error)| matches!(error, SourceError::Denied(_)));
        let refused = denied.then(|| self.question.asked.principal.clone());
        match (outcome, self.won.take()) {
            (Outcome::Won(source), Some(content)) => Ok(Won { content, source }),
            (Outcome::Absent, _) => {
                let error = match self.question.kind {
                    Kind::Manifest => Error::ManifestUnknown,
                    Kind::Blob => Error::BlobUnknown,
                };
                Err(Refused { error, refused })
            }
            _ => Err(Refused { error: unanswered(&self.problems), refused }),
        }
    }

    fn now(&self) -> Duration {
        self.inner.runtime.clock.monotonic()
    }
}
