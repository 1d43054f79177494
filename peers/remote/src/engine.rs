//! One container engine as a source.

mod allowed;
pub(crate) mod archive;
pub(crate) mod containerd;
mod current;
mod docker;
pub(crate) mod driver;
mod ground;
mod kind;
mod load;
mod manifest;
pub(crate) mod name;
mod recent;
mod saves;
mod search;
mod settings;
mod socket;
mod spool;
mod statistics;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dockless_oci::{Digest, Reference, RepositoryName, Tag};
use dockless_registry::access::Access;
use dockless_registry::{
    Asked, Manifest, Principal, Source, SourceBlob, SourceError, SourceKind, SourceStatus, SourceTraits,
};
use dockless_runtime::{BoxFuture, Runtime};

use allowed::Tagged;
use current::Current;
use driver::{Driver, EngineTraits, Image};
use ground::Ground;
use name::candidates;
use recent::Recent;
use search::Search;

pub use load::{Load, LoadError, LoadManifest};
pub use settings::{EngineAddress, EngineAddressError, EngineSettings, Share};
pub use statistics::EngineMetrics;

/// A container engine of this machine as a source: docker, containerd or podman, whichever answers at the socket.
///
/// Nothing of it is ever taken for granted: which engine it is is asked again after it was down, a name is looked up
/// at each request, and a blob is answered only while an image of the asked repository has it.
pub struct Engine {
    traits: SourceTraits,
    share: Share,
    access: Arc<Access>,
    current: Arc<Current>,
    /// Under which name of the engine a digest was last found. A hint: it is asked for anew.
    places: Recent<(RepositoryName, Option<Box<str>>, Digest), String>,
    /// Under which name the last manifest of a repository was found: most digests asked for next are parts of it.
    pulled: Recent<(RepositoryName, Option<Box<str>>), String>,
}

impl Engine {
    /// The engine behind the socket that `settings` name. Asks nothing yet: it may be down, or start later. It answers a
    /// repository to those who by `access` may pull what lists call it, by whatever name they ask for it.
    #[must_use]
    pub fn new(
        runtime: Runtime,
        settings: EngineSettings,
        access: Arc<Access>,
        metrics: &EngineMetrics,
    ) -> Self {
        let ground = Arc::new(Ground::new(runtime, &settings, metrics));
        let traits = SourceTraits {
            label: format!("engine {}", settings.address),
            kind: SourceKind::Engine,
            absence_holds: Duration::ZERO,
            private: access.has_rules(),
        };
        let current = Arc::new(Current::new(ground));
        Self {
            traits,
            share: settings.share,
            access,
            current,
            places: Recent::default(),
            pulled: Recent::default(),
        }
    }

    /// Puts an image into the engine under the name that a pull of its repository and tag looks for first, in place of
    /// an image that has it. The engine checks every byte; nothing of it is kept here. One that keeps manifests gets
    /// all of them as they were pushed; another one the image that runs on this machine.
    ///
    /// # Errors
    /// [`LoadError`]; the name then stands for what it stood for. After half an hour at the latest.
    pub async fn load(&self, image: &Load) -> Result<(), LoadError> {
        let search = self.search(&image.asked).await;
        let search = search.map_err(|error| LoadError::Unavailable(error.to_string()))?;
        let meant = search.as_ref().and_then(|search| Some((search, search.repositories.first()?)));
        let Some((search, repository)) = meant else {
            let repository = &image.asked.repository;
            return Err(LoadError::NotShared(format!("{} does not share {repository}", self.traits.label)));
        };
        self.check_pushed_name(search, image).await?;
        let loaded = search.driver.load(&format!("{repository}:{}", image.tag), image).await;
        if let Err(LoadError::Unavailable(_)) = &loaded {
            self.current.lost(&search.driver);
        }
        loaded
    }

    /// Where to look for what is asked; `None` when none of it is shared, or for the one who asks. The door looked at
    /// the name in the request alone, of which the engine's repositories have several.
    async fn search(&self, asked: &Asked) -> Result<Option<Search>, SourceError> {
        if self.share == Share::None {
            return Ok(None);
        }
        let driver = self.current.driver().await?;
        let repositories = candidates(asked, driver.traits().names_local);
        let repositories = self.allowed(&driver, &asked.principal, repositories).await?;
        Ok((!repositories.is_empty()).then_some(Search { driver, repositories }))
    }

