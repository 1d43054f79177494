//! One source of a node, with what was learnt of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dockless_runtime::metric::{Counter, Family};

use super::absence::Absences;
use super::health::{Health, Standing};
use super::question::Question;
use crate::source::{Source, SourceError, SourceTraits};

/// For how long a source is not asked for a blob that it promised and that turned out to be damaged, and is asked last
/// for one that could not be read: long enough for a client to come back for the rest of it.
const DAMAGE_HOLDS: Duration = Duration::from_secs(60);

/// What sources answered. The labels are those of the sources, which are few and do not change.
pub(super) type Answers = Family<[(&'static str, String); 2], Counter>;

/// A source among those of a node.
pub(super) struct Member {
    pub(super) source: Arc<dyn Source>,
    pub(super) traits: SourceTraits,
    health: Mutex<Health>,
    /// That of its lists: one that takes too long for them may still be quick with what is pulled.
    lists: Mutex<Health>,
    absences: Mutex<Absences>,
    /// What turned out to be damaged after it was promised.
    damages: Mutex<Absences>,
    /// What could not be read after it was promised.
    unreadable: Mutex<Absences>,
    answers: Answers,
}

/// The one request that finds out whether a source is back. Dropped, the next one may.
pub(super) struct Probe(Arc<Member>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.health().probe(false);
    }
}

impl Member {
    pub(super) fn new(source: Arc<dyn Source>, answers: Answers) -> Arc<Self> {
        let traits = source.traits().clone();
        Arc::new(Self {
            source,
            health: Mutex::new(Health::of(traits.kind)),
            lists: Mutex::new(Health::of(traits.kind)),
            traits,
            absences: Mutex::default(),
            damages: Mutex::default(),
            unreadable: Mutex::default(),
            answers,
        })
    }

    /// How it is; nothing is awaited while this is held.
    pub(super) fn health(&self) -> MutexGuard<'_, Health> {
        lock(&self.health)
    }

    /// Whether it may be asked now, and the probe if only one request may.
    pub(super) fn admit(self: &Arc<Self>, now: Duration) -> (Standing, Option<Probe>) {
        let mut health = self.health();
        let standing = health.standing(now);
        let probe = (standing == Standing::Probe).then(|| Probe(self.clone()));
        if probe.is_some() {
            health.probe(true);
        }
        (standing, probe)
    }

    /// Why it gives no answer while it rests.
    pub(super) fn resting(&self) -> (String, SourceError) {
        let problem = self.health().problem().unwrap_or_default().to_owned();
        let why = format!("{problem} (asked again in a moment)");
        (self.traits.label.clone(), SourceError::Unavailable(why))
    }

    /// Whether it said a moment ago that it does not have this.
    pub(super) fn is_known_to_lack(&self, question: &Question, now: Duration) -> bool {
        !self.traits.absence_holds.is_zero() && lock(&self.absences).holds(&self.heard(question), now)
    }

    /// Whether what it has of this turned out to be damaged a moment ago.
    pub(super) fn is_known_to_be_damaged(&self, question: &Question, now: Duration) -> bool {
        lock(&self.damages).holds(&self.heard(question), now)
    }

    /// Whether what it has of this could not be read a moment ago.
    pub(super) fn is_known_to_be_unreadable(&self, question: &Question, now: Duration) -> bool {
        lock(&self.unreadable).holds(&self.heard(question), now)
    }

    /// A blob that it offered in place cannot be read to its end. Whoever comes back for the rest gets it elsewhere;
    /// where it is not damaged, perhaps also here.
    pub(super) fn failed_in_place(&self, question: &Question, now: Duration, error: &SourceError) {
        if matches!(error, SourceError::Damaged(_)) {
            lock(&self.damages).note(self.heard(question), now, DAMAGE_HOLDS);
            return self.failed(question, now, Duration::ZERO, error);
        }
        // Whether the source answers is another matter, of which this tells neither good nor bad.
        lock(&self.unreadable).note(self.heard(question), now, DAMAGE_HOLDS);
        self.count("unreadable");
        let (label, repository) = (&self.traits.label, &question.asked.repository);
        tracing::warn!(source = %label, %repository, %error, "what a source has cannot be read");
    }

    /// It answered; `answer` is a word for the metric.
    pub(super) fn answered(&self, took: Duration, answer: &str) {
        self.count(answer);
        self.recovered(|health| health.answered(took));
    }

    /// Whether lists are made without it for now.
    pub(super) fn is_left_out_of_lists(&self, now: Duration) -> bool {
        lock(&self.lists).standing(now) == Standing::Rests
    }

    /// It gave a list. What that took says nothing about how long to wait for a manifest or a blob.
    pub(super) fn listed(&self) {
        self.count("list");
        lock(&self.lists).kept();
        self.recovered(Health::kept);
    }

    /// It gave no list within `limit`; why it is left out.
    pub(super) fn took_too_long_to_list(&self, now: Duration, limit: Duration) -> SourceError {
        self.count("list too late");
        let error = SourceError::Unavailable(format!("no list within {limit:?}"));
        lock(&self.lists).failed(now, limit, &error);
        tracing::warn!(source = %self.traits.label, %error, "a source is left out of a list");
        error
    }

    /// It delivered what it had promised.
    pub(super) fn kept_promise(&self) {
        self.recovered(Health::kept);
    }

    /// It said that it does not have this.
    pub(super) fn lacks(&self, question: &Question, now: Duration, took: Duration) {
        self.answered(took, "no");
        if !self.traits.absence_holds.is_zero() {
            lock(&self.absences).note(self.heard(question), now, self.traits.absence_holds);
        }
    }

    /// It failed when it was asked this.
    pub(super) fn failed(&self, question: &Question, now: Duration, took: Duration, error: &SourceError) {
        let repository = &question.asked.repository;
        self.failed_at(now, took, error, &format!("{repository} {}", question.reference));
    }

    /// It failed at `what`.
    pub(super) fn failed_at(&self, now: Duration, took: Duration, error: &SourceError, what: &str) {
        let (standing, failures) = {
            let mut health = self.health();
            health.failed(now, took, error);
            (health.standing(now), health.failures())
        };
        let label = &self.traits.label;
        match error {
            SourceError::Denied(_) => {
                self.count("denied");
                tracing::debug!(source = %label, %what, %error, "a source refused somebody");
            }
            SourceError::Refused(_) => {
                self.count("refused");
                tracing::info!(source = %label, %what, %error, "a source does not give something");
            }
            SourceError::Damaged(_) => {
                self.count("damaged");
                tracing::warn!(source = %label, %what, %error, "a source has damaged content");
            }
            SourceError::Unavailable(_) => {
                self.count("unavailable");
                // One that stays away is told of once, not by each request.
                if failures == 1 {
                    tracing::warn!(source = %label, %what, %error, "a source does not answer");
                } else {
                    tracing::debug!(source = %label, %what, %error, ?standing, "a source does not answer");
                }
            }
        }
    }

    fn recovered(&self, note: impl FnOnce(&mut Health)) {
        let failed_before = {
            let mut health = self.health();
            let failures = health.failures();
            note(&mut health);
            failures > 0
        };
        if failed_before {
            tracing::info!(source = %self.traits.label, "a source answers again");
        }
    }

    fn count(&self, answer: &str) {
        let labels = [("source", self.traits.label.clone()), ("answer", answer.to_owned())];
        self.answers.get_or_create(&labels).inc();
    }

    fn heard(&self, question: &Question) -> Question {
        if self.traits.private { question.clone() } else { question.of_anybody() }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
