//! A source that answers only one.

use std::sync::Arc;

use async_trait::async_trait;
use dockless_oci::{Digest, Reference, RepositoryName, Tag};

use crate::content::Manifest;
use crate::source::{Asked, Principal, Source, SourceBlob, SourceError, SourceStatus, SourceTraits};

/// As a registry that wants a login: what another source has, for one principal alone.
pub struct PrivateSource {
    source: Arc<dyn Source>,
    traits: SourceTraits,
    owner: Principal,
}

impl PrivateSource {
    /// What `source` has, for `owner`. `private` is whether it says that its answers are for whoever asked.
    #[must_use]
    pub fn new(source: Arc<dyn Source>, owner: Principal, private: bool) -> Arc<Self> {
        let traits = SourceTraits { private, ..source.traits().clone() };
        Arc::new(Self { source, traits, owner })
    }

    fn check(&self, principal: &Principal) -> Result<(), SourceError> {
        if *principal == self.owner {
            return Ok(());
        }
        Err(SourceError::Denied("401 Unauthorized".to_owned()))
    }
}

#[async_trait]
impl Source for PrivateSource {
    fn traits(&self) -> &SourceTraits {
        &self.traits
    }

    async fn manifest(&self, asked: &Asked, reference: &Reference) -> Result<Option<Manifest>, SourceError> {
        // The one who is refused has to wait for that as well.
        let answer = self.source.manifest(asked, reference).await;
        self.check(&asked.principal)?;
        answer
    }

    async fn blob(&self, asked: &Asked, digest: &Digest) -> Result<Option<SourceBlob>, SourceError> {
        let answer = self.source.blob(asked, digest).await;
        self.check(&asked.principal)?;
        answer
    }

    async fn tags(&self, asked: &Asked) -> Result<Option<Vec<Tag>>, SourceError> {
        self.check(&asked.principal)?;
        self.source.tags(asked).await
    }

    async fn repositories(&self, principal: &Principal) -> Result<Vec<RepositoryName>, SourceError> {
        self.check(principal)?;
        self.source.repositories(principal).await
    }

    async fn status(&self) -> SourceStatus {
        self.source.status().await
    }
}
