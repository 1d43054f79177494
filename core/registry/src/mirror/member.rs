//! One source of a node, with what was learnt of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dockless_runtime::metric::{Counter, Family};

use super::absence::{Absences, Question};
use super::health::{Health, Standing};
use crate::source::{Source, SourceError, SourceTraits};

/// What sources answered. The labels are those of the sources, which are few and do not change.
pub(super) type Answers = Family<[(&'static str, String); 2], Counter>;

/// A source among those of a node.
pub(super) struct Member {
    pub(super) source: Arc<dyn Source>,
    pub(super) traits: SourceTraits,
    health: Mutex<Health>,
    absences: Mutex<Absences>,
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
        Arc::new(Self { source, traits, health: Mutex::default(), absences: Mutex::default(), answers })
    }

    /// How it is; nothing is awaited while this is held.
    pub(super) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Whether it said a moment ago that it does not have this.
    pub(super) fn is_known_to_lack(&self, question: &Question, now: Duration) -> bool {
        !self.traits.absence_holds.is_zero() && self.absences().holds(&self.heard(question), now)
    }

    /// It answered; `answer` is a word for the metric.
    pub(super) fn answered(&self, took: Duration, answer: &str) {
        self.count(answer);
        self.recovered(|health| health.answered(took));
    }

    /// It gave a list. What that took says nothing about how long to wait for a manifest or a blob.
    pub(super) fn listed(&self) {
        self.count("list");
        self.recovered(Health::kept);
    }

    /// It delivered what it had promised.
    pub(super) fn kept_promise(&self) {
        self.recovered(Health::kept);
    }

    /// It said that it does not have this.
    pub(super) fn lacks(&self, question: &Question, now: Duration, took: Duration) {
        self.answered(took, "no");
        if !self.traits.absence_holds.is_zero() {
            self.absences().note(self.heard(question), now, self.traits.absence_holds);
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

    fn absences(&self) -> MutexGuard<'_, Absences> {
        self.absences.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
