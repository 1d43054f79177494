//! The one place that asks sources for what this node does not have.
//!
//! [`decision`] says who is asked when and when it is over, [`asking`] does it, [`verify`] and [`transfer`] see to it
//! that nothing wrong gets out, [`flights`] that many who want the same cost one asking, [`health`] and [`absence`]
//! remember.

mod absence;
mod adopt;
mod answer;
mod asking;
mod decision;
mod flights;
mod health;
mod in_place;
mod lists;
mod member;
mod report;
mod transfer;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use dockless_oci::{Digest, Reference};
use dockless_runtime::{BoxFuture, MetricRegistry};
use futures_util::FutureExt as _;

use self::absence::{Kind, Question};
use self::answer::One;
use self::asking::{Ask, Asking, Refused};
use self::decision::Candidate;
use self::flights::Flights;
use self::health::Standing;
use self::member::{Answers, Member, Probe};
use crate::error::Error;
use crate::pull::{BlobContent, Manifest};
use crate::registry::Registry;
use crate::source::{Asked, Source, SourceError};

pub(crate) use self::lists::merged;
pub use self::report::SourceReport;

/// The sources of a node, and what is going on between them and it.
pub(crate) struct Mirror {
    /// In the order in which they were given; their numbers are their places here.
    members: Vec<Arc<Member>>,
    /// Whether some source answers only some: then nobody gets what another one asked for.
    private: bool,
    manifests: Flights<Won<Manifest>>,
    blobs: Flights<Won<BlobContent>>,
    sizes: Flights<Won<u64>>,
    adoptions: Flights<Won<u64>>,
}

/// What a source gave, verified.
#[derive(Clone, Debug)]
pub(crate) struct Won<T> {
    pub(crate) content: T,
    /// The number of the source.
    pub(crate) source: usize,
}

/// Who may be asked now.
struct Field {
    candidates: Vec<Candidate>,
    /// Whether one that is not among them is known not to have it.
    absent: bool,
    /// Why the others are not among them.
    resting: Vec<(String, SourceError)>,
    probes: Vec<Probe>,
}

impl Mirror {
    pub(crate) fn new(sources: Vec<Arc<dyn Source>>, metrics: &MetricRegistry) -> Self {
        let answers = Answers::default();
        metrics.register("source_answers", "Answers of sources, by what they said", answers.clone());
        let members: Vec<_> =
            sources.into_iter().map(|source| Member::new(source, answers.clone())).collect();
        Self {
            private: members.iter().any(|member| member.traits.private),
            members,
            manifests: Flights::default(),
            blobs: Flights::default(),
            sizes: Flights::default(),
            adoptions: Flights::default(),
        }
    }

    /// Whether there is nobody to ask.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The names of the sources, in the order of their numbers.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.traits.label.as_str())
    }

    /// Who is asked at `now`, in order: by standing, then by kind, then as they were given.
    fn field(&self, question: &Question, now: Duration) -> Field {
        let mut field =
            Field { candidates: Vec::new(), absent: false, resting: Vec::new(), probes: Vec::new() };
        let mut order = Vec::with_capacity(self.members.len());
        for (source, member) in self.members.iter().enumerate() {
            if member.is_known_to_lack(question, now) {
                field.absent = true;
                continue;
            }
            match member.admit(now) {
                (Standing::Rests, _) => field.resting.push(resting(member)),
                (standing, probe) => {
                    field.probes.extend(probe);
                    order.push((standing, member.traits.kind, source));
                }
            }
        }
        order.sort_unstable();
        field.candidates.extend(order.into_iter().map(|(_, _, source)| Candidate {
            source,
            alone_for: self.members[source].health().alone_for(),
        }));
        field
    }
}

/// Why a source that rests gives no answer.
fn resting(member: &Member) -> (String, SourceError) {
    let problem = member.health().problem().unwrap_or_default().to_owned();
    let label = member.traits.label.clone();
    (label, SourceError::Unavailable(format!("{problem} (asked again in a moment)")))
}

impl Registry {
    /// A manifest that some source has.
    ///
    /// [`Error::ManifestUnknown`] when one at least said that it does not have it and no other has;
    /// [`Error::Unavailable`] when none of them said anything; [`Error::Denied`] when all refuse the one who asks.
    pub(crate) async fn manifest_of_sources(
        &self,
        asked: &Asked,
        reference: &Reference,
    ) -> Result<Won<Manifest>, Error> {
        let question = Question { asked: asked.clone(), kind: Kind::Manifest, reference: reference.clone() };
        let wanted = reference.clone();
        let ask = move |one: One| one.manifest(wanted.clone()).boxed();
        self.ask(|mirror| &mirror.manifests, question, Arc::new(ask)).await
    }

    /// A blob that some source has. It is verified, or verifies itself as it is read. Errors as those of
    /// [`Registry::manifest_of_sources`].
    pub(crate) async fn blob_of_sources(
        &self,
        asked: &Asked,
        digest: &Digest,
    ) -> Result<Won<BlobContent>, Error> {
        let wanted = digest.clone();
        let ask = move |one: One| one.blob(wanted.clone()).boxed();
        self.ask(|mirror| &mirror.blobs, of_blob(asked, digest), Arc::new(ask)).await
    }

    /// The size of a blob that some source has, as the source states it: nothing is read to find out whether that is
    /// true, unless the source does not say.
    pub(crate) async fn size_of_sources(&self, asked: &Asked, digest: &Digest) -> Result<u64, Error> {
        let wanted = digest.clone();
        let ask = move |one: One| one.size(wanted.clone()).boxed();
        Ok(self.ask(|mirror| &mirror.sizes, of_blob(asked, digest), Arc::new(ask)).await?.content)
    }

    async fn ask<T: Clone + Send + Sync + 'static>(
        &self,
        flights: fn(&Mirror) -> &Flights<Won<T>>,
        question: Question,
        ask: Ask<T>,
    ) -> Result<Won<T>, Error> {
        let mirror = &self.inner.mirror;
        let begin = || -> BoxFuture<'static, Result<Won<T>, Refused>> {
            Box::pin(Asking::run(self.clone(), question.clone(), ask.clone()))
        };
        flights(mirror).join(&question, !mirror.private, begin).await
    }
}

fn of_blob(asked: &Asked, digest: &Digest) -> Question {
    Question { asked: asked.clone(), kind: Kind::Blob, reference: Reference::Digest(digest.clone()) }
}
