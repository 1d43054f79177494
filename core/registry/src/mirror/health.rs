//! How one source has answered lately: whether it is asked now, and how long it is waited for alone.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use crate::source::{SourceError, SourceKind};

/// Answers whose times are remembered: the 95th percentile of fewer would be their slowest, and older ones say
/// little about now.
const SAMPLES_MAX: usize = 64;

/// The shortest time for which a source is waited for alone. Asking another one costs about as much.
const ALONE_MIN: Duration = Duration::from_millis(20);

/// The longest time for which a source is waited for alone, however slow it usually is: a client that waits longer
/// than this for a first sign gets a second try elsewhere.
const ALONE_MAX: Duration = Duration::from_secs(2);

/// For how long a source of which nothing is known yet is waited for alone: what another machine takes at most when
/// all is well.
const ALONE_UNKNOWN: Duration = Duration::from_millis(250);

/// Failures in a row after which a source is asked last, and if it cannot be reached not at all for some time.
const FAILURES_MAX: u32 = 3;

/// A source that cannot be reached rests for this many times as long as finding that out took: of the time that
/// requests wait, at most a fifth is spent on it.
const REST_FACTOR: u32 = 4;

/// The shortest rest. What refuses at once costs nothing, and is found to be back as soon.
const REST_MIN: Duration = Duration::from_millis(250);

/// The longest rest: so long may it stay unnoticed that a source is back.
const REST_MAX: Duration = Duration::from_secs(30);

/// The longest rest of an engine. Who has started it again pulls from it at once, and to find out costs a call on a
/// socket of this machine.
const REST_OF_ENGINE_MAX: Duration = Duration::from_secs(3);

/// Characters of a problem that are kept and shown.
const PROBLEM_CHARS_MAX: usize = 300;

/// What is known of a source; time is that of the runtime's clock.
#[derive(Debug)]
pub(super) struct Health {
    rest_max: Duration,
    /// How long the latest answers took.
    samples: VecDeque<Duration>,
    failures: u32,
    rests_until: Option<Duration>,
    problem: Option<String>,
    /// Whether somebody finds out at present whether a source is back.
    probed: bool,
}

/// Whether a source is asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// In its turn.
    Well,
    /// After those who are well.
    Doubtful,
    /// After those who are well, and by one request alone.
    Probe,
    /// Not at all.
    Rests,
}

impl Health {
    /// That of a source which was not asked yet.
    pub(super) fn of(kind: SourceKind) -> Self {
        let rest_max = match kind {
            SourceKind::Engine => REST_OF_ENGINE_MAX,
            SourceKind::Remote => REST_MAX,
        };
        let samples = VecDeque::new();
        Self { rest_max, samples, failures: 0, rests_until: None, problem: None, probed: false }
    }

    /// Whether it is asked at `now`.
    pub(super) fn standing(&self, now: Duration) -> Standing {
        match self.rests_until {
            _ if self.failures < FAILURES_MAX => Standing::Well,
            None => Standing::Doubtful,
            Some(until) if now < until || self.probed => Standing::Rests,
            Some(_) => Standing::Probe,
        }
    }

    /// How long it is waited for alone: the 95th percentile of what its latest answers took, within bounds.
    pub(super) fn alone_for(&self) -> Duration {
        let Some(usual) = self.usual() else { return ALONE_UNKNOWN };
        usual.clamp(ALONE_MIN, ALONE_MAX)
    }

    /// The 95th percentile of what its latest answers took.
    pub(super) fn usual(&self) -> Option<Duration> {
        let mut sorted: Vec<Duration> = self.samples.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * 95).div_ceil(100);
        sorted.get(rank.checked_sub(1)?).copied()
    }

    /// It answered, whatever it said: it is well.
    pub(super) fn answered(&mut self, took: Duration) {
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(took);
        self.kept();
    }

    /// It did what it had promised.
    pub(super) fn kept(&mut self) {
        self.failures = 0;
        self.rests_until = None;
        self.problem = None;
    }

    /// It failed at `now` after `took`. That it refused somebody or something is no failure.
    pub(super) fn failed(&mut self, now: Duration, took: Duration, error: &SourceError) {
        let unreachable = match error {
            SourceError::Denied(_) => return self.answered(took),
            // One that fails at one thing alone is well; what that took says little about its answers.
            SourceError::Refused(_) => return self.kept(),
            // One damaged thing says nothing about the others that the source has: it is not put to rest.
            SourceError::Damaged(_) => false,
            SourceError::Unavailable(_) => true,
        };
        self.failures = self.failures.saturating_add(1);
        self.problem = Some(shortened(&error.to_string()));
        let rest = took.saturating_mul(REST_FACTOR).clamp(REST_MIN, self.rest_max);
        self.rests_until = Some(now + rest).filter(|_| unreachable && self.failures >= FAILURES_MAX);
    }

    /// Notes that one request finds out whether the source is back, or has ended.
    pub(super) fn probe(&mut self, probed: bool) {
        self.probed = probed;
    }

    /// Failures since its last answer.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Why it failed last, if that was its latest answer.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

/// The beginning of what a source says, for people.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(PROBLEM_CHARS_MAX).collect()
}
