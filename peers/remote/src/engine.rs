//! One container engine as a source.

pub(crate) mod archive;
pub(crate) mod driver;
mod manifest;
pub(crate) mod name;
mod recent;
mod settings;
mod socket;
mod spool;
mod statistics;

use async_trait::async_trait;
use dockless_oci::{Digest, Reference, RepositoryName, Tag};
use dockless_registry::{
    Asked, Manifest, Principal, Source, SourceBlob, SourceError, SourceKind, SourceStatus, SourceTraits,
};
use dockless_runtime::Runtime;

pub use settings::{EngineAddress, EngineAddressError, EngineSettings, Share};
pub use statistics::EngineMetrics;

/// A container engine of this machine as a source: docker, containerd or podman, whichever answers at the socket.
#[derive(Debug)]
pub struct Engine {
    traits: SourceTraits,
}

impl Engine {
    /// The engine behind the socket that `settings` name. Asks nothing yet: it may be down, or start later.
    #[must_use]
    pub fn new(_runtime: Runtime, settings: EngineSettings, _metrics: &EngineMetrics) -> Self {
        let traits = SourceTraits {
            label: format!("engine {}", settings.address),
            kind: SourceKind::Engine,
            absence_holds: std::time::Duration::ZERO,
            private: false,
        };
        Self { traits }
    }
}

#[async_trait]
impl Source for Engine {
    fn traits(&self) -> &SourceTraits {
        &self.traits
    }

    async fn manifest(&self, _: &Asked, _: &Reference) -> Result<Option<Manifest>, SourceError> {
        Ok(None)
    }

    async fn blob(&self, _: &Asked, _: &Digest) -> Result<Option<SourceBlob>, SourceError> {
        Ok(None)
    }

    async fn tags(&self, _: &Asked) -> Result<Option<Vec<Tag>>, SourceError> {
        Ok(None)
    }

    async fn repositories(&self, _: &Principal) -> Result<Vec<RepositoryName>, SourceError> {
        Ok(Vec::new())
    }

    async fn status(&self) -> SourceStatus {
        SourceStatus { description: self.traits.label.clone(), images: None, problem: None, note: None }
    }
}
