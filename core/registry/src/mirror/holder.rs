//! Which source has what a delete names.

use std::time::Duration;

use dockless_oci::Reference;
use dockless_runtime::timeout;
use futures_util::future::join_all;

use super::Mirror;
use super::health::Standing;
use super::member::Member;
use crate::source::{Asked, SourceError};

/// How long a delete waits for a source that may have what is not here: its answer only makes the refusal clearer.
const HOLDER_MAX: Duration = Duration::from_secs(5);

impl Mirror {
    /// The name of the first source that has a tag or manifest. One that does not answer in time counts as one that
    /// has not.
    pub(crate) async fn holder(&self, asked: &Asked, reference: &Reference) -> Option<&str> {
        let clock = &*self.inner.runtime.clock;
        let now = clock.monotonic();
        let awake = self.members.iter().filter(|member| member.health().standing(now) != Standing::Rests);
        let answers = awake.map(|member| async move {
            let held = timeout(clock, HOLDER_MAX, holds(member, asked, reference)).await;
            matches!(held, Ok(Ok(true))).then_some(member.traits.label.as_str())
        });
        join_all(answers).await.into_iter().flatten().next()
    }
}

/// A tag is looked for in the list: asked for its manifest, a source might have to make that first.
async fn holds(member: &Member, asked: &Asked, reference: &Reference) -> Result<bool, SourceError> {
    match reference {
        Reference::Tag(tag) => {
            let tags = member.source.tags(asked).await?;
            Ok(tags.is_some_and(|tags| tags.contains(tag)))
        }
        Reference::Digest(_) => Ok(member.source.manifest(asked, reference).await?.is_some()),
    }
}
