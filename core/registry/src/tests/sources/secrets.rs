//! What a source says to one alone is heard by nobody else.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dockless_oci::{Digest, Reference, RepositoryName, Tag};

use super::fixture::{app, as_user, get_blob, machine, memory, tagged};
use crate::conformance::{Bring, MemorySource};
use crate::{Asked, Error, Manifest, Principal, Source, SourceBlob, SourceError, SourceStatus, SourceTraits};

/// A source that hides from all but one that it has anything.
struct Shy {
    source: Arc<MemorySource>,
    traits: SourceTraits,
    owner: Principal,
}

#[async_trait]
impl Source for Shy {
    fn traits(&self) -> &SourceTraits {
        &self.traits
    }

    async fn manifest(&self, asked: &Asked, reference: &Reference) -> Result<Option<Manifest>, SourceError> {
        let manifest = self.source.manifest(asked, reference).await?;
        Ok(manifest.filter(|_| asked.principal == self.owner))
    }

    async fn blob(&self, asked: &Asked, digest: &Digest) -> Result<Option<SourceBlob>, SourceError> {
        let blob = self.source.blob(asked, digest).await?;
        Ok(blob.filter(|_| asked.principal == self.owner))
    }

    async fn tags(&self, asked: &Asked) -> Result<Option<Vec<Tag>>, SourceError> {
        self.source.tags(asked).await
    }

    async fn repositories(&self, principal: &Principal) -> Result<Vec<RepositoryName>, SourceError> {
        self.source.repositories(principal).await
    }

    async fn status(&self) -> SourceStatus {
        self.source.status().await
    }
}

#[test]
fn what_is_hidden_from_one_is_neither_hidden_from_nor_shown_to_another() {
    for bring in [Bring::InPlace, Bring::Foreign] {
        let machine = machine(|runtime| {
            let source = memory(runtime, "shy", bring);
            source.slow_down(Duration::from_secs(1));
            let holds = Duration::from_secs(60);
            let traits = SourceTraits { private: true, absence_holds: holds, ..source.traits().clone() };
            [Arc::new(Shy { source, traits, owner: Principal::User("owner".into()) })]
        });
        let registry = &machine.registry;
        let (own, other) = (as_user("app", "owner"), as_user("app", "other"));
        let (reference, blobs) = (tagged("1"), app().1);
        machine.run(async {
            for _ in 0..2 {
                let hidden = registry.manifest(&other, &reference);
                let shown = registry.manifest(&own, &reference);
                let (hidden, shown) = futures_util::future::join(hidden, shown).await;
                assert_eq!((hidden, shown.is_ok()), (Err(Error::ManifestUnknown), true));
                for (digest, bytes) in &blobs {
                    let hidden = get_blob(registry, &other, digest);
                    let shown = get_blob(registry, &own, digest);
                    let (hidden, shown) = futures_util::future::join(hidden, shown).await;
                    assert_eq!((hidden, shown.as_ref()), (Err(Error::BlobUnknown), Ok(bytes)));
                }
            }
        });
    }
}
