//! Who is asked when: the decisions of one asking, without a clock, a task or a source.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

/// A source that may be asked, in the order in which sources are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Which one, by its number in the node.
    pub(super) source: usize,
    /// How long it is waited for alone, once it is asked.
    pub(super) alone_for: Duration,
}

/// What happens to an asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// It begins.
    Start,
    /// A source that was asked, and not cancelled, came back.
    Answer(usize, Answer),
    /// The time that was waited for has come.
    Time,
}

/// What a source came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The content, verified.
    Good,
    /// That it has the content, which is being taken in and verified now. The same source comes back once more.
    Promise,
    /// That it does not have the content.
    No,
    /// Nothing that helps: refused, failed, or wrong bytes.
    Nothing,
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Ask this source.
    Ask(usize),
    /// Stop asking this source, and forget what it was about to say.
    Cancel(usize),
    /// Come back with [`Input::Time`] then. Holds until the next input, whatever that is.
    WaitUntil(Duration),
    /// It is over. The last output there is.
    Done(Outcome),
}

/// How an asking ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// This source's content is good.
    Won(usize),
    /// No source has it, as far as they answered: one at least said so.
    Absent,
    /// No source said anything about it.
    Unanswered,
}

/// The state of one asking.
///
/// Sources are asked in order. The next one starts when all that were asked came back with nothing good, each of
/// them brings its successor at once, or when the one before it was waited for alone long enough. The first good
/// answer wins and the others are cancelled. While a promise is being taken in nobody else is asked: those under way
/// are cancelled and go back in front of the queue, for the case that the promise is not kept.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    queue: VecDeque<Candidate>,
    under_way: Vec<Candidate>,
    next_at: Option<Duration>,
    promised: Option<usize>,
    absent: bool,
}

impl Decision {
    /// An asking of `candidates`; `absent` is whether one that is not among them is known not to have the content.
    pub(super) fn new(candidates: impl IntoIterator<Item = Candidate>, absent: bool) -> Self {
        let queue = candidates.into_iter().collect();
        Self { queue, under_way: Vec::new(), next_at: None, promised: None, absent }
    }

    /// What follows from `input` at `now`, a time that never goes back.
    pub(super) fn handle(&mut self, now: Duration, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        match input {
            Input::Start => self.ask_next(now, &mut outputs),
            Input::Time => {
                if self.next_at.is_some_and(|at| at <= now) {
                    self.ask_next(now, &mut outputs);
                }
            }
            Input::Answer(source, answer) => self.answer(now, source, answer, &mut outputs),
        }
        if let Some(at) = self.next_at {
            outputs.push(Output::WaitUntil(at));
        } else if self.under_way.is_empty() && !matches!(outputs.last(), Some(Output::Done(_))) {
            outputs.push(Output::Done(if self.absent { Outcome::Absent } else { Outcome::Unanswered }));
        }
        outputs
    }

    fn answer(&mut self, now: Duration, source: usize, answer: Answer, outputs: &mut Vec<Output>) {
        let Some(at) = self.under_way.iter().position(|candidate| candidate.source == source) else { return };
        match answer {
            Answer::Good => {
                self.under_way.remove(at);
                outputs.extend(self.under_way.drain(..).map(|other| Output::Cancel(other.source)));
                self.queue.clear();
                self.next_at = None;
                outputs.push(Output::Done(Outcome::Won(source)));
            }
            Answer::Promise => {
                let candidate = self.under_way.remove(at);
                for other in std::mem::replace(&mut self.under_way, vec![candidate]).into_iter().rev() {
                    outputs.push(Output::Cancel(other.source));
                    self.queue.push_front(other);
                }
                self.promised = Some(source);
                self.next_at = None;
            }
            Answer::No | Answer::Nothing => {
                self.under_way.remove(at);
                self.absent |= answer == Answer::No;
                if self.promised == Some(source) {
                    self.promised = None;
                }
                self.ask_next(now, outputs);
            }
        }
    }

    fn ask_next(&mut self, now: Duration, outputs: &mut Vec<Output>) {
        if self.promised.is_some() {
            return;
        }
        self.next_at = None;
        let Some(candidate) = self.queue.pop_front() else { return };
        outputs.push(Output::Ask(candidate.source));
        self.under_way.push(candidate);
        if !self.queue.is_empty() {
            self.next_at = Some(now.saturating_add(candidate.alone_for));
        }
    }
}
