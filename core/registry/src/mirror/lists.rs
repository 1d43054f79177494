//! Lists of what is here and of what sources have, as one.

use std::time::Duration;

use dockless_oci::{RepositoryName, Tag};
use dockless_runtime::{BoxFuture, timeout};
use futures_util::future::join_all;

use super::Mirror;
use super::health::Standing;
use super::member::Member;
use super::reply::unanswered;
use crate::error::Error;
use crate::source::{Asked, Principal, SourceError};

/// How long a list waits for a source. One that takes longer is left out: a list is no promise to be complete.
const LIST_MAX: Duration = Duration::from_secs(5);

/// What all sources said to a question about lists.
struct Said<T> {
    lists: Vec<T>,
    problems: Vec<(String, SourceError)>,
}

impl Mirror {
    /// The tags that sources have for a repository, in any order, perhaps more than once. A source that fails is left
    /// out.
    ///
    /// [`Error::NameUnknown`] when none has the repository, and [`Error::Unavailable`] when none even said so.
    pub(crate) async fn tags(&self, asked: &Asked) -> Result<Vec<Tag>, Error> {
        let said = self.ask_all(|member| member.source.tags(asked)).await;
        let answered = !said.lists.is_empty();
        let known: Vec<Vec<Tag>> = said.lists.into_iter().flatten().collect();
        match known.is_empty() {
            false => Ok(known.into_iter().flatten().collect()),
            true if answered => Err(Error::NameUnknown),
            true => Err(unanswered(&said.problems)),
        }
    }

    /// The repositories that sources offer to somebody, in any order, perhaps more than once. A source that fails is
    /// left out.
    pub(crate) async fn repositories(&self, principal: &Principal) -> Vec<RepositoryName> {
        let said = self.ask_all(|member| member.source.repositories(principal)).await;
        said.lists.into_iter().flatten().collect()
    }

    /// Asks every source at once, but those that rest.
    async fn ask_all<'a, T: Send>(
        &'a self,
        ask: impl Fn(&'a Member) -> BoxFuture<'a, Result<T, SourceError>>,
    ) -> Said<T> {
        let clock = &*self.inner.runtime.clock;
        let mut said = Said { lists: Vec::new(), problems: Vec::new() };
        let mut asked = Vec::new();
        for member in &*self.members {
            let began = clock.monotonic();
            let (standing, probe) = member.admit(began);
            if standing == Standing::Rests || member.is_left_out_of_lists(began) {
                said.problems.push(member.resting());
                continue;
            }
            let answer = ask(member);
            asked.push(async move {
                let _probe = probe;
                let answer = timeout(clock, LIST_MAX, answer).await;
                (member, answer, clock.monotonic().saturating_sub(began))
            });
        }
        for (member, answer, took) in join_all(asked).await {
            match answer {
                Ok(Ok(list)) => {
                    member.listed();
                    said.lists.push(list);
                }
                Ok(Err(error)) => {
                    member.failed_at(clock.monotonic(), took, &error, "a list");
                    said.problems.push((member.traits.label.clone(), error));
                }
                Err(_) => {
                    let error = member.took_too_long_to_list(clock.monotonic(), LIST_MAX);
                    said.problems.push((member.traits.label.clone(), error));
                }
            }
        }
        said
    }
}
