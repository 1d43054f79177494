//! How the sources of a node are, for people and for programs.

use std::time::Duration;

use dockless_runtime::timeout;
use futures_util::future::join_all;

use super::Mirror;
use super::health::Standing;
use super::member::Member;
use crate::source::{SourceStatus, SourceTraits};

/// How long a source may take to say how it is.
pub(crate) const STATUS_MAX: Duration = Duration::from_secs(10);

/// A source, how it says that it is, and what this node learnt of it by asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceReport {
    /// What it says of itself.
    pub traits: SourceTraits,
    /// How it is now; with a problem that says so when it did not answer in time.
    pub status: SourceStatus,
    /// Failures in a row, up to now.
    pub failures: u32,
    /// What its latest failure was, if it has not answered since.
    pub last_problem: Option<String>,
    /// Whether it is not asked at present, because it failed again and again and some time has to pass.
    pub rests: bool,
    /// The time within which 19 of 20 of its latest answers came; `None` when it has given none.
    pub answers_within: Option<Duration>,
}

impl Mirror {
    /// How they are, as they were given.
    pub(crate) async fn report(&self, limit: Duration) -> Vec<SourceReport> {
        join_all(self.members.iter().map(|member| self.of_one(member, limit))).await
    }

    async fn of_one(&self, member: &Member, limit: Duration) -> SourceReport {
        let clock = &*self.inner.runtime.clock;
        let status = timeout(clock, limit, member.source.status()).await;
        let status = status.unwrap_or_else(|_| SourceStatus {
            description: member.traits.label.clone(),
            images: None,
            problem: Some(format!("it did not say how it is within {limit:?}")),
            note: None,
        });
        let health = member.health();
        SourceReport {
            traits: member.traits.clone(),
            status,
            failures: health.failures(),
            last_problem: health.problem().map(str::to_owned),
            rests: health.standing(clock.monotonic()) == Standing::Rests,
            answers_within: health.usual(),
        }
    }
}
