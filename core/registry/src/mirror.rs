//! The one place that asks sources for what this node does not have.
//!
//! [`decision`] says who is asked when and when it is over, [`asking`] does it, [`verify`] and [`transfer`] see to it
//! that nothing wrong gets out, [`flights`] that many who want the same cost one asking, [`health`] and [`absence`]
//! remember.

mod absence;
mod answer;
mod asking;
mod decision;
mod field;
mod flights;
mod health;
mod holder;
mod in_place;
mod lists;
mod member;
mod question;
mod reply;
pub(crate) mod report;
mod transfer;
mod verify;

use std::sync::Arc;

use dockless_oci::{Digest, Reference};
use dockless_runtime::{BoxFuture, MetricRegistry};
use futures_util::FutureExt as _;

use self::answer::{Found, One};
use self::asking::{Ask, Asking};
use self::flights::Flights;
use self::member::{Answers, Member};
use self::question::Question;
use self::reply::{Refused, Won};
use crate::content::{BlobContent, Manifest};
use crate::error::Error;
use crate::inner::Inner;
use crate::source::{Asked, Source};

/// The sources of a node, and what is going on between them and it.
pub(crate) struct Mirror {
    inner: Arc<Inner>,
    /// In the order in which they were given; their numbers are their places here.
    members: Arc<[Arc<Member>]>,
    /// Whether some source answers only some: then nobody gets what another one asked for.
    private: bool,
    manifests: Flights<Won<Manifest>>,
    blobs: Flights<Won<Found>>,
    sizes: Flights<Won<u64>>,
    copies: Flights<Won<u64>>,
}

impl Mirror {
    pub(crate) fn new(inner: Arc<Inner>, sources: Vec<Arc<dyn Source>>, metrics: &MetricRegistry) -> Self {
        let answers = Answers::default();
        metrics.register("source_answers", "Answers of sources, by what they said", answers.clone());
        let members = sources.into_iter().map(|source| Member::new(source, answers.clone()));
        let members: Arc<[Arc<Member>]> = members.collect();
        Self {
            inner,
            private: members.iter().any(|member| member.traits.private),
            members,
            manifests: Flights::default(),
            blobs: Flights::default(),
            sizes: Flights::default(),
            copies: Flights::default(),
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

    /// A manifest that some source has.
    ///
    /// [`Error::ManifestUnknown`] when one at least said that it does not have it and no other has;
    /// [`Error::Unavailable`] when none of them said anything; [`Error::Denied`] when all refuse the one who asks.
    pub(crate) async fn manifest(
        &self,
        asked: &Asked,
        reference: &Reference,
    ) -> Result<Won<Manifest>, Error> {
        let wanted = reference.clone();
        let ask: Ask<Manifest> = Arc::new(move |one: One| one.manifest(wanted.clone()).boxed());
        let question = Question::manifest(asked, reference);
        match reference {
            Reference::Digest(_) => self.ask(&self.manifests, question, ask).await,
            // What was asked a moment ago may have been answered before the tag moved.
            Reference::Tag(_) => self.begin(&question, &ask).await.map_err(|refused| refused.error),
        }
    }

    /// A blob that some source has. It is verified, or verifies itself as it is read: then it is open for this one who
    /// asks alone. Errors as those of [`Mirror::manifest`].
    pub(crate) async fn blob(&self, asked: &Asked, digest: &Digest) -> Result<Won<BlobContent>, Error> {
        let wanted = digest.clone();
        let ask: Ask<Found> = Arc::new(move |one: One| one.blob(wanted.clone()).boxed());
        let question = Question::blob(asked, digest);
        let Won { content: found, source } = self.ask(&self.blobs, question.clone(), ask.clone()).await?;
        if let Some(content) = found.take() {
            return Ok(Won { content, source });
        }
        let own = self.begin(&question, &ask).await.map_err(|refused| refused.error)?;
        let content = own.content.take().expect("nobody else has the answer to an asking of one's own");
        Ok(Won { content, source: own.source })
    }

    /// The size of a blob that some source has, as the source states it: nothing is read to find out whether that is
    /// true, unless the source does not say.
    pub(crate) async fn size(&self, asked: &Asked, digest: &Digest) -> Result<u64, Error> {
        let wanted = digest.clone();
        let ask = move |one: One| one.size(wanted.clone()).boxed();
        Ok(self.ask(&self.sizes, Question::blob(asked, digest), Arc::new(ask)).await?.content)
    }

    /// Copies a blob that some source has into the store, and lets the repository hold it; its size. So it is done
    /// also with what a source answers to the one who asks alone.
    pub(crate) async fn copy(&self, asked: &Asked, digest: &Digest) -> Result<u64, Error> {
        let wanted = digest.clone();
        let ask = move |one: One| one.copy(wanted.clone()).boxed();
        let Won { content: size, source } =
            self.ask(&self.copies, Question::blob(asked, digest), Arc::new(ask)).await?;
        let source = self.members[source].traits.label.as_str();
        tracing::info!(repository = %asked.repository, %digest, size, %source, "a blob was taken over");
        Ok(size)
    }

    async fn ask<T: Clone + Send + Sync + 'static>(
        &self,
        flights: &Flights<Won<T>>,
        question: Question,
        ask: Ask<T>,
    ) -> Result<Won<T>, Error> {
        flights.join(&question, !self.private, || self.begin(&question, &ask)).await
    }

    /// An asking of its own.
    fn begin<T: Send + 'static>(
        &self,
        question: &Question,
        ask: &Ask<T>,
    ) -> BoxFuture<'static, Result<Won<T>, Refused>> {
        let (inner, members) = (self.inner.clone(), self.members.clone());
        Box::pin(Asking::run(inner, members, question.clone(), ask.clone()))
    }
}