    /// How many of these images have a name that is shared.
    fn count_shared(&self, images: &[Image], local: bool) -> u64 {
        let tagged = Tagged::new(images, local);
        let is_shared = |image: &&Image| {
            self.share == Share::All
                || image.parsed_names().any(|name| self.share.allows(&tagged.ruled(&name.repository)))
        };
        images.iter().filter(is_shared).count() as u64
    }

    /// Notes when an engine is lost, or may be another one.
    fn noted<T>(&self, driver: &Arc<dyn Driver>, result: Result<T, SourceError>) -> Result<T, SourceError> {
        match &result {
            Err(SourceError::Unavailable(_)) => self.current.lost(driver),
            Err(SourceError::Damaged(_)) => self.current.doubt(driver),
            _ => {}
        }
        result
    }
}

#[async_trait]
impl Source for Engine {
    fn traits(&self) -> &SourceTraits {
        &self.traits
    }

    async fn manifest(&self, asked: &Asked, reference: &Reference) -> Result<Option<Manifest>, SourceError> {
        let Some(search) = self.search(asked).await? else { return Ok(None) };
        let found = match reference {
            Reference::Tag(tag) => self.tagged(&search, asked, tag).await,
            Reference::Digest(digest) => {
                let (driver, wanted) = (&search.driver, digest.clone());
                let look = |image| child(driver.clone(), image, wanted.clone());
                self.first(&search, asked, digest, look).await
            }
        };
        self.noted(&search.driver, found)
    }

    async fn blob(&self, asked: &Asked, digest: &Digest) -> Result<Option<SourceBlob>, SourceError> {
        let Some(search) = self.search(asked).await? else { return Ok(None) };
        let look = |image| blob(search.driver.clone(), image, digest.clone());
        let found = self.first(&search, asked, digest, look).await;
        self.noted(&search.driver, found)
    }

    async fn tags(&self, asked: &Asked) -> Result<Option<Vec<Tag>>, SourceError> {
        let Some(search) = self.search(asked).await? else { return Ok(None) };
        let tags = search.tags().await;
        self.noted(&search.driver, tags)
    }

    async fn repositories(&self, principal: &Principal) -> Result<Vec<RepositoryName>, SourceError> {
        if self.share == Share::None {
            return Ok(Vec::new());
        }
        let driver = self.current.driver().await?;
        let images = self.noted(&driver, driver.images().await)?;
        Ok(self.listed(principal, &images, driver.traits().names_local))
    }

    async fn status(&self) -> SourceStatus {
        let driver = match self.current.driver().await {
            Ok(driver) => driver,
            Err(error) => {
                let description = self.traits.label.clone();
                return SourceStatus {
                    description,
                    images: None,
                    problem: Some(error.to_string()),
                    note: None,
                };
            }
        };
        let images = driver.images().await;
        if let Err(SourceError::Unavailable(_)) = &images {
            self.current.lost(&driver);
        }
        let EngineTraits { description, note, names_local } = driver.traits().clone();
        SourceStatus {
            description,
            images: images.as_ref().ok().map(|images| self.count_shared(images, names_local)),
            problem: images.err().map(|error| error.to_string()),
            note,
        }
    }
}

/// [`Driver::child`] as a future of its own.
fn child<'a>(
    driver: Arc<dyn Driver>,
    image: Image,
    digest: Digest,
) -> BoxFuture<'a, Result<Option<Manifest>, SourceError>> {
    Box::pin(async move { driver.child(&image, &digest).await })
}

/// [`Driver::blob`] as a future of its own.
fn blob<'a>(
    driver: Arc<dyn Driver>,
    image: Image,
    digest: Digest,
) -> BoxFuture<'a, Result<Option<SourceBlob>, SourceError>> {
    Box::pin(async move { Ok(driver.blob(&image, &digest).await?.map(SourceBlob::InPlace)) })
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Engine").field("label", &self.traits.label).finish_non_exhaustive()
    }
}
